"""Test digits under ten corruptions that are no part of MNIST-C: what no bar asks for and users send all the same."""

from __future__ import annotations

from training.suites.corruptions import corrupted, figures
from training.suites.mnist import clean_digits
from training.suites.mnist_c import OTHERS
from training.suites.suite import Preparer, Sources, Suite

__all__ = ["COUNT", "NAME", "build", "figures"]

NAME = "other corruptions"
COUNT = 1000


def build(sources: Sources, prepare: Preparer, *, seed: int, limit: int | None = None) -> Suite:
    """Corrupt and prepare a part of the test digits in every way.

    Raises:
        MissingDataError: MNIST's idx files are not there.
    """
    digits = clean_digits(sources, min(limit or COUNT, COUNT))
    return corrupted(NAME, digits, list(OTHERS), prepare, seed)
