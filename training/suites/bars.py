"""What a package must reach and what it should reach, each tied to the figure that decides it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from training.suites import corruptions, from_card, junk, metamorphic, mnist, pooled, real_digits, speed, usps
from training.suites.draw import ACCEPTED, ACCURACY, ERROR
from training.suites.suite import Figure


class Unit(Enum):
    """How a figure is written."""

    SHARE = "share"
    NUMBER = "number"


@dataclass(frozen=True)
class Bar:
    """One demand on one figure; `at_least` is None where only an aim was set, `falling` where less is better."""

    name: str
    figure: str
    at_least: float | None
    aim: float
    falling: bool = False
    unit: Unit = Unit.SHARE
    fewest: int = 0
    """Pictures that the figure must rest on."""


@dataclass(frozen=True)
class Verdict:
    """A bar beside what was measured; `figure` is None where it was not, and `why` says the reason."""

    bar: Bar
    figure: Figure | None
    why: str = ""

    @property
    def passes(self) -> bool:
        """Say whether the figure is there, reaches the bar, or the aim where there is no bar."""
        return self.figure is not None and self.short_by == 0 and self.figure.count >= self.bar.fewest

    @property
    def reaches_aim(self) -> bool:
        """Say whether the figure reaches the aim."""
        return self.passes and self._short_of(self.bar.aim) == 0

    @property
    def short_by(self) -> float:
        """Return by how much the figure misses the bar, 0 where it reaches it or was not measured."""
        return self._short_of(self.bar.aim if self.bar.at_least is None else self.bar.at_least)

    def _short_of(self, wanted: float) -> float:
        """Return by how much the figure misses a value."""
        if self.figure is None:
            return 0.0
        value = self.figure.value
        return max(value - wanted if self.bar.falling else wanted - value, 0.0)


BARS = (
    Bar("MNIST test", f"{mnist.NAME}/{ACCURACY}", 0.9965, 0.998),
    Bar("MNIST test, mean of seeds", f"{from_card.NAME}/{from_card.MEAN_OF_SEEDS}", 0.9965, 0.998, fewest=5),
    Bar("Parameters", f"{from_card.NAME}/{from_card.PARAMETERS}", None, 165_000, True, Unit.NUMBER),
    Bar("USPS test", f"{usps.NAME}/{ACCURACY}", 0.98, 0.988),
    Bar("Real digits", f"{real_digits.NAME}/{ACCURACY}", 0.97, 0.99),
    Bar("Real digits, mean of sources", f"{real_digits.NAME}/{real_digits.MEAN}", 0.98, 0.993),
    Bar("MNIST-C, mean", f"{corruptions.NAME}/{corruptions.MEAN}", 0.975, 0.988),
    Bar("MNIST-C, worst", f"{corruptions.NAME}/{corruptions.WORST}", 0.93, 0.97),
    Bar("Metamorphic, same answer", f"{metamorphic.NAME}/{metamorphic.SAME}", 0.99, 0.997),
    Bar("Metamorphic, silent flips", f"{metamorphic.NAME}/{metamorphic.FLIPS}", None, 0.0, True),
    Bar("Junk refused", f"{junk.NAME}/{junk.MEAN}", 0.98, 0.999),
    Bar("Clean digits refused", f"{mnist.NAME}/{mnist.REFUSED}", 0.005, 0.005, True),
    Bar("Clean digits taken for junk", f"{mnist.NAME}/{mnist.NO_DIGIT}", 0.005, 0.005, True),
    Bar("Error among accepted, digits", f"{pooled.DIGITS}/{ERROR}", 0.001, 0.001, True, fewest=20_000),
    Bar(
        "Error among accepted, with junk",
        f"{pooled.EVERYTHING}/{ERROR}",
        0.001,
        0.001,
        True,
        fewest=20_000,
    ),
    Bar("Clean digits accepted", f"{mnist.NAME}/{ACCEPTED}", 0.97, 0.993),
    Bar("Images a second on one core", f"{speed.NAME}/{speed.BEST}", 8_000, 15_000, unit=Unit.NUMBER),
    Bar(
        "Minutes of training on two cores",
        f"{from_card.NAME}/{from_card.TRAINING_MINUTES}",
        60,
        20,
        True,
        Unit.NUMBER,
    ),
)
"""The demands on the shipped network, in the order in which they are told."""


def judge(figures: Iterable[Figure], missing: Mapping[str, str]) -> list[Verdict]:
    """Hold every bar against its figure; `missing` tells by suite why it was not measured."""
    known = {figure.key: figure for figure in figures}
    return [Verdict(bar, known.get(bar.figure), _why(bar, missing)) for bar in BARS]


def _why(bar: Bar, missing: Mapping[str, str]) -> str:
    """Say why a bar's figure may be lacking."""
    suite = bar.figure.partition("/")[0]
    if suite == from_card.NAME:
        return "the card does not say"
    if suite in (pooled.DIGITS, pooled.EVERYTHING):
        return f"needs {', '.join(missing)}"
    return missing.get(suite, "")
