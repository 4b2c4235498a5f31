"""What was demanded beside what was measured, and every figure in one list."""

from __future__ import annotations

import math
from collections.abc import Sequence

from training.report.document import Section, Table, Text
from training.report.numbers import NONE, count, number, share
from training.suites.bars import Unit, Verdict
from training.suites.suite import Figure


def bars(verdicts: Sequence[Verdict]) -> list[Section]:
    """Show each bar with its figure, its interval and whether it is reached; nothing where none was judged."""
    if not verdicts:
        return []
    header = ("bar", "at least", "aim", "measured", "95 % interval", "count", "reached", "note")
    passed = sum(verdict.passes for verdict in verdicts)
    reached = sum(verdict.reaches_aim for verdict in verdicts)
    words = f"{passed} of {len(verdicts)} bars are reached, and {reached} aims."
    rows = [_bar_row(verdict) for verdict in verdicts]
    return [Section("Bars", [Text(words), Table("What was demanded and what was measured", header, rows)])]


def _bar_row(verdict: Verdict) -> tuple[str, ...]:
    """Write one bar; “at most” stands before the demand where less is better."""
    bar, figure = verdict.bar, verdict.figure
    sign = "≤ " if bar.falling else "≥ "
    demands = [NONE if value is None else sign + _value(value, bar.unit) for value in (bar.at_least, bar.aim)]
    if figure is None:
        return (bar.name, *demands, NONE, NONE, NONE, "not measured", verdict.why)
    outcome = "aim" if verdict.reaches_aim else "yes" if verdict.passes else _shortfall(verdict)
    measured = (_value(figure.value, bar.unit), _interval(figure, bar.unit), count(figure.count))
    return (bar.name, *demands, *measured, outcome, figure.note)


def _shortfall(verdict: Verdict) -> str:
    """Say by how much a bar is missed, or that too few pictures stand behind it."""
    if verdict.short_by:
        missing = _value(verdict.short_by, verdict.bar.unit)
        return f"no, by {missing.replace('%', 'points')}"
    return f"no, fewer than {count(verdict.bar.fewest)}"


def figures(found: Sequence[Figure]) -> list[Section]:
    """List every figure that was drawn from the suites."""
    rows = [
        (
            figure.suite,
            figure.name,
            number(figure.value, 5),
            _bounds(figure),
            count(figure.count),
            figure.note,
        )
        for figure in found
    ]
    header = ("suite", "figure", "value", "95 % interval", "count", "note")
    return [Section("Figures", [Table("Every figure", header, rows, folded=True)])] if rows else []


def _interval(figure: Figure, unit: Unit) -> str:
    """Write the interval of a figure in its unit."""
    if figure.low is None or figure.high is None:
        return NONE
    return f"{_value(figure.low, unit)} to {_value(figure.high, unit)}"


def _bounds(figure: Figure) -> str:
    """Write the interval of a figure as plain numbers."""
    if figure.low is None or figure.high is None:
        return NONE
    return f"{number(figure.low, 5)} to {number(figure.high, 5)}"


def _value(value: float, unit: Unit) -> str:
    """Write a figure in its unit, small shares with more places."""
    if unit is Unit.SHARE:
        return share(value, 2 if value >= 0.01 or value == 0 else 3)
    return f"{value:,.0f}" if value >= 100 or math.isnan(value) else number(value)
