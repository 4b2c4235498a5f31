"""The plot of accuracy against speed."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.ticker import PercentFormatter

from training.compare.rows import Row
from training.report.plots import ACCENT, drawing


def scatter(rows: Sequence[Row]) -> str:
    """Draw each classifier by the time it takes and the share it reads rightly; a larger dot is a larger file."""
    with drawing(6.2, 4.2) as made:
        axes = made.figure.subplots()
        areas = [20 + 12 * (row.size / 1e4) ** 0.5 for row in rows]
        times = [row.ms_per_1000 for row in rows]
        axes.scatter(times, [row.accuracy for row in rows], s=areas, color=ACCENT, alpha=0.55)
        for row in rows:
            place = (row.ms_per_1000, row.accuracy)
            axes.annotate(row.title, place, (0, 9), textcoords="offset points", ha="center")
        axes.set_xscale("log")
        axes.set(xlabel="ms per 1,000 images (less is better); dots grow with size", ylabel="accuracy")
        axes.margins(0.18)
        axes.yaxis.set_major_formatter(PercentFormatter(1))
    return made.svg
