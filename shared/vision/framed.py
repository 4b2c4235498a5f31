"""Pictures of a network's own size: what lies in its frame already, and what no threshold can part from its ground."""

from __future__ import annotations

import cv2
import numpy as np

from shared.vision.signature import Pixels

SIDE = 28
_FIRST, _LAST = 4, 24
"""The 20×20 box that holds an MNIST digit's ink, give or take the centring."""
_DARK = 16
"""Most that the ground's median may have: a picture for a network is light on dark."""
_OUTSIDE = 0.2
"""Most of the light that may lie outside of the box: a line across, specks."""
_NARROW, _OFF_CENTRE = 17, 1.6
_ACROSS = 25
"""Longer side from which on something lies across the picture; below it half as much light may lie outside."""
_BAR, _WIDEST_BAR = 0.6, 11
"""Share of a column that is light where a bar lies on it: a digit may reach into the bar."""
_INKED = 96
_WIDE = 22
"""Longer side of an MNIST digit's ink, give or take."""
_LEAST_LIGHT, _LEAST_RANGE = 12, 40
_SMALL = 48
"""Longer side of a picture that is looked at whole where no ink can be told from its ground."""


def is_framed(grey: Pixels) -> bool:
    """Say whether a 28×28 picture, light on dark, shows a digit in MNIST's place with something else around it.

    Lines, blots, bars and salt widen the box of the ink; cutting out anew would then shrink and shift the digit,
    which a network forgives less than the dirt. A digit that fills the whole picture has more of its ink outside.
    """
    if int(grey.max()) < 128:
        return False
    if any(_has_bar(side) for side in (grey, grey[:, ::-1], grey.T, grey.T[:, ::-1])):
        return True
    if float(np.median(grey)) > _DARK:
        return False
    bright = (grey >= _INKED).astype(np.uint8)
    _, _, width, height = cv2.boundingRect(bright)
    if max(width, height) <= _WIDE:
        return max(width, height) >= _NARROW and _is_centred(bright)
    outside = _OUTSIDE if max(width, height) >= _ACROSS else _OUTSIDE / 2
    planes = (grey, np.asarray(cv2.medianBlur(grey, 3), np.uint8))
    return any(_is_inside(plane, outside) for plane in planes)


def _has_bar(grey: Pixels) -> bool:
    """Say whether a light bar lies along the left side, with dark ground next to it."""
    lit = (grey >= 128).mean(axis=0)
    width = int(np.argmin(lit >= _BAR))
    if not 2 <= width <= _WIDEST_BAR or lit[0] < 0.95:
        return False
    return float(np.median(grey[:, width : width + 3])) <= _DARK


def _is_centred(bright: Pixels) -> bool:
    """Say whether the centre of mass of a mask lies where MNIST's does."""
    mass = cv2.moments(bright, binaryImage=True)
    return all(abs(mass[key] / mass["m00"] - (SIDE - 1) / 2) <= _OFF_CENTRE for key in ("m10", "m01"))


def _is_inside(plane: Pixels, outside: float) -> bool:
    """Say whether nearly all of the light lies in the box, and reaches across most of it."""
    light = plane >= _INKED
    inner = light[_FIRST:_LAST, _FIRST:_LAST]
    total, inside = int(light.sum()), int(inner.sum())
    if inside < _LEAST_LIGHT or inside < (1 - outside) * total:
        return False
    rows, columns = np.flatnonzero(inner.any(axis=1)), np.flatnonzero(inner.any(axis=0))
    return bool(max(np.ptp(rows), np.ptp(columns)) >= 14)


def whole(grey: Pixels) -> Pixels | None:
    """Return a small picture as it is, light on dark and of full contrast; None for a large or an even one.

    In fog no threshold finds the ink, but a network may: it decides, and its answer for what is no digit refuses
    the rest. What is ground is told in the middle, where the strokes are.
    """
    if max(grey.shape) > _SMALL:
        return None
    low, high = np.percentile(grey, (2, 99))
    if high - low < _LEAST_RANGE:
        return None
    stretched = np.clip((grey - low) * (255 / (high - low)), 0, 255).astype(np.uint8)
    rows, columns = (slice(side // 7, side - side // 7) for side in grey.shape)
    if float(np.median(stretched[rows, columns])) > 127:
        stretched = 255 - stretched
    if stretched.shape == (SIDE, SIDE):
        return np.asarray(stretched, np.uint8)
    method = cv2.INTER_AREA if max(grey.shape) >= SIDE else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(stretched, (SIDE, SIDE), interpolation=method), np.uint8)
