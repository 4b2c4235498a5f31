"""Finished rows of a comparison, kept so that an interruption costs no more than the row it fell into."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

FILE = "rows.jsonl"


@dataclass(frozen=True)
class Terms:
    """What a row was measured under; a row of other terms is measured anew.

    `images` is how many images were learned from, None for the finished package, which `package` names by
    its checksum; `data` is a checksum of all images and labels.
    """

    key: str
    images: int | None
    tested: int
    seed: int
    threads: int
    data: str
    package: str | None = None


@dataclass(frozen=True)
class Row:
    """What was measured: right answers, seconds of learning (None: not told) and of reading, bytes on disk."""

    terms: Terms
    title: str
    right: int
    learned_in_s: float | None
    read_in_s: float
    size: int

    @property
    def accuracy(self) -> float:
        """Return the share of right answers."""
        return self.right / self.terms.tested

    @property
    def images_per_s(self) -> float:
        """Return how many images a second were read."""
        return self.terms.tested / self.read_in_s

    @property
    def ms_per_1000(self) -> float:
        """Return the milliseconds that 1,000 images take."""
        return 1e6 / self.images_per_s

    @property
    def megabytes(self) -> float:
        """Return the size in units of 10⁶ bytes."""
        return self.size / 1e6


def load_rows(folder: Path) -> dict[Terms, Row]:
    """Return the rows of earlier calls by their terms.

    Raises:
        ValueError: the file holds something else.
    """
    path = folder / FILE
    if not path.is_file():
        return {}
    try:
        rows = [_row(json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{FILE} in the folder is no list of rows; --fresh starts anew") from error
    return {row.terms: row for row in rows}


def save_rows(rows: Sequence[Row], folder: Path) -> None:
    """Write all rows so that a stop in the middle leaves the former file."""
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f"{FILE}.new"
    temporary.write_text("".join(f"{json.dumps(asdict(row))}\n" for row in rows), encoding="utf-8")
    temporary.replace(folder / FILE)


def _row(line: Mapping[str, object]) -> Row:
    """Make a row of what was written of it."""
    fields = dict(line)
    terms = fields.pop("terms")
    if not isinstance(terms, dict):
        raise TypeError("a row has terms")
    return Row(Terms(**terms), **fields)  # type: ignore[arg-type]  # checked by whoever reads the file's text
