"""Filled shapes that evening out the light has hollowed: what is left of them is no stroke but their outline."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from shared.vision.components import Labels, Stats, components
from shared.vision.signature import Pixels

_SMALL = 160
"""Longer side at which the picture is looked at."""
_LOST = 0.02
"""Share of a patch that must be gone after evening out for it to be called hollowed."""
_ALL = 0.85
"""Share of the ink left that must lie on the patch; else there is writing beside it."""
_ALIKE = 0.15
"""Difference between what was kept and what was lost, as a share of the contrast to the ground, up to which both
are one patch; ink on a shadow or on a dark note is darker than that."""
_NEAR = np.ones((3, 3), np.uint8)


def hollowed(grey: Pixels, before: Pixels, after: Pixels) -> Pixels | None:
    """Return the mask of the filled shape whose inside was taken for the ground, None where there is none.

    `grey` is the picture as it was, dark ink on light ground; `before` and `after` are the masks of its ink from
    before and after its light was evened out. A patch that reaches the border may be a shadow, a table or the end
    of the sheet.
    """
    step = max(1, max(grey.shape) // _SMALL)
    small, first, left = (np.ascontiguousarray(plane[::step, ::step]) for plane in (grey, before, after))
    lost = cv2.subtract(cv2.erode(first, _NEAR), left)
    if not cv2.countNonZero(left) or not cv2.countNonZero(lost):
        return None
    labels, pieces = components(first)
    gone = np.bincount(labels[lost > 0], minlength=len(pieces) + 1)[1:]
    at = int(gone.argmax())
    if gone[at] < _LOST * pieces[at, cv2.CC_STAT_AREA] or _meets_border(pieces[at], labels):
        return None
    patch = labels == at + 1
    if not _is_one(small, first, patch, left > 0, lost > 0):
        return None
    return _whole(before, patch, step)


def _meets_border(piece: Stats, labels: Labels) -> bool:
    """Say whether a piece touches the border of its sheet."""
    x, y, width, height, _ = piece
    rows, columns = labels.shape
    return bool(min(x, y) == 0 or x + width == columns or y + height == rows)


def _is_one(
    grey: Pixels, first: Pixels, patch: NDArray[np.bool_], left: NDArray[np.bool_], lost: NDArray[np.bool_]
) -> bool:
    """Say whether what was kept and what was lost of a patch are alike, and hardly anything was kept beside it."""
    near = cv2.dilate(patch.astype(np.uint8), _NEAR) > 0
    if np.count_nonzero(left & near) < _ALL * np.count_nonzero(left) or not (left & patch).any():
        return False
    inside, rim, ground = (
        float(np.median(grey[where])) for where in (patch & lost, patch & left, first == 0)
    )
    return abs(inside - rim) <= _ALIKE * max(ground - inside, 1.0)


def _whole(before: Pixels, patch: NDArray[np.bool_], step: int) -> Pixels:
    """Return a piece of the reduced mask in the whole one."""
    labels, _ = components(before)
    found = np.bincount(labels[::step, ::step][patch]).argmax()
    return np.asarray(np.where(labels == found, 255, 0), np.uint8)
