"""Paper, light and camera: what lies around, under and over ink on a page."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Plane = NDArray[np.float32]

_INKS = ((20, 30, 130), (30, 60, 200), (170, 30, 40), (20, 110, 50), (90, 40, 120), (60, 60, 65))
"""Colours of pens, RGB."""


def finish(ink: Plane, height: float, rng: np.random.Generator) -> Pixels:
    """Lay ink (H, W) in 0..1 on a page, with all that befalls a page; uint8 (h, w) or (h, w, 3)."""
    ink = _place(ink, height, rng)
    printed = _printed(ink.shape, ink, height, rng)
    page = _coloured(ink, printed, rng) if rng.random() < 0.25 else _grey(ink, printed, rng)
    return _photograph(page, height, rng)


def _place(ink: Plane, height: float, rng: np.random.Generator) -> Plane:
    """Cut the sheet tight or widen it, and put the ink somewhere on it."""
    x, y, width, tall = cv2.boundingRect((ink > 0.2).astype(np.uint8))
    if not width:
        return ink
    tight = ink[y : y + tall, x : x + width]
    loose = rng.random() < 0.35
    most = 1.6 if loose else 0.45
    top, bottom, left, right = (
        round(share * height) for share in rng.uniform(0.0 if rng.random() < 0.1 else 0.06, most, 4)
    )
    sheet = cv2.copyMakeBorder(tight, top, bottom, left, right, cv2.BORDER_CONSTANT, value=0)
    return np.asarray(sheet, np.float32)


def _printed(shape: tuple[int, ...], ink: Plane, height: float, rng: np.random.Generator) -> Plane:
    """Print rules, squares, a box or its remains on the sheet; strength in 0..1."""
    printed, kind = np.zeros(shape, np.float32), rng.random()
    width = max(1, round(rng.uniform(0.01, 0.04) * height))
    if kind < 0.08:
        for place in np.arange(rng.uniform(0, 1) * height, shape[0], rng.uniform(0.5, 1.4) * height):
            printed[int(place) : int(place) + width] = 1
    elif kind < 0.14:
        pitch = rng.uniform(0.25, 0.8) * height
        for place in np.arange(rng.uniform(0, 1) * pitch, max(shape), pitch):
            printed[int(place) : int(place) + width] = 1
            printed[:, int(place) : int(place) + width] = 1
    elif kind < 0.24:
        inset = [int(v) for v in rng.uniform(0, 0.05, 4) * min(shape)]
        frame = (inset[0], inset[1]), (shape[1] - 1 - inset[2], shape[0] - 1 - inset[3])
        cv2.rectangle(printed, *frame, 1.0, width)
    elif kind < 0.32:
        _leave_remains(printed, width, rng)
    return printed * np.float32(rng.uniform(0.15, 0.5) if kind < 0.14 else rng.uniform(0.3, 1.0))


def _leave_remains(printed: Plane, width: int, rng: np.random.Generator) -> None:
    """Leave a part of a frame's side, or a few specks, along the sheet's edges."""
    rows, columns = printed.shape
    for _ in range(int(rng.integers(1, 3))):
        start, length = rng.uniform(0, 0.8), rng.uniform(0.1, 0.9)
        depth = int(rng.uniform(0, 0.04) * min(rows, columns))
        line = slice(int(start * columns), int((start + length) * columns))
        side = slice(int(start * rows), int((start + length) * rows))
        match int(rng.integers(4)):
            case 0:
                printed[depth : depth + width, line] = 1
            case 1:
                printed[rows - depth - width : rows - depth, line] = 1
            case 2:
                printed[side, depth : depth + width] = 1
            case _:
                printed[side, columns - depth - width : columns - depth] = 1


def _grey(ink: Plane, printed: Plane, rng: np.random.Generator) -> Plane:
    """Mix ink, print and paper in grey; 0..255."""
    ground = rng.uniform(140, 255) if rng.random() < 0.6 else 255.0
    contrast = rng.uniform(0.2, 0.6) if rng.random() < 0.25 else rng.uniform(0.6, 1.0)
    dark = np.maximum(ink, printed * np.float32(rng.uniform(0.4, 1.0)))
    page = ground * (1 - contrast * dark)
    return np.asarray(255 - page if rng.random() < 0.12 else page, np.float32)


def _coloured(ink: Plane, printed: Plane, rng: np.random.Generator) -> Plane:
    """Mix coloured ink, grey or coloured print and tinted paper; RGB, 0..255."""
    ground = np.array([255, 255, 255], np.float32) - rng.uniform(0, 60) * rng.random(3).astype(np.float32)
    pen = np.array(_INKS[rng.integers(len(_INKS))], np.float32) + rng.uniform(-20, 40)
    rule = np.array(_INKS[rng.integers(len(_INKS))], np.float32)
    rule += (255 - rule) * np.float32(rng.uniform(0.2, 0.7))
    part = ink[..., None] * np.float32(rng.uniform(0.55, 1.0))
    page = ground + printed[..., None] * (rule - ground)
    return np.asarray(page + part * (pen - page), np.float32)


def _photograph(page: Plane, height: float, rng: np.random.Generator) -> Pixels:
    """Add light, shadow, blur, grain and compression."""
    if rng.random() < 0.3:
        light = _light(page.shape[:2], rng)
        page = page * (light if page.ndim == 2 else light[..., None])
    if rng.random() < 0.3:
        page = np.asarray(cv2.GaussianBlur(page, (0, 0), rng.uniform(0.01, 0.06) * height + 0.1), np.float32)
    if rng.random() < 0.4:
        page = page + rng.normal(0, rng.uniform(1, 12), page.shape).astype(np.float32)
    picture = np.clip(page, 0, 255).astype(np.uint8)
    if rng.random() < 0.3:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(12, 90))]
        coded = cv2.imencode(".jpg", picture, quality)[1]
        picture = np.asarray(cv2.imdecode(coded, cv2.IMREAD_UNCHANGED), np.uint8)
    return picture


def _light(shape: tuple[int, int], rng: np.random.Generator) -> Plane:
    """Return light that falls off along a slope, or a shadow with an edge; factors in 0..1."""
    rows, columns = shape
    ys, xs = np.mgrid[:rows, :columns].astype(np.float32)
    angle = rng.uniform(0, 2 * math.pi)
    place = (xs / columns - 0.5) * math.cos(angle) + (ys / rows - 0.5) * math.sin(angle)
    if rng.random() < 0.6:
        return np.asarray(1 - rng.uniform(0.1, 0.6) * (place + 0.7) / 1.4, np.float32)
    edge = rng.uniform(0.01, 0.15)
    shadow = np.clip((place - rng.uniform(-0.3, 0.3)) / edge + 0.5, 0, 1)
    return np.asarray(1 - rng.uniform(0.15, 0.5) * shadow, np.float32)


def scan(ink: Plane, height: float, rng: np.random.Generator) -> Pixels:
    """Lay ink on a clean sheet as an office scanner shows it; uint8 (h, w)."""
    ink = _place(ink, height, rng)
    ground = np.float32(rng.uniform(215, 255))
    page: Plane = ground * (1 - np.float32(rng.uniform(0.55, 1.0)) * ink)
    page = np.asarray(cv2.GaussianBlur(page, (0, 0), rng.uniform(0.005, 0.03) * height + 0.1), np.float32)
    page = page + rng.normal(0, rng.uniform(0.5, 5), page.shape).astype(np.float32)
    picture = np.clip(page, 0, 255).astype(np.uint8)
    if rng.random() < 0.5:
        coded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(55, 95))])[1]
        picture = np.asarray(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE), np.uint8)
    return np.asarray(picture, np.uint8)
