"""Digits as people hand them in: written at full size on paper, photographed or scanned, then prepared.

What a preparation makes of shadows, rules, thin pens and JPEG is what its network must read, so these pictures go
through the very function that serves. All lengths are shares of the digit's height unless they say pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from training import paper

Pixels = NDArray[np.uint8]
Plane = NDArray[np.float32]
SIDE, BOX = 28, 20


@dataclass(frozen=True)
class Scenes:
    """How pages look; `smallest` and `largest` are the digit's height in pixels."""

    smallest: float = 12.0
    largest: float = 160.0
    rotation: float = 12.0
    shear: float = 0.2
    stretch: float = 0.15
    bend: float = 0.05
    pen: float = 0.07


_SCANNED = Scenes(smallest=28, largest=120, rotation=5, shear=0.08, stretch=0.06, bend=0.02, pen=0.03)
"""Of a form that is filled in with care and scanned in an office."""


def scan(digit: Pixels, rng: np.random.Generator) -> Pixels:
    """Write an MNIST digit (28, 28) with the writer's own pen on a clean sheet, and scan it; uint8 (H, W)."""
    height = math.exp(rng.uniform(math.log(_SCANNED.smallest), math.log(_SCANNED.largest)))
    ink = bend(enlarge(digit, height, rng), height, rng, _SCANNED)
    return paper.scan(ink, height, rng)


def write(digit: Pixels, rng: np.random.Generator, how: Scenes | None = None) -> Pixels:
    """Write an MNIST digit (28, 28) on a page of its own; uint8 (H, W) or (H, W, 3)."""
    how = how or Scenes()
    height = math.exp(rng.uniform(math.log(how.smallest), math.log(how.largest)))
    ink = bend(enlarge(digit, height, rng), height, rng, how)
    return paper.finish(change_pen(ink, height, rng, how), height, rng)


def enlarge(picture: Pixels, height: float, rng: np.random.Generator) -> Plane:
    """Draw a 28×28 picture so large that a 20-pixel box becomes `height`; strokes sharp-edged, in 0..1.

    Small pictures keep their grey edges. Of large ones a threshold takes away the blur of the enlargement.
    """
    scale = height / BOX
    side = max(round(SIDE * scale), 8)
    method = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
    large = cv2.resize(picture.astype(np.float32) / 255, (side, side), interpolation=method)
    if scale > 1.5:
        large = cv2.GaussianBlur(large, (0, 0), 0.45 * scale)
        level, width = rng.uniform(0.38, 0.5), rng.uniform(0.05, 0.25)
        large = (large - level) / width + 0.5
    return np.asarray(np.clip(large, 0, 1), np.float32)


def bend(ink: Plane, height: float, rng: np.random.Generator, how: Scenes) -> Plane:
    """Rotate, shear, stretch and bend ink elastically about its middle, on a sheet half as large again."""
    side = len(ink)
    size = round(side * 1.35)
    angle = math.radians(rng.uniform(-how.rotation, how.rotation))
    stretch = math.exp(rng.uniform(-how.stretch, how.stretch))
    shear = rng.uniform(-how.shear, how.shear)
    cos, sin = math.cos(angle), math.sin(angle)
    matrix = np.array([[cos / stretch, sin + shear * cos], [-sin / stretch, cos - shear * sin]], np.float32)
    ys, xs = np.mgrid[:size, :size].astype(np.float32) - np.float32(size / 2)
    field = rng.uniform(-1, 1, (5, 5, 2)).astype(np.float32) * np.float32(how.bend * height)
    wave = cv2.resize(field, (size, size), interpolation=cv2.INTER_CUBIC)
    map_x = matrix[0, 0] * xs + matrix[0, 1] * ys + side / 2 + wave[..., 0]
    map_y = matrix[1, 0] * xs + matrix[1, 1] * ys + side / 2 + wave[..., 1]
    bent = cv2.remap(ink, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
    return np.asarray(bent, np.float32)


def change_pen(ink: Plane, height: float, rng: np.random.Generator, how: Scenes) -> Plane:
    """Take a thicker or a thinner pen, or one that skips."""
    kind = rng.random()
    if kind < 0.45:
        ink = _widen(ink, rng.uniform(-0.35, 1) * how.pen * height)
    if rng.random() < 0.08:
        ink = _skip(ink, height, rng)
    if rng.random() < 0.05:
        ink = _cut(ink, height, rng)
    return ink


def _widen(ink: Plane, pixels: float) -> Plane:
    """Widen strokes by so many pixels, or narrow them where the number is negative."""
    size = round(abs(pixels)) + 1
    if size < 2:
        return ink
    pen = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    return np.asarray(cv2.dilate(ink, pen) if pixels > 0 else cv2.erode(ink, pen), np.float32)


def _skip(ink: Plane, height: float, rng: np.random.Generator) -> Plane:
    """Leave out grains and patches of the stroke, as a dry pen does."""
    side = max(round(len(ink) / height * rng.uniform(15, 45)), 4)
    grain = cv2.resize(rng.random((side, side), np.float32), ink.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(ink * np.clip((grain - rng.uniform(0.15, 0.4)) * 6, 0, 1), np.float32)


def _cut(ink: Plane, height: float, rng: np.random.Generator) -> Plane:
    """Cut one narrow band out of the strokes."""
    cut, side = ink.copy(), len(ink)
    middle, angle = rng.uniform(0.3, 0.7, 2) * side, rng.uniform(0, math.pi)
    reach = np.array([math.cos(angle), math.sin(angle)]) * side
    ends = [tuple(int(v) for v in middle + sign * reach) for sign in (-1, 1)]
    cv2.line(cut, ends[0], ends[1], 0.0, max(1, round(rng.uniform(0.015, 0.05) * height)))
    return cut
