"""A model card as people read it: figures with their intervals, settings in words, points of the plots."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from api.pages import WORDS
from shared.cards import Metric, ModelCard, ThresholdRow

_INTERVAL = re.compile(r"95 %: ([\d.e+-]+) to ([\d.e+-]+)(?:; )?")
_STEP = 0.05
"""Shares on which the axis of the accuracies may begin."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure: what and on which data, in words; its interval (95 %) where the card tells it."""

    name: str
    data: str
    value: float
    low: float | None
    high: float | None
    count: int
    note: str
    is_share: bool

    @property
    def text(self) -> str:
        """Return the figure as people read it."""
        return share_text(self.value) if self.is_share else f"{self.value:,.1f}"

    @property
    def interval(self) -> str:
        """Return the interval as people read it; empty without one."""
        if self.low is None or self.high is None:
            return ""
        return f"{share_text(self.low)} to {share_text(self.high)}"


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the thresholds, in words."""

    target: float
    rate: str
    threshold: str
    accepted_of_1000: int
    wrong: str
    bound: str
    proved: bool
    default: bool
    kinds: list[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class Point:
    """A point of a plot, in per cent of its width and height from the top left."""

    x: float
    y: float
    says: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a plot with its name."""

    name: str
    kind: str
    points: list[Point]

    @property
    def path(self) -> str:
        """Return the points as an SVG polyline takes them."""
        return " ".join(f"{point.x:.2f},{point.y:.2f}" for point in self.points)


def figures(card: ModelCard) -> list[Figure]:
    """Return all measured figures in the card's order."""
    return [_figure(metric) for metric in card["metrics"]]


def accuracies(found: Sequence[Figure]) -> list[Figure]:
    """Return the shares of right readings, those that a plot compares."""
    return [one for one in found if one.is_share and one.name.startswith(WORDS["metric"]["accuracy"])]


def headline(found: Sequence[Figure]) -> Figure | None:
    """Return the accuracy that stands for the model in a list: the first that has an interval."""
    shown = accuracies(found)
    return next((one for one in shown if one.interval), shown[0] if shown else None)


def axis_of(shown: Sequence[Figure]) -> tuple[float, list[Point]]:
    """Return where the axis of the accuracies begins, and its ticks."""
    least = min((one.value if one.low is None else one.low for one in shown), default=0.0)
    start = max(0.0, math.floor(least / _STEP) * _STEP)
    ticks = [start + (1 - start) * part / 4 for part in range(5)]
    return start, [Point(place(tick, start), 0, f"{tick * 100:.4g} %") for tick in ticks]


def place(share: float, start: float) -> float:
    """Return where a share lies on an axis from `start` to 1, in per cent."""
    return round(max(0.0, min(1.0, (share - start) / (1 - start))) * 100, 2) if start < 1 else 100.0


def settings(card: ModelCard) -> list[Setting]:
    """Return what each target error means."""
    return [_setting(row, card["default_target_error"]) for row in card["thresholds"]]


def coverage(card: ModelCard) -> list[Line]:
    """Return which share is accepted at which target: a line for all, and one for each kind of picture."""
    rows = sorted(card["thresholds"], key=lambda row: row["target_error"])
    if len(rows) < 2:
        return []
    kinds = dict.fromkeys(kind for row in rows for kind in row.get("coverage_by_kind", {}))
    lines = [Line("All pictures", "all", [_point(row, rows, row["coverage"]) for row in rows])]
    return lines + [_line(kind, rows) for kind in kinds]


def target_ticks(card: ModelCard) -> list[Point]:
    """Return the ticks below the plot: powers of ten between the strictest and the loosest target."""
    targets = sorted(row["target_error"] for row in card["thresholds"])
    if len(targets) < 2:
        return []
    powers = range(math.ceil(math.log10(targets[0]) - 1e-9), math.floor(math.log10(targets[-1]) + 1e-9) + 1)
    return [
        Point(_along(10.0**power, targets[0], targets[-1]), 0, rate_text(10.0**power)) for power in powers
    ]


def share_text(share: float) -> str:
    """Write a share in per cent: two decimals, small ones with two figures, 100 only for all."""
    if share == 0:
        return "0 %"
    if share < 0.001:
        return f"{share * 100:.2g} %" if share >= 1e-6 else "< 0.0001 %"
    return "100 %" if share == 1 else f"{min(share * 100, 99.99):.2f} %"


def rate_text(rate: float) -> str:
    """Write an error rate as people count: `1 in 1,000`."""
    return f"1 in {round(1 / rate):,}"


def _figure(metric: Metric) -> Figure:
    note = metric.get("note", "")
    found = _INTERVAL.search(note)
    name = metric["name"]
    return Figure(
        name=WORDS["metric"].get(name, name.replace("_", " ").capitalize()),
        data=WORDS["data"].get(metric["data"], metric["data"]),
        value=metric["value"],
        low=float(found[1]) if found else None,
        high=float(found[2]) if found else None,
        count=metric["count"],
        note=_INTERVAL.sub("", note),
        is_share=0 <= metric["value"] <= 1 and not re.search(r"second|minute|count|number", name),
    )


def _setting(row: ThresholdRow, default: float) -> Setting:
    return Setting(
        target=row["target_error"],
        rate=rate_text(row["target_error"]),
        threshold=share_text(row["threshold"]),
        accepted_of_1000=round(row["coverage"] * 1000),
        wrong=f"{row['errors']:,} of {row['accepted']:,}",
        bound=share_text(row["error_upper"]),
        proved=row["certified"],
        default=math.isclose(row["target_error"], default),
        kinds=[
            (WORDS["kind"].get(kind, kind), round(1000 * share))
            for kind, share in row.get("coverage_by_kind", {}).items()
        ],
    )


def _line(kind: str, rows: Sequence[ThresholdRow]) -> Line:
    known = [(row, row.get("coverage_by_kind", {}).get(kind)) for row in rows]
    points = [_point(row, rows, share) for row, share in known if share is not None]
    return Line(WORDS["kind"].get(kind, kind), kind if kind in WORDS["kind"] else "other", points)


def _point(row: ThresholdRow, rows: Sequence[ThresholdRow], share: float) -> Point:
    x = _along(row["target_error"], rows[0]["target_error"], rows[-1]["target_error"])
    says = f"{rate_text(row['target_error'])} wrong at most: {share_text(share)} accepted"
    return Point(x, round(100 * (1 - share), 2), says)


def _along(target: float, least: float, most: float) -> float:
    """Return where a target lies on a logarithmic axis, in per cent."""
    return round(100 * math.log(target / least) / math.log(most / least), 2)


def facts(card: ModelCard) -> Iterator[tuple[str, Any]]:
    """Yield what else people ask of a model: names and texts."""
    channels, height, width = card["input"]["shape"]
    colours = "grey" if channels == 1 else f"{channels} channels"
    yield "Reads", ", ".join(card["labels"]) if len(card["labels"]) <= 40 else f"{len(card['labels'])} labels"
    yield (
        "Sees",
        f"{width} × {height} pixels, {colours}; prepared from the picture by “{card['preparation']['name']}”",
    )
    yield "Size", f"{card['parameters']:,} parameters"
    yield "Trained on", card["training"]["data"]
    yield "How", card["training"]["protocol"]
    yield "Licence", card["licence"]
    yield "Licence of the data", card["data_licence"]
