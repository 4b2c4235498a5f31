"""Printed lines: rules, graph paper, the frame of a form's box and what cropping left of it."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from shared.vision.signature import Pixels
from shared.vision.straight import Line, straight

_SMALLEST = 40
"""Side below which no line is looked for."""
_ACROSS = 0.8
_EDGE = 0.06
"""Distance from the border, as a share of the side, at which a crop leaves parts of a box."""
_FRAME_SPAN = 0.4
_TIGHT = 0.9


class Cleaned(NamedTuple):
    """The mask without printed lines, and how many there were."""

    mask: Pixels
    lines: int


def drop_lines(mask: Pixels) -> Cleaned:
    """Erase printed lines; a stroke that crosses one is kept whole."""
    if min(mask.shape) < _SMALLEST:
        return Cleaned(mask, 0)
    across, down = straight(mask), straight(_turn(mask))
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
    rest = cv2.subtract(mask, cv2.dilate(_union(mask, lines), np.ones((3, 3), np.uint8)))
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
        union[line.part] |= line.pixels
    return union


def _erase(mask: Pixels, lines: Pixels, crossing: Pixels, chosen: list[Line]) -> Pixels:
    """Erase level lines except where something longer than they are thick runs through them."""
    if not chosen:
        return mask
    reach = round(1.6 * max(line.thickness for line in chosen)) + 3
    own = np.asarray(cv2.subtract(mask, cv2.subtract(crossing, lines)), np.uint8)
    left = mask.copy()
    for line in chosen:
        first, last = max(line.part[0].start - 1, 0), min(line.part[0].stop + 1, len(mask))
        band = cv2.bitwise_and(mask[first:last], cv2.dilate(lines[first:last], np.ones((3, 3), np.uint8)))
        gone = cv2.subtract(band, _through(own, first, last, reach))
        left[first:last] = cv2.subtract(left[first:last], gone)
    return left


def _through(own: Pixels, first: int, last: int, reach: int) -> Pixels:
    """Return what of some rows lies in upright runs of so many pixels."""
    above, below = max(first - 2 * reach, 0), min(last + 2 * reach, len(own))
    padded = cv2.copyMakeBorder(own[above:below], reach, reach, 0, 0, cv2.BORDER_CONSTANT, value=0)
    upright = cv2.morphologyEx(padded, cv2.MORPH_OPEN, np.ones((reach, 1), np.uint8))
    return np.asarray(upright[reach + first - above : reach + last - above], np.uint8)
