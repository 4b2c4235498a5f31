"""Figures over several suites: the error among all that was accepted, and junk against clean digits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from training.suites import corruptions, junk, metamorphic, mnist, real_digits, usps
from training.suites.draw import ERROR, mean_of_groups, share
from training.suites.suite import Bools, Figure, Result

DIGITS, EVERYTHING = "all digits", "all digits and junk"
PARTS = (mnist.NAME, usps.NAME, real_digits.NAME, corruptions.NAME, metamorphic.NAME)
MATCHED = "mean_of_kinds_while_half_a_percent_of_clean_is_refused"
_CLEAN_REFUSED = 0.005


def figures(results: Mapping[str, Result]) -> list[Figure]:
    """Return what can be said across the suites that were measured; a pool lacking a part is left out."""
    found: list[Figure] = []
    for name, parts in ((DIGITS, PARTS), (EVERYTHING, (*PARTS, junk.NAME))):
        if all(part in results for part in parts):
            found.append(_accepted_error(name, [results[part] for part in parts]))
    if mnist.NAME in results and junk.NAME in results:
        found.append(_matched(results[mnist.NAME], results[junk.NAME]))
    return found


def _accepted_error(name: str, results: Sequence[Result]) -> Figure:
    """Return the share of wrong answers among all accepted ones, with its Clopper–Pearson interval."""
    new = [_told_once(result) for result in results]
    pairs = list(zip(results, new, strict=True))
    wrong = np.concatenate([result.accepted_wrong[result.accepted & mine] for result, mine in pairs])
    offered = sum(int(mine.sum()) for mine in new)
    return share(
        ERROR, name, wrong, f"{int(wrong.sum())} wrong of {len(wrong)} accepted of {offered} pictures"
    )


def _told_once(result: Result) -> Bools:
    """Leave out the clean pictures that variants are compared with: MNIST's test counts them already."""
    mine = np.ones(len(result.suite.labels), np.bool_)
    if result.suite.name == metamorphic.NAME:
        mine[result.suite.members(metamorphic.CLEAN)] = False
    return mine


def _matched(clean: Result, rubbish: Result) -> Figure:
    """Return how much junk is refused where the threshold is moved until 0.5 % of clean digits are refused."""
    confidence = np.nan_to_num(clean.readings.confidence, nan=-1.0)
    threshold = float(np.quantile(confidence, _CLEAN_REFUSED, method="lower"))
    unread = rubbish.readings.prediction < 0
    refused: Bools = np.asarray(unread | ~(rubbish.readings.confidence >= threshold), np.bool_)
    counted = [name for name in rubbish.suite.group_names if name != junk.OMNIGLOT]
    return mean_of_groups(MATCHED, rubbish, refused, counted)
