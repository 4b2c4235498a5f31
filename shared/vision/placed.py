"""Which 28×28 pictures show a digit in MNIST's place already, with dirt around it: preparation 3's own answer.

Cutting out anew would shrink and shift the digit for the sake of the dirt, which a network forgives less than the
dirt itself. What decides was chosen on digits of held-out writers, corrupted, and drawn larger and elsewhere.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from shared.vision.signature import Pixels

SIDE = 28
_FIRST, _LAST = 4, 24
"""The 20×20 box that holds an MNIST digit's ink, give or take the centring."""
_MIDDLE = (SIDE - 1) / 2
_LIGHT, _INKED = 128, 96
_DARK = 16
"""Most that the ground's median may have: a picture for a network is light on dark."""
_LEAST_LIGHT = 12
_NARROWEST, _WIDEST, _OFF_CENTRE = 17, 22, 1.6
"""Longer side of an MNIST digit's ink, give or take, and how far its middle may be off."""
_EDGE, _SOLID, _WIDEST_BAR, _BESIDE = 2, 0.75, 11, 5
"""A bar is seen in the outermost two rows at both of its ends, where no digit reaches."""
_MARGIN, _NARROW = 4, 6
"""A line that leaves on both sides is narrow in both margins; a digit drawn large is not."""

Mask = NDArray[np.bool_]


class _Bounds(NamedTuple):
    """What a digit in its place may look like: light outside of the box, reach inside it, middle off by (x, y)."""

    outside: float
    reach: int
    off: tuple[float, float]


_PLAIN = _Bounds(0.2, 16, (1.3, 2.0))
_SMOOTHED = _Bounds(0.2, 14, (1.6, 2.2))
_CROSSED = _Bounds(0.6, 14, (1.8, 3.5))
"""A line along an edge is light outside, and draws the middle towards itself.

Only from left to right: from top to bottom a tall digit drawn large is as narrow at its ends.
"""


def is_placed(grey: Pixels) -> bool:
    """Say whether a 28×28 picture, light on dark, shows a digit in MNIST's place with something else around it."""
    if int(grey.max()) < _LIGHT:
        return False
    if any(_has_bar(side) for side in (grey, grey[:, ::-1], grey.T, grey.T[:, ::-1])):
        return True
    if float(np.median(grey)) > _DARK:
        return False
    smooth = np.asarray(cv2.medianBlur(grey, 3), np.uint8)
    return _fits(grey >= _INKED, _PLAIN) or _fits(smooth >= _INKED, _SMOOTHED)


def _has_bar(grey: Pixels) -> bool:
    """Say whether a light bar lies along the whole left side, with dark ground beside it."""
    ends = np.concatenate([grey[:_EDGE], grey[-_EDGE:]]) >= _LIGHT
    lit = ends.mean(axis=0)
    width = int(np.argmin(lit >= _SOLID))
    if not 2 <= width <= _WIDEST_BAR or float(grey[:, :width].mean()) <= _LIGHT:
        return False
    return bool((lit[width : width + _BESIDE] <= 1 - _SOLID).all())


def _fits(ink: Mask, bounds: _Bounds) -> bool:
    """Say whether the ink of one plane lies as that of an MNIST digit with dirt would."""
    total = int(ink.sum())
    if not total:
        return False
    inside = np.zeros_like(ink)
    inside[_FIRST:_LAST, _FIRST:_LAST] = ink[_FIRST:_LAST, _FIRST:_LAST]
    side = _longer_side(ink)
    if side <= _WIDEST:
        return side >= _NARROWEST and _lies_within(inside, (_OFF_CENTRE, _OFF_CENTRE))
    if _is_crossed(ink):
        bounds = bounds._replace(outside=_CROSSED.outside, off=_CROSSED.off)
    if int(inside.sum()) < max(_LEAST_LIGHT, (1 - bounds.outside) * total):
        return False
    return _longer_side(inside) >= bounds.reach and _lies_within(inside, bounds.off)


def _longer_side(ink: Mask) -> int:
    """Return the longer side of the ink's box."""
    return max(cv2.boundingRect(ink.astype(np.uint8))[2:])


def _lies_within(ink: Mask, off: tuple[float, float]) -> bool:
    """Say whether the centre of mass is no further from the middle than that, across and down."""
    rows, columns = np.nonzero(ink)
    if not len(rows):
        return False
    return bool(abs(columns.mean() - _MIDDLE) <= off[0] and abs(rows.mean() - _MIDDLE) <= off[1])


def _is_crossed(ink: Mask) -> bool:
    """Say whether something narrow reaches into both side margins."""
    for margin in (ink[:, :_MARGIN], ink[:, -_MARGIN:]):
        rows = np.flatnonzero(margin.any(axis=1))
        if not len(rows) or np.ptp(rows) + 1 > _NARROW:
            return False
    return True
