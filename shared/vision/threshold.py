"""Ink parted from ground: Otsu's threshold, Sauvola's where the light is uneven, and what a blank sheet is."""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from shared.vision.components import around
from shared.vision.light import even_out
from shared.vision.polarity import has_free_stroke, is_broad, is_dark_on_light
from shared.vision.signature import Pixels
from shared.vision.solid import hollowed

_LEAST_CONTRAST = 20.0
"""Grey levels between ink and ground below which there is nothing to read."""
_LEAST_SIGNAL = 4.0
"""Ink must differ from the ground by this many of the ground's deviations."""
_CALM = 0.12
"""Deviation within ink and within ground, as a share of their distance, up to which light is even."""
_WINDOW = 0.25
_SAUVOLA = 0.2
_RANGE = 128.0
_INNER = np.ones((5, 5), np.uint8)
_VALUES = np.arange(256, dtype=np.float32)

Histogram = NDArray[np.float32]


class Split(NamedTuple):
    """Dark ink on light ground: grey plane, mask of the ink, usual brightness of both, polarity of the upload."""

    grey: Pixels
    mask: Pixels
    ground: float
    ink: float
    inverted: bool


class _Levels(NamedTuple):
    """Usual brightness of ground and ink, and the first's distance from the second in deviations."""

    ground: float
    ink: float
    signal: float


def part(grey: Pixels, *, inverted: bool | None = None, fill: bool = False) -> Split | None:
    """Part ink from ground; None for a blank.

    `inverted` tells the polarity where it is known already; with `fill` a filled shape stays one.
    """
    found = _part(grey, inverted, fill)
    if found is not None or min(grey.shape) < 40:
        return found
    # Grain may hide what smoothing shows.
    return _part(
        np.asarray(cv2.GaussianBlur(grey, (0, 0), max(1.2, max(grey.shape) / 200)), np.uint8), inverted, fill
    )


def _part(grey: Pixels, inverted: bool | None, fill: bool) -> Split | None:
    """Find the polarity from content, even out the light where it is uneven, and take the threshold."""
    level, above = cv2.threshold(grey, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    light = np.asarray(above, np.uint8)
    histogram = _histogram(grey)
    levels = _levels(histogram, int(level))
    calm = levels is not None and _is_calm(grey, light, levels.ground - levels.ink)
    if inverted is None:
        inverted = not is_dark_on_light(grey, light, calm=calm)
    if inverted:
        grey = 255 - grey
        levels = _levels(histogram[::-1].copy(), 254 - int(level))
    mask = light if inverted else np.asarray(cv2.bitwise_not(light), np.uint8)
    even = levels is not None and calm and levels.signal >= _LEAST_SIGNAL
    first = None
    if levels is not None and levels.signal >= _LEAST_SIGNAL:
        first = Split(grey, mask, levels.ground, levels.ink, inverted)
        if even and (not is_broad(mask) or has_free_stroke(mask)):
            return first
    evened, dark = even_out(grey), None
    if evened is not None:
        grey = evened
        level, dark = cv2.threshold(grey, 0, 255, cv2.THRESH_BINARY_INV + cv2.THRESH_OTSU)
        levels = _levels(_histogram(grey), int(level))
    if levels is None or levels.ground - levels.ink < _LEAST_CONTRAST or levels.signal < _LEAST_SIGNAL:
        return None
    if dark is not None:
        mask = _sauvola(grey, np.asarray(dark, np.uint8))
        patch = hollowed(first.grey, first.mask, mask) if fill and first is not None else None
        if first is not None and patch is not None:
            return first._replace(mask=np.asarray(cv2.bitwise_or(mask, patch), np.uint8))
    return Split(grey, mask, levels.ground, levels.ink, inverted)


def _histogram(grey: Pixels) -> Histogram:
    """Count the pixels of each brightness; exact in float32 up to 16 million of them."""
    return np.asarray(cv2.calcHist([grey], [0], None, [256], [0, 256]), np.float32).ravel()


def _levels(histogram: Histogram, level: int) -> _Levels | None:
    """Measure both sides of a threshold; None where one is empty or they hardly differ."""
    counts = histogram.cumsum()
    dark, total = float(counts[level]), float(counts[-1])
    if not 0 < dark < total:
        return None
    ink, ground = (float(at) for at in counts.searchsorted((dark / 2, (dark + total) / 2)))
    apart = ground - ink
    if apart < _LEAST_CONTRAST:
        return None
    above = _VALUES[level + 1 :] - ground
    deviation = float(np.sqrt((histogram[level + 1 :] * above * above).sum() / (total - dark)))
    return _Levels(ground, ink, apart / max(deviation, 1e-3))


def _is_calm(grey: Pixels, light: Pixels, apart: float) -> bool:
    """Say whether both sides of the threshold are even away from the edge between them."""
    for mask in (light, np.asarray(cv2.bitwise_not(light), np.uint8)):
        part = around(mask, 2)
        inner = np.asarray(cv2.erode(mask[part], _INNER), np.uint8)
        if _deviation(grey[part], inner, _CALM * apart) > _CALM * apart:
            return False
    return True


def _deviation(grey: Pixels, mask: Pixels, limit: float) -> float:
    """Return the standard deviation under a mask, to the last bit near the limit.

    By norms it takes a fifth of the time of `meanStdDev`, but is rounded a little differently.
    """
    share = 1 / max(cv2.countNonZero(mask), 1)
    mean = cv2.norm(grey, cv2.NORM_L1, mask) * share
    deviation = math.sqrt(max(cv2.norm(grey, cv2.NORM_L2SQR, mask) * share - mean * mean, 0.0))
    return deviation if abs(deviation - limit) > 1e-6 else float(cv2.meanStdDev(grey, mask=mask)[1][0, 0])


def _sauvola(grey: Pixels, dark: Pixels) -> Pixels:
    """Return what of the dark is dark for its surroundings (Sauvola and Pietikäinen, Pattern Recognition 33, 2000)."""
    if not cv2.countNonZero(dark):
        return dark
    half = max(3, round(_WINDOW * max(grey.shape)) | 1) // 2
    inked, near = around(dark, 0), around(dark, half)
    rows, columns = (slice(a.start - b.start, a.stop - b.start) for a, b in zip(inked, near, strict=True))
    values, window = grey[near].astype(np.float32), (2 * half + 1, 2 * half + 1)
    mean = cv2.boxFilter(values, -1, window, borderType=cv2.BORDER_REPLICATE)[rows, columns]
    square = cv2.sqrBoxFilter(values, cv2.CV_32F, window, borderType=cv2.BORDER_REPLICATE)[rows, columns]
    level = mean * mean
    np.subtract(square, level, out=level)
    level = np.sqrt(cv2.max(level, np.zeros_like(level)))
    level /= _RANGE
    level -= 1
    level *= _SAUVOLA
    level += 1
    level *= mean
    mask = np.zeros_like(dark)
    mask[inked] = cv2.bitwise_and(dark[inked], cv2.compare(values[rows, columns], level, cv2.CMP_LE))
    return mask
