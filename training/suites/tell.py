"""Verdicts and figures as a table to read, as plain data, and as a card keeps them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from shared.packages import Metric
from training.suites import from_card
from training.suites.bars import Bar, Unit, Verdict
from training.suites.draw import ACCEPTED, ACCURACY, ERROR
from training.suites.suite import Figure

HEADER = ("bar", "at least", "aim", "measured (95 %)", "count", "verdict")
_KEPT = {ACCURACY, ACCEPTED, ERROR}
"""Figures of every suite that a card keeps beside those of the bars."""


def table(verdicts: Iterable[Verdict]) -> list[str]:
    """Return the lines of a Markdown table: bar, at least, aim, measured with interval, count, verdict."""
    cells = [HEADER, ("---", "---:", "---:", "---:", "---:", "---"), *map(row, verdicts)]
    return [f"| {' | '.join(line)} |" for line in cells]


def row(verdict: Verdict) -> tuple[str, ...]:
    """Return the cells of one bar."""
    bar, figure = verdict.bar, verdict.figure
    least = "" if bar.at_least is None else _wanted(bar, bar.at_least)
    measured, count = (_measured(bar, figure), f"{figure.count:,}") if figure else ("", "")
    return bar.name, least, _wanted(bar, bar.aim), measured, count, say(verdict)


def say(verdict: Verdict) -> str:
    """Return in words how a bar is met."""
    bar, figure = verdict.bar, verdict.figure
    if figure is None:
        return f"not measured: {verdict.why}"
    if verdict.short_by > 0:
        missed = "aim" if bar.at_least is None else "bar"
        points = bar.unit is Unit.SHARE
        short = f"{100 * verdict.short_by:.3g} points" if points else f"{verdict.short_by:,.0f}"
        return f"short of the {missed} by {short}"
    if not verdict.passes:
        return f"too few: {bar.fewest:,} are needed"
    return "reaches the aim" if verdict.reaches_aim else "passes"


def _wanted(bar: Bar, value: float) -> str:
    """Write a demand with its sense."""
    return f"{'≤' if bar.falling else '≥'} {write(value, bar.unit)}"


def _measured(bar: Bar, figure: Figure) -> str:
    """Write a figure and its interval."""
    value = write(figure.value, bar.unit)
    if figure.low is None or figure.high is None:
        return value
    return f"{value} ({write(figure.low, bar.unit)}–{write(figure.high, bar.unit)})"


def write(value: float, unit: Unit) -> str:
    """Write a share in per cent, a number with separators."""
    if unit is Unit.NUMBER:
        return f"{value:,.0f}"
    percent = f"{100 * value:.3f}".rstrip("0").rstrip(".")
    return f"{percent} %"


def plain(verdicts: Iterable[Verdict]) -> list[dict[str, Any]]:
    """Return verdicts as JSON holds them."""
    return [
        {
            "bar": verdict.bar.name,
            "figure": verdict.bar.figure,
            "at_least": verdict.bar.at_least,
            "aim": verdict.bar.aim,
            "falling": verdict.bar.falling,
            "measured": asdict(verdict.figure) if verdict.figure else None,
            "passes": verdict.passes,
            "reaches_aim": verdict.reaches_aim,
            "verdict": say(verdict),
        }
        for verdict in verdicts
    ]


def metrics(figures: Iterable[Figure], bars: Iterable[Bar]) -> list[Metric]:
    """Return what a card keeps: the figures of bars, and accuracy and trust of every suite."""
    wanted = {bar.figure for bar in bars}
    return [
        metric(figure)
        for figure in figures
        if figure.suite != from_card.NAME and (figure.key in wanted or figure.name in _KEPT)
    ]


def metric(figure: Figure) -> Metric:
    """Return a figure as a card's entry; interval and note share the note."""
    kept = Metric(name=figure.name, data=figure.suite, value=float(f"{figure.value:.6g}"), count=figure.count)
    interval = "" if figure.low is None else f"95 %: {figure.low:.5g} to {figure.high:.5g}"
    note = "; ".join(part for part in (interval, figure.note) if part)
    return Metric(**kept, note=note) if note else kept
