"""What is no digit and must be refused: blank, noise, clothes, scribbles, crossed-out digits, letters."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import cv2
import numpy as np
from numpy.random import Generator

from shared.vision.signature import Pixels
from training.suites.draw import by_group, mean_of_groups, worst_group
from training.suites.mnist import clean_digits, spread
from training.suites.no_digits import grounds, letters, strokes
from training.suites.suite import JUNK, Bools, Figure, MissingDataError, Preparer, Result, Sources, Suite

NAME = "junk"
REFUSED, NO_ANSWER = "refused", "without_answer"
MEAN, WORST = "mean_of_kinds", "worst_of_kinds"
OMNIGLOT = "omniglot"
"""Foreign letters, some of which are drawn as digits are: reported, and no part of the mean."""
COUNT = 500
"""Pictures of each kind that is drawn."""
_FILES = {"fashion": "fashion.npz", OMNIGLOT: "omniglot.npz"}
_DRAWN: dict[str, Callable[[Generator], Pixels]] = {
    "blank": grounds.blank,
    "noise": grounds.noise,
    "scribbles": strokes.scribble,
    "letters printed": letters.printed,
    "letters written": letters.written,
}


_SHEETS = ("blank", "noise")
"""Kinds that have no strokes to show another way."""


def build(sources: Sources, prepare: Preparer, *, seed: int, limit: int | None = None) -> Suite:
    """Draw and load pictures of every kind, and prepare them.

    Raises:
        MissingDataError: Fashion-MNIST, Omniglot or MNIST's idx files are not there.
    """
    count = min(limit or COUNT, COUNT)
    kinds = {name: _draw(name, count, seed) for name in _DRAWN}
    kinds["crossed out"] = _cross_out(sources, count, seed)
    kinds |= {name: _load(sources, file, limit) for name, file in _FILES.items()}
    pictures, groups = [], []
    for name, images in kinds.items():
        prepared = prepare(images)
        pictures += prepared
        groups += [name] * len(prepared)
    return Suite(NAME, pictures, np.full(len(pictures), JUNK, np.int64), groups)


def _draw(name: str, count: int, seed: int) -> Iterator[Pixels]:
    """Draw pictures of one kind."""
    generator = np.random.default_rng([seed, list(_DRAWN).index(name)])
    drawn = (_DRAWN[name](generator) for _ in range(count))
    return drawn if name in _SHEETS else (_show(picture, generator) for picture in drawn)


def _cross_out(sources: Sources, count: int, seed: int) -> Iterator[Pixels]:
    """Cross out test digits."""
    generator = np.random.default_rng([seed, len(_DRAWN)])
    digits = clean_digits(sources, count).images
    return (_show(strokes.crossed_out(digit, generator), generator) for digit in digits)


def _show(drawing: Pixels, generator: Generator) -> Pixels:
    """Show a drawing as it is, light on dark, or as a 28×28 picture in MNIST's way."""
    way = generator.integers(0, 3)
    if way == 0:
        return drawing
    inverted = 255 - drawing
    return inverted if way == 1 else np.asarray(cv2.resize(inverted, (28, 28), interpolation=cv2.INTER_AREA))


def _load(sources: Sources, file: str, limit: int | None) -> Iterator[Pixels]:
    """Read pictures from an archive of numpy."""
    path = sources.not_digits / file
    if not path.is_file():
        raise MissingDataError(path)
    with np.load(path) as archive:
        images = np.asarray(archive["x"], np.uint8)
    return iter(images[spread(len(images), limit)])


def figures(result: Result) -> list[Figure]:
    """Return how many are refused, and how many, more strictly, get no digit: as mean of kinds and by kind."""
    unread: Bools = np.asarray(result.readings.prediction < 0, np.bool_)
    refused: Bools = np.asarray(~result.accepted, np.bool_)
    counted = [name for name in result.suite.group_names if name != OMNIGLOT]
    return [
        mean_of_groups(MEAN, result, refused, counted),
        worst_group(WORST, result, refused, counted),
        *by_group(REFUSED, result, refused),
        mean_of_groups(f"{NO_ANSWER} {MEAN}", result, unread, counted),
        *by_group(NO_ANSWER, result, unread),
    ]
