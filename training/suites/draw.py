"""Figures that most suites draw from a result: accuracy, coverage, error among the accepted."""

from __future__ import annotations

import numpy as np

from training.suites.interval import exact_interval, mean_interval
from training.suites.suite import Bools, Figure, Result

ACCURACY, COVERAGE, ERROR = "accuracy", "coverage", "error_among_accepted"


def share(name: str, suite: str, hits: Bools, note: str = "") -> Figure:
    """Return the share of hits with its exact interval."""
    count, hit = len(hits), int(hits.sum())
    low, high = exact_interval(hit, count)
    return Figure(name, suite, hit / max(count, 1), count, low, high, note)


def mean_of_groups(name: str, result: Result, hits: Bools) -> Figure:
    """Return the plain mean of the groups' shares."""
    groups = [hits[result.suite.members(group)] for group in result.suite.group_names]
    shares = [(int(group.sum()), len(group)) for group in groups]
    mean = float(np.mean([hit / count for hit, count in shares]))
    return Figure(
        name, result.suite.name, mean, len(hits), *mean_interval(shares), f"mean of {len(groups)} groups"
    )


def worst_group(name: str, result: Result, hits: Bools) -> Figure:
    """Return the least of the groups' shares, with the group's name as its note."""
    figures = by_group(name, result, hits)
    worst = min(figures, key=lambda figure: figure.value)
    return Figure(name, worst.suite, worst.value, worst.count, worst.low, worst.high, worst.note)


def by_group(name: str, result: Result, hits: Bools) -> list[Figure]:
    """Return the share of hits in each group, the group's name in the figure's and in its note."""
    suite = result.suite
    return [
        share(f"{name} of {group}", suite.name, hits[suite.members(group)], group)
        for group in suite.group_names
    ]


def trust(result: Result) -> list[Figure]:
    """Return how many pass without a look, and how many of these are wrong."""
    accepted, wrong = result.accepted, result.accepted_wrong
    note = f"{int(wrong.sum())} wrong of {int(accepted.sum())} accepted"
    return [
        share(COVERAGE, result.suite.name, accepted),
        share(ERROR, result.suite.name, wrong[accepted], note),
    ]


def reading(result: Result) -> list[Figure]:
    """Return accuracy, coverage and error among the accepted."""
    return [share(ACCURACY, result.suite.name, result.right), *trust(result)]
