"""The digit in a picture of any size, as `digits@2` finds it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from shared.vision.ground import shrink, to_grey
from shared.vision.ink import stroke_width
from shared.vision.lines import drop_lines
from shared.vision.pieces import Box, are_several, gather
from shared.vision.signature import Pixels
from shared.vision.threshold import Split, part

WORK_SIDE = 256
"""Pictures are searched at this size or up to twice it; of a small find the full one is looked at again."""
_SOFT_SIDE = 60
"""Below this side the grey values, not the mask, carry the shape."""
_MARGIN = 0.25
_LEAST_SIDE = 8
"""Pixels of the upload below which ink on a large sheet is a speck."""
_REMAINS = 0.3
"""Share of the sheet below which ink at the border, where there are printed lines, is a part of them."""
_LEAST_SHARE = 0.05
"""Share of the sheet from which on ink of any size is worth a look."""


@dataclass(frozen=True)
class Writing:
    """The crop of a digit's ink: `strength` 0–255, light on dark, tight; `stroke_width` in its pixels."""

    strength: Pixels
    stroke_width: float
    share: float
    components: int
    edge_contact: float
    several: bool
    contrast: float
    dropped: float


def find_writing(pixels: Pixels, *, fill: bool = False) -> Writing | None:
    """Find the digit in a picture of any size and colour; None where there is no ink worth the name.

    With `fill` a filled shape stays one, else evening out the light may leave its outline.
    """
    step = max(int(max(pixels.shape[:2])) // WORK_SIDE, 1)
    split = part(to_grey(shrink(pixels, step)), fill=fill)
    if split is None:
        return None
    cleaned = drop_lines(split.mask)
    found = gather(cleaned.mask, split.grey)
    if found is None or _is_speck(found.box, split.mask, step):
        return None
    mask, box = found.mask, found.box
    contact = _edge_contact(mask)
    if cleaned.lines and contact and max(box[2:]) < _REMAINS * max(mask.shape):
        return None
    several = are_several(found.boxes)
    share = cv2.countNonZero(mask) / mask.size
    dropped = 1 - cv2.countNonZero(mask) / max(cv2.countNonZero(split.mask), 1)
    if step > 1 and max(box[2:]) < WORK_SIDE // 2:
        split, mask, box = _look_closer(pixels, split, mask, box, step, fill)
    x, y, width, height = box
    crop = (slice(y, y + height), slice(x, x + width))
    return Writing(
        strength=_strength(split, mask, crop),
        stroke_width=stroke_width(mask[crop]),
        share=share,
        components=len(found.boxes),
        edge_contact=contact,
        several=several,
        contrast=(split.ground - split.ink) / 255,
        dropped=max(dropped, 0.0),
    )


def _is_speck(box: Box, mask: Pixels, step: int) -> bool:
    """Say whether ink is too small on its sheet to be a digit."""
    largest = max(box[2:])
    return largest * step < _LEAST_SIDE and largest < _LEAST_SHARE * max(mask.shape)


def _look_closer(
    whole: Pixels, split: Split, mask: Pixels, box: Box, step: int, fill: bool
) -> tuple[Split, Pixels, Box]:
    """Take a small find from the full picture; of its ink what lies on the find is kept."""
    x, y, width, height = box
    margin = round(_MARGIN * max(width, height)) + 2
    left, top = max(x - margin, 0), max(y - margin, 0)
    right, bottom = min(x + width + margin, mask.shape[1]), min(y + height + margin, mask.shape[0])
    cut = whole[top * step : bottom * step, left * step : right * step]
    finest = to_grey(shrink(cut, max(int(max(cut.shape[:2])) // WORK_SIDE, 1)))
    near = part(finest, inverted=split.inverted, fill=fill)
    if near is None:
        return split, mask, box
    coarse = cv2.dilate(mask[top:bottom, left:right], np.ones((3, 3), np.uint8))
    rows, columns = near.mask.shape
    finer = cv2.bitwise_and(near.mask, cv2.resize(coarse, (columns, rows), interpolation=cv2.INTER_NEAREST))
    found = cv2.boundingRect(finer)
    if not found[2]:
        return split, mask, box
    return near, np.asarray(finer, np.uint8), (found[0], found[1], found[2], found[3])


def _strength(split: Split, mask: Pixels, crop: tuple[slice, slice]) -> Pixels:
    """Return how inked each pixel is: the mask of a large crop, grey values of a small one."""
    if max(mask[crop].shape) >= _SOFT_SIDE:
        return mask[crop]
    soft = (split.ground - split.grey[crop].astype(np.float32)) * (255 / (split.ground - split.ink))
    near = cv2.dilate(mask, np.ones((3, 3), np.uint8))[crop]
    return np.where(near > 0, soft.clip(0, 255), 0).astype(np.uint8)


def _edge_contact(mask: Pixels) -> float:
    """Return the share of the border that is ink."""
    border = np.concatenate((mask[0], mask[-1], mask[:, 0], mask[:, -1]))
    return float(np.count_nonzero(border)) / border.size
