"""Fog: a fractal cloud over a digit of a quarter of its strength."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_THICKNESS = 3.0
_DECAY = 1.4
_ROUGHNESS = 100.0
_MAP = 256
_AT_ONCE = 32
"""Clouds that are grown together: more fall out of the cache."""


def fog(images: Floats, generator: Generator) -> Floats:
    """Lay the corner of a fractal cloud over each digit."""
    side, peak = images.shape[1], images.max(axis=(1, 2), keepdims=True)
    parts = []
    for first in range(0, len(images), _AT_ONCE):
        part = images[first : first + _AT_ONCE]
        clouds = _plasma(len(part), generator)[:, :side, :side]
        parts.append(part + np.float32(_THICKNESS) * clouds)
    return np.asarray(np.concatenate(parts) * peak / (peak + _THICKNESS), np.float32)


def _plasma(count: int, generator: Generator) -> Floats:
    """Grow height maps in 0..1 by the diamond-square algorithm on a torus (Fournier et al., CACM 25, 1982)."""
    maps = np.zeros((count, _MAP, _MAP), np.float32)
    step, rough = _MAP, _ROUGHNESS
    while step >= 2:
        _squares(maps, step, rough, generator)
        _diamonds(maps, step, rough, generator)
        step, rough = step // 2, rough / _DECAY
    maps -= maps.min(axis=(1, 2), keepdims=True)
    maps /= maps.max(axis=(1, 2), keepdims=True)
    return maps


def _squares(maps: Floats, step: int, rough: float, generator: Generator) -> None:
    """Set the middle of each square from its corners."""
    corner = maps[:, ::step, ::step]
    total = corner + np.roll(corner, -1, axis=1)
    total += np.roll(total, -1, axis=2)
    maps[:, step // 2 :: step, step // 2 :: step] = _disturbed(total, rough, generator)


def _diamonds(maps: Floats, step: int, rough: float, generator: Generator) -> None:
    """Set the middle of each diamond from its corners."""
    half = step // 2
    middle, corner = maps[:, half::step, half::step], maps[:, ::step, ::step]
    across = middle + np.roll(middle, 1, axis=1) + corner + np.roll(corner, -1, axis=2)
    maps[:, ::step, half::step] = _disturbed(across, rough, generator)
    down = middle + np.roll(middle, 1, axis=2) + corner + np.roll(corner, -1, axis=1)
    maps[:, half::step, ::step] = _disturbed(down, rough, generator)


def _disturbed(total: Floats, rough: float, generator: Generator) -> Floats:
    """Return the mean of four with a random rise or fall, whose size goes with the square of the roughness."""
    noise = generator.random(total.shape, np.float32) * 2 - 1
    return total / 4 + np.float32(rough * rough) * noise
