"""Sheets without ink, and noise."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from shared.vision.signature import Pixels

Floats = NDArray[np.float64]


def blank(generator: Generator) -> Pixels:
    """Return an empty sheet: plain, of grained paper, under slanting light, or in a vignette."""
    height, width = generator.integers(16, 320, 2)
    shade = generator.choice([255.0, 250.0, 235.0, 200.0, 0.0])
    kind = generator.integers(0, 4)
    sheet = np.full((height, width), shade)
    if kind == 1:
        sheet += generator.normal(0, generator.uniform(1, 6), sheet.shape)
    elif kind == 2:
        sheet *= slope(height, width, generator.uniform(0, 2 * np.pi), generator.uniform(0.4, 0.9))
    elif kind == 3:
        sheet *= _vignette(height, width, generator.uniform(0.2, 0.5))
    return to_bytes(sheet)


def noise(generator: Generator) -> Pixels:
    """Return uniform, normal or salt-and-pepper noise."""
    shape = tuple(generator.integers(20, 200, 2))
    kind = generator.integers(0, 3)
    if kind == 0:
        return generator.integers(0, 256, shape, np.uint8)
    if kind == 1:
        return to_bytes(generator.normal(generator.uniform(80, 180), generator.uniform(15, 70), shape))
    draw, amount = generator.random(shape), generator.uniform(0.05, 0.5)
    ground = generator.choice([0, 128, 255])
    return to_bytes(np.select([draw < amount / 2, draw > 1 - amount / 2], [0.0, 255.0], float(ground)))


def slope(height: int, width: int, angle: float, least: float) -> Floats:
    """Return light (height, width) that falls evenly from 1 to `least` in a direction."""
    rows, columns = np.mgrid[0:height, 0:width]
    along = columns * np.cos(angle) + rows * np.sin(angle)
    along = (along - along.min()) / max(float(np.ptp(along)), 1.0)
    return np.asarray(1 - (1 - least) * along, np.float64)


def _vignette(height: int, width: int, loss: float) -> Floats:
    """Return light that falls off to the corners."""
    rows, columns = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    return np.asarray(1 - loss * (rows**2 + columns**2) / 2, np.float64)


def to_bytes(values: NDArray[np.generic]) -> Pixels:
    """Round and clip to uint8."""
    return np.asarray(values, np.float64).round().clip(0, 255).astype(np.uint8)
