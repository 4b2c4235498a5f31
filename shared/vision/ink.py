"""The ink of one digit in a picture: where it is, how strong, in how many pieces."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from shared.vision.ground import even_light, is_light, to_grey
from shared.vision.signature import Pixels

WORK_SIDE = 512
"""Pictures are searched at this size; the crop is then taken from the full picture."""
_LEAST_CONTRAST = 24.0
_LEAST_SIGNAL = 4.0
"""Ink must differ from the ground by this many of its own deviations."""
_SPECK = 0.03
"""A piece of ink below this share of the largest is a speck."""
_SOFT_SIDE = 60
"""Below this side the grey values, not the mask, carry the shape."""

Mask = NDArray[np.uint8]


@dataclass(frozen=True)
class Ink:
    """The crop of a digit's ink: `strength` 0–255, light on dark, tight."""

    strength: Pixels
    stroke_width: float
    share: float
    components: int
    edge_contact: float
    several: bool


def find_ink(pixels: Pixels) -> Ink | None:
    """Find the digit in a picture of any size and colour; None where there is no ink worth the name."""
    whole = to_grey(pixels)
    factor = WORK_SIDE / max(whole.shape)
    grey = whole if factor >= 1 else _shrink(whole, factor)
    grey = even_light(grey if is_light(grey) else 255 - grey)
    found = _threshold(grey)
    if found is None:
        return None
    mask, ground, level = found
    kept = drop_specks(mask)
    if kept is None:
        return None
    mask, boxes = kept
    x, y, width, height = cv2.boundingRect(mask)
    crop = (slice(y, y + height), slice(x, x + width))
    strength = _strength(grey[crop], mask[crop], ground, level)
    return Ink(
        strength=strength,
        stroke_width=stroke_width(mask[crop]),
        share=float(np.count_nonzero(mask)) / mask.size,
        components=len(boxes),
        edge_contact=_edge_contact(mask),
        several=are_several(boxes),
    )


def _shrink(grey: Pixels, factor: float) -> Pixels:
    """Reduce a picture by area."""
    size = (
        max(round(grey.shape[1] * factor), 1),
        max(round(grey.shape[0] * factor), 1),
    )
    return cv2.resize(grey, size, interpolation=cv2.INTER_AREA)  # type: ignore[return-value]  # 8 bits stay 8


def _threshold(grey: Pixels) -> tuple[Mask, float, float] | None:
    """Split ink from ground by Otsu; return mask, ground level and ink level, None for a blank."""
    _, mask = cv2.threshold(grey, 0, 255, cv2.THRESH_BINARY_INV + cv2.THRESH_OTSU)
    dark = mask > 0
    count = int(np.count_nonzero(dark))
    if not 0 < count < dark.size:
        return None
    ground_values = grey[~dark]
    ground, deviation = float(np.median(ground_values)), float(ground_values.std())
    ink = float(np.median(grey[dark]))
    if ground - ink < max(_LEAST_CONTRAST, _LEAST_SIGNAL * deviation):
        return None
    return mask.astype(np.uint8, copy=False), ground, ink


def _strength(grey: Pixels, mask: Mask, ground: float, level: float) -> Pixels:
    """Return how inked each pixel is: the mask of a large crop, grey values of a small one."""
    if max(mask.shape) >= _SOFT_SIDE:
        return mask
    soft = np.clip((ground - grey.astype(np.float32)) * (255 / (ground - level)), 0, 255)
    near = cv2.dilate(mask, np.ones((3, 3), np.uint8))
    return np.where(near > 0, soft, 0).astype(np.uint8)


def drop_specks(mask: Mask) -> tuple[Mask, list[tuple[int, int, int, int]]] | None:
    """Drop pieces that are dust, and return the rest with the box (x, y, w, h) of each piece."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    if count < 2:
        return None
    areas = stats[1:, cv2.CC_STAT_AREA]
    keep = areas >= max(_SPECK * float(areas.max()), 1.0)
    boxes = [(int(x), int(y), int(w), int(h)) for x, y, w, h, _ in stats[1:][keep]]
    if keep.all():
        return mask, boxes
    table = np.concatenate(([0], np.where(keep, 255, 0))).astype(np.uint8)
    return table[labels], boxes


def are_several(boxes: list[tuple[int, int, int, int]]) -> bool:
    """Say whether pieces stand side by side like digits: apart, each nearly as tall as the tallest."""
    tallest = max(h for _, _, _, h in boxes)
    tall = sorted((x, x + w) for x, _, w, h in boxes if h >= 0.6 * tallest)
    return any(after[0] > before[1] for before, after in pairwise(tall))


def stroke_width(mask: Mask) -> float:
    """Return the usual width of the strokes in pixels: area over half the outline's length."""
    distance = cv2.distanceTransform(
        cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0),
        cv2.DIST_L2,
        3,
    )
    ridge = distance[distance >= cv2.dilate(distance, np.ones((3, 3), np.uint8))]
    ridge = ridge[ridge > 0]
    return float(2 * np.median(ridge) - 1) if ridge.size else 0.0


def _edge_contact(mask: Mask) -> float:
    """Return the share of the border that is ink."""
    border = np.concatenate((mask[0], mask[-1], mask[:, 0], mask[:, -1]))
    return float(np.count_nonzero(border)) / border.size
