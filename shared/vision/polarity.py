"""Which side of the histogram is ink and which is sheet, told from the content."""

from __future__ import annotations

import cv2
import numpy as np

from shared.vision.components import around, components
from shared.vision.ground import shrink
from shared.vision.signature import Pixels

_SMALL = 80
"""Longer side at which the picture is looked at."""
_SMALLEST = 40
_CLEAR = 0.88
"""Share of border and area that one side of the threshold must hold to be the sheet without a further look."""
_RING = 0.75
"""Share of the border from which on its side may be a table beside the sheet."""
_SPREAD = 1.5
"""Ratio of an area's share of the sheet to its share of the border from which on it lies in the middle."""
_FULL = 0.65
_STROKE = 0.08
"""Width of a stroke, as a share of the longer side."""
_BROAD = 0.3
"""Width, as a share of the longer side, that no pen draws."""
_THIN = 0.4
"""Ratio of a piece's greatest thickness to its length up to which it looks like writing."""
_PIECE = 0.1

_DENSITY = np.rint(np.log((np.arange(256) + 16) / 16) * (255 / np.log(271 / 16))).astype(np.uint8)
"""Logarithm of brightness: ink differs from paper as much in a shadow as beside it."""


def is_dark_on_light(grey: Pixels, light: Pixels, *, calm: bool) -> bool:
    """Say whether the ink is darker than the sheet; `light` is the mask of what Otsu calls light.

    The sheet holds the border and most of the area. Where a shadow, a table beside the paper or the ink itself
    lies on the border, writing is what has the shape of strokes. `calm` says that both sides of the threshold
    are even, so that their pieces can be looked at.
    """
    ring, whole = _shares(light)
    score = 0.6 * ring + 0.4 * whole
    if min(grey.shape) < _SMALLEST or abs(score - 0.5) > _CLEAR - 0.5:
        return score > 0.5
    dark, bright = _hats(grey)
    by_share, by_width = score > 0.5, dark > bright
    if not calm:
        return by_width if max(dark, bright) > 1.3 * min(dark, bright) else by_share
    by_shape = _by_shape(light, by_share)
    ink = np.asarray(cv2.bitwise_not(light), np.uint8) if by_share else light
    if by_share != by_shape:
        # A hole of a fat digit is a free piece too; a sheet on a table leaves the border and fills its box.
        return by_width if abs(ring - 0.5) > _RING - 0.5 and _fills_its_box(ink) else by_share
    # What lies broad along the border is a shadow or the lit part of the sheet; a fat digit fills the middle.
    at_border, everywhere = (1 - ring, 1 - whole) if by_share else (ring, whole)
    return by_width if everywhere < _SPREAD * at_border and is_broad(ink) else by_share


def _fills_its_box(mask: Pixels) -> bool:
    """Say whether a mask covers most of the box around it, as a sheet does and a digit does not."""
    _, _, width, height = cv2.boundingRect(mask)
    return cv2.countNonZero(mask) > _FULL * width * height


def _shares(light: Pixels) -> tuple[float, float]:
    """Return which share of the border and of the whole is light."""
    height, width = light.shape
    depth = max(1, min(height, width) // 20)
    total = cv2.countNonZero(light)
    if min(height, width) <= 2 * depth:
        return total / light.size, total / light.size
    inner = cv2.countNonZero(light[depth : height - depth, depth : width - depth])
    ring = light.size - (height - 2 * depth) * (width - 2 * depth)
    return (total - inner) / ring, total / light.size


def _by_shape(light: Pixels, by_share: bool) -> bool:
    """Say on which side the largest free piece is the more slender; `by_share` where neither is.

    The side that speaks against `by_share` is looked at first: without a stroke there the other decides nothing.
    """
    step = max(1, max(light.shape) // (2 * _SMALL))
    bright = np.ascontiguousarray(light[::step, ::step])
    dark = np.asarray(cv2.bitwise_not(bright), np.uint8)
    against = _slenderness(bright if by_share else dark)
    if not against:
        return by_share
    return by_share if _slenderness(dark if by_share else bright) >= against else not by_share


def _slenderness(mask: Pixels) -> float:
    """Return the length of the largest piece that touches no border over its greatest thickness."""
    rows, columns = mask.shape
    labels, stats = components(mask)
    x, y, w, h, _ = stats.T
    free = (x > 0) & (y > 0) & (x + w < columns) & (y + h < rows)
    sides = np.where(free, np.maximum(w, h), 0)
    if not sides.size or sides.max() < _PIECE * min(rows, columns):
        return 0.0
    at = int(sides.argmax())
    left, top, width, height = (int(value[at]) for value in (x, y, w, h))
    piece = (labels[top : top + height, left : left + width] == at + 1).astype(np.uint8)
    padded = cv2.copyMakeBorder(piece, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    thickness = 2 * float(cv2.distanceTransform(padded, cv2.DIST_L2, 3).max()) - 1
    return float(sides[at] / thickness) if thickness <= _THIN * sides[at] else 0.0


def is_broad(mask: Pixels) -> bool:
    """Say whether a mask holds something broader than any stroke."""
    step = max(1, max(mask.shape) // _SMALL)
    small = np.ascontiguousarray(mask[::step, ::step])
    if not cv2.countNonZero(small):
        return False
    padded = cv2.copyMakeBorder(small[around(small, 0)], 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    return bool(2 * float(cv2.distanceTransform(padded, cv2.DIST_L2, 3).max()) > _BROAD * max(small.shape))


def has_free_stroke(mask: Pixels) -> bool:
    """Say whether the largest piece that touches no border is a stroke."""
    step = max(1, max(mask.shape) // (2 * _SMALL))
    return _slenderness(np.ascontiguousarray(mask[::step, ::step])) > 0


def _hats(grey: Pixels) -> tuple[float, float]:
    """Return the strength of narrow dark and of narrow light structures (bottom-hat and top-hat, Serra, 1982)."""
    small = cv2.blur(cv2.LUT(shrink(grey, max(1, -(-max(grey.shape) // _SMALL))), _DENSITY), (3, 3))
    side = max(3, round(_STROKE * max(small.shape)) | 1)
    small = cv2.copyMakeBorder(small, side, side, side, side, cv2.BORDER_REPLICATE)
    kernel, inner = np.ones((side, side), np.uint8), (slice(side, -side), slice(side, -side))
    dark = cv2.subtract(cv2.morphologyEx(small, cv2.MORPH_CLOSE, kernel), small)[inner]
    bright = cv2.subtract(small, cv2.morphologyEx(small, cv2.MORPH_OPEN, kernel))[inner]
    return float(cv2.norm(dark, cv2.NORM_L2SQR)), float(cv2.norm(bright, cv2.NORM_L2SQR))
