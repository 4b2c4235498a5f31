"""Digits that people drew in paint programs and canvases, photographed or scanned, by source."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from shared.vision import decode
from training.suites.draw import ACCURACY, by_group, mean_of_groups, reading
from training.suites.mnist import spread
from training.suites.suite import Figure, MissingDataError, Preparer, Result, Sources, Suite

NAME = "real digits"
MEAN = "mean_accuracy_of_sources"
LIST = "labels.csv"
MAX_PIXELS = 100_000_000


def build(sources: Sources, prepare: Preparer, *, seed: int, limit: int | None = None) -> Suite:
    """Decode and prepare the files that `labels.csv` (file, label, source) lists.

    Raises:
        MissingDataError: the folder has no such list.
    """
    folder = sources.real_digits
    if not (folder / LIST).is_file():
        raise MissingDataError(folder)
    with (folder / LIST).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    rows = [rows[index] for index in spread(len(rows), limit)]
    files = (_find(folder, row["file"]).read_bytes() for row in rows)
    pictures = prepare(decode(data, max_pixels=MAX_PIXELS).pixels for data in files)
    labels = np.array([int(row["label"]) for row in rows], np.int64)
    return Suite(NAME, pictures, labels, [row["source"] for row in rows])


def figures(result: Result) -> list[Figure]:
    """Return accuracy over all, as the mean of the sources and of each source, and trust."""
    each = by_group(ACCURACY, result, result.right)
    return [*reading(result), mean_of_groups(MEAN, result, result.right), *each]


def _find(folder: Path, name: str) -> Path:
    """Find a listed file in the folder or its `img` folder."""
    path = folder / name
    return path if path.is_file() else folder / "img" / name
