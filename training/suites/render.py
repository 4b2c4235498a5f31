"""Ways to show a 28×28 digit, light on dark, that change nothing of what it says."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.random import Generator

from shared.vision.signature import Pixels
from training.suites.no_digits.grounds import slope, to_bytes

INKS = {"blue": (30, 60, 160), "red": (190, 40, 40), "green": (30, 120, 60), "pencil": (110, 110, 110)}
PAPERS = ((255, 255, 255), (250, 244, 225))
SHEET = 140
"""Side at which a digit is drawn on paper: five times MNIST's."""
_JPEG_QUALITY = 30
_SHADOW = 0.45
"""What a shadow leaves of the light."""

Change = Callable[[Pixels, Generator], Pixels]


def enlarge(image: Pixels, side: int) -> Pixels:
    """Return the digit's ink at another size."""
    method = cv2.INTER_AREA if side < image.shape[0] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, (side, side), interpolation=method), np.uint8)


def invert(image: Pixels, _: Generator) -> Pixels:
    """Show it dark on light."""
    return 255 - image


def in_ink(name: str) -> Change:
    """Show it in a coloured ink on white or cream paper."""

    def change(image: Pixels, generator: Generator) -> Pixels:
        cover = enlarge(image, SHEET)[:, :, None] / 255
        paper = np.array(PAPERS[int(generator.integers(len(PAPERS)))], float)
        return to_bytes(paper * (1 - cover) + np.array(INKS[name], float) * cover)

    return change


def under_slope(image: Pixels, generator: Generator) -> Pixels:
    """Show it on paper that lies in light falling off to one side."""
    light = slope(SHEET, SHEET, generator.uniform(0, 2 * np.pi), _SHADOW)
    return to_bytes((255 - enlarge(image, SHEET)) * light)


def under_edge(image: Pixels, generator: Generator) -> Pixels:
    """Show it on paper with the edge of a shadow across it."""
    along = slope(SHEET, SHEET, generator.uniform(0, 2 * np.pi), 0.0)
    shade = np.where(along > generator.uniform(0.25, 0.75), 1.0, _SHADOW)
    return to_bytes((255 - enlarge(image, SHEET)) * cv2.GaussianBlur(shade, (7, 7), 0))


def at_size(side: int) -> Change:
    """Show it dark on white at another size of the picture."""
    return lambda image, _: 255 - enlarge(image, side)


def off_centre(image: Pixels, generator: Generator) -> Pixels:
    """Show it somewhere on a sheet with margins of up to three times its size."""
    digit = 255 - enlarge(image, SHEET)
    left, top, right, bottom = generator.integers(0, 3 * SHEET, 4)
    return np.asarray(
        cv2.copyMakeBorder(
            digit, int(top), int(bottom), int(left), int(right), cv2.BORDER_CONSTANT, value=255
        ),
        np.uint8,
    )


def bolder(image: Pixels, _: Generator) -> Pixels:
    """Show it written by a pen twice as wide."""
    ink = cv2.copyMakeBorder(
        enlarge(image, SHEET), SHEET // 7, SHEET // 7, SHEET // 7, SHEET // 7, cv2.BORDER_CONSTANT, value=0
    )
    width = pen_width(np.asarray(ink, np.uint8))
    pen = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width | 1, width | 1))
    return np.asarray(255 - cv2.dilate(ink, pen), np.uint8)


def pen_width(ink: Pixels) -> int:
    """Return the usual width of a stroke: four times the mean distance of its pixels to the ground."""
    mask = (ink > 127).astype(np.uint8)
    distance = cv2.distanceTransform(mask, cv2.DIST_L2, 5)
    return max(1, round(4 * float(distance[mask > 0].mean())))


def as_jpeg(image: Pixels, _: Generator) -> Pixels:
    """Show it after a strong JPEG compression."""
    quality = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
    data = cv2.imencode(".jpg", 255 - enlarge(image, SHEET), quality)[1]
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), np.uint8)
