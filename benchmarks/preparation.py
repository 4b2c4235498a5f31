"""How long a picture takes to prepare: a digit as people hand it in, by the first and the newest preparation."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypedDict

import cv2
import numpy as np

from benchmarks.pictures import Picture, samples
from shared.vision import prepare
from shared.vision.prepare import DIGITS as PREPARATION

DIGITS, RUNS = 10, 5
NEWEST = PREPARATION[1]


class Preparation(TypedDict):
    """Milliseconds of one kind of picture by `digits@1` and the newest: the best of some runs, mean of ten digits."""

    picture: str
    first_ms: float
    newest_ms: float


def measure_preparation() -> list[Preparation]:
    """Prepare every kind of picture, one after the other on this thread."""
    digits = [sample.pixels for sample in samples()][:DIGITS]
    return [
        {
            "picture": name,
            "first_ms": round(1000 * sum(_best_s(draw(one), "1") for one in digits) / len(digits), 4),
            "newest_ms": round(1000 * sum(_best_s(draw(one), NEWEST) for one in digits) / len(digits), 4),
        }
        for name, draw in KINDS.items()
    ]


def _best_s(picture: Picture, version: str) -> float:
    """Return the shortest time of some runs."""
    times = []
    for _ in range(RUNS):
        began = time.perf_counter()
        prepare(picture, name="digits", version=version)
        times.append(time.perf_counter() - began)
    return min(times)


def _sheet(digit: Picture, width: int, height: int) -> Picture:
    """Write a digit in black on white, half as tall as the sheet."""
    side = height // 2
    large = cv2.resize(digit, (side, side), interpolation=cv2.INTER_CUBIC)
    sheet = np.full((height, width), 255, np.uint8)
    top, left = height // 4, width // 4
    sheet[top : top + side, left : left + side] = np.where(large > 100, 20, 255)
    return np.asarray(cv2.GaussianBlur(sheet, (0, 0), 1), np.uint8)


def _boxed(digit: Picture) -> Picture:
    """Write into a printed box."""
    sheet = _sheet(digit, 200, 200)
    return np.asarray(cv2.rectangle(sheet, (10, 10), (189, 189), 40, 2), np.uint8)


def _photo(digit: Picture) -> Picture:
    """Photograph a sheet in light that falls off to one side."""
    light = np.linspace(1, 0.6, 640)[None, :, None] * np.array((1.0, 0.97, 0.9))
    grain = np.random.default_rng(1).normal(0, 3, (480, 640, 1))
    values = _sheet(digit, 640, 480)[:, :, None] * 0.9 * light + grain
    return np.asarray(values.clip(0, 255).astype(np.uint8))


def _shadow(digit: Picture) -> Picture:
    """Let a phone throw its shadow across."""
    sheet = _sheet(digit, 220, 220).astype(np.float32)
    sheet[:, 110:] *= 0.5
    return np.asarray(sheet.astype(np.uint8))


KINDS: dict[str, Callable[[Picture], Picture]] = {
    "28×28 as MNIST": lambda digit: digit,
    "200×200 scan": lambda digit: _sheet(digit, 200, 200),
    "200×200 with a box": _boxed,
    "220×220, hard shadow": _shadow,
    "640×480 photo": _photo,
    "2000×2000 scan": lambda digit: _sheet(digit, 2000, 2000),
}
"""How a digit is handed in."""
