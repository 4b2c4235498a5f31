"""MNIST-C: the test digits under fifteen corruptions, each sent as a 28×28 picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from training.data import Set
from training.suites.draw import ACCURACY, by_group, mean_of_groups, trust, worst_group
from training.suites.mnist import clean_digits
from training.suites.mnist_c import CORRUPTIONS, corrupt
from training.suites.suite import Bools, Figure, Preparer, Result, Sources, Suite

NAME = "MNIST-C"
MEAN, WORST, ALONE = "mean_accuracy", "worst_accuracy", "network_alone"


def build(sources: Sources, prepare: Preparer, *, seed: int, limit: int | None = None) -> Suite:
    """Corrupt and prepare the test digits in every way.

    Raises:
        MissingDataError: MNIST's idx files are not there.
    """
    return corrupted(NAME, clean_digits(sources, limit), list(CORRUPTIONS), prepare, seed)


def corrupted(name: str, digits: Set, how: Sequence[str], prepare: Preparer, seed: int) -> Suite:
    """Make a suite of digits in several corruptions, each of which is a group."""
    raw = np.concatenate([corrupt(digits.images, corruption, seed=seed) for corruption in how])
    groups = [corruption for corruption in how for _ in digits.labels]
    return Suite(name, prepare(raw), np.tile(digits.labels, len(how)), groups, raw)


def figures(result: Result) -> list[Figure]:
    """Return accuracy by corruption, as served and of the network without preparation, and trust."""
    served = [
        mean_of_groups(MEAN, result, result.right),
        worst_group(WORST, result, result.right),
        *by_group(ACCURACY, result, result.right),
    ]
    alone = _alone(result)
    unprepared = [mean_of_groups(f"{ALONE} {MEAN}", result, alone), *by_group(ALONE, result, alone)]
    return [*trust(result), *served, *unprepared]


def _alone(result: Result) -> Bools:
    """Say which answers the network gets right without preparation."""
    if result.alone is None:
        raise ValueError("the suite was read without asking the network alone")
    return np.asarray(result.alone.prediction == result.suite.labels, np.bool_)
