"""The same digit shown another way must get the same answer: inverted, coloured, shaded, scaled, moved, bolder."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from shared.vision import Prepared
from shared.vision.signature import Pixels
from training.data import Images
from training.suites import render
from training.suites.draw import ACCURACY, by_group, share, trust, worst_group
from training.suites.mnist import clean_digits
from training.suites.suite import Bools, Figure, Preparer, Result, Sources, Suite

NAME = "metamorphic"
SAME, FLIPS, WORST = "same_answer", "silent_flips", "worst_same_answer"
CLEAN = "clean"
"""Group of the pictures as they are; what the others are compared with."""
COUNT = 500

VARIANTS: dict[str, Callable[[Pixels, Generator], Pixels]] = {
    "invert": render.invert,
    **{f"{ink} ink": render.in_ink(ink) for ink in render.INKS},
    "shadow gradient": render.under_slope,
    "shadow edge": render.under_edge,
    **{f"{side} px": render.at_size(side) for side in (12, 16, 20, 40, 80, 160, 320, 640, 1000, 2000)},
    "off-centre": render.off_centre,
    "pen x2": render.bolder,
    "JPEG": render.as_jpeg,
}


def build(sources: Sources, prepare: Preparer, *, seed: int, limit: int | None = None) -> Suite:
    """Prepare test digits as they are, and then in every variant; one picture is held at a time.

    Raises:
        MissingDataError: MNIST's idx files are not there.
    """
    digits = clean_digits(sources, min(limit or COUNT, COUNT))
    pictures = prepare(digits.images)
    for index, change in enumerate(VARIANTS.values()):
        pictures += _change(digits.images, change, prepare, np.random.default_rng([seed, index]))
    names = [CLEAN, *VARIANTS]
    groups = [name for name in names for _ in digits.labels]
    return Suite(NAME, pictures, np.tile(digits.labels, len(names)), groups)


def _change(
    images: Images, change: Callable[[Pixels, Generator], Pixels], prepare: Preparer, generator: Generator
) -> list[Prepared]:
    """Show every digit in one way and prepare it."""
    return prepare(change(image, generator) for image in images)


def figures(result: Result) -> list[Figure]:
    """Return the share of same answers and of silent flips, pooled and by variant, and trust."""
    variants = [name for name in result.suite.group_names if name != CLEAN]
    same, flipped = compare(result)
    changed = np.flatnonzero(np.asarray(result.suite.groups, object) != CLEAN)
    return [
        share(SAME, NAME, same[changed]),
        worst_group(WORST, result, same, variants),
        share(FLIPS, NAME, flipped[changed], f"{int(flipped.sum())} other answers accepted"),
        *by_group(SAME, result, same, variants),
        *by_group(FLIPS, result, flipped, variants),
        share(ACCURACY, NAME, result.right),
        *trust(result),
    ]


def compare(result: Result) -> tuple[Bools, Bools]:
    """Say of each picture whether its answer is that of the clean one, and whether another one is accepted."""
    answers: NDArray[np.int32] = result.readings.prediction
    clean = answers[result.suite.members(CLEAN)]
    same = np.asarray(answers == np.tile(clean, len(answers) // len(clean)), np.bool_)
    return same, np.asarray(result.accepted & ~same, np.bool_)
