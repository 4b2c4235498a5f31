"""Affine changes about the middle of the picture: shear, scale, rotate, translate."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Map = tuple[tuple[float, float], tuple[float, float]]
"""Where a pixel's value comes from: rows of the matrix that takes (x, y) of the result to the source."""

_SHEAR = 0.4
_ROTATION = 0.4
_SCALE = 0.7
_SHIFT = 3


def shear(images: Floats, generator: Generator) -> Floats:
    """Slant by 0.4 radians to either side, and stretch as scikit-image's shear of then did."""
    angles = _SHEAR * _signs(generator, len(images))
    return _warp(images, [((1.0, -math.sin(angle)), (0.0, math.cos(angle))) for angle in angles])


def rotate(images: Floats, generator: Generator) -> Floats:
    """Turn by 0.4 radians to either side."""
    angles = _ROTATION * _signs(generator, len(images))
    return _warp(
        images,
        [((math.cos(angle), -math.sin(angle)), (math.sin(angle), math.cos(angle))) for angle in angles],
    )


def scale(images: Floats, _: Generator) -> Floats:
    """Shrink to 0.7 of the size."""
    return _warp(images, [((1 / _SCALE, 0.0), (0.0, 1 / _SCALE))] * len(images))


def translate(images: Floats, generator: Generator) -> Floats:
    """Shift by three pixels along both axes, to either side of each."""
    across, down = (_SHIFT * _signs(generator, len(images)) for _ in range(2))
    still: Map = ((1.0, 0.0), (0.0, 1.0))
    return _warp(images, [still] * len(images), np.stack((across, down), axis=1))


def _signs(generator: Generator, count: int) -> NDArray[np.float64]:
    """Draw −1 or 1 for each image."""
    return generator.choice(np.array([-1.0, 1.0]), count)


def _warp(images: Floats, maps: list[Map], shifts: NDArray[np.float64] | None = None) -> Floats:
    """Fetch each pixel from its source about the fixed middle, bilinearly, with black outside."""
    middle = (images.shape[1] - 1) / 2
    offsets = np.zeros((len(images), 2)) if shifts is None else shifts
    warped = []
    for image, rows, (right, under) in zip(images, maps, offsets, strict=True):
        (a, b), (c, d) = rows
        matrix = np.array(
            [[a, b, middle * (1 - a - b) + right], [c, d, middle * (1 - c - d) + under]], np.float64
        )
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        warped.append(cv2.warpAffine(image, matrix, image.shape[::-1], flags=flags))
    return np.asarray(warped, np.float32)
