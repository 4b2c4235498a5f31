"""What people have settled as training data: lines of JSON, or a zip of pictures as the model saw them with labels."""

from __future__ import annotations

import csv
import io
import re
import tempfile
import zlib
from collections.abc import AsyncIterator, Iterator, Sequence
from itertools import groupby
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import orjson
from starlette.concurrency import run_in_threadpool

from api.exports import safe_cell
from api.json_body import encode_png
from api.sheets import Sheets
from api.zip_stream import ZipStream
from shared.cells import DRAWN, UNIT
from shared.errors import Unavailable
from shared.ids import job_id_text
from shared.reviews.export import Settled

COLUMNS = (
    "file",
    "label",
    "reason",
    "job_id",
    "seq",
    "name",
    "page",
    "prediction",
    "confidence",
    "model",
    "reviewers",
    "reviewed_at",
)
PAGE = UNIT
"""Items of a page: what one unit of pictures holds."""
WAIT_S = 60.0
"""Seconds that a page of pictures may take before the download is given up."""
_BLOCK = 256 * 1024
_ODD = re.compile(r"[^A-Za-z0-9_-]")
Crop = tuple[Settled, npt.NDArray[np.uint8]]


def ndjson(pages: Iterator[list[Settled]]) -> Iterator[bytes]:
    """Write one JSON document a line."""
    for items in pages:
        yield b"".join(orjson.dumps(document(item)) + b"\n" for item in items)


def document(item: Settled) -> dict[str, Any]:
    """Return a settled item as clients see it."""
    return {
        "job_id": job_id_text(item.job_id),
        "seq": item.seq,
        "field": None,
        "custom_id": item.custom_id if item.custom_id is not None else item.name,
        "name": item.name,
        "page": item.page,
        "status": item.status,
        "value": item.value,
        "reason": item.reason,
        "prediction": item.prediction,
        "confidence": item.confidence,
        "model": _model(item),
        "reviews": item.reviews,
    }


async def zipped(pages: Iterator[list[Settled]], first: list[Crop], sheets: Sheets) -> AsyncIterator[bytes]:
    """Write a zip in constant memory: a picture an item, and `labels.csv` at the end.

    Args:
        first: the crops of the first page, got before the answer began.
    """
    with ZipStream() as archive, Table() as table:
        crops = first
        while True:
            yield await run_in_threadpool(_members, archive, table, crops)
            page = await run_in_threadpool(next, pages, None)
            if page is None:
                break
            crops = await crops_of(page, sheets)
        yield archive.head("labels.csv", table.crc, table.size)
        for block in table.blocks():
            yield block
        for block in archive.end():
            yield block


class Table:
    """`labels.csv` in a temporary file, with the checksum that a zip wants to know first."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  # closed by __exit__
        self.crc = self.size = 0
        self.add([list(COLUMNS)])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()

    def add(self, rows: Sequence[Sequence[str]]) -> None:
        """Append rows."""
        out = io.StringIO()
        csv.writer(out, lineterminator="\r\n").writerows(rows)
        data = out.getvalue().encode()
        self.crc, self.size = zlib.crc32(data, self.crc), self.size + len(data)
        self._file.write(data)

    def blocks(self) -> Iterator[bytes]:
        """Yield it from the beginning."""
        self._file.seek(0)
        while block := self._file.read(_BLOCK):
            yield block


async def crops_of(page: Sequence[Settled], sheets: Sheets) -> list[Crop]:
    """Return those items of a page of which there is a picture, with it.

    Raises:
        QueueFull: too many wait for pictures.
        Unavailable: no worker draws them.
    """
    found: list[Crop] = []
    for job_id, group in groupby(page, lambda item: item.job_id):
        items = list(group)
        cells = await sheets.cells(job_id, [item.seq for item in items], WAIT_S)
        if not cells.is_complete:
            raise Unavailable("The pictures could not be drawn in time. Please try again.")
        found += [(item, cells.pixels[n]) for n, item in enumerate(items) if cells.states[n] == DRAWN]
    return found


def _members(archive: ZipStream, table: Table, crops: Sequence[Crop]) -> bytes:
    """Add pictures to the archive and their rows to the table."""
    parts, rows = [], []
    for item, pixels in crops:
        folder = "none" if item.value is None else _ODD.sub("_", item.value)
        file = f"crops/{folder}/{job_id_text(item.job_id)}-{item.seq:06d}.png"
        parts.append(archive.member(file, encode_png(np.ascontiguousarray(pixels))))
        rows.append([safe_cell(cell) for cell in _row(item, file)])
    table.add(rows)
    return b"".join(parts)


def _row(item: Settled, file: str) -> list[str | float | None]:
    """Return the row of an item, by `COLUMNS`."""
    return [
        file,
        item.value,
        item.reason,
        job_id_text(item.job_id),
        item.seq,
        item.name,
        item.page,
        item.prediction,
        item.confidence,
        _model(item),
        "|".join(sorted({review["reviewer"] for review in item.reviews})),
        max(review["reviewed_at"] for review in item.reviews),
    ]


def _model(item: Settled) -> str:
    return f"{item.model_name}@{item.model_version}" if item.model_version else item.model_name
