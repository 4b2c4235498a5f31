"""Figures that most suites draw from a result: accuracy, coverage, error among the accepted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from training.suites.interval import exact_interval, mean_interval
from training.suites.suite import Bools, Figure, Result

ACCURACY, ACCEPTED, ERROR = "accuracy", "accepted", "error_among_accepted"


def share(name: str, suite: str, hits: Bools, note: str = "") -> Figure:
    """Return the share of hits with its exact interval."""
    count, hit = len(hits), int(hits.sum())
    low, high = exact_interval(hit, count)
    return Figure(name, suite, hit / max(count, 1), count, low, high, note)


def mean_of_groups(name: str, result: Result, hits: Bools, only: Sequence[str] | None = None) -> Figure:
    """Return the plain mean of the groups' shares."""
    each = by_group(name, result, hits, only)
    shares = [(round(figure.value * figure.count), figure.count) for figure in each]
    mean = float(np.mean([figure.value for figure in each]))
    count, note = sum(figure.count for figure in each), f"mean of {len(each)} groups"
    return Figure(name, result.suite.name, mean, count, *mean_interval(shares), note)


def worst_group(name: str, result: Result, hits: Bools, only: Sequence[str] | None = None) -> Figure:
    """Return the least of the groups' shares, with the group's name as its note."""
    worst = min(by_group(name, result, hits, only), key=lambda figure: figure.value)
    return replace(worst, name=name)


def by_group(name: str, result: Result, hits: Bools, only: Sequence[str] | None = None) -> list[Figure]:
    """Return the share of hits in each group, or in those named; the group's name is the note."""
    suite = result.suite
    return [
        share(f"{name} of {group}", suite.name, hits[suite.members(group)], group)
        for group in (suite.group_names if only is None else only)
    ]


def trust(result: Result) -> list[Figure]:
    """Return how many pass without a look, and how many of these are wrong."""
    accepted, wrong = result.accepted, result.accepted_wrong
    note = f"{int(wrong.sum())} wrong of {int(accepted.sum())} accepted"
    return [
        share(ACCEPTED, result.suite.name, accepted),
        share(ERROR, result.suite.name, wrong[accepted], note),
    ]


def reading(result: Result) -> list[Figure]:
    """Return accuracy, coverage and error among the accepted."""
    return [share(ACCURACY, result.suite.name, result.right), *trust(result)]
