"""Drawings as SVG text: the same numbers give the same bytes, with no date and no font of the machine."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from matplotlib.typing import RcKeyType

from training.report.measures import Bin, Counts, Curve, Point, Reals

INK, ACCENT, WARN, PALE = "#1f2933", "#1769aa", "#b3261e", "#9fb3c8"
STYLE: dict[RcKeyType, object] = {
    "svg.hashsalt": "inkqueue",
    "svg.fonttype": "path",
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": "white",
    "path.simplify": True,
}
WIDEST_CURVE = 2000
"""Steps of a curve that are drawn; a plot is no wider."""


class Drawing:
    """A figure that becomes SVG text when its drawing is done."""

    def __init__(self, figure: Figure) -> None:
        self.figure = figure
        self.svg = ""


@contextmanager
def drawing(width: float, height: float) -> Iterator[Drawing]:
    """Give a figure of so many inches to draw on, and turn it into SVG text."""
    with mpl.rc_context(STYLE):
        made = Drawing(Figure(figsize=(width, height), layout="constrained"))
        yield made
        buffer = io.StringIO()
        made.figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
        made.svg = buffer.getvalue()


def confusion_plot(table: Counts, rows: Sequence[str], columns: Sequence[str]) -> str:
    """Draw a table of confusion; shade grows with the share of a row, and errors stand out."""
    with drawing(0.9 + 0.48 * len(columns), 0.9 + 0.36 * len(rows)) as made:
        axes = made.figure.subplots()
        shade = np.sqrt(table / np.maximum(table.sum(axis=1, keepdims=True), 1))
        axes.imshow(shade, cmap="Blues", vmin=0, vmax=1.3, aspect="auto")
        for (row, column), count in np.ndenumerate(table):
            if count:
                wrong = rows[row] != columns[column]
                weight, colour = (
                    ("bold", WARN) if wrong else ("normal", "white" if shade[row, column] > 0.6 else INK)
                )
                axes.text(column, row, str(count), ha="center", va="center", color=colour, weight=weight)
        axes.set(xlabel="predicted", ylabel="true")
        axes.set_xticks(range(len(columns)), columns)
        axes.set_yticks(range(len(rows)), rows)
        axes.tick_params(length=0)
    return made.svg


def reliability_plot(bins: Sequence[Bin]) -> str:
    """Draw the share right against confidence, with 95 % intervals, over the number of readings."""
    with drawing(5.2, 4.6) as made:
        upper, lower = made.figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        upper.plot((0, 1), (0, 1), color=PALE, linestyle="--", label="honest")
        where = [part.confidence for part in bins]
        shares = np.array([part.accuracy for part in bins])
        spread = (shares - [part.low for part in bins], [part.high for part in bins] - shares)
        upper.errorbar(
            where, shares, np.maximum(spread, 0), fmt="o-", color=ACCENT, capsize=3, label="measured"
        )
        upper.set(ylabel="share right", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        upper.legend(loc="upper left", frameon=False)
        _counts(lower, where, [part.readings for part in bins])
    return made.svg


def _counts(axes: Axes, where: Sequence[float], counts: Sequence[int]) -> None:
    """Draw how many readings each bin holds, on a scale of powers of ten."""
    axes.vlines(where, 0.8, counts, color=ACCENT, linewidth=4)
    axes.set_yscale("log")
    axes.set(xlabel="confidence", ylabel="readings", ylim=(0.8, max(counts, default=1) * 3))


def risk_plot(curve: Curve, points: Sequence[Point]) -> str:
    """Draw the error among the accepted against coverage: the whole, and its last tenth."""
    keep = np.unique(np.linspace(0, len(curve.risk) - 1, WIDEST_CURVE).astype(int))
    with drawing(5.2, 4.6) as made:
        for axes, least in zip(made.figure.subplots(2, 1), (0.0, 0.9), strict=True):
            _risk_panel(axes, curve.coverage[keep], curve.risk[keep], points, least)
    return made.svg


def _risk_panel(axes: Axes, coverage: Reals, risk: Reals, points: Sequence[Point], least: float) -> None:
    """Draw the curve from one coverage on, with the points of the threshold table."""
    shown = [point for point in points if point.accepted and point.coverage >= least]
    risks = [point.errors / point.accepted for point in shown]
    axes.plot(coverage, risk, color=ACCENT, drawstyle="steps-post", label="risk")
    axes.plot([p.coverage for p in shown], risks, "o", color=WARN, label="the card's thresholds")
    edge = 0.02 * (1 - least)
    top = 1.15 * max([*risk[coverage >= least], *risks], default=0)
    axes.set(
        xlabel="coverage", ylabel="error among accepted", xlim=(least - edge, 1 + edge), ylim=(0, top or 0.01)
    )
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.legend(loc="upper left", frameon=False)


def bars_plot(names: Sequence[str], values: Sequence[float], label: str, *, log: bool = False) -> str:
    """Draw one bar a name, the number at its end; nothing for a number that there is not."""
    with drawing(6.2, 0.7 + 0.3 * len(names)) as made:
        axes = made.figure.subplots()
        known = np.nan_to_num(np.array(values, float))
        axes.barh(range(len(names)), known, color=ACCENT, height=0.65, log=log)
        for row, value in enumerate(values):
            if not np.isnan(value):
                axes.annotate(f"{value:.4g}", (value, row), (3, 0), textcoords="offset points", va="center")
        axes.set_yticks(range(len(names)), names)
        axes.invert_yaxis()
        axes.margins(x=0.15, y=0.02)
        axes.set(xlabel=label)
    return made.svg
