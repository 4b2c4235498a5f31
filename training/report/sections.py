"""What a report says of the model and of all suites together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from shared.packages import ModelPackage
from training.report import measures
from training.report.document import Section, Table, Text
from training.report.numbers import count, number, share
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
    rows = []
    for result in results:
        labels, groups = result.suite.labels, result.suite.groups
        if groups is None:
            continue
        alone = {} if result.alone is None else _good_by_group(result)
        for row in measures.by_group(result.readings, labels, groups):
            figures = (count(row.pictures), share(row.good), share(alone.get(row.group, np.nan)))
            rows.append((result.suite.name, row.group, *figures, share(row.accepted), count(row.errors)))
    header = (
        "suite",
        "kind",
        "pictures",
        "right or refused",
        "network alone",
        "accepted",
        "accepted and wrong",
    )
    caption = "Each kind of picture: digits read rightly, or junk refused"
    return [Section("Robustness", [Table(caption, header, rows)])] if rows else []


def _good_by_group(result: Result) -> dict[str, float]:
    """Measure the network without preparation on each kind of picture."""
    assert result.alone is not None
    rows = measures.by_group(result.alone, result.suite.labels, result.suite.groups or ())
    return {row.group: row.good for row in rows}
