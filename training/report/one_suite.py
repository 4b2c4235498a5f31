"""What a report says of one suite: classes, confusion, calibration, risk and what was misread."""

from __future__ import annotations

import re

import numpy as np

from shared.packages import ModelPackage
from training.report import measures, plots
from training.report.document import Block, Plot, Section, Table, Text
from training.report.gallery import misread
from training.report.numbers import NONE, count, number, share
from training.suites.suite import Result

NO_DIGIT = "no digit"


def one_suite(result: Result, package: ModelPackage) -> Section:
    """Show one suite: classes, confusion, calibration, risk and what was misread."""
    names, slug = package.labels, re.sub(r"[^a-z0-9]+", "-", result.suite.name.lower()).strip("-")
    gallery = misread(result, names, slug)
    if not bool((result.suite.labels >= 0).any()):
        return Section(result.suite.name, [gallery])
    table = measures.confusion(result.readings, result.suite.labels, len(names))
    blocks = [
        *_classes(table, names, slug),
        *_calibration(result, slug),
        *_risk(result, package, slug),
        gallery,
    ]
    return Section(result.suite.name, blocks)


def _classes(table: measures.Counts, names: tuple[str, ...], slug: str) -> list[Block]:
    """Show each label's figures, and what was taken for what."""
    rows = [
        (row.label, count(row.pictures), share(row.precision), share(row.recall), share(row.f1))
        for row in measures.per_class(table, names)
    ]
    shown = table if table[-1].any() else table[:-1]
    rights, all_rows = int(np.trace(table)), (*names, NO_DIGIT)[: len(shown)]
    alt = f"Confusion of {count(int(table.sum()))} readings, {count(rights)} on the diagonal. {_worst(table, names)}"
    columns = (*names, "none")
    svg = plots.confusion_plot(shown, all_rows, columns)
    numbers = [(row, *map(str, line)) for row, line in zip(all_rows, shown.tolist(), strict=True)]
    return [
        Table("Each label", ("label", "pictures", "precision", "recall", "F1"), rows),
        Plot(f"{slug}-confusion", alt, svg),
        Table("Confusion in numbers (rows: true, columns: predicted)", ("", *columns), numbers, folded=True),
    ]


def _worst(table: measures.Counts, names: tuple[str, ...]) -> str:
    """Name the three most frequent errors."""
    wrong = table - np.diag(np.diag(table))
    order = [divmod(int(place), len(table)) for place in np.argsort(-wrong, axis=None, kind="stable")[:3]]
    true, said = (*names, NO_DIGIT), (*names, "none")
    pairs = [
        f"{true[row]} read as {said[column]} ({wrong[row, column]})"
        for row, column in order
        if wrong[row, column]
    ]
    return f"Most frequent: {', '.join(pairs)}." if pairs else "No errors."


def _calibration(result: Result, slug: str) -> list[Block]:
    """Compare confidence with the share right."""
    hit = measures.right(result.readings, result.suite.labels)
    bins = measures.reliability(result.readings.confidence, hit)
    if not bins:
        return [Text("No reading has a confidence, so that there is no calibration to show.")]
    error, total = measures.calibration_error(bins), sum(part.readings for part in bins)
    alt = (
        f"Share right against confidence of {count(total)} readings in {len(bins)} bins; "
        f"expected calibration error {number(error)}."
    )
    rows = [
        (
            count(part.readings),
            f"{part.confidence:.5f}",
            share(part.accuracy),
            f"{share(part.low)} to {share(part.high)}",
        )
        for part in bins
    ]
    return [
        Text(f"Expected calibration error: {number(error)} over {count(total)} readings with a confidence."),
        Plot(f"{slug}-calibration", alt, plots.reliability_plot(bins)),
        Table(
            "Calibration in numbers",
            ("readings", "mean confidence", "right", "95 % interval"),
            rows,
            folded=True,
        ),
    ]


def _risk(result: Result, package: ModelPackage, slug: str) -> list[Block]:
    """Show what each threshold of the card accepts here."""
    hit, score = measures.right(result.readings, result.suite.labels), measures.scores(result.readings)
    curve = measures.risk_coverage(score, hit)
    points = [
        measures.threshold_point(score, hit, row["target_error"], row["threshold"])
        for row in package.card["thresholds"]
    ]
    alt = f"Error among the accepted against coverage; area under the curve {number(curve.aurc)}."
    rows = [
        (
            number(point.target_error),
            number(point.threshold, 6),
            share(point.coverage),
            f"{count(point.errors)} of {count(point.accepted)}",
            NONE if not point.accepted else f"{point.errors / point.accepted:.2g}",
        )
        for point in points
    ]
    header = ("target error", "threshold", "coverage", "errors among accepted", "error")
    return [
        Text(f"Area under the risk–coverage curve (AURC): {number(curve.aurc)}."),
        Plot(f"{slug}-risk", alt, plots.risk_plot(curve, points)),
        Table("The card's thresholds on this suite", header, rows),
    ]
