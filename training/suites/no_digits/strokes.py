"""Pen strokes: scribbles, and digits that somebody crossed out."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from shared.vision.signature import Pixels

Points = NDArray[np.float64]
"""Corners (P, 2) of a stroke, as (x, y)."""
_FIXED = 4
"""Bits of fraction in what OpenCV draws."""
_DIGIT = 112
"""Side at which a digit is crossed out: four times MNIST's."""


def draw(sheet: Pixels, stroke: Points, thickness: int, shade: int = 0) -> None:
    """Draw a stroke onto a sheet, in place."""
    points = (stroke * (1 << _FIXED)).round().astype(np.int32)
    cv2.polylines(sheet, [points], False, shade, thickness, cv2.LINE_AA, _FIXED)


def smooth(corners: Points, rounds: int = 3) -> Points:
    """Round a stroke's corners by cutting them (Chaikin, Computer Graphics and Image Processing 3, 1974)."""
    for _ in range(rounds):
        near = 0.75 * corners[:-1] + 0.25 * corners[1:]
        far = 0.25 * corners[:-1] + 0.75 * corners[1:]
        inner = np.stack((near, far), axis=1).reshape(-1, 2)
        corners = np.concatenate((corners[:1], inner, corners[-1:]))
    return corners


def scribble(generator: Generator) -> Pixels:
    """Return a tangle of ten to thirty turns, a zigzag or a spiral."""
    side = int(generator.integers(48, 240))
    sheet = np.full((side, side), 255, np.uint8)
    kind = generator.integers(0, 3)
    turns = int(generator.integers(10, 30))
    if kind == 0:
        stroke = generator.uniform(0.12, 0.88, (turns, 2))
    elif kind == 1:
        stroke = _zigzag(turns, generator)
    else:
        stroke = _spiral(generator)
    draw(sheet, smooth(stroke) * side, int(generator.integers(2, max(3, side // 24))))
    return sheet


def _zigzag(turns: int, generator: Generator) -> Points:
    """Return a pen's quick to and fro across the sheet, turned by any angle."""
    along = np.linspace(0.15, 0.85, turns) + generator.normal(0, 0.02, turns)
    beside = 0.5 + np.where(np.arange(turns) % 2, 0.3, -0.3) * generator.uniform(0.6, 1.1, turns)
    return _turned(np.stack((along, beside), axis=1), generator.uniform(0, np.pi))


def _spiral(generator: Generator) -> Points:
    """Return three to six rounds that grow from the middle."""
    angle = np.linspace(0, 2 * np.pi * generator.uniform(3, 6), 120)
    radius = 0.38 * angle / angle[-1] + generator.normal(0, 0.008, len(angle))
    return 0.5 + np.stack((radius * np.cos(angle), radius * np.sin(angle)), axis=1)


def _turned(points: Points, angle: float) -> Points:
    """Turn a stroke about the middle of the unit square."""
    cos, sin = np.cos(angle), np.sin(angle)
    return np.asarray((points - 0.5) @ np.array([[cos, -sin], [sin, cos]]) + 0.5, np.float64)


def crossed_out(digit: Pixels, generator: Generator) -> Pixels:
    """Return a digit (28, 28, light on dark) under an X, several strokes or a heavy scribble, dark on white."""
    large = cv2.resize(digit, (_DIGIT, _DIGIT), interpolation=cv2.INTER_CUBIC)
    sheet = np.asarray(255 - large, np.uint8)
    left, top, width, height = cv2.boundingRect((large > 64).astype(np.uint8))
    box = np.array([max(width, _DIGIT // 3), max(height, _DIGIT // 3)])
    corner = np.array([left, top]) + (np.array([width, height]) - box) / 2
    thickness = int(generator.integers(5, 11))
    for stroke in _cancelling(int(generator.integers(0, 3)), generator):
        draw(sheet, stroke * box + corner, thickness)
    return sheet


def _cancelling(kind: int, generator: Generator) -> list[Points]:
    """Return strokes in the unit square of a digit that strike it out."""
    if kind == 0:
        ends = np.array([[[0.0, 0.0], [1.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]]])
        return list(ends + generator.normal(0, 0.08, ends.shape))
    if kind == 1:
        return _parallel(int(generator.integers(3, 6)), generator)
    turns = int(generator.integers(9, 16))
    beside = np.where(np.arange(turns) % 2, 0.95, 0.05) + generator.normal(0, 0.06, turns)
    zigzag = np.stack((beside, np.linspace(0.05, 0.95, turns)), axis=1)
    return [_turned(zigzag, generator.uniform(-0.6, 0.6))]


def _parallel(count: int, generator: Generator) -> list[Points]:
    """Return lines side by side across the square, slanting as one."""
    heights = np.linspace(0.12, 0.88, count) + generator.normal(0, 0.03, count)
    angle = generator.uniform(-0.7, 0.7)
    return [_turned(np.array([[-0.1, height], [1.1, height]]), angle) for height in heights]
