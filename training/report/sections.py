"""What a report says of the model and of all suites together."""

from __future__ import annotations

import math
from collections.abc import Sequence

from shared.packages import ModelPackage
from shared.vision.readings import Readings
from training.report import measures, plots
from training.report.document import Plot, Section, Table, Text
from training.report.numbers import count, number, share, slug
from training.suites.suite import Result


def facts(package: ModelPackage) -> Section:
    """Name the package, what it was made of and how."""
    card = package.card
    rows = [
        ("package", package.ref),
        ("sha256 of the card", package.sha256),
        ("parameters", count(card["parameters"])),
        ("preparation", f"{card['preparation']['name']}@{card['preparation']['version']}"),
        ("outputs", ", ".join(card["outputs"])),
        ("temperature", number(card["temperature"], 6)),
        ("default target error", number(card["default_target_error"])),
        ("calibration", card["calibration"]),
        ("training command", card["training"]["command"]),
        ("training data", card["training"]["data"]),
        ("protocol", card["training"]["protocol"]),
        *((f"sha256 of {name}", digest) for name, digest in sorted(card["files"].items())),
    ]
    return Section("Model", [Table("The model card's facts", ("fact", "value"), rows)])


def summary(results: Sequence[Result]) -> Section:
    """Put all suites into one table."""
    header = ("suite", "pictures", "right", "junk refused", "accepted", "errors among accepted")
    rows = [_summary_row(result) for result in results]
    words = Text(
        "“Right” counts pictures of digits whose answer is their label, whatever the decision; “errors among "
        "accepted” counts wrong answers that nobody would have looked at, at the package's default target error."
    )
    return Section("Summary", [Table("Each suite as served", header, rows), words])


def _summary_row(result: Result) -> tuple[str, ...]:
    """Sum up one suite."""
    labels, accept = result.suite.labels, result.readings.accept
    junk, hit = labels < 0, measures.right(result.readings, labels)
    accepted, errors = int(accept.sum()), int((accept & ~hit).sum())
    return (
        result.suite.name,
        count(len(labels)),
        share(measures.ratio(int(hit.sum()), int((~junk).sum()))),
        share(measures.ratio(int((junk & ~accept).sum()), int(junk.sum()))),
        share(measures.ratio(accepted, len(labels))),
        f"{count(errors)} of {count(accepted)}",
    )


def robustness(results: Sequence[Result]) -> list[Section]:
    """Show each kind of picture of the suites that have several."""
    several = [result for result in results if result.suite.groups]
    if not several:
        return []
    rows = [row for result in several for row in _group_rows(result)]
    header = (
        "suite",
        "kind",
        "pictures",
        "right or refused",
        "network alone",
        "accepted",
        "accepted and wrong",
    )
    words = Text(
        "Digits read rightly, or junk refused, by the kind of picture. “Network alone” leaves out the "
        "preparation, where a suite is made of 28×28 pictures."
    )
    return [
        Section(
            "Robustness", [words, *map(_group_plot, several), Table("Each kind of picture", header, rows)]
        )
    ]


def _group_rows(result: Result) -> list[tuple[str, ...]]:
    """Write the kinds of one suite."""
    alone = {} if result.alone is None else {row.group: row.good for row in _groups(result, result.alone)}
    rows: list[tuple[str, ...]] = []
    for row in _groups(result, result.readings):
        figures = (count(row.pictures), share(row.good), share(alone.get(row.group, math.nan)))
        rows.append((result.suite.name, row.group, *figures, share(row.accepted), count(row.errors)))
    return rows


def _group_plot(result: Result) -> Plot:
    """Draw how well each kind of one suite is read."""
    rows = _groups(result, result.readings)
    worst = min(rows, key=lambda row: row.good)
    alt = f"{result.suite.name}: right or refused by kind of picture; least for {worst.group}, {share(worst.good)}."
    values = [100 * row.good for row in rows]
    svg = plots.bars_plot([row.group for row in rows], values, f"{result.suite.name}: right or refused, %")
    return Plot(f"{slug(result.suite.name)}-kinds", alt, svg)


def _groups(result: Result, readings: Readings) -> list[measures.GroupRow]:
    """Measure each kind of picture of a suite."""
    return measures.by_group(readings, result.suite.labels, result.suite.groups or ())
