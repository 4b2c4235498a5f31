"""Every suite by its name: how its pictures come to be, and which figures are drawn from its readings."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from training.suites import corruptions, junk, metamorphic, mnist, other_corruptions, real_digits, usps
from training.suites.suite import Figure, Preparer, Result, Sources, Suite


class Build(Protocol):
    """Makes a suite from folders and a seed; of MNIST's digits and of each source's no more than `limit`."""

    def __call__(self, sources: Sources, prepare: Preparer, *, seed: int, limit: int | None = None) -> Suite:
        """Raise MissingDataError where a folder is not there."""


class Entry(NamedTuple):
    """A suite's maker and its figures."""

    build: Build
    figures: Callable[[Result], list[Figure]]


CATALOGUE: dict[str, Entry] = {
    module.NAME: Entry(module.build, module.figures)
    for module in (mnist, usps, real_digits, corruptions, other_corruptions, metamorphic, junk)
}
"""In the order in which they are measured and told."""
