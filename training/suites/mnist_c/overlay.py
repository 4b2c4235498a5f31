"""Things laid over the digit: inverted stripes, spatter, a dotted line, a zigzag."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from training.suites.mnist_c.blur import blur

Floats = NDArray[np.float32]

_STRIPE = 7
_WET = (0.65, 0.3)
"""Mean and deviation of the noise that drops of mud are cut from."""
_DROP_BLUR, _DROP_LEVEL = 1.0, 0.65
_EDGE_BLUR, _EDGE_LEVEL = 1.5, 0.8
_MUD = 63 / 255
_LINE_REACH = 2.3
_SIDE = 28
_ZIGZAG = 2.0
_ZIGZAG_FROM, _ZIGZAG_TO = 2, 25


def stripe(images: Floats, _: Generator) -> Floats:
    """Invert the left and the right quarter."""
    striped = images.copy()
    striped[:, :, :_STRIPE] = 1 - images[:, :, :_STRIPE]
    striped[:, :, -_STRIPE:] = 1 - images[:, :, -_STRIPE:]
    return striped


def spatter(images: Floats, generator: Generator) -> Floats:
    """Throw mud: blurred noise above a level covers the digit in dark grey."""
    liquid = blur(generator.normal(*_WET, images.shape).astype(np.float32), _DROP_BLUR)
    cover = blur((liquid > _DROP_LEVEL).astype(np.float32), _EDGE_BLUR)
    cover[cover < _EDGE_LEVEL] = 0
    return np.asarray(images * (1 - cover) + _MUD * cover, np.float32)


def dotted_line(images: Floats, generator: Generator) -> Floats:
    """Draw a line from edge to edge, two columns on after two off."""
    start, end = generator.integers(0, _SIDE - 1, (2, len(images)))
    ends = np.full(len(images), _SIDE - 1)
    line = _lines(np.zeros(len(images)), start, ends, end)
    line[:, :, np.arange(_SIDE) % 4 < 2] = 0
    return images + line


def full_line(count: int, generator: Generator) -> Floats:
    """Return lines that start near the left edge and end near the right one."""
    left, right = generator.integers(0, 5, count), generator.integers(22, 27, count)
    start, end = generator.integers(0, _SIDE - 1, (2, count))
    return _lines(left, start, right, end)


def zigzag(images: Floats, generator: Generator) -> Floats:
    """Draw a zigzag of length and height two along a sloping line."""
    count = len(images)
    start = generator.integers(0, _SIDE - 1, count).astype(np.float64)
    theta = np.arctan(generator.integers(-5, 5, count) / (_ZIGZAG_TO - _ZIGZAG_FROM))
    along, beside = _zigzag_points((_ZIGZAG_TO - _ZIGZAG_FROM) / np.cos(theta))
    columns = along * np.cos(theta) - beside * np.sin(theta) + _ZIGZAG_FROM
    rows = along * np.sin(theta) + beside * np.cos(theta) + start
    drawn = images
    for left in range(len(columns) - 1):
        drawn = drawn + _lines(columns[left], rows[left], columns[left + 1], rows[left + 1])
        drawn = drawn.clip(0, 1)
    return drawn


def _zigzag_points(length: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return corners (P, N) along and beside a line of each length, which all hold the same number of turns."""
    turns = int((length.min() - _ZIGZAG) // (2 * _ZIGZAG)) + 1
    height = [_ZIGZAG * (-1) ** turn for turn in range(turns)]
    last = 2 * _ZIGZAG * (length // (2 * _ZIGZAG))
    corner = np.ones_like(length)
    along = [0 * corner, *((2 * turn + 1) * _ZIGZAG * corner for turn in range(turns)), length]
    beside = [0 * corner, *(value * corner for value in height), height[-1] / (2 * (length - last))]
    return np.stack(along), np.stack(beside)


def _lines(
    left: NDArray[np.generic], top: NDArray[np.generic], right: NDArray[np.generic], end: NDArray[np.generic]
) -> Floats:
    """Draw one line an image from (left, top) to (right, end); it fades with the distance above and below."""
    start, x0, x1 = (np.asarray(part, np.float64)[:, None] for part in (top, left, right))
    slope = (np.asarray(end, np.float64)[:, None] - start) / (x1 - x0)
    place = np.arange(_SIDE)
    height = slope * (place - x0) + start
    distance = np.abs(place[None, :, None] - height[:, None, :]).clip(0, _LINE_REACH - 1e-10)
    shade = (np.log(1 - distance / _LINE_REACH) + 1).clip(0, 1)
    outside = (place < np.floor(x0)) | (place >= np.ceil(x1))
    return np.asarray(np.where(outside[:, None, :], 0, shade), np.float32)
