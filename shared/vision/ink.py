"""The ink of one digit in a picture: where it is, how strong, in how many pieces."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from shared.vision.components import components
from shared.vision.ground import even_light, is_light_ground, shrink, to_grey
from shared.vision.signature import Pixels

WORK_SIDE = 256
"""Pictures are searched at this size or up to twice it; of a small find the full one is looked at again."""
_LEAST_CONTRAST = 24.0
"""Grey levels between ink and ground below which there is nothing to read."""
_LEAST_SIGNAL = 4.0
"""Ink must differ from the ground by this many of the ground's deviations."""
_SPECK = 0.03
"""A piece of ink below this share of the largest is a speck."""
_WRITING = 0.15
"""Share of the sheet that a piece must measure for frames and lines around it to be dropped."""
_LONG = 0.75
"""Share of the sheet that a printed line or frame spans at least."""
_FINE = 0.06
"""Share of the sheet that a printed line is thick at most."""
_STRAIGHT = 0.8
_GAP = 0.06
"""Gap between two digits, as a share of their height; narrower ones are breaks in a stroke."""
_SOFT_SIDE = 60
"""Below this side the grey values, not the mask, carry the shape."""
_MARGIN = 0.25

Mask = NDArray[np.uint8]
Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Ink:
    """The crop of a digit's ink: `strength` 0–255, light on dark, tight; `stroke_width` in its pixels."""

    strength: Pixels
    stroke_width: float
    share: float
    components: int
    edge_contact: float
    several: bool


class _Split(NamedTuple):
    """Dark ink on light ground, parted by Otsu's threshold."""

    grey: Pixels
    mask: Mask
    ground: float
    ink: float


def find_ink(pixels: Pixels) -> Ink | None:
    """Find the digit in a picture of any size and colour; None where there is no ink worth the name."""
    step = _step(pixels)
    split = split_ink(to_grey(shrink(pixels, step)))
    kept = drop_specks(split.mask) if split else None
    if split is None or kept is None:
        return None
    mask, box, boxes = kept
    share, contact = cv2.countNonZero(mask) / mask.size, _edge_contact(mask)
    if step > 1 and max(box[2:]) < WORK_SIDE // 2:
        closer = _look_closer(pixels, box, step)
        if closer is not None:
            split, (mask, box, boxes) = closer
    x, y, width, height = box
    crop = (slice(y, y + height), slice(x, x + width))
    return Ink(
        strength=_strength(split, mask, crop),
        stroke_width=stroke_width(mask[crop]),
        share=share,
        components=len(boxes),
        edge_contact=contact,
        several=are_several(boxes),
    )


def _step(pixels: Pixels) -> int:
    """Return by how many whole steps a picture is reduced before anything else is done with it."""
    return max(int(max(pixels.shape[:2])) // WORK_SIDE, 1)


def _look_closer(whole: Pixels, box: Box, step: int) -> tuple[_Split, tuple[Mask, Box, list[Box]]] | None:
    """Take the surroundings of a small find from the full picture, and part and clean them anew."""
    x, y, width, height = (value * step for value in box)
    margin = _MARGIN * max(width, height) + 2 * step
    left, top = max(int(x - margin), 0), max(int(y - margin), 0)
    cut = whole[top : int(y + height + margin) + 1, left : int(x + width + margin) + 1]
    split = split_ink(to_grey(shrink(cut, _step(cut))))
    kept = drop_specks(split.mask) if split else None
    return (split, kept) if split and kept else None


def split_ink(grey: Pixels) -> _Split | None:
    """Part ink from ground: polarity from content, even light, Otsu; None for a blank."""
    level, light = cv2.threshold(grey, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    if is_light_ground(np.asarray(light, np.uint8)):
        level, mask = int(level), np.asarray(cv2.bitwise_not(light), np.uint8)
    else:
        grey, level, mask = 255 - grey, 254 - int(level), np.asarray(light, np.uint8)
    evened = even_light(grey)
    if evened is not None:
        grey = evened
        found, dark = cv2.threshold(grey, 0, 255, cv2.THRESH_BINARY_INV + cv2.THRESH_OTSU)
        level, mask = int(found), np.asarray(dark, np.uint8)
    levels = _levels(grey, level)
    return None if levels is None else _Split(grey, mask, *levels)


def _levels(grey: Pixels, level: int) -> tuple[float, float] | None:
    """Return the usual brightness of ground and ink, None where they hardly differ."""
    histogram = np.asarray(cv2.calcHist([grey], [0], None, [256], [0, 256])).ravel()
    counts = histogram.cumsum()
    dark, total = counts[level], counts[-1]
    if not 0 < dark < total:
        return None
    ink, ground = np.searchsorted(counts, (dark / 2, (dark + total) / 2))
    apart = np.arange(level + 1, 256) - float(ground)
    deviation = float(np.sqrt((histogram[level + 1 :] * apart * apart).sum() / (total - dark)))
    if ground - ink < max(_LEAST_CONTRAST, _LEAST_SIGNAL * deviation):
        return None
    return float(ground), float(ink)


def _strength(split: _Split, mask: Mask, crop: tuple[slice, slice]) -> Pixels:
    """Return how inked each pixel is: the mask of a large crop, grey values of a small one."""
    if max(mask[crop].shape) >= _SOFT_SIDE:
        return mask[crop]
    soft = (split.ground - split.grey[crop].astype(np.float32)) * (255 / (split.ground - split.ink))
    near = cv2.dilate(mask, np.ones((3, 3), np.uint8))[crop]
    return np.where(near > 0, soft.clip(0, 255), 0).astype(np.uint8)


def drop_specks(mask: Mask) -> tuple[Mask, Box, list[Box]] | None:
    """Drop dust, frames and ruled lines; return the rest, its box (x, y, w, h) and the box of each piece."""
    left, top, width, height = cv2.boundingRect(mask)
    if not width:
        return None
    inner = np.ascontiguousarray(mask[top : top + height, left : left + width])
    labels, pieces = components(inner)
    keep = _worth_keeping(inner, pieces, mask.shape[:2])
    boxes = [(int(x) + left, int(y) + top, int(w), int(h)) for x, y, w, h, _ in pieces[keep]]
    if keep.all():
        return mask, (left, top, width, height), boxes
    table = np.concatenate(([0], np.where(keep, 255, 0))).astype(np.uint8)
    cleaned = np.zeros_like(mask)
    cleaned[top : top + height, left : left + width] = table.take(labels)
    x, y, w, h = cv2.boundingRect(cleaned)
    return cleaned, (x, y, w, h), boxes


def _worth_keeping(mask: Mask, stats: NDArray[np.int32], sheet: tuple[int, int]) -> NDArray[np.bool_]:
    """Say which pieces are writing; frames and lines are dropped only where writing is left without them."""
    keep: NDArray[np.bool_] = np.ones(len(stats), bool)
    if len(stats) > 1:
        printed = np.array([_is_printed(mask, piece, sheet) for piece in stats])
        sides = stats[:, 2:4].max(axis=1)
        if bool((sides[~printed] >= _WRITING * max(sheet)).any()):
            keep = ~printed
    areas = stats[:, cv2.CC_STAT_AREA]
    return keep & (areas >= _SPECK * float(areas[keep].max()))


def _is_printed(mask: Mask, piece: NDArray[np.int32], sheet: tuple[int, int]) -> bool:
    """Say whether a piece is a line across the sheet, or a frame: straight along three sides of its box."""
    x, y, width, height = (int(value) for value in piece[:4])
    across, down = width >= _LONG * sheet[1], height >= _LONG * sheet[0]
    if (across and height <= _FINE * sheet[0]) or (down and width <= _FINE * sheet[1]):
        return True
    if not (across and down):
        return False
    box, band = mask[y : y + height, x : x + width] > 0, max(2, round(_FINE * min(width, height)))
    straight = (
        box[:band].any(axis=0).mean(),
        box[-band:].any(axis=0).mean(),
        box[:, :band].any(axis=1).mean(),
        box[:, -band:].any(axis=1).mean(),
    )
    return sum(bool(share >= _STRAIGHT) for share in straight) >= 3


def are_several(boxes: list[Box]) -> bool:
    """Say whether pieces stand side by side like digits: apart, each nearly as tall as the tallest."""
    if len(boxes) < 2:
        return False
    tallest = max(h for _, _, _, h in boxes)
    tall = sorted((x, x + w) for x, _, w, h in boxes if h >= 0.6 * tallest)
    return any(after[0] - before[1] > _GAP * tallest for before, after in pairwise(tall))


def stroke_width(mask: Mask) -> float:
    """Return the usual width of the strokes in pixels: twice the distance from their ridges to the ground."""
    padded = cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    distance = cv2.distanceTransform(padded, cv2.DIST_L2, 3)
    ridge = distance[(distance >= cv2.dilate(distance, np.ones((3, 3), np.uint8))) & (padded > 0)]
    if not ridge.size:
        return 0.0
    low, high = (ridge.size - 1) // 2, ridge.size // 2
    ordered = np.partition(ridge, (low, high))
    return float(ordered[low] + ordered[high] - 1)


def _edge_contact(mask: Mask) -> float:
    """Return the share of the border that is ink."""
    border = np.concatenate((mask[0], mask[-1], mask[:, 0], mask[:, -1]))
    return float(np.count_nonzero(border)) / border.size
