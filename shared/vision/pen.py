"""Strokes of a very thick pen, drawn again with a usual one."""

from __future__ import annotations

import cv2
import numpy as np

from shared.vision.signature import Pixels

_THICK = 4.0
"""Width of a stroke, in pixels of the 20×20 box, that few of MNIST's pens exceed."""
_USUAL = 3.0


def thin(strength: Pixels, stroke_width: float, scale: float) -> Pixels:
    """Thin thick strokes and crop anew; parts that would vanish keep their width.

    `stroke_width` is in pixels of `strength`, `scale` its factor on the way into the box. Thinning opens what
    a thick pen has nearly closed and never closes anything.
    """
    size = round(stroke_width - _USUAL / scale) | 1
    if stroke_width * scale <= _THICK or size < 3:
        return strength
    padded = cv2.copyMakeBorder(strength, size, size, size, size, cv2.BORDER_CONSTANT, value=0)
    worn = cv2.erode(padded, _disc(size))
    lost = cv2.subtract(padded, cv2.dilate(worn, _disc(size + 4)))
    kept = np.asarray(cv2.bitwise_or(worn, lost), np.uint8)
    x, y, width, height = cv2.boundingRect(kept)
    return np.ascontiguousarray(kept[y : y + height, x : x + width])


def _disc(size: int) -> Pixels:
    """Return a round kernel."""
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)), np.uint8)
