"""The connected pieces of a mask."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from shared.vision.signature import Pixels

Labels = NDArray[np.int32]
Stats = NDArray[np.int32]


def components(mask: Pixels) -> tuple[Labels, Stats]:
    """Label pieces that hang together by side or corner; (x, y, w, h, area) of label k is row k - 1.

    Grana's algorithm numbers them like OpenCV's default one and measures them in half the time (Grana, Borghesani
    and Cucchiara, IEEE Transactions on Image Processing 19, 2010).
    """
    _, labels, stats, _ = cv2.connectedComponentsWithStatsWithAlgorithm(mask, 8, cv2.CV_32S, cv2.CCL_GRANA)
    return np.asarray(labels, np.int32), np.asarray(stats[1:], np.int32)


def around(mask: Pixels, margin: int) -> tuple[slice, slice]:
    """Return the part of a mask that holds ink, and a margin around it."""
    rows, columns = mask.shape
    x, y, width, height = cv2.boundingRect(mask)
    return (
        slice(max(y - margin, 0), min(y + height + margin, rows)),
        slice(max(x - margin, 0), min(x + width + margin, columns)),
    )
