"""Noise and light: shot noise, salt and pepper, brightness."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_PHOTONS = 3
_SALT_AND_PEPPER = 0.17
_BRIGHTER = 0.5


def shot_noise(images: Floats, generator: Generator) -> Floats:
    """Count light in three photons a full white."""
    return (generator.poisson(images * _PHOTONS) / _PHOTONS).astype(np.float32)


def impulse_noise(images: Floats, generator: Generator) -> Floats:
    """Set 17 % of the pixels to black or white."""
    draw = generator.random(images.shape, np.float32)
    salted = np.where(draw < _SALT_AND_PEPPER / 2, np.float32(1), images)
    return np.where(draw > 1 - _SALT_AND_PEPPER / 2, np.float32(0), salted)


def brightness(images: Floats, _: Generator) -> Floats:
    """Lift every pixel by half of the range."""
    return images + np.float32(_BRIGHTER)
