"""Pictures of a network's own size: what lies in its frame already, and what no threshold can part from its ground."""

from __future__ import annotations

import cv2
import numpy as np

from shared.vision.signature import Pixels

SIDE = 28
_BOX = 20
_DARK = 16
"""Most that the ground's median may have: a picture for a network is light on dark."""
_OUTSIDE = 0.15
"""Most of the light that may lie outside of the 20×20 box: a line across, specks, grain."""
_OFF_CENTRE = 1.6
_INKED = 64
_LEAST_SIDE, _LEAST_RANGE = 17, 40
_SMALL = 48
"""Longer side of a picture that is looked at whole where no ink can be told from its ground."""


def is_framed(grey: Pixels) -> bool:
    """Say whether a 28×28 picture shows a digit in MNIST's place, whatever else lies on it.

    Dotted lines, blots and grain widen the box of the ink; cutting out anew would then shrink and shift the digit,
    which a network forgives less than the dirt.
    """
    if int(grey.max()) < 128 or float(np.median(grey)) > _DARK:
        return False
    _, _, width, height = cv2.boundingRect((grey >= _INKED).astype(np.uint8))
    mass = cv2.moments(grey)
    if max(width, height) < _LEAST_SIDE or not mass["m00"]:
        return False
    x, y = mass["m10"] / mass["m00"] - SIDE / 2 + 0.5, mass["m01"] / mass["m00"] - SIDE / 2 + 0.5
    if max(abs(x), abs(y)) > _OFF_CENTRE:
        return False
    left, top = (round((SIDE - _BOX) / 2 + shift) for shift in (x, y))
    inside = float(grey[top : top + _BOX, left : left + _BOX].sum(dtype=np.int64))
    return inside >= (1 - _OUTSIDE) * float(grey.sum(dtype=np.int64))


def whole(grey: Pixels) -> Pixels | None:
    """Return a small picture as it is, light on dark and of full contrast; None for a large or an even one.

    In fog no threshold finds the ink, but a network may: it decides, and its answer for what is no digit refuses
    the rest.
    """
    if max(grey.shape) > _SMALL:
        return None
    low, middle, high = np.percentile(grey, (2, 50, 99))
    if high - low < _LEAST_RANGE:
        return None
    stretched = np.clip((grey - low) * (255 / (high - low)), 0, 255).astype(np.uint8)
    if middle - low > high - middle:
        stretched = 255 - stretched
    if stretched.shape == (SIDE, SIDE):
        return np.asarray(stretched, np.uint8)
    method = cv2.INTER_AREA if max(grey.shape) >= SIDE else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(stretched, (SIDE, SIDE), interpolation=method), np.uint8)
