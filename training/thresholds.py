"""For each target error the least confidence from which it is kept, with proof where the images suffice."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.cards import ThresholdRow
from training.calibrate import LEVEL, at_most, upper_bound

TARGETS = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)
STEPS = 500
"""Thresholds that are tried between the first, which is strict, and the one that accepts every answer."""
_WITH_NONE, _WITH_TWO = 3.0, 6.3
"""Answers, times the target, that certify it with no error and with two. The first threshold should bear two:
calibration labels are not perfect."""
_DIGITS = 1e6

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Answers:
    """N calibration answers.

    `confidence`: NaN where nothing could be accepted whatever the threshold. `right` is false for junk.
    `groups` numbers the writer from 0, or whatever else errors come in clusters of; `kinds` the kind of
    material, by its place in `names`.
    """

    confidence: NDArray[np.float64]
    right: Bools
    groups: NDArray[np.intp] | None
    kinds: NDArray[np.intp]
    names: Sequence[str]

    def tally(self, threshold: float) -> Tally:
        """Count what a threshold accepts."""
        accepted = self.confidence >= threshold
        wrong = accepted & ~self.right
        effect = 1.0 if self.groups is None else _design_effect(self.groups[accepted], self.groups[wrong])
        return Tally(int(accepted.sum()), int(wrong.sum()), effect)

    def keeps_every_kind(self, threshold: float, target: float) -> bool:
        """Say whether no kind is seen to be over the target that has images enough to expect one error."""
        if not self.names:
            return True
        accepted = self.confidence >= threshold
        counts = np.bincount(self.kinds[accepted], minlength=len(self.names))
        errors = np.bincount(self.kinds[accepted & ~self.right], minlength=len(self.names))
        judged = np.bincount(self.kinds[self.right], minlength=len(self.names)) > 0
        return not (judged & (counts * target >= 1) & (errors > counts * target)).any()

    def coverage_by_kind(self, threshold: float) -> dict[str, float]:
        """Return the share of each kind that a threshold accepts."""
        accepted = np.bincount(self.kinds[self.confidence >= threshold], minlength=len(self.names))
        shares = accepted / np.bincount(self.kinds, minlength=len(self.names))
        return {name: round(float(share), 4) for name, share in zip(self.names, shares, strict=True)}


@dataclass(frozen=True)
class Tally:
    """What one threshold accepts: answers, wrong ones, and how much their clustering weakens the count."""

    accepted: int
    errors: int
    effect: float

    @property
    def effective(self) -> tuple[int, int]:
        """Return errors and answers as if independent, rounded to the safe side (Korn and Graubard 1998)."""
        return math.ceil(self.errors / self.effect - 1e-9), math.floor(self.accepted / self.effect)

    @property
    def bound(self) -> float:
        """Return the upper bound of the error rate."""
        errors, count = self.effective
        return upper_bound(errors, count) if count else 1.0

    def keeps(self, target: float) -> bool:
        """Say whether the bound lies at or under a target, without searching for it."""
        errors, count = self.effective
        return count > errors and at_most(errors, count, target) <= 1 - LEVEL


def threshold_table(
    confidence: NDArray[np.floating],
    right: Bools,
    targets: Sequence[float] = TARGETS,
    *,
    groups: NDArray[np.int64] | None = None,
    kinds: Sequence[str] | None = None,
) -> list[ThresholdRow]:
    """Return for each target the least threshold whose bound keeps it.

    Thresholds are tried from a strict one downwards, and the first that fails ends the search: so tested, in
    an order that knows nothing of right and wrong, the last success holds at the level of a single test
    (fixed-sequence testing; Angelopoulos et al., "Learn then Test", arXiv 2110.01052). With `kinds` a threshold
    is taken only if none of them is over the target by itself: the easy may not pay for the hard. Kinds of
    which nothing is right, junk, count among all only. With `groups` numbers are divided by the design effect.

    Where the images are too few to certify a target, the threshold lies half-way between the surest error and
    certainty, and the row says `certified: false` with the bound of what that accepts. Such a row is not
    certified even if its bound is low enough: that would be a second try.
    """
    names = list(dict.fromkeys(kinds or ()))
    places = [names.index(kind) for kind in kinds or ()]
    answers = Answers(
        np.asarray(confidence, np.float64),
        right,
        None if groups is None else np.unique(groups, return_inverse=True)[1],
        np.array(places, np.intp),
        names,
    )
    ordered = sorted(targets)
    found = [_certified(answers, target) for target in ordered]
    surest = answers.confidence[~right & np.isfinite(answers.confidence)].max(initial=0.0)
    thresholds = _in_order(found, _round_up(1 - (1 - float(surest)) / 2))
    return [
        _row(target, thresholds[place], answers, any(one is not None for one in found[: place + 1]))
        for place, target in enumerate(ordered)
    ]


def _certified(answers: Answers, target: float) -> float | None:
    """Return the least threshold that is proved to keep a target."""
    best: float | None = None
    for threshold in _candidates(answers.confidence, target):
        if not answers.tally(threshold).keeps(target):
            break
        if answers.keeps_every_kind(threshold, target):
            best = threshold
    return best


def _candidates(confidence: NDArray[np.float64], target: float) -> list[float]:
    """Return thresholds to be tried, strictest first, chosen by how many answers they accept alone.

    The first accepts as many as certify the target with two errors among them; where that is more than half,
    half of them, or as many as certify it without an error.
    """
    surest_first = -np.sort(-confidence[np.isfinite(confidence)])
    total = len(surest_first)
    start = min(max(_WITH_NONE / target, min(_WITH_TWO / target, total / 2)), total)
    sizes = np.unique(np.linspace(start, total, STEPS + 1).astype(int))
    rounded = {_round_up(float(surest_first[size - 1])) for size in sizes if size}
    enough = [one for one in rounded if int((surest_first >= one).sum()) >= 0.9 * start]
    return sorted(enough, reverse=True)


def _in_order(certified: Sequence[float | None], surest: float) -> list[float]:
    """Fill the gaps, and let no larger target have a larger threshold: what keeps less keeps more."""
    least = max((one for one in certified if one is not None), default=0.0)
    filled = [max(surest, least) if one is None else one for one in certified]
    return [min(filled[: place + 1]) for place in range(len(filled))]


def _round_up(threshold: float) -> float:
    """Round to six digits, never down."""
    return min(math.ceil(threshold * _DIGITS) / _DIGITS, 1.0)


def _row(target: float, threshold: float, answers: Answers, proved: bool) -> ThresholdRow:
    """Measure one threshold."""
    tally = answers.tally(threshold)
    row = ThresholdRow(
        target_error=target,
        threshold=threshold,
        coverage=round(tally.accepted / len(answers.right), 4),
        accepted=tally.accepted,
        errors=tally.errors,
        error_upper=_rounded(tally.bound),
        certified=proved,
    )
    if answers.groups is not None:
        row["design_effect"] = round(tally.effect, 3)
    if answers.names:
        row["coverage_by_kind"] = answers.coverage_by_kind(threshold)
    return row


def _rounded(bound: float) -> float:
    """Round a bound to three digits, never down, so that the card says no less than was computed."""
    unit = 10.0 ** (math.floor(math.log10(bound)) - 2)
    return float(f"{math.ceil(bound / unit - 1e-9) * unit:.3g}")


def _design_effect(accepted: NDArray[np.intp], wrong: NDArray[np.intp]) -> float:
    """Return how many times more the error rate varies than if every answer stood alone, at least 1.

    The arguments are the groups of the accepted and of the wrong among them. It is the variance of the rate
    between groups over that of independent answers (Kish, "Survey Sampling", 1965).
    """
    counts = np.bincount(accepted)
    errors = np.bincount(wrong, minlength=len(counts))
    present = int((counts > 0).sum())
    if len(wrong) < 2 or len(wrong) == len(accepted) or present < 2:
        return 1.0
    rate = len(wrong) / len(accepted)
    between = float(((errors - rate * counts) ** 2).sum()) * present / (present - 1)
    return max(between / (len(accepted) * rate * (1 - rate)), 1.0)
