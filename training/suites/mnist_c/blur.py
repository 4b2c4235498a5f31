"""Blurs and edges: frosted glass, a moving camera, outlines."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_GLASS_SIGMA = 0.7
_GLASS_ROUNDS = 2
_MOTION_TAPS = 21
_MOTION_SIGMA = 3.0
_MOTION_ANGLE = 45.0
_CANNY_SIGMA = 1.0
_CANNY_THRESHOLDS = (0.1, 0.2)
_CANNY_SCALE = 4000
"""Slopes of images in 0..1 are at most 4·√2; in 16 bits they may be this many times as large."""


def blur(images: Floats, sigma: float) -> Floats:
    """Blur each image by a Gaussian of four deviations, as scikit-image does."""
    side = 2 * int(4 * sigma + 0.5) + 1
    border = cv2.BORDER_REPLICATE
    blurred = [cv2.GaussianBlur(image, (side, side), sigma, borderType=border) for image in images]
    return np.asarray(blurred, np.float32)


def glass_blur(images: Floats, generator: Generator) -> Floats:
    """Swap pixels with near ones at random, between two blurs."""
    soft = blur(images, _GLASS_SIGMA)
    for _ in range(_GLASS_ROUNDS):
        _swap_near(soft, generator)
    return blur(soft, _GLASS_SIGMA)


def _swap_near(images: Floats, generator: Generator) -> None:
    """Swap every pixel with even chance with itself or one up or left, from the last to the first, in place."""
    side = images.shape[1]
    for row in range(side - 1, 1, -1):
        for column in range(side - 1, 1, -1):
            chosen = np.flatnonzero(generator.integers(0, 2, len(images)))
            up, left = generator.integers(-1, 1, (2, len(chosen)))
            kept = images[chosen, row, column]
            images[chosen, row, column] = images[chosen, row + up, column + left]
            images[chosen, row + up, column + left] = kept


def motion_blur(images: Floats, generator: Generator) -> Floats:
    """Smear along a direction of up to 45° by ImageMagick's one-sided kernel of radius 10 and deviation 3."""
    angles = np.deg2rad(generator.uniform(-_MOTION_ANGLE, _MOTION_ANGLE, len(images)))
    border = cv2.BORDER_REPLICATE
    blurred = [
        cv2.filter2D(image, -1, _motion_kernel(float(angle)), borderType=border)
        for image, angle in zip(images, angles, strict=True)
    ]
    return np.asarray(blurred, np.float32)


def _motion_kernel(angle: float) -> Floats:
    """Return the kernel of one direction: half of a Gaussian along a line from the middle."""
    steps = np.arange(_MOTION_TAPS)
    weights = np.exp(-(steps**2) / (2 * _MOTION_SIGMA**2))
    columns = np.ceil(steps * np.cos(angle) - 0.5).astype(int)
    rows = np.ceil(steps * np.sin(angle) - 0.5).astype(int)
    kernel = np.zeros((2 * _MOTION_TAPS - 1, 2 * _MOTION_TAPS - 1), np.float32)
    np.add.at(kernel, (rows + _MOTION_TAPS - 1, columns + _MOTION_TAPS - 1), weights / weights.sum())
    return kernel


def canny_edges(images: Floats, _: Generator) -> Floats:
    """Leave only the outlines that Canny's detector finds."""
    low, high = (threshold * _CANNY_SCALE for threshold in _CANNY_THRESHOLDS)
    edges = []
    for soft in blur(images, _CANNY_SIGMA):
        slopes = [cv2.Sobel(soft, cv2.CV_32F, *order) * _CANNY_SCALE for order in ((1, 0), (0, 1))]
        across, down = (slope.astype(np.int16) for slope in slopes)
        edges.append(cv2.Canny(across, down, low, high, L2gradient=True) > 0)
    return np.asarray(edges, np.float32)
