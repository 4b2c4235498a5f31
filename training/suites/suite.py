"""What is measured and what came out: a suite of pictures, its readings, and the figures drawn from them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared.packages import ModelPackage
from shared.vision import Prepared, prepare_many
from shared.vision.readings import Readings
from shared.vision.signature import Pixels

JUNK = -1
"""Label of a picture that must be refused."""
Labels = NDArray[np.int64]
Bools = NDArray[np.bool_]
Preparer = Callable[[Iterable[Pixels]], list[Prepared]]
"""From pictures as a user sends them to those that a network sees."""


class MissingDataError(Exception):
    """A folder or file that a suite measures on is not there."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is missing")
        self.path = path


@dataclass(frozen=True)
class Sources:
    """The folders that suites read: MNIST's idx files, USPS, real digits, and what is no digit."""

    mnist: Path
    usps: Path
    real_digits: Path
    not_digits: Path

    @classmethod
    def under(cls, folder: Path) -> Sources:
        """Name the folders below a reference folder."""
        return cls(
            folder / "mnist", folder / "usps" / "usps.h5", folder / "real-digits", folder / "not-digits"
        )


@dataclass(frozen=True)
class Suite:
    """N prepared pictures with their labels.

    `labels` are int64, `JUNK` for a picture that must be refused. `groups` names each picture's source, kind
    or corruption. `raw` are the same pictures as uint8 (N, 28, 28) before preparation, where the network
    alone can be asked about them.
    """

    name: str
    pictures: Sequence[Prepared]
    labels: Labels
    groups: Sequence[str] | None = None
    raw: Pixels | None = None

    def __post_init__(self) -> None:
        parts = [part for part in (self.pictures, self.groups, self.raw) if part is not None]
        if any(len(part) != len(self.labels) for part in parts):
            raise ValueError(f"the parts of suite {self.name} differ in length")

    @property
    def group_names(self) -> list[str]:
        """Return the names of the groups in their first order."""
        return list(dict.fromkeys(self.groups or ()))

    def members(self, group: str) -> NDArray[np.intp]:
        """Return the positions of a group's pictures."""
        return np.flatnonzero(np.asarray(self.groups or (), object) == group)


@dataclass(frozen=True)
class Result:
    """A suite with its readings as served, and those of the network alone where the suite has `raw`."""

    suite: Suite
    readings: Readings
    alone: Readings | None = None

    @cached_property
    def right(self) -> Bools:
        """Say of each picture whether the answer is its label; junk is right when no digit is given."""
        return np.asarray(self.readings.prediction == self.suite.labels, np.bool_)

    @cached_property
    def accepted(self) -> Bools:
        """Say of each picture whether nobody is asked to look at it."""
        return np.asarray(self.readings.accept, np.bool_)

    @cached_property
    def accepted_wrong(self) -> Bools:
        """Say of each picture whether it passes with a wrong answer."""
        return np.asarray(self.accepted & ~self.right, np.bool_)


@dataclass(frozen=True)
class Figure:
    """One measured value; `low` and `high` bound it at 95 % where an interval is known."""

    name: str
    suite: str
    value: float
    count: int
    low: float | None = None
    high: float | None = None
    note: str = ""

    @property
    def key(self) -> str:
        """Return `suite/name`, which bars refer to."""
        return f"{self.suite}/{self.name}"


def preparer(package: ModelPackage) -> Preparer:
    """Return the preparation that a package's card names."""
    card, shape = package.card["preparation"], package.shape

    def run(images: Iterable[Pixels]) -> list[Prepared]:
        return prepare_many(images, name=card["name"], version=card["version"], shape=shape)

    return run
