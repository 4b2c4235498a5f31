"""How brightly the sheet under the ink is lit."""

from __future__ import annotations

import cv2
import numpy as np

from shared.vision.ground import shrink
from shared.vision.signature import Pixels

_SMALL = 80
"""Longer side at which ground and light are looked at."""
_WIDEST = 0.3
"""Widest stroke, as a share of the longer side, that is taken for ink and not for a shadow."""
_UNEVEN = 0.12
"""Range of the ground's brightness, as a share, from which on lighting is evened out."""
_LIFT = 16
"""Grey levels added to ink and ground before the division, so that the dark end of a slope keeps its calm."""


def _frame(grey: Pixels) -> tuple[Pixels, Pixels, int]:
    """Return the small picture repeated beyond its border, a kernel wider than strokes, and the width added.

    Beyond a repeated border, a slope of light and a strip of shadow go on as they are.
    """
    small = shrink(grey, max(1, -(-max(grey.shape) // _SMALL)))
    pad = max(3, round(_WIDEST * max(small.shape)) | 1)
    kernel = cv2.getStructuringElement(cv2.MORPH_RECT, (pad, pad))
    wide = cv2.copyMakeBorder(small, pad, pad, pad, pad, cv2.BORDER_REPLICATE)
    return np.asarray(wide, np.uint8), np.asarray(kernel, np.uint8), pad


def even_out(grey: Pixels) -> Pixels | None:
    """Divide by the ground's brightness; None where the light is even. Expects dark ink on light ground.

    The ground is what a closing leaves of the small picture: it fills every stroke narrower than its kernel and
    keeps the edge of a shadow. Of neighbours the darker is taken, so that such an edge leaves no line of ink.
    """
    height, width = grey.shape
    if min(height, width) < 40:
        return None
    small, kernel, pad = _frame(grey)
    closed = cv2.morphologyEx(cv2.blur(small, (3, 3)), cv2.MORPH_CLOSE, kernel)
    ground = closed[pad:-pad, pad:-pad]
    low, high, _, _ = cv2.minMaxLoc(ground)
    if high - low < _UNEVEN * max(high, 1.0):
        return None
    under = cv2.erode(closed, np.ones((3, 3), np.uint8))[pad:-pad, pad:-pad]
    smooth = cv2.resize(under, (width, height), interpolation=cv2.INTER_LINEAR)
    raised, floor = cv2.convertScaleAbs(grey, beta=_LIFT), cv2.convertScaleAbs(smooth, beta=_LIFT)
    return np.asarray(cv2.divide(raised, floor, scale=255), np.uint8)
