"""Long, thin, straight, nearly level lines in a mask."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from shared.vision.components import around, components
from shared.vision.signature import Pixels

SPAN = 0.3
"""Length, as a share of the side, from which on a line is long."""
_SEED = 0.1
"""Straight run, as a share of the side, from which a line is grown."""
_FINE = 0.05
"""Thickest line, as a share of the sheet's shorter side."""
_BREAK = 9
"""Columns over which broken runs are joined."""


@dataclass(frozen=True, eq=False)
class Line:
    """A straight line: `start` and `end` along it, `at` across it, its thickness, its pixels and where they lie."""

    start: int
    end: int
    at: float
    thickness: float
    pixels: Pixels
    part: tuple[slice, slice]


def straight(mask: Pixels) -> list[Line]:
    """Return the long, thin, straight, nearly level lines."""
    rows, columns = mask.shape
    seed = max(12, round(_SEED * columns))
    profile = cv2.reduce(mask, 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S)
    if int(profile.max()) < 255 * seed:
        return []
    inked = around(mask, _BREAK)
    runs = np.asarray(cv2.morphologyEx(mask[inked], cv2.MORPH_OPEN, np.ones((1, seed), np.uint8)), np.uint8)
    if not _may_span(runs, SPAN * columns):
        return []
    near = around(runs, _BREAK)
    top, left = inked[0].start + near[0].start, inked[1].start + near[1].start
    limit = max(2.0, _FINE * min(rows, columns))
    return _lines(np.ascontiguousarray(runs[near]), left, top, SPAN * columns, limit)


def _may_span(runs: Pixels, least: float) -> bool:
    """Say whether runs, joined, cover so many columns without a gap: no piece is longer than that."""
    covered = np.bitwise_or.reduce(runs, axis=0)[None]
    joined = cv2.morphologyEx(covered, cv2.MORPH_CLOSE, np.ones((1, _BREAK), np.uint8)).ravel()
    edges = np.concatenate(([-1], np.flatnonzero(joined == 0), [len(joined)]))
    return bool(np.diff(edges).max() - 1 >= least)


def _lines(runs: Pixels, left: int, top: int, least: float, limit: float) -> list[Line]:
    """Join runs to pieces and measure the long ones; the runs' part of the sheet begins at `left` and `top`."""
    padded = cv2.copyMakeBorder(runs, 2, 2, 0, 0, cv2.BORDER_CONSTANT, value=0)
    joined = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, np.ones((3, _BREAK), np.uint8))[2:-2]
    labels, stats = components(np.ascontiguousarray(joined))
    found = []
    for index in np.flatnonzero(stats[:, 2] >= least).tolist():
        x, y, width, height, _ = stats[index].tolist()
        box = (slice(y, y + height), slice(x, x + width))
        piece = np.asarray(runs[box] * (labels[box] == index + 1), np.uint8)
        line = _measure(piece, left + x, top + y, limit)
        if line is not None:
            found.append(line)
    return found


def _measure(pixels: Pixels, left: int, top: int, limit: float) -> Line | None:
    """Fit a straight line through a piece where no stroke thickens it; None where it bends or is thick."""
    sums = cv2.reduce(pixels, 0, cv2.REDUCE_SUM, dtype=cv2.CV_32S)
    counts = np.asarray(sums, np.int32).ravel() // 255
    usual = _quarter(counts[counts > 0])
    filled = (counts > 0) & (counts <= 1.5 * usual + 1)
    if usual > limit or np.count_nonzero(filled) / len(filled) < 0.3:
        return None
    inked, heights = pixels > 0, np.arange(len(pixels), dtype=np.float64)
    along, middle = np.flatnonzero(filled), (heights @ inked)[filled] / counts[filled]
    slope, offset = _fit(along, middle)
    near = np.abs(middle - slope * along - offset) <= 1.001 + 0.5 * usual
    if np.count_nonzero(near) / len(near) < 0.8 or abs(slope) > 0.06:
        return None
    level = slope * np.arange(len(counts)) + offset
    band = inked & (np.abs(heights[:, None] - level) <= 0.5 * usual + 1.501)
    return Line(
        start=left + int(along[0]),
        end=left + int(along[-1]) + 1,
        at=top + float(level.mean()),
        thickness=usual,
        pixels=band.astype(np.uint8) * np.uint8(255),
        part=(slice(top, top + len(pixels)), slice(left, left + len(counts))),
    )


def _quarter(counts: NDArray[np.int32]) -> float:
    """Return the first quartile of whole numbers, as `numpy.percentile` does in ten times the time."""
    ordered, at = np.sort(counts), 0.25 * (len(counts) - 1)
    low = int(at)
    first, second = int(ordered[low]), int(ordered[min(low + 1, len(ordered) - 1)])
    return first + (second - first) * (at - low)


def _fit(along: NDArray[np.intp], middle: NDArray[np.float64]) -> tuple[float, float]:
    """Fit a line, then once more without what lies far off."""
    slope, offset = _regress(along, middle)
    apart = np.abs(middle - slope * along - offset)
    if float(apart.max()) <= 1.501:
        return slope, offset
    near = apart <= max(1.501, 1.5 * float(np.median(apart)))
    return _regress(along[near], middle[near])


def _regress(along: NDArray[np.intp], middle: NDArray[np.float64]) -> tuple[float, float]:
    """Return slope and offset of the line of least squares."""
    centre = int(along.sum()) / len(along)
    centred = along - centre
    slope = float((centred * middle).sum() / max(float((centred * centred).sum()), 1e-9))
    return slope, float(middle.sum() / len(middle) - slope * centre)
