"""The pieces of ink: which belong to the digit, and whether they are one digit or several."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from shared.vision.components import Labels, Stats, around, components
from shared.vision.signature import Pixels

_SPECK = 0.03
"""A piece of ink below this share of the largest is a speck."""
_STRAY = 0.2
"""A piece below this share of the largest that lies further away than the digit's own half is no part of it."""
_WRITING = 0.1
"""Share of the sheet that a piece must measure for those at the edge to be dropped."""
_CONTACT = 0.5
"""Share of their length with which a table, a shadow or a scanner's edge lies on the border, and a digit does not."""
_INTRUDER = 0.6
"""A piece at the border below this share of the largest that stands free is a neighbour's."""
_FAINT = 0.4
"""Steepness of a piece's edges, as a share of the sharpest's, below which it is no ink."""
_STRIP = 0.4
"""Depth, as a share of the sheet's, up to which ink along a whole side is the sheet's end and no digit."""
_DOTS = 6
"""From this many pieces on, none of them large, strokes are taken for dotted."""
_LARGEST_DOT = 12
"""Pixels of the picture that is searched from which on a piece is no dot."""
_GAP = 0.06
"""Gap between two digits, as a share of their height; narrower ones are breaks in a stroke."""
_TALL = 0.5
_MARGIN = 3

Box = tuple[int, int, int, int]


class Pieces(NamedTuple):
    """The digit's ink: mask, box (x, y, w, h), the boxes of its pieces, share of all ink that was dropped."""

    mask: Pixels
    box: Box
    boxes: list[Box]
    dropped: float


def gather(mask: Pixels, grey: Pixels) -> Pieces | None:
    """Keep the pieces that make the digit; None where there is none. Ink is dark in `grey`."""
    box = _box(mask)
    if not box[2]:
        return None
    if _is_single(mask, box):
        return None if _is_strip(mask, box) else Pieces(mask, box, [box], 0.0)
    part = around(mask, _MARGIN)
    inner = np.ascontiguousarray(mask[part])
    labels, pieces = components(inner)
    areas = pieces[:, cv2.CC_STAT_AREA]
    keep = _inside(pieces, _contact(labels, part, mask.shape), mask.shape)
    keep &= _sharp(inner, labels, grey[part], np.where(keep, areas, 0))
    keep &= _near(pieces, keep)
    dropped = 1 - float(areas[keep].sum()) / float(areas.sum())
    if not keep.all():
        table = np.concatenate(([0], np.where(keep, 255, 0))).astype(np.uint8)
        mask = np.zeros_like(mask)
        mask[part] = table.take(labels)
    pieces[:, :2] += (part[1].start, part[0].start)
    boxes = [(int(x), int(y), int(w), int(h)) for x, y, w, h, _ in pieces[keep]]
    if len(boxes) >= _DOTS and areas[keep].max() < 0.4 * areas[keep].sum():
        joined = _join_dots(mask, boxes)
        if joined is None:
            return None
        mask, boxes = joined
    box = _box(mask)
    return None if _is_strip(mask, box) else Pieces(mask, box, boxes, dropped)


def _box(mask: Pixels) -> Box:
    """Return the box around ink; empty where there is none."""
    x, y, width, height = cv2.boundingRect(mask)
    return x, y, width, height


def _is_single(mask: Pixels, box: Box) -> bool:
    """Say whether all ink hangs together: nothing is left where one piece is filled up with ground."""
    x, y, width, height = box
    rest = mask[y : y + height, x : x + width].copy()
    cv2.floodFill(rest, None, (int(rest[0].argmax()), 0), 0, flags=8)
    return not cv2.countNonZero(rest)


def _is_strip(mask: Pixels, box: Box) -> bool:
    """Say whether ink is nothing but a strip along a whole side: a scanner's edge, the end of the sheet."""
    rows, columns = mask.shape
    x, y, width, height = box
    if height >= 0.98 * rows and width <= _STRIP * columns and (x == 0 or x + width == columns):
        return bool((mask[:, 0 if x == 0 else -1] > 0).mean() > 0.9)
    if width >= 0.98 * columns and height <= _STRIP * rows and (y == 0 or y + height == rows):
        return bool((mask[0 if y == 0 else -1] > 0).mean() > 0.9)
    return False


def _contact(labels: Labels, part: tuple[slice, slice], sheet: tuple[int, ...]) -> Stats:
    """Return with how many pixels each piece lies on that border of the sheet which it touches most."""
    rows, columns = part
    counts = np.zeros(int(labels.max()), np.int64)
    for at_border, side in (
        (rows.start == 0, labels[0]),
        (rows.stop == sheet[0], labels[-1]),
        (columns.start == 0, labels[:, 0]),
        (columns.stop == sheet[1], labels[:, -1]),
    ):
        if at_border:
            counts = np.maximum(counts, np.bincount(side, minlength=len(counts) + 1)[1:])
    return np.asarray(counts, np.int32)


def _inside(stats: Stats, contact: Stats, sheet: tuple[int, ...]) -> NDArray[np.bool_]:
    """Drop what comes in from the edge, where writing is left without it."""
    rows, columns = sheet
    sides, area = stats[:, 2:4].max(axis=1), stats[:, cv2.CC_STAT_AREA]
    free = (contact == 0) & (sides >= max(_WRITING * min(rows, columns), 4))
    if not contact.any() or not free.any():
        return np.ones(len(stats), bool)
    largest = int(area[free].max())
    enters: NDArray[np.bool_] = (contact >= _CONTACT * sides) | (area < _INTRUDER * largest)
    return np.asarray((contact == 0) | ~enters, bool)


def _sharp(mask: Pixels, labels: Labels, grey: Pixels, areas: Stats) -> NDArray[np.bool_]:
    """Drop pieces with much softer edges than the sharpest: what a shadow or the sheet's other side left."""
    kernel = np.ones((3, 3), np.uint8)
    edge = np.flatnonzero(cv2.subtract(mask, cv2.erode(mask, kernel)) > 0)
    steep = cv2.morphologyEx(cv2.blur(grey, (3, 3)), cv2.MORPH_GRADIENT, kernel).ravel()[edge]
    owner = labels.ravel()[edge]
    count = np.maximum(np.bincount(owner, minlength=len(areas) + 1)[1:], 1)
    steepness = np.bincount(owner, weights=steep, minlength=len(areas) + 1)[1:] / count
    large = areas >= 0.1 * areas.max()
    return np.asarray(steepness >= _FAINT * steepness[large].max())


def _near(stats: Stats, keep: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Drop specks, and small pieces far from the largest."""
    areas = np.where(keep, stats[:, cv2.CC_STAT_AREA], 0)
    main = int(areas.argmax())
    x, y, w, h = (stats[:, k] for k in range(4))
    away_x = np.maximum(np.maximum(x - (x[main] + w[main]), x[main] - (x + w)), 0)
    away_y = np.maximum(np.maximum(y - (y[main] + h[main]), y[main] - (y + h)), 0)
    reach = 0.5 * max(int(w[main]), int(h[main]))
    far = np.hypot(away_x, away_y) > reach
    dotted = int((areas > 0.3 * areas[main]).sum()) >= _DOTS
    small = areas < _STRAY * areas[main]
    return np.asarray((areas >= _SPECK * areas[main]) & (~(far & small) | dotted), bool)


def _join_dots(mask: Pixels, boxes: list[Box]) -> tuple[Pixels, list[Box]] | None:
    """Close the gaps of dotted strokes; None where the dots are no strokes but grain."""
    dot = float(np.median([max(w, h) for _, _, w, h in boxes]))
    if dot < 3:
        return None
    if dot > _LARGEST_DOT:
        return mask, boxes
    pad = round(2.5 * dot) | 1
    padded = cv2.copyMakeBorder(mask, pad, pad, pad, pad, cv2.BORDER_CONSTANT, value=0)
    for size in range(3, pad + 1, 2):
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
        closed = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, kernel)
        _, pieces = components(np.asarray(closed, np.uint8))
        if pieces[:, 4].max() >= 0.6 * pieces[:, 4].sum():
            joined = [(int(x) - pad, int(y) - pad, int(w), int(h)) for x, y, w, h, _ in pieces]
            return np.ascontiguousarray(closed[pad:-pad, pad:-pad]), joined
    return None


def are_several(boxes: list[Box]) -> bool:
    """Say whether groups of pieces stand side by side like digits: apart, each at least half as tall as the tallest."""
    groups = _group(boxes)
    if len(groups) < 2:
        return False
    tallest = max(h for _, _, _, h in groups)
    tall = sorted((x, x + w) for x, _, w, h in groups if h >= _TALL * tallest)
    return any(after[0] - before[1] > _GAP * tallest for before, after in pairwise(tall))


def _group(boxes: list[Box]) -> list[Box]:
    """Join pieces that are a break in a stroke apart, also through a third."""
    reach = _GAP * max((h for _, _, _, h in boxes), default=0)
    groups: list[Box] = []
    for box in boxes:
        near = [group for group in groups if _apart(group, box) <= reach]
        groups = [group for group in groups if group not in near]
        groups.append(_around([*near, box]))
    return groups if len(groups) == len(boxes) else _group(groups)


def _apart(one: Box, other: Box) -> float:
    """Return the distance of two boxes."""
    (x, y, width, height), (left, top, breadth, tallness) = one, other
    across = max(x - left - breadth, left - x - width, 0)
    down = max(y - top - tallness, top - y - height, 0)
    return math.hypot(across, down)


def _around(boxes: list[Box]) -> Box:
    """Return the box around boxes."""
    left, top = min(x for x, _, _, _ in boxes), min(y for _, y, _, _ in boxes)
    right, bottom = max(x + w for x, _, w, _ in boxes), max(y + h for _, y, _, h in boxes)
    return left, top, right - left, bottom - top
