"""The plot of accuracy against speed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle

from matplotlib.ticker import PercentFormatter

from training.compare.rows import Row
from training.report.plots import drawing


def scatter(rows: Sequence[Row]) -> str:
    """Draw each classifier by the time it takes and the share it reads rightly; a larger mark is a larger file."""
    with drawing(7.4, 4.2) as made:
        axes = made.figure.subplots()
        largest = max(row.size for row in rows)
        for row, marker in zip(rows, cycle("osD^vPX*"), strict=False):
            area = 40 + 300 * (row.size / largest) ** 0.5
            axes.scatter(row.ms_per_1000, row.accuracy, area, marker=marker, alpha=0.7, label=row.title)
        axes.set_xscale("log")
        axes.set(xlabel="ms per 1,000 images (less is better); marks grow with size", ylabel="accuracy")
        axes.margins(0.1)
        axes.legend(
            frameon=False, markerscale=0.6, labelspacing=1, loc="center left", bbox_to_anchor=(1, 0.5)
        )
        axes.yaxis.set_major_formatter(PercentFormatter(1))
    return made.svg
