"""What a report says of one suite: classes, confusion, calibration, risk and what was misread."""

from __future__ import annotations

import numpy as np

from shared.packages import ModelPackage
from training.report import measures, plots
from training.report.document import Block, Plot, Section, Table, Text
from training.report.gallery import misread
from training.report.numbers import NONE, count, number, share, slug
from training.suites.suite import Result

NO_DIGIT, NO_ANSWER = "no digit", "none"


def one_suite(result: Result, package: ModelPackage) -> Section:
    """Show one suite; of a suite without digits only what was accepted."""
    name = slug(result.suite.name)
    gallery = misread(result, package.labels, name)
    if not bool((result.suite.labels >= 0).any()):
        return Section(result.suite.name, [gallery])
    blocks = [
        *_classes(result, package.labels, name),
        *_calibration(result, name),
        *_risk(result, package, name),
    ]
    order = sorted(blocks, key=lambda block: (isinstance(block, Table) and block.folded, _PLACE[type(block)]))
    return Section(result.suite.name, [*order, gallery])


_PLACE: dict[type, int] = {Text: 0, Plot: 1, Table: 2}
"""Words come first, then the plots side by side, then the tables."""


def _classes(result: Result, names: tuple[str, ...], name: str) -> list[Block]:
    """Show each label's figures, and what was taken for what."""
    table = measures.confusion(result.readings, result.suite.labels, len(names))
    rows = [
        (row.label, count(row.pictures), share(row.precision), share(row.recall), share(row.f1))
        for row in measures.per_class(table, names)
    ]
    shown = table if table[-1].any() else table[:-1]
    lines, columns = (*names, NO_DIGIT)[: len(shown)], (*names, NO_ANSWER)
    numbers = [(line, *map(str, counts)) for line, counts in zip(lines, shown.tolist(), strict=True)]
    return [
        Table("Each label", ("label", "pictures", "precision", "recall", "F1"), rows),
        Plot(f"{name}-confusion", _describe(table, names), plots.confusion_plot(shown, lines, columns)),
        Table("Confusion in numbers (rows: true, columns: predicted)", ("", *columns), numbers, folded=True),
    ]


def _describe(table: measures.Counts, names: tuple[str, ...]) -> str:
    """Say a table of confusion in words: how many are right, and the three most frequent errors."""
    wrong = table.copy()
    np.fill_diagonal(wrong, 0)
    order = [divmod(int(place), len(table)) for place in np.argsort(-wrong, axis=None, kind="stable")[:3]]
    true, said = (*names, NO_DIGIT), (*names, NO_ANSWER)
    pairs = [f"{true[row]} read as {said[to]} ({wrong[row, to]})" for row, to in order if wrong[row, to]]
    errors = f"Most frequent errors: {', '.join(pairs)}." if pairs else "No errors."
    total, rights = int(table.sum()), int(np.trace(table))
    return f"Confusion of {count(total)} readings, {count(rights)} on the diagonal. {errors}"


def _calibration(result: Result, name: str) -> list[Block]:
    """Compare confidence with the share right."""
    hit = measures.right(result.readings, result.suite.labels)
    bins = measures.reliability(result.readings.confidence, hit)
    if not bins:
        return [Text("No reading has a confidence, so that there is no calibration to show.")]
    error = number(measures.calibration_error(bins))
    total = count(sum(part.readings for part in bins))
    words = f"Expected calibration error (ECE) {error} over {total} readings with a confidence."
    rows = [_bin_row(part) for part in bins]
    header = ("readings", "mean confidence", "right", "95 % interval")
    alt = f"Share right against confidence, with 95 % intervals, and the number of readings. {words}"
    return [
        Text(words),
        Plot(f"{name}-calibration", alt, plots.reliability_plot(bins)),
        Table("Calibration in numbers", header, rows, folded=True),
    ]


def _bin_row(part: measures.Bin) -> tuple[str, ...]:
    """Write one bin of confidence."""
    interval = f"{share(part.low)} to {share(part.high)}"
    return count(part.readings), f"{part.confidence:.5f}", share(part.accuracy), interval


def _risk(result: Result, package: ModelPackage, name: str) -> list[Block]:
    """Show what each threshold of the card accepts here."""
    hit, score = measures.right(result.readings, result.suite.labels), measures.scores(result.readings)
    curve = measures.risk_coverage(score, hit)
    points = [
        measures.threshold_point(score, hit, row["target_error"], row["threshold"])
        for row in package.card["thresholds"]
    ]
    words = f"Area under the risk–coverage curve (AURC) {number(curve.aurc)}."
    header = ("target error", "threshold", "coverage", "errors among accepted", "error")
    alt = f"Error among the accepted against coverage, with the card's thresholds. {words}"
    return [
        Text(words),
        Plot(f"{name}-risk", alt, plots.risk_plot(curve, points)),
        Table("The card's thresholds on this suite", header, [_point_row(point) for point in points]),
    ]


def _point_row(point: measures.Point) -> tuple[str, ...]:
    """Write what one threshold does."""
    error = f"{point.errors / point.accepted:.2g}" if point.accepted else NONE
    errors = f"{count(point.errors)} of {count(point.accepted)}"
    return number(point.target_error), number(point.threshold, 6), share(point.coverage), errors, error
