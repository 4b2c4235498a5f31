"""Measure a model package as it is served: its own preparation, ONNX Runtime, its own thresholds."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from shared.packages import Metric, ModelPackage, verify
from shared.vision import Prepared, decode, prepare
from shared.vision.readings import Floats, Readings, read
from training.calibrate import upper_bound
from training.data import Set
from training.export import ONNX
from training.suites.suite import Result, Suite

MAX_PIXELS = 100_000_000


def evaluate_suite(package: ModelPackage, suite: Suite, *, target_error: float | None = None) -> Result:
    """Read a suite as it is served; where it has pictures before preparation, ask the network alone too."""
    readings = serve(package, suite.pictures, target_error=target_error)
    if suite.raw is None:
        return Result(suite, readings)
    return Result(suite, readings, serve(package, [Prepared(image) for image in suite.raw]))


def evaluate_set(package: ModelPackage, data: Set, name: str) -> list[Metric]:
    """Measure accuracy, coverage and error among the accepted on prepared images."""
    readings = serve(package, [Prepared(image) for image in data.images])
    return metrics(readings, data.labels, name)


def serve(
    package: ModelPackage, prepared: Sequence[Prepared], *, target_error: float | None = None
) -> Readings:
    """Read pictures as a CPU worker does."""
    verify(package)
    session = ort.InferenceSession(str(package.path / ONNX), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def infer(batch: Floats) -> Floats:
        return np.asarray(session.run(None, {name: batch})[0], np.float32)

    return read(package, infer, prepared, target_error=target_error)


def metrics(readings: Readings, labels: NDArray[np.int64], name: str) -> list[Metric]:
    """Sum up readings against true labels, at the default target error."""
    right = readings.prediction == labels
    accepted = int(readings.accept.sum())
    wrong = int((readings.accept & ~right).sum())
    count = len(labels)
    note = (
        f"{wrong} of {accepted} accepted; at most {upper_bound(wrong, accepted):.2g} at 95 %"
        if accepted
        else ""
    )
    return [
        Metric(name="accuracy", data=name, value=round(float(right.mean()), 5), count=count),
        Metric(name="accepted", data=name, value=round(accepted / count, 5), count=count),
        Metric(
            name="error_among_accepted",
            data=name,
            value=round(wrong / max(accepted, 1), 6),
            count=accepted,
            note=note,
        ),
    ]


def confusion(readings: Readings, labels: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """Count true labels (rows) against predictions (columns)."""
    table = np.zeros((classes, classes), np.int64)
    read = readings.prediction >= 0
    np.add.at(table, (labels[read], readings.prediction[read]), 1)
    return table


def evaluate_folder(package: ModelPackage, folder: Path) -> list[Metric]:
    """Measure on images listed in `labels.csv` (file, label, source), overall and as the mean of sources."""
    with (folder / "labels.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    pictures = [
        prepare(decode(_find(folder, row["file"]).read_bytes(), max_pixels=MAX_PIXELS).pixels) for row in rows
    ]
    readings = serve(package, pictures)
    labels = np.array([int(row["label"]) for row in rows])
    right = readings.prediction == labels
    by_source: dict[str, list[bool]] = defaultdict(list)
    for row, ok in zip(rows, right, strict=True):
        by_source[row["source"]].append(bool(ok))
    mean = float(np.mean([np.mean(source) for source in by_source.values()]))
    name = f"real digits ({len(by_source)} sources)"
    macro = Metric(name="mean_accuracy_of_sources", data=name, value=round(mean, 5), count=len(rows))
    return [*metrics(readings, labels, name), macro]


def _find(folder: Path, name: str) -> Path:
    """Find a listed file in the folder or its `img` folder."""
    path = folder / name
    return path if path.is_file() else folder / "img" / name
