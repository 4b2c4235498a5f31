"""Digits as small services exchange them, 28×28 and light on dark, spoilt on the way, then prepared like any other.

Lines across, inverted bars, noise, clouds, outlines: relatives of what MNIST-C does (Mu and Gilmer, arXiv
1906.02337), with shapes and strengths of our own, drawn anew for every picture. A figure on MNIST-C therefore speaks
for a network that has seen such kinds of damage, and the card says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Plane = NDArray[np.float32]
Points = NDArray[np.float64]
SIDE = 28


def spoil(digit: Pixels, rng: np.random.Generator) -> Pixels:
    """Spoil an MNIST digit (28, 28) in one way, at times in two; uint8 (28, 28)."""
    picture: Plane = np.asarray(digit.astype(np.float32) / 255, np.float32)
    if rng.random() < 0.35:
        picture = _move(picture, rng)
    for _ in range(1 if rng.random() < 0.8 else 2):
        picture = KINDS[rng.integers(len(KINDS))](picture, rng)
    return np.asarray(np.clip(picture, 0, 1) * 255, np.uint8)


def _move(picture: Plane, rng: np.random.Generator) -> Plane:
    """Turn, scale, shear and shift, further than a hand does."""
    angle, scale = rng.uniform(-25, 25), math.exp(rng.uniform(-0.5, 0.2))
    matrix = np.asarray(cv2.getRotationMatrix2D((13.5, 13.5), angle, scale), np.float64)
    matrix[:, 2] += rng.uniform(-4, 4, 2)
    matrix[0, 1] += rng.uniform(-0.4, 0.4)
    return np.asarray(cv2.warpAffine(picture, matrix, (SIDE, SIDE)), np.float32)


def _line(picture: Plane, rng: np.random.Generator) -> Plane:
    """Draw a straight, broken, crooked or wavy line across, whole or dotted."""
    dense = _path(rng)
    sheet = np.zeros((SIDE, SIDE), np.float32)
    pitch = int(rng.choice([1, 1, 3, 4, 6]))
    if pitch == 1 and rng.random() < 0.5:
        sixteenths = np.round(dense * 16).astype(np.int32)
        cv2.polylines(sheet, [sixteenths], False, 1.0, 1, cv2.LINE_AA, 4)
        sheet *= np.float32(rng.uniform(0.8, 1.4))
    else:
        _dashes(sheet, dense, pitch, 1 if rng.random() < 0.75 else 2)
    return np.asarray(np.maximum(picture, sheet * np.float32(rng.uniform(0.5, 1.0))), np.float32)


def _path(rng: np.random.Generator) -> Points:
    """Draw the course of a line from one side to the other; (240, 2)."""
    corners = int(rng.choice([2, 2, 3, 5, 8, 11, 14, 18]))
    along = np.linspace(rng.uniform(-3, 6), rng.uniform(20, 31), corners)
    across = rng.uniform(0, 28) + rng.uniform(-12, 12) * np.linspace(-0.5, 0.5, corners)
    reach = rng.uniform(0.8, 5 if corners < 8 else 3.5)
    across = across + reach * np.where(np.arange(corners) % 2, 1, -1) * (corners > 2)
    if corners > 3 and rng.random() < 0.35:
        across = across + rng.normal(0, 0.8, corners)
    points = np.stack((along, across) if rng.random() < 0.6 else (across, along), 1)
    place = np.linspace(0, corners - 1, 240)
    if corners > 3 and rng.random() < 0.3:
        place += 0.15 * np.sin(2 * math.pi * place)
    return np.stack([np.interp(place, np.arange(corners), points[:, axis]) for axis in (0, 1)], 1)


def _dashes(sheet: Plane, dense: Points, pitch: int, width: int) -> None:
    """Draw a course in whole pixels, or a part of every so many steps of it."""
    for number, start in enumerate(range(0, len(dense) - 8, 8)):
        if pitch == 1 or number % pitch < max(1, pitch // 2):
            steps = dense[start : start + 9] if pitch == 1 else dense[start : start + 5]
            cv2.polylines(sheet, [np.round(steps).astype(np.int32)], False, 1.0, width)


def _bars(picture: Plane, rng: np.random.Generator) -> Plane:
    """Invert everything on one side, on both sides, or within a band."""
    spoilt = picture.copy()
    first, last = sorted(rng.integers(0, SIDE + 1, 2))
    if rng.random() < 0.6:
        first, last = int(rng.integers(3, 11)), int(rng.integers(17, 26))
    inside = np.zeros(SIDE, bool)
    inside[first:last] = True
    chosen = inside if rng.random() < 0.35 else ~inside
    if rng.random() < 0.7:
        spoilt[:, chosen] = 1 - spoilt[:, chosen]
    else:
        spoilt[chosen] = 1 - spoilt[chosen]
    return spoilt


def _dots(picture: Plane, rng: np.random.Generator) -> Plane:
    """Set single pixels to light or dark."""
    hit = rng.random((SIDE, SIDE)) < rng.uniform(0.02, 0.3)
    return np.where(hit, (rng.random((SIDE, SIDE)) < rng.uniform(0.3, 0.7)).astype(np.float32), picture)


def _photons(picture: Plane, rng: np.random.Generator) -> Plane:
    """Count few photons, or add grain."""
    if rng.random() < 0.5:
        light = math.exp(rng.uniform(math.log(1.5), math.log(30)))
        return np.asarray(rng.poisson(np.clip(picture, 0, 1) * light) / light, np.float32)
    return np.asarray(picture + rng.normal(0, rng.uniform(0.05, 0.35), (SIDE, SIDE)), np.float32)


def _clouds(picture: Plane, rng: np.random.Generator) -> Plane:
    """Lay clouds of several sizes over the picture, which takes its contrast."""
    field = np.zeros((SIDE, SIDE), np.float32)
    for cells in (2, 4, 8, 16):
        coarse = rng.random((cells + 1, cells + 1), np.float32)
        layer = np.asarray(cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC), np.float32)
        field += layer / np.float32(math.sqrt(cells))
    field = (field - field.min()) / max(float(np.ptp(field)), 1e-6)
    amount = np.float32(rng.uniform(0.5, 2.2))
    return np.asarray((picture + amount * field) / (1 + amount), np.float32)


def _light(picture: Plane, rng: np.random.Generator) -> Plane:
    """Lift the ground, along a slope at times."""
    lift = rng.uniform(0.15, 0.7)
    slope = np.linspace(0, 1, SIDE, dtype=np.float32).reshape((1, SIDE) if rng.random() < 0.5 else (SIDE, 1))
    ground = lift * (slope if rng.random() < 0.4 else 1.0)
    return np.asarray(
        ground + picture * (1 - np.max(ground)) if rng.random() < 0.5 else picture + ground, np.float32
    )


def _outline(picture: Plane, rng: np.random.Generator) -> Plane:
    """Keep the edges of the strokes only."""
    large = cv2.resize(picture, (84, 84), interpolation=cv2.INTER_CUBIC)
    solid = (cv2.GaussianBlur(large, (0, 0), rng.uniform(1, 2.5)) > rng.uniform(0.25, 0.6)).astype(np.float32)
    width = int(rng.integers(3, 6))
    edge = solid - cv2.erode(solid, np.ones((width, width), np.uint8))
    small = cv2.resize(edge, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    if rng.random() < 0.6:
        return (small > rng.uniform(0.25, 0.45)).astype(np.float32)
    return np.asarray(np.clip(small * 1.6, 0, 1), np.float32)


def _blots(picture: Plane, rng: np.random.Generator) -> Plane:
    """Splash grey or dark drops over the picture."""
    size = rng.uniform(0.8, 2.0)
    field = cv2.GaussianBlur(rng.standard_normal((SIDE, SIDE)).astype(np.float32), (0, 0), size)
    drops = field > np.quantile(field, rng.uniform(0.75, 0.97))
    return np.where(drops, np.float32(rng.choice([0.0, rng.uniform(0.15, 0.8)])), picture)


def _blur(picture: Plane, rng: np.random.Generator) -> Plane:
    """Blur evenly, along a line, or by shuffling neighbours as rough glass does."""
    match int(rng.integers(3)):
        case 0:
            return np.asarray(cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.6, 2.2)), np.float32)
        case 1:
            kernel = np.zeros((11, 11), np.float32)
            angle, reach = rng.uniform(0, math.pi), rng.uniform(2, 5)
            tip = round(5 + math.cos(angle) * reach), round(5 + math.sin(angle) * reach)
            cv2.line(kernel, (10 - tip[0], 10 - tip[1]), tip, 1.0, 1)
            return np.asarray(cv2.filter2D(picture, -1, kernel / kernel.sum()), np.float32)
        case _:
            ys, xs = np.mgrid[:SIDE, :SIDE].astype(np.float32)
            reach = rng.uniform(0.6, 1.8)
            jitter = rng.uniform(-reach, reach, (2, SIDE, SIDE)).astype(np.float32)
            shuffled = cv2.remap(picture, xs + jitter[0], ys + jitter[1], cv2.INTER_LINEAR)
            return np.asarray(cv2.GaussianBlur(shuffled, (0, 0), rng.uniform(0.3, 0.8)), np.float32)


KINDS: tuple[Callable[[Plane, np.random.Generator], Plane], ...] = (
    _line, _line, _line, _line, _line, _bars, _bars, _dots, _photons, _clouds, _clouds, _light, _outline, _outline,
    _blots, _blur,
)  # fmt: skip
"""More difficult kinds come more often."""
