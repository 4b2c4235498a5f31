"""Ink parted from ground: Otsu's threshold, Sauvola's where the light is uneven, and what a blank sheet is."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from shared.vision.light import even_out
from shared.vision.polarity import has_free_stroke, is_broad, is_dark_on_light
from shared.vision.signature import Pixels

_LEAST_CONTRAST = 20.0
"""Grey levels between ink and ground below which there is nothing to read."""
_LEAST_SIGNAL = 4.0
"""Ink must differ from the ground by this many of the ground's deviations."""
_CALM = 0.12
"""Deviation within ink and within ground, as a share of their distance, up to which light is even."""
_WINDOW = 0.25
_SAUVOLA = 0.2
_RANGE = 128.0


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


def part(grey: Pixels, *, inverted: bool | None = None) -> Split | None:
    """Part ink from ground; None for a blank. `inverted` tells the polarity where it is known already."""
    found = _part(grey, inverted)
    if found is not None or min(grey.shape) < 40:
        return found
    # Grain may hide what smoothing shows.
    return _part(
        np.asarray(cv2.GaussianBlur(grey, (0, 0), max(1.2, max(grey.shape) / 200)), np.uint8), inverted
    )


def _part(grey: Pixels, inverted: bool | None) -> Split | None:
    """Find the polarity from content, even out the light where it is uneven, and take the threshold."""
    level, above = cv2.threshold(grey, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    light = np.asarray(above, np.uint8)
    levels = _levels(grey, int(level))
    calm = levels is not None and _is_calm(grey, light, levels.ground - levels.ink)
    if inverted is None:
        inverted = not is_dark_on_light(grey, light, calm=calm)
    if inverted:
        grey = 255 - grey
        levels = _levels(grey, 254 - int(level))
    mask = light if inverted else np.asarray(cv2.bitwise_not(light), np.uint8)
    even = levels is not None and calm and levels.signal >= _LEAST_SIGNAL
    if levels is not None and even and (not is_broad(mask) or has_free_stroke(mask)):
        return Split(grey, mask, levels.ground, levels.ink, inverted)
    evened = even_out(grey)
    if evened is not None:
        grey = evened
        found, dark = cv2.threshold(grey, 0, 255, cv2.THRESH_BINARY_INV + cv2.THRESH_OTSU)
        levels = _levels(grey, int(found))
        mask = np.asarray(cv2.bitwise_and(dark, _sauvola(grey)), np.uint8)
    if levels is None or levels.ground - levels.ink < _LEAST_CONTRAST or levels.signal < _LEAST_SIGNAL:
        return None
    return Split(grey, mask, levels.ground, levels.ink, inverted)


def _levels(grey: Pixels, level: int) -> _Levels | None:
    """Measure both sides of a threshold; None where one is empty or they hardly differ."""
    histogram = np.asarray(cv2.calcHist([grey], [0], None, [256], [0, 256])).ravel()
    counts = histogram.cumsum()
    dark, total = float(counts[level]), float(counts[-1])
    if not 0 < dark < total:
        return None
    ink, ground = (float(at) for at in np.searchsorted(counts, (dark / 2, (dark + total) / 2)))
    apart = ground - ink
    if apart < _LEAST_CONTRAST:
        return None
    values = np.arange(256, dtype=np.float32)
    above = values[level + 1 :] - ground
    deviation = float(np.sqrt((histogram[level + 1 :] * above * above).sum() / (total - dark)))
    return _Levels(ground, ink, apart / max(deviation, 1e-3))


def _is_calm(grey: Pixels, light: Pixels, apart: float) -> bool:
    """Say whether both sides of the threshold are even away from the edge between them."""
    for mask in (light, cv2.bitwise_not(light)):
        inner = cv2.erode(mask, np.ones((5, 5), np.uint8))
        _, deviation = cv2.meanStdDev(grey, mask=inner)
        if deviation[0, 0] > _CALM * apart:
            return False
    return True


def _sauvola(grey: Pixels) -> Pixels:
    """Return the mask of what is dark for its surroundings (Sauvola and Pietikäinen, Pattern Recognition 33, 2000)."""
    side = max(3, round(_WINDOW * max(grey.shape)) | 1)
    values = grey.astype(np.float32)
    mean = cv2.boxFilter(values, -1, (side, side), borderType=cv2.BORDER_REPLICATE)
    square = cv2.sqrBoxFilter(values, cv2.CV_32F, (side, side), borderType=cv2.BORDER_REPLICATE)
    deviation = np.sqrt(np.maximum(square - mean * mean, 0))
    level = mean * (1 + _SAUVOLA * (deviation / _RANGE - 1))
    return np.where(values <= level, 255, 0).astype(np.uint8)
