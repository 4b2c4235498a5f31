"""What is no digit, so that the network learns to say so: drawn, not collected.

Blanks with dirt, noise, scribbles, pieces of two digits, crossed-out digits, letters, signs, shapes and textures.
Nothing that a person would read as a digit: no letters that look like one, no lone circle, no lone straight line.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import cv2
import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from training import letters, paper, scenes

Pixels = NDArray[np.uint8]
Plane = NDArray[np.float32]

SIGNS = "#&%@?!*+=<>{}[]~^$"
_PRINTED = "AEFHKMNPRWXadkmpwx"
_FONTS = (
    "DejaVuSans",
    "DejaVuSans-Bold",
    "DejaVuSerif",
    "DejaVuSansMono-Oblique",
    "STIXGeneral",
    "cmr10",
    "cmss10",
)
"""Fonts that matplotlib carries."""
_SIDE = 84


def draw(digits: Sequence[Pixels], rng: np.random.Generator) -> Pixels:
    """Draw something that is no digit, as a picture to be prepared; `digits` (28, 28) give the pieces."""
    return KINDS[rng.choice(len(KINDS), p=_SHARES)](digits, rng)


def on_paper(ink: Plane, rng: np.random.Generator, *, page_share: float = 0.4) -> Pixels:
    """Bend ink and lay it on a page in a share of cases, or hand it in as it is: light on dark, 28×28."""
    height = len(ink) / 1.4
    bent = scenes.bend(ink, height, rng, scenes.Scenes())
    if rng.random() < page_share:
        return paper.finish(bent, height, rng)
    x, y, width, tall = cv2.boundingRect((bent > 0.2).astype(np.uint8))
    side = max(width, tall, 1)
    square = np.zeros((side, side), np.float32)
    top, left = (side - tall) // 2, (side - width) // 2
    square[top : top + tall, left : left + width] = bent[y : y + tall, x : x + width]
    small = cv2.resize(square, (20, 20), interpolation=cv2.INTER_AREA)
    small = np.clip(small / max(float(small.max()), 0.01), 0, 1)
    return np.asarray(cv2.copyMakeBorder(small * 255, 4, 4, 4, 4, cv2.BORDER_CONSTANT, value=0), np.uint8)


def _large(digit: Pixels, rng: np.random.Generator) -> Plane:
    """Draw a digit at the size at which junk is made."""
    return scenes.enlarge(digit, _SIDE / 1.4, rng)


def _scribble(digits: Sequence[Pixels], rng: np.random.Generator) -> Pixels:
    """Draw a long restless curve, or hatching."""
    return on_paper(_squiggle(np.zeros((_SIDE, _SIDE), np.float32), rng, int(rng.integers(8, 30))), rng)


def _squiggle(sheet: Plane, rng: np.random.Generator, turns: int) -> Plane:
    """Draw a smooth curve through random points."""
    low, high = sorted(rng.uniform(0.05, 0.95, 2))
    spread = max(high - low, 0.35)
    points = rng.uniform(0.5 - spread / 2, 0.5 + spread / 2, (turns, 2)).astype(np.float32) * _SIDE
    if rng.random() < 0.3:  # hatching: to and fro while the hand moves on
        points[:, 0] = np.linspace(0.15, 0.85, turns) * _SIDE
        points[::2, 1], points[1::2, 1] = rng.uniform(10, 30), rng.uniform(50, 75)
    smooth = cv2.resize(points, (2, turns * 12), interpolation=cv2.INTER_CUBIC)
    line = np.round(smooth).astype(np.int32)
    cv2.polylines(sheet, [line], False, 1.0, int(rng.integers(2, 7)), cv2.LINE_AA)
    return sheet


def _crossed_out(digits: Sequence[Pixels], rng: np.random.Generator) -> Pixels:
    """Cross a digit out: an X, several strokes, or a scribble over it."""
    ink = _large(digits[int(rng.integers(len(digits)))], rng)
    side, pen = len(ink), int(rng.integers(2, 6))
    low, high = (int(share * side) for share in (rng.uniform(0.08, 0.25), rng.uniform(0.75, 0.92)))
    kind = rng.random()
    if kind < 0.45:
        jitter = rng.integers(-8, 9, 8)
        cv2.line(
            ink,
            (low + jitter[0], low + jitter[1]),
            (high + jitter[2], high + jitter[3]),
            1.0,
            pen,
            cv2.LINE_AA,
        )
        cv2.line(
            ink,
            (low + jitter[4], high + jitter[5]),
            (high + jitter[6], low + jitter[7]),
            1.0,
            pen,
            cv2.LINE_AA,
        )
    elif kind < 0.75:
        slope = int(rng.integers(-20, 21))
        for row in np.linspace(rng.uniform(0.2, 0.4), rng.uniform(0.6, 0.8), int(rng.integers(3, 6))) * side:
            end = int(row) + slope + int(rng.integers(-5, 6))
            cv2.line(ink, (low, int(row)), (high, end), 1.0, pen, cv2.LINE_AA)
    else:
        scribble = _squiggle(np.zeros((_SIDE, _SIDE), np.float32), rng, int(rng.integers(9, 24)))
        ink = np.maximum(ink, cv2.resize(scribble, ink.shape[::-1]))
    return on_paper(ink, rng)


def _pieces(digits: Sequence[Pixels], rng: np.random.Generator) -> Pixels:
    """Put the right part of one digit beside the left part of another, or two whole ones side by side."""
    one, two = (_large(digits[int(rng.integers(len(digits)))], rng) for _ in range(2))
    one, two = tight(one), tight(two)
    tall = max(len(one), 8)
    two = np.asarray(cv2.resize(two, (max(round(two.shape[1] * tall / len(two)), 4), tall)), np.float32)
    if rng.random() < 0.5:
        one, two = (
            one[:, int(one.shape[1] * rng.uniform(0.3, 0.6)) :],
            two[:, : int(two.shape[1] * rng.uniform(0.4, 0.7)) + 1],
        )
        gap = round(rng.uniform(-0.02, 0.25) * tall)
    else:
        gap = round(rng.uniform(-0.12, 0.2) * tall)
    return on_paper(in_square(_beside(one, two, gap)), rng)


def _beside(one: Plane, two: Plane, gap: int) -> Plane:
    """Put two pieces of ink side by side, overlapping where the gap is negative."""
    height = max(len(one), len(two))
    width = max(one.shape[1] + gap + two.shape[1], one.shape[1], two.shape[1])
    both = np.zeros((height, width), np.float32)
    both[: len(one), : one.shape[1]] = one
    both[: len(two), width - two.shape[1] :] = np.maximum(both[: len(two), width - two.shape[1] :], two)
    return both


def tight(ink: Plane) -> Plane:
    """Cut ink out."""
    x, y, width, height = cv2.boundingRect((ink > 0.3).astype(np.uint8))
    return ink[y : y + height, x : x + width] if width else ink


def in_square(ink: Plane) -> Plane:
    """Put ink into the middle of a sheet of the usual size."""
    scale = 0.7 * _SIDE / max(ink.shape)
    small = cv2.resize(ink, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    sheet = np.zeros((_SIDE, _SIDE), np.float32)
    top, left = (_SIDE - small.shape[0]) // 2, (_SIDE - small.shape[1]) // 2
    sheet[top : top + small.shape[0], left : left + small.shape[1]] = small
    return sheet


def _letter(digits: Sequence[Pixels], rng: np.random.Generator) -> Pixels:
    """Write a letter by hand, or two."""
    ink = letters.write_letter(rng)
    if rng.random() < 0.12:
        ink = _beside(ink, letters.write_letter(rng), round(rng.uniform(0.02, 0.2) * len(ink)))
    return on_paper(in_square(tight(ink)), rng)


def _glyph(digits: Sequence[Pixels], rng: np.random.Generator) -> Pixels:
    """Write a sign of no script."""
    return on_paper(in_square(tight(letters.write_glyph(rng))), rng)


def _print(digits: Sequence[Pixels], rng: np.random.Generator) -> Pixels:
    """Print a letter or a sign, or two or three letters."""
    count = 1 if rng.random() < 0.75 else int(rng.integers(2, 4))
    text = "".join(rng.choice(list(_PRINTED if rng.random() < 0.7 else SIGNS), count))
    font = _font(_FONTS[rng.integers(len(_FONTS))])
    box = font.getbbox(text)
    sheet = Image.new("L", (int(box[2] - box[0]) + 20, int(box[3] - box[1]) + 20))
    ImageDraw.Draw(sheet).text((10 - box[0], 10 - box[1]), text, fill=255, font=font)
    ink = np.asarray(sheet, np.float32) / 255
    pen = int(rng.integers(1, 5))
    bold = np.asarray(cv2.dilate(ink, np.ones((pen, pen), np.uint8)), np.float32)
    return on_paper(in_square(tight(bold)), rng)


@lru_cache
def _font(name: str) -> ImageFont.FreeTypeFont:
    """Load one of matplotlib's fonts."""
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{name}.ttf"), 72)


def _shapes(digits: Sequence[Pixels], rng: np.random.Generator) -> Pixels:
    """Draw filled polygons, or stars of five rays and more.

    An outline would be read as 0, a sliver as 1, a star of few rays as 4 or 7. On a page a large dark area may come
    out as its outline, since light is evened out: filled ones are handed in as they are.
    """
    sheet = np.zeros((_SIDE, _SIDE), np.float32)
    if rng.random() < 0.65:
        cv2.fillPoly(sheet, [_broad_polygon(rng)], 1.0, cv2.LINE_AA)
        return on_paper(sheet, rng, page_share=0)
    rays, pen = int(rng.integers(5, 10)), int(rng.integers(2, 7))
    angles = (np.arange(rays) + rng.uniform(-0.3, 0.3, rays)) * (2 * math.pi / rays) + rng.uniform(
        0, 2 * math.pi
    )
    reach = rng.uniform(0.25, 0.42, rays) * _SIDE
    for x, y in np.stack((np.cos(angles) * reach, np.sin(angles) * reach), 1) + _SIDE / 2:
        cv2.line(sheet, (_SIDE // 2, _SIDE // 2), (int(x), int(y)), 1.0, pen, cv2.LINE_AA)
    return on_paper(sheet, rng)


def _polygon(rng: np.random.Generator) -> NDArray[np.int32]:
    """Draw corners around the middle."""
    corners = int(rng.integers(3, 9))
    angles = np.sort(rng.uniform(0, 2 * math.pi, corners))
    reach = rng.uniform(0.12, 0.42, corners) * _SIDE
    points = np.stack((np.cos(angles) * reach, np.sin(angles) * reach), 1) + _SIDE / 2
    return np.asarray(points, np.int32)


def _broad_polygon(rng: np.random.Generator) -> NDArray[np.int32]:
    """Draw a polygon that is no sliver."""
    while True:
        points = _polygon(rng)
        _, sides, _ = cv2.minAreaRect(points)
        if min(sides) > 0.45 * max(sides):
            return points


def _silhouette(digits: Sequence[Pixels], rng: np.random.Generator) -> Pixels:
    """Fill a symmetric outline with shades, as a photographed thing looks when it is cut out."""
    rows = np.linspace(0, 1, 24)
    outline = np.interp(rows, np.linspace(0, 1, 6), rng.uniform(0.08, 0.48, 6))
    x = np.abs(np.linspace(-0.5, 0.5, 24))
    inside = (x[None] < outline[:, None]).astype(np.float32)
    shade = cv2.resize(
        rng.uniform(0.25, 1, (5, 5)).astype(np.float32), (24, 24), interpolation=cv2.INTER_CUBIC
    )
    if rng.random() < 0.4:
        inside *= (np.sin(rows * rng.uniform(6, 50))[:, None] > rng.uniform(-1, 0.4)).astype(np.float32)
    picture = np.clip(inside * shade * rng.uniform(0.8, 1.2), 0, 1) * 255
    picture = cv2.copyMakeBorder(picture, 2, 2, 2, 2, cv2.BORDER_CONSTANT, value=0).astype(np.uint8)
    return (
        picture if rng.random() < 0.5 else np.asarray(255 - cv2.resize(picture, None, fx=3, fy=3), np.uint8)
    )


def _texture(digits: Sequence[Pixels], rng: np.random.Generator) -> Pixels:
    """Draw cloth, gratings, clouds or boards all over the picture."""
    side = int(rng.choice([28, 28, 56, 100]))
    ys, xs = np.mgrid[:side, :side].astype(np.float32) / side
    angle, waves = rng.uniform(0, math.pi), rng.uniform(1.5, 9)
    grating = np.sin(2 * math.pi * waves * (xs * math.cos(angle) + ys * math.sin(angle)) + rng.uniform(0, 6))
    coarse = int(rng.integers(3, 12))
    clouds = cv2.resize(
        rng.standard_normal((coarse, coarse)).astype(np.float32), (side, side), interpolation=cv2.INTER_CUBIC
    )
    match int(rng.integers(4)):
        case 0:
            field = grating
        case 1:
            field = clouds
        case 2:
            field = grating * np.sin(2 * math.pi * waves * (xs * math.sin(angle) - ys * math.cos(angle)))
        case _:
            field = clouds + 0.7 * grating
    if rng.random() < 0.4:
        field = np.sign(field)
    return np.asarray(np.clip(128 + field * rng.uniform(40, 128), 0, 255), np.uint8)


def _noise(digits: Sequence[Pixels], rng: np.random.Generator) -> Pixels:
    """Draw grain, even, normal or of single dots, fine or coarse."""
    side = int(rng.choice([14, 20, 28, 28, 28, 56]))
    match int(rng.integers(4)):
        case 0:
            field = rng.uniform(0, 255, (side, side))
        case 1:
            field = rng.normal(rng.uniform(40, 200), rng.uniform(20, 90), (side, side))
        case 2:
            field = np.where(rng.random((side, side)) < rng.uniform(0.02, 0.5), 255.0, 0.0)
        case _:
            grain = cv2.GaussianBlur(rng.normal(0, 1, (side, side)), (0, 0), rng.uniform(0.6, 2.5))
            field = np.asarray(grain, np.float64)
            field = 128 + field / max(float(field.std()), 1e-6) * rng.uniform(30, 100)
    picture = np.clip(field, 0, 255).astype(np.uint8)
    return (
        picture
        if side == 28
        else np.asarray(cv2.resize(picture, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST), np.uint8)
    )


def _dirt(digits: Sequence[Pixels], rng: np.random.Generator) -> Pixels:
    """Leave specks, blots, and bits of frames on an empty sheet."""
    sheet = np.zeros((_SIDE, _SIDE), np.float32)
    for _ in range(int(rng.integers(2, 9))):
        centre = tuple(int(v) for v in rng.uniform(0.05, 0.95, 2) * _SIDE)
        axes = tuple(int(v) for v in rng.uniform(1, 0.08 * _SIDE, 2))
        cv2.ellipse(sheet, centre, axes, float(rng.uniform(0, 180)), 0, 360, 1.0, -1, cv2.LINE_AA)
    if rng.random() < 0.6:
        corner = rng.uniform(0.0, 0.3, 2) * _SIDE
        far = rng.uniform(0.7, 1.0, 2) * _SIDE
        points = np.array([[corner[0], far[1]], corner, [far[0], corner[1]]])
        cv2.polylines(sheet, [points.astype(np.int32)], False, 1.0, int(rng.integers(1, 5)), cv2.LINE_AA)
    return on_paper(sheet, rng)


KINDS: tuple[Callable[[Sequence[Pixels], np.random.Generator], Pixels], ...] = (
    _scribble, _crossed_out, _pieces, _letter, _glyph, _print, _shapes, _silhouette, _texture, _noise, _dirt,
)  # fmt: skip
_SHARES = (0.1, 0.15, 0.11, 0.18, 0.1, 0.08, 0.07, 0.08, 0.05, 0.04, 0.04)
