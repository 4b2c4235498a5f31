"""Printed lines: rules, graph paper, the frame of a form's box and what cropping left of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from shared.vision.signature import Pixels

_SMALLEST = 40
"""Side below which no line is looked for."""
_SEED = 0.1
"""Straight run, as a share of the side, from which a line is grown."""
_FINE = 0.05
"""Thickest line, as a share of the sheet's shorter side."""
_ACROSS = 0.8
_EDGE = 0.06
"""Distance from the border, as a share of the side, at which a crop leaves parts of a box."""
_EDGE_SPAN = 0.3
_FRAME_SPAN = 0.4
_TIGHT = 0.9


@dataclass(frozen=True, eq=False)
class Line:
    """A straight line: `start` and `end` along it, `at` across it, its thickness, its pixels."""

    start: int
    end: int
    at: float
    thickness: float
    pixels: Pixels


class Cleaned(NamedTuple):
    """The mask without printed lines, and how many there were."""

    mask: Pixels
    lines: int


def drop_lines(mask: Pixels) -> Cleaned:
    """Erase printed lines; a stroke that crosses one is kept whole."""
    if min(mask.shape) < _SMALLEST:
        return Cleaned(mask, 0)
    across, down = _straight(mask), _straight(_turn(mask))
    rows, columns = mask.shape
    chosen_across, chosen_down = _printed(mask, across, down, rows, columns)
    if not (chosen_across or chosen_down):
        return Cleaned(mask, 0)
    flat = _union(mask, chosen_across)
    steep = _turn(_union(_turn(mask), chosen_down))
    left = _erase(mask, flat, steep, chosen_across)
    left = _turn(_erase(_turn(left), _turn(steep), _turn(flat), chosen_down))
    return Cleaned(left, len(chosen_across) + len(chosen_down))


def _turn(mask: Pixels) -> Pixels:
    """Swap rows and columns."""
    return np.asarray(cv2.transpose(mask), np.uint8)


def _straight(mask: Pixels) -> list[Line]:
    """Return the long, thin, straight, nearly level lines."""
    rows, columns = mask.shape
    seed = max(12, round(_SEED * columns))
    profile = cv2.reduce(mask, 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S)
    if int(profile.max()) < 255 * seed:
        return []
    runs = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((1, seed), np.uint8))
    closed = cv2.morphologyEx(
        cv2.copyMakeBorder(runs, 2, 2, 0, 0, cv2.BORDER_CONSTANT, value=0),
        cv2.MORPH_CLOSE,
        np.ones((3, 9), np.uint8),
    )
    joined = np.asarray(closed[2:-2], np.uint8)
    if not _spans(joined, _EDGE_SPAN * columns):
        return []
    _, top, _, height = cv2.boundingRect(joined)
    part = (slice(top, top + height), slice(None))
    limit = max(2.0, _FINE * min(rows, columns))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(np.ascontiguousarray(joined[part]), connectivity=8)
    found = []
    for index, (x, y, width, height, _) in enumerate(stats[1:].tolist(), 1):
        if width < _EDGE_SPAN * columns:
            continue
        box = (slice(y, y + height), slice(x, x + width))
        line = _measure(np.where(labels[box] == index, runs[part][box], 0).astype(np.uint8), limit)
        if line is not None:
            whole = np.zeros_like(mask)
            whole[part][box] = line.pixels
            found.append(Line(x + line.start, x + line.end, top + y + line.at, line.thickness, whole))
    return found


def _spans(mask: Pixels, least: float) -> bool:
    """Say whether ink covers so many columns without a gap: no piece is longer than that."""
    empty = np.flatnonzero(cv2.reduce(mask, 0, cv2.REDUCE_MAX).ravel() == 0)
    edges = np.concatenate(([-1], empty, [mask.shape[1]]))
    return bool(np.diff(edges).max() - 1 >= least)


def _measure(pixels: Pixels, limit: float) -> Line | None:
    """Fit a straight line through a piece where no stroke thickens it; None where it bends or is thick."""
    inked = pixels > 0
    counts = inked.sum(axis=0)
    usual = float(np.percentile(counts[counts > 0], 25))
    filled = (counts > 0) & (counts <= 1.5 * usual + 1)
    if usual > limit or filled.mean() < 0.3:
        return None
    along, heights = np.flatnonzero(filled), np.arange(len(pixels))[:, None]
    middle = (inked * heights).sum(axis=0)[filled] / counts[filled]
    slope, offset = _fit(along, middle)
    straight = np.abs(middle - slope * along - offset) <= 1.001 + 0.5 * usual
    if straight.mean() < 0.8 or abs(slope) > 0.06:
        return None
    level = slope * np.arange(len(counts)) + offset
    band = inked & (np.abs(heights - level) <= 0.5 * usual + 1.501)
    return Line(
        int(along[0]), int(along[-1]) + 1, float(level.mean()), usual, band.astype(np.uint8) * np.uint8(255)
    )


def _fit(along: NDArray[np.intp], middle: NDArray[np.float64]) -> tuple[float, float]:
    """Fit a line, then once more without what lies far off."""
    slope, offset = _regress(along, middle)
    apart = np.abs(middle - slope * along - offset)
    near = apart <= max(1.501, 1.5 * float(np.median(apart)))
    return _regress(along[near], middle[near])


def _regress(along: NDArray[np.intp], middle: NDArray[np.float64]) -> tuple[float, float]:
    """Return slope and offset of the line of least squares."""
    centred = along - along.mean()
    slope = float((centred * middle).sum() / max(float((centred * centred).sum()), 1e-9))
    return slope, float(middle.mean() - slope * along.mean())


def _printed(
    mask: Pixels, across: list[Line], down: list[Line], rows: int, columns: int
) -> tuple[list[Line], list[Line]]:
    """Choose the lines that cross the sheet, lie along its edge or make a frame."""
    framed = _frame(across, down, rows, columns)
    chosen_across = _printed_one_way(across, columns, rows, framed)
    chosen_down = _printed_one_way(down, rows, columns, framed)
    if len(chosen_across) + len(chosen_down) > 1:
        return chosen_across, chosen_down
    return _unless_tight(mask, chosen_across), _unless_tight(_turn(mask), chosen_down)


def _printed_one_way(lines: list[Line], length: int, breadth: int, framed: list[Line]) -> list[Line]:
    """Choose of parallel lines those of a frame, along the edge, from edge to edge, or long and several."""
    long = [line for line in lines if line.end - line.start >= _ACROSS * length]
    return [
        line
        for line in lines
        if line in framed or _reaches(line, length, breadth) or (len(long) > 1 and line in long)
    ]


def _reaches(line: Line, length: int, breadth: int) -> bool:
    """Say whether a line runs from edge to edge, or from one edge along another."""
    slack = max(2, 0.01 * length)
    starts, ends = line.start <= slack, line.end >= length - slack
    if starts and ends:
        return True
    along = not _EDGE * breadth < line.at < (1 - _EDGE) * breadth
    return along and (starts or ends)


def _frame(across: list[Line], down: list[Line], rows: int, columns: int) -> list[Line]:
    """Return the long lines on the sides of one box where there are at least three."""
    long_across = [line for line in across if line.end - line.start >= _FRAME_SPAN * columns]
    long_down = [line for line in down if line.end - line.start >= _FRAME_SPAN * rows]
    if not (long_across and long_down and len(long_across) + len(long_down) >= 3):
        return []
    left, right = min(line.start for line in long_across), max(line.end for line in long_across)
    top, bottom = min(line.start for line in long_down), max(line.end for line in long_down)
    near = 0.5 * _EDGE * max(rows, columns)
    sides = [line for line in long_across if min(abs(line.at - top), abs(line.at - bottom)) <= near]
    sides += [line for line in long_down if min(abs(line.at - left), abs(line.at - right)) <= near]
    return sides if len(sides) >= 3 else []


def _unless_tight(mask: Pixels, lines: list[Line]) -> list[Line]:
    """Keep a line at the edge for ink where the rest reaches the opposite edge: a digit cut tight."""
    if len(lines) != 1:
        return lines
    rows = len(mask)
    rest = cv2.subtract(mask, cv2.dilate(lines[0].pixels, np.ones((3, 3), np.uint8)))
    inked = np.flatnonzero(cv2.reduce(rest, 1, cv2.REDUCE_MAX).ravel())
    if not len(inked):
        return lines
    top, bottom = inked[0] / rows, (inked[-1] + 1) / rows
    near_top, near_bottom = lines[0].at < _EDGE * rows, lines[0].at > (1 - _EDGE) * rows
    tight = (near_top and bottom > _TIGHT) or (near_bottom and top < 1 - _TIGHT)
    return [] if tight else lines


def _union(mask: Pixels, lines: list[Line]) -> Pixels:
    """Lay lines into one mask."""
    union = np.zeros_like(mask)
    for line in lines:
        union = np.asarray(cv2.bitwise_or(union, line.pixels), np.uint8)
    return union


def _erase(mask: Pixels, lines: Pixels, crossing: Pixels, chosen: list[Line]) -> Pixels:
    """Erase level lines except where something longer than they are thick runs through them."""
    if not chosen:
        return mask
    thickness = max(line.thickness for line in chosen)
    reach = round(1.6 * thickness) + 3
    band = cv2.dilate(lines, np.ones((3, 3), np.uint8))
    own = cv2.subtract(mask, cv2.subtract(crossing, lines))
    padded = cv2.copyMakeBorder(own, reach, reach, 0, 0, cv2.BORDER_CONSTANT, value=0)
    through = cv2.morphologyEx(padded, cv2.MORPH_OPEN, np.ones((reach, 1), np.uint8))[reach:-reach]
    gone = cv2.subtract(cv2.bitwise_and(mask, band), through)
    return np.asarray(cv2.subtract(mask, gone), np.uint8)
