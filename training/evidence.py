"""The pictures that confidence is calibrated on: clean ones, worn ones and what is no digit, a known mix."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared.vision import Prepared
from training.data import Images, Labels, Set

Make = Callable[[Images, int], list[Prepared]]
"""From clean pictures uint8 (N, 28, 28) and a seed to N prepared pictures, made of one each."""

JUNK = -1
"""Label of a picture that is no digit: whatever is answered is wrong."""
CLEAN = "clean"
MILD_SHARE, HEAVY_SHARE, JUNK_SHARE = 0.25, 0.08, 0.02
"""Shares of a calibration set; the rest is clean.

A form is mostly written cleanly and scanned decently: two thirds are pictures as MNIST has them, a quarter the same
digits as an office scanner shows them. One in twelve is a bad photo or spoilt, one in fifty no digit at all: fields of
digits hold digits, blanks (which never get this far) and now and then a cross or a scribble.
"""


class Evidence(NamedTuple):
    """N calibration pictures: labels int64 (`JUNK` for none), the writer of each, and the kind of each."""

    prepared: list[Prepared]
    labels: Labels
    groups: NDArray[np.int64]
    kinds: list[str]


@dataclass(frozen=True)
class Kind:
    """One kind of material beside the clean pictures: its share of all, and how it is made of them."""

    name: str
    share: float
    make: Make
    is_junk: bool = False

    def sample(self, data: Set, groups: NDArray[np.int64], count: int, seed: int) -> Evidence:
        """Make so many pictures, of each clean one as often as of any other, or once more."""
        order = np.random.default_rng(seed).permutation(len(data.labels))
        chosen = np.resize(order, count)
        labels = np.full(count, JUNK, np.int64) if self.is_junk else data.labels[chosen]
        return Evidence(self.make(data.images[chosen], seed), labels, groups[chosen], [self.name] * count)


def standard_mix(mild: Make, heavy: Make, junk: Make) -> list[Kind]:
    """Return the kinds beside the clean pictures in their usual shares."""
    return [
        Kind("mild", MILD_SHARE, mild),
        Kind("heavy", HEAVY_SHARE, heavy),
        Kind("junk", JUNK_SHARE, junk, is_junk=True),
    ]


def collect(data: Set, groups: NDArray[np.int64], kinds: Sequence[Kind], *, seed: int) -> Evidence:
    """Return every clean picture once, and so many of the other kinds that their shares come true.

    `groups` is the writer of each clean picture; what is made of it keeps its writer, so that no hand is on
    both sides of a fold.

    Raises:
        ValueError: the shares leave nothing for the clean pictures.
    """
    clean_share = 1 - sum(kind.share for kind in kinds)
    if clean_share <= 0 or any(kind.share <= 0 for kind in kinds):
        raise ValueError("shares of the kinds must be positive and leave something for clean pictures")
    parts = [Evidence([Prepared(image) for image in data.images], data.labels, groups, [CLEAN] * len(groups))]
    for number, kind in enumerate(kinds):
        count = round(len(data.labels) * kind.share / clean_share)
        parts.append(kind.sample(data, groups, count, seed + 1 + number))
    return Evidence(
        [item for part in parts for item in part.prepared],
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.groups for part in parts]),
        [kind for part in parts for kind in part.kinds],
    )
