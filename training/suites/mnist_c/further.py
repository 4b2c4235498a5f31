"""Corruptions that MNIST-C's authors tried and left out of their fifteen, at the strengths of their reference."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from training.suites.mnist_c.blur import blur
from training.suites.mnist_c.overlay import full_line

Floats = NDArray[np.float32]

_GRAIN = 0.38
_SPECKLE = 0.6
_BLUR = 2.0
_DEFOCUS = 3
_CONTRAST = 0.1
_PIXELS = 11
_JPEG_QUALITY = 7


def gaussian_noise(images: Floats, generator: Generator) -> Floats:
    """Add normal noise."""
    return images + generator.normal(0, _GRAIN, images.shape).astype(np.float32)


def speckle_noise(images: Floats, generator: Generator) -> Floats:
    """Add normal noise in proportion to the light."""
    return images + images * generator.normal(0, _SPECKLE, images.shape).astype(np.float32)


def gaussian_blur(images: Floats, _: Generator) -> Floats:
    """Blur by two pixels."""
    return blur(images, _BLUR)


def defocus_blur(images: Floats, _: Generator) -> Floats:
    """Blur by a disk of radius three."""
    rows, columns = np.mgrid[-_DEFOCUS : _DEFOCUS + 1, -_DEFOCUS : _DEFOCUS + 1]
    disk = (rows**2 + columns**2 <= _DEFOCUS**2).astype(np.float32)
    return np.asarray([cv2.filter2D(image, -1, disk / disk.sum()) for image in images], np.float32)


def contrast(images: Floats, _: Generator) -> Floats:
    """Leave a tenth of the contrast about the mean."""
    means = images.mean(axis=(1, 2), keepdims=True)
    return np.asarray((images - means) * _CONTRAST + means, np.float32)


def pixelate(images: Floats, _: Generator) -> Floats:
    """Show 11×11 pixels as squares."""
    small = (cv2.resize(image, (_PIXELS, _PIXELS), interpolation=cv2.INTER_AREA) for image in images)
    side = images.shape[1]
    return np.asarray(
        [cv2.resize(image, (side, side), interpolation=cv2.INTER_NEAREST) for image in small], np.float32
    )


def jpeg_compression(images: Floats, _: Generator) -> Floats:
    """Compress at quality 7."""
    quality = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
    coded = (cv2.imencode(".jpg", (image * 255).astype(np.uint8), quality)[1] for image in images)
    return np.asarray([cv2.imdecode(data, cv2.IMREAD_GRAYSCALE) for data in coded], np.float32) / np.float32(
        255
    )


def quantize(images: Floats, _: Generator) -> Floats:
    """Leave black and white."""
    return (images > 0.5).astype(np.float32)


def line(images: Floats, generator: Generator) -> Floats:
    """Draw a line across, from near the left edge to near the right one."""
    return images + full_line(len(images), generator)


def inverse(images: Floats, _: Generator) -> Floats:
    """Show it dark on light."""
    return np.asarray(1 - images, np.float32)
