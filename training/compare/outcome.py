"""The table of a comparison as HTML, Markdown and CSV, with its plots."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path

from training.compare.plots import scatter
from training.compare.rows import Row
from training.report.document import Block, Document, Plot, Section, Table, Text
from training.report.html import to_html
from training.report.markdown import save_markdown
from training.report.numbers import NONE, count, share
from training.report.plots import bars_plot
from training.suites.interval import exact_interval

NAME = "compare"


def write_outcome(rows: Sequence[Row], folder: Path) -> None:
    """Write `compare.html`, `compare.md` with its plots and `compare.csv`; the same rows give the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    document = Document("Classifiers compared", [Section("Outcome", _blocks(rows))])
    (folder / f"{NAME}.html").write_text(to_html(document), encoding="utf-8")
    save_markdown(document, folder / f"{NAME}.md")
    _write_csv(rows, folder / f"{NAME}.csv")


def _blocks(rows: Sequence[Row]) -> list[Block]:
    """Explain, tabulate and draw."""
    first = rows[0].terms
    words = (
        f"{count(first.tested)} test images of MNIST, read once by each classifier in batches of 250, after one "
        f"batch to warm up. Threads for learning and reading: {first.threads}. Seed: {first.seed}. All learn from "
        "and read the same pictures, made by the shipped package's preparation, whose time is not counted; none "
        "but the shipped network augments its images. Size is that of the learned numbers as an uncompressed .npz "
        "file, for the shipped network that of its ONNX file; its training time is what its card says."
    )
    return [Text(words), Table("Each classifier", HEADER, [_cells(row) for row in rows]), *_plots(rows)]


HEADER = (
    "classifier",
    "learned from",
    "accuracy",
    "95 % interval",
    "training s",
    "ms per 1,000 images",
    "images/s",
    "size MB",
)


def _cells(row: Row) -> tuple[str, ...]:
    """Write one row of the table."""
    low, high = exact_interval(row.right, row.terms.tested)
    return (
        row.title,
        "finished package" if row.terms.images is None else count(row.terms.images),
        share(row.accuracy),
        f"{share(low)} to {share(high)}",
        NONE if row.learned_in_s is None else f"{row.learned_in_s:,.1f}",
        f"{row.ms_per_1000:,.1f}",
        f"{row.images_per_s:,.0f}",
        f"{row.megabytes:,.2f}",
    )


def _plots(rows: Sequence[Row]) -> list[Block]:
    """Draw accuracy against speed, then each cost by itself."""
    names = [row.title for row in rows]
    learned = [math.nan if row.learned_in_s is None else row.learned_in_s for row in rows]
    measured = (
        ("errors", "errors, %", [100 * (1 - row.accuracy) for row in rows], False),
        ("training", "training time, s", learned, True),
        ("reading", "ms per 1,000 images", [row.ms_per_1000 for row in rows], True),
        ("size", "size, MB", [row.megabytes for row in rows], True),
    )
    best = max(rows, key=lambda row: row.accuracy)
    alt = f"Accuracy against the time that 1,000 images take; the most accurate is {best.title}."
    return [
        Plot(f"{NAME}-accuracy", alt, scatter(rows)),
        *(
            Plot(
                f"{NAME}-{name}",
                f"{label} of each classifier, as in the table.",
                bars_plot(names, values, label, log=log),
            )
            for name, label, values, log in measured
        ),
    ]


def _write_csv(rows: Sequence[Row], path: Path) -> None:
    """Write the numbers with full precision and one header line."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(_numbers(row) for row in rows)


COLUMNS = (
    "classifier",
    "learned_from",
    "tested_on",
    "accuracy",
    "training_s",
    "ms_per_1000_images",
    "images_per_s",
    "size_bytes",
    "threads",
    "seed",
)


def _numbers(row: Row) -> tuple[object, ...]:
    """Return one line of the CSV; what is not known is empty."""
    terms = row.terms
    speeds = (row.learned_in_s, row.ms_per_1000, row.images_per_s, row.size)
    return (row.title, terms.images, terms.tested, row.accuracy, *speeds, terms.threads, terms.seed)
