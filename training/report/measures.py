"""The numbers of a report, from readings and true labels; a label of −1 is a picture that must be refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared.vision.readings import LOW_CONFIDENCE, NOT_A_DIGIT, NOT_CALIBRATED, Readings
from training.suites.interval import exact_interval

Labels = NDArray[np.int64]
Reals = NDArray[np.float64]
Counts = NDArray[np.int64]

BIN_EDGES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999, 1.0)
"""Confidence is split finely near certainty, where most readings of a good network lie."""
UNSURE = {LOW_CONFIDENCE, NOT_CALIBRATED, NOT_A_DIGIT}
"""Reasons that another threshold, or one at all, would take away; all others bar a picture for good. What is
taken for no digit whatever the threshold has no confidence."""


class ClassRow(NamedTuple):
    """Precision, recall and F1 of one label; NaN where nothing was predicted or nothing was there."""

    label: str
    pictures: int
    precision: float
    recall: float
    f1: float


class Bin(NamedTuple):
    """Readings of one range of confidence: their number, mean confidence, share right and its 95 % interval."""

    readings: int
    confidence: float
    accuracy: float
    low: float
    high: float


class Curve(NamedTuple):
    """Error among the k surest answers, for every k: coverage k/N, risk, and the area under both."""

    coverage: Reals
    risk: Reals
    aurc: float


class Point(NamedTuple):
    """What one threshold does: the share of answers accepted and the errors among them."""

    target_error: float
    threshold: float
    coverage: float
    errors: int
    accepted: int


class GroupRow(NamedTuple):
    """One kind of picture; `good` are right answers, or refusals where every answer is wrong."""

    group: str
    pictures: int
    good: float
    accepted: float
    errors: int


def ratio(part: float, whole: float) -> float:
    """Return a share, NaN of nothing."""
    return part / whole if whole else float("nan")


def right(readings: Readings, labels: Labels) -> NDArray[np.bool_]:
    """Say which answers are the true label; no answer is right about a picture that must be refused."""
    return np.asarray((readings.prediction == labels) & (labels >= 0), np.bool_)


def good(readings: Readings, labels: Labels) -> NDArray[np.bool_]:
    """Say which readings are as they should be: the true label, or a refusal of what is no digit."""
    return np.asarray(np.where(labels >= 0, right(readings, labels), ~readings.accept), np.bool_)


def confusion(readings: Readings, labels: Labels, classes: int) -> Counts:
    """Count true labels (rows, the last one: must be refused) against predictions (the last one: none)."""
    table = np.zeros((classes + 1, classes + 1), np.int64)
    np.add.at(table, (labels, readings.prediction.astype(np.int64)), 1)  # −1 is the last row and column
    return table


def per_class(table: Counts, names: Sequence[str]) -> list[ClassRow]:
    """Return precision, recall and F1 of each label from a table of confusion."""
    rows = []
    for index, name in enumerate(names):
        hits, there, said = int(table[index, index]), int(table[index].sum()), int(table[:, index].sum())
        rows.append(
            ClassRow(name, there, ratio(hits, said), ratio(hits, there), ratio(2 * hits, there + said))
        )
    return rows


def reliability(confidence: NDArray[np.float32], correct: NDArray[np.bool_]) -> list[Bin]:
    """Compare confidence with the share right, in bins; readings without confidence are left out."""
    known = ~np.isnan(confidence)
    values, hits = confidence[known].astype(np.float64), correct[known]
    place = np.clip(np.searchsorted(BIN_EDGES, values, side="right") - 1, 0, len(BIN_EDGES) - 2)
    bins = []
    for index in np.unique(place):
        inside = place == index
        count, share = int(inside.sum()), float(hits[inside].mean())
        low, high = exact_interval(int(hits[inside].sum()), count)
        bins.append(Bin(count, float(values[inside].mean()), share, low, high))
    return bins


def calibration_error(bins: Sequence[Bin]) -> float:
    """Return the expected calibration error over the bins (Naeini et al., AAAI 2015)."""
    total = sum(part.readings for part in bins)
    return ratio(sum(part.readings * abs(part.accuracy - part.confidence) for part in bins), total)


def scores(readings: Readings) -> Reals:
    """Return the confidence that thresholds act on; −1 for what no threshold would accept."""
    barred = np.array([bool(set(reasons) - UNSURE) for reasons in readings.reasons], bool)
    return np.where(barred | np.isnan(readings.confidence), -1.0, readings.confidence.astype(np.float64))


def risk_coverage(score: Reals, correct: NDArray[np.bool_]) -> Curve:
    """Return the risk at every coverage and its mean, AURC (Geifman et al., arXiv 1805.08206).

    Answers of one score come together: each of them counts the mean risk of its group, so that the order of
    the images does not matter.
    """
    order = np.argsort(-score, kind="stable")
    wrong, ordered = np.cumsum(~correct[order], dtype=np.int64), score[order]
    ends = np.flatnonzero(np.diff(ordered, append=-2.0) < 0)
    coverage, risk = (ends + 1) / max(len(score), 1), wrong[ends] / (ends + 1)
    aurc = ratio(float(np.sum(risk * np.diff(ends, prepend=-1))), len(score))
    return Curve(coverage, risk, aurc)


def threshold_point(score: Reals, correct: NDArray[np.bool_], target: float, threshold: float) -> Point:
    """Measure what a threshold of the card accepts here."""
    accepted = score >= threshold
    count = int(accepted.sum())
    return Point(target, threshold, ratio(count, len(score)), int((accepted & ~correct).sum()), count)


def by_group(readings: Readings, labels: Labels, groups: Sequence[str]) -> list[GroupRow]:
    """Measure each kind of picture, in the order of first appearance."""
    kinds, well, hit = np.array(groups), good(readings, labels), right(readings, labels)
    rows = []
    for kind in dict.fromkeys(groups):
        inside = kinds == kind
        count, errors = int(inside.sum()), int((inside & readings.accept & ~hit).sum())
        accepted = float(readings.accept[inside].mean())
        rows.append(GroupRow(kind, count, float(well[inside].mean()), accepted, errors))
    return rows
