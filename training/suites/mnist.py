"""MNIST's 10,000 test digits, as 28×28 pictures that a user sends."""

from __future__ import annotations

import numpy as np

from shared.vision.readings import NOT_A_DIGIT
from training.data import FILES, Set, find_idx, read_idx
from training.suites.draw import reading, share
from training.suites.suite import Figure, MissingDataError, Preparer, Result, Sources, Suite

NAME = "MNIST test"
NO_DIGIT = "clean_digit_without_answer"
REFUSED = "clean_digit_refused"


def build(sources: Sources, prepare: Preparer, *, seed: int, limit: int | None = None) -> Suite:
    """Read and prepare the test digits; nothing is drawn at random.

    Raises:
        MissingDataError: the idx files are not there.
    """
    digits = clean_digits(sources, limit)
    return Suite(NAME, prepare(digits.images), digits.labels, raw=digits.images)


def clean_digits(sources: Sources, limit: int | None = None) -> Set:
    """Return the test digits before preparation: all, or so many from first to last.

    Raises:
        MissingDataError: the idx files are not there.
    """
    try:
        images, labels = (read_idx(find_idx(sources.mnist, name)) for name in FILES["test"])
    except FileNotFoundError as error:
        raise MissingDataError(sources.mnist) from error
    chosen = spread(len(labels), limit)
    return Set(images[chosen], labels[chosen].astype(np.int64))


def spread(count: int, limit: int | None) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return positions spread evenly over a set: all where it is no larger than the limit."""
    return np.linspace(0, count - 1, min(count, limit or count)).round().astype(np.int64)


def figures(result: Result) -> list[Figure]:
    """Return accuracy, trust, and how many clean digits are refused: sent to review, or called no digit."""
    name, readings = result.suite.name, result.readings
    unread = np.array(
        [p < 0 or NOT_A_DIGIT in why for p, why in zip(readings.prediction, readings.reasons, strict=True)]
    )
    return [
        *reading(result),
        share(REFUSED, name, ~result.accepted, "to review for any reason"),
        share(NO_DIGIT, name, unread, "taken for junk or blank"),
        share("changed_by_preparation", name, _changed(result)),
    ]


def _changed(result: Result) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Say which pictures do not pass the preparation as they are."""
    raw = result.suite.raw
    if raw is None:
        raise ValueError("the suite was built without its raw pictures")
    return np.array(
        [not np.array_equal(p.image, image) for p, image in zip(result.suite.pictures, raw, strict=True)],
        bool,
    )
