"""The picture that a network sees, made from any image the way that NIST's digits became MNIST's.

A version is frozen once a package that names it has shipped: what it makes of a picture never changes again, and
what it should have made differently becomes the next version. `tests/shared/frozen_preparations.json` holds it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import NamedTuple

import cv2
import numpy as np

from shared.vision.framed import is_framed, whole
from shared.vision.ground import to_grey
from shared.vision.ink import Ink, find_ink
from shared.vision.pen import thin
from shared.vision.placed import is_placed
from shared.vision.signature import Pixels
from shared.vision.writing import Writing, find_writing

SIDE = 28
BOX = 20
DIGITS = ("digits", "4")
PLAIN = ("plain", "1")
BLANK = "blank"
MULTIPLE = "multiple_digits"

_THIN = 1.8
"""Least width of a stroke, in pixels of the 20×20 box; MNIST's own pens are rarely thinner."""

_SOLID = 9.0
"""Width of a stroke, in pixels of the 20×20 box, from which on it is none and is not drawn again thinner."""


class Quality(NamedTuple):
    """What the ink looked like.

    `ink_share` of the picture's area; `stroke_width` in pixels of the 20×20 box; `components` of the ink;
    `edge_contact`: the share of the picture's border that is ink; `contrast` between ink and ground, 0..1, after
    the light was evened out; `dropped`: the share of what was dark and not taken for the digit: lines, frames,
    shadows, specks. The last two are NaN where the preparation does not measure them.
    """

    ink_share: float
    stroke_width: float
    components: int
    edge_contact: float
    contrast: float = math.nan
    dropped: float = math.nan


class Prepared(NamedTuple):
    """A network's picture: uint8, (28, 28) light on dark for `digits`, (H, W) or (H, W, 3) for `plain`.

    `reasons` are why a person should look whatever the network says; with `blank` among them there is nothing
    to read. `quality` is None where the picture passed as it was.
    """

    image: Pixels
    reasons: tuple[str, ...] = ()
    quality: Quality | None = None


def prepare(
    pixels: Pixels,
    *,
    name: str = "digits",
    version: str = DIGITS[1],
    shape: tuple[int, int, int] = (1, SIDE, SIDE),
) -> Prepared:
    """Make the network's picture of `shape` (channels, height, width) by the named preparation.

    Raises:
        KeyError: no such preparation; `PREPARATIONS` lists them.
    """
    return PREPARATIONS[name, version](pixels, shape)


def prepare_many(
    images: Iterable[Pixels],
    *,
    name: str = "digits",
    version: str = DIGITS[1],
    shape: tuple[int, int, int] = (1, SIDE, SIDE),
) -> list[Prepared]:
    """Prepare one after the other; looks the preparation up once."""
    function = PREPARATIONS[name, version]
    return [function(pixels, shape) for pixels in images]


def _digits(pixels: Pixels, shape: tuple[int, int, int]) -> Prepared:
    """Prepare one handwritten digit; what already is an MNIST picture passes byte for byte."""
    if pixels.shape[:2] == (SIDE, SIDE):
        grey = _single_channel(pixels)
        if grey is not None and is_mnist_like(grey):
            return Prepared(grey)
    ink = find_ink(pixels)
    if ink is None:
        return Prepared(np.zeros((SIDE, SIDE), np.uint8), (BLANK,), Quality(0.0, 0.0, 0, 0.0))
    quality = Quality(ink.share, ink.stroke_width * _scale(ink), ink.components, ink.edge_contact)
    return Prepared(centre(ink), (MULTIPLE,) if ink.several else (), quality)


def _digits2(pixels: Pixels, shape: tuple[int, int, int]) -> Prepared:
    """Prepare one handwritten digit; a picture like MNIST's and its negative pass byte for byte."""
    return _as_placed(pixels, is_framed) or _cut_out(pixels)


def _digits3(pixels: Pixels, shape: tuple[int, int, int]) -> Prepared:
    """Prepare as version 2 did, with a surer eye for digits in their place that have dirt around them."""
    return _as_placed(pixels, is_placed) or _cut_out(pixels)


def _digits4(pixels: Pixels, shape: tuple[int, int, int]) -> Prepared:
    """Prepare as version 3 did, but a filled shape stays one and is not read by its outline."""
    return _as_placed(pixels, is_placed) or _cut_out(pixels, fill=True)


def _as_placed(pixels: Pixels, is_in_place: Callable[[Pixels], bool]) -> Prepared | None:
    """Return a picture of the network's own size or its negative as it is, where it shows a digit in its place."""
    grey = _single_channel(pixels) if pixels.shape[:2] == (SIDE, SIDE) else None
    if grey is None:
        return None
    planes = (grey, np.asarray(255 - grey, np.uint8))
    return next((Prepared(plane) for plane in planes if is_mnist_like(plane) or is_in_place(plane)), None)


def _cut_out(pixels: Pixels, *, fill: bool = False) -> Prepared:
    """Find the ink, scale it into its box and centre it."""
    ink = find_writing(pixels, fill=fill)
    if ink is None:
        picture = whole(to_grey(pixels))
        if picture is not None:
            return Prepared(picture)
        return Prepared(np.zeros((SIDE, SIDE), np.uint8), (BLANK,), Quality(0.0, 0.0, 0, 0.0))
    scale = _scale(ink)
    quality = Quality(
        ink.share, ink.stroke_width * scale, ink.components, ink.edge_contact, ink.contrast, ink.dropped
    )
    if not (fill and ink.stroke_width * scale > _SOLID):
        ink = replace(ink, strength=thin(ink.strength, ink.stroke_width, scale))
    return Prepared(centre(ink), (MULTIPLE,) if ink.several else (), quality)


def _scale(ink: Ink | Writing) -> float:
    """Return how much ink is enlarged on its way into the box."""
    return BOX / float(max(ink.strength.shape))


def _single_channel(pixels: Pixels) -> Pixels | None:
    """Return the grey plane of a picture whose channels are equal and opaque."""
    if pixels.ndim == 2:
        return pixels
    grey = pixels[:, :, 0]
    same = all(np.array_equal(grey, pixels[:, :, k]) for k in (1, 2))
    opaque = pixels.shape[2] == 3 or bool((pixels[:, :, 3] == 255).all())
    return np.ascontiguousarray(grey) if same and opaque else None


def is_mnist_like(grey: Pixels) -> bool:
    """Say whether a 28×28 picture has MNIST's own measures: a box of about 20, the mass in the middle.

    All 70,000 of MNIST have a longer side of 19 or 20 and the centre of mass within 0.52 of (14, 14).
    """
    _, _, width, height = cv2.boundingRect(grey)
    if not 17 <= max(width, height) <= 22:
        return False
    mass = cv2.moments(grey)
    total = mass["m00"]
    return (
        total > 0
        and 12.9 < mass["m10"] / total < 15.1
        and 12.9 < mass["m01"] / total < 15.1
        and int(grey.max()) >= 128
    )


def centre(ink: Ink | Writing) -> Pixels:
    """Scale ink into a 20×20 box and shift its centre of mass to the middle of 28×28.

    The recipe of NIST's digits as QMNIST recovered it: square box, area resampling, maximum to 255,
    whole-pixel shift (Yadav and Bottou, "Cold Case: The Lost MNIST Digits", 2019).
    """
    strength, scale = ink.strength, _scale(ink)
    lacking = _THIN - ink.stroke_width * scale
    if lacking > 0 and scale < 1:
        strength = _thicken(strength, lacking / scale)
    height, breadth = strength.shape
    side = max(height, breadth)
    top, left = (side - height) // 2, (side - breadth) // 2
    square = np.zeros((side, side), np.uint8)
    square[top : top + height, left : left + breadth] = strength
    method = cv2.INTER_AREA if side >= BOX else cv2.INTER_LINEAR
    box = cv2.resize(square, (BOX, BOX), interpolation=method)
    box = cv2.convertScaleAbs(box, alpha=255 / max(int(box.max()), 1))
    return _place(np.asarray(box, np.uint8))


def _thicken(strength: Pixels, pixels: float) -> Pixels:
    """Draw thin strokes with a pen that is wider by so many pixels."""
    width = max(3, round(pixels) | 1)
    pad = width // 2
    pen = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width))
    padded = cv2.copyMakeBorder(strength, pad, pad, pad, pad, cv2.BORDER_CONSTANT, value=0)
    return np.asarray(cv2.dilate(padded, pen), np.uint8)


def _place(box: Pixels) -> Pixels:
    """Put a 20×20 box into 28×28 so that its centre of mass comes nearest to (14, 14)."""
    mass = cv2.moments(box)
    left = round(SIDE / 2 - mass["m10"] / mass["m00"])
    top = round(SIDE / 2 - mass["m01"] / mass["m00"])
    # Of a lopsided digit some of the box may leave the picture, as in MNIST.
    image = np.zeros((SIDE + 2 * BOX, SIDE + 2 * BOX), np.uint8)
    image[BOX + top : 2 * BOX + top, BOX + left : 2 * BOX + left] = box
    return np.ascontiguousarray(image[BOX : BOX + SIDE, BOX : BOX + SIDE])


def _plain(pixels: Pixels, shape: tuple[int, int, int]) -> Prepared:
    """Flatten on white, take the wanted channels and resize; nothing is cropped."""
    channels, height, width = shape
    if pixels.ndim == 3 and pixels.shape[2] == 4:
        alpha = pixels[:, :, 3:].astype(np.uint16)
        pixels = ((pixels[:, :, :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
    if channels == 1 and pixels.ndim == 3:
        pixels = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.uint8)
    elif channels == 3 and pixels.ndim == 2:
        pixels = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB), np.uint8)
    method = cv2.INTER_AREA if pixels.shape[0] >= height else cv2.INTER_LINEAR
    return Prepared(np.asarray(cv2.resize(pixels, (width, height), interpolation=method), np.uint8))


PREPARATIONS: dict[tuple[str, str], Callable[[Pixels, tuple[int, int, int]], Prepared]] = {
    ("digits", "1"): _digits,
    ("digits", "2"): _digits2,
    ("digits", "3"): _digits3,
    DIGITS: _digits4,
    PLAIN: _plain,
}
"""Every preparation by name and version; a version is never changed once a model was trained with it."""
