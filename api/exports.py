"""Results as NDJSON, CSV and XLSX: keyset pages, each in a short transaction, nothing held while a client reads."""

from __future__ import annotations

import csv
import io
import re
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from typing import IO, Any

import anyio
import anyio.to_thread
import orjson
import xlsxwriter

from api.render import item_document
from shared.jobs.results import ItemView, ResultPage

COLUMNS = (
    "seq",
    "custom_id",
    "name",
    "page",
    "status",
    "prediction",
    "final_value",
    "confidence",
    "decision",
    "reasons",
    "error_code",
)
PAGE = 2000
_BLOCK = 256 * 1024
_FORMULA = re.compile(r"[\s\ufeff\u200b]*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]")
"""What spreadsheets run: also after spaces that they skip, and in the full width of an East Asian keyboard."""

ReadPage = Callable[[int, int], ResultPage]
"""Reads the page after a `seq`, with at most so many items."""


def all_items(read: ReadPage, first: ResultPage, limit: int | None = None) -> Iterator[list[ItemView]]:
    """Yield the items of this page and of those that follow it, as far as they are finished."""
    page, left = first, limit
    while True:
        items = page.items if left is None else page.items[:left]
        if items:
            yield items
        left = None if left is None else left - len(items)
        if page.complete or not page.items or left == 0:
            return
        page = read(page.last, PAGE)


def ndjson(pages: Iterator[list[ItemView]]) -> Iterator[bytes]:
    """Write one JSON document a line, the same that a page of JSON holds."""
    for items in pages:
        yield b"".join(orjson.dumps(item_document(item)) + b"\n" for item in items)


def csv_text(pages: Iterator[list[ItemView]]) -> Iterator[bytes]:
    """Write CSV (RFC 4180): UTF-8, CRLF, a header."""
    yield _csv_lines([COLUMNS])
    for items in pages:
        yield _csv_lines([[safe_cell(cell) for cell in cells(item)] for item in items])


async def xlsx(pages: Iterator[list[ItemView]], limiter: anyio.CapacityLimiter) -> AsyncIterator[bytes]:
    """Write a workbook in constant memory, in a thread of the limiter, then yield it in blocks."""
    with tempfile.TemporaryFile() as file:
        await anyio.to_thread.run_sync(_write_workbook, file, pages, limiter=limiter)
        file.seek(0)
        while block := await anyio.to_thread.run_sync(file.read, _BLOCK):
            yield block


def cells(item: ItemView) -> list[str | int | float | None]:
    """Return the row of an item, by `COLUMNS`."""
    return [
        item.seq,
        item.custom_id if item.custom_id is not None else item.name,
        item.name,
        item.page,
        item.status,
        item.prediction,
        item.final_value,
        item.confidence,
        item.decision,
        "|".join(item.all_reasons),
        item.error_code,
    ]


def safe_cell(cell: str | float | None) -> str:
    """Return a cell as text that no spreadsheet runs as a formula (OWASP, CSV injection)."""
    if cell is None:
        return ""
    if isinstance(cell, str):
        return "'" + cell if _FORMULA.match(cell) else cell
    return repr(cell)


def _csv_lines(rows: Any) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows(rows)
    return out.getvalue().encode()


def _write_workbook(file: IO[bytes], pages: Iterator[list[ItemView]]) -> None:
    """Write texts as texts, so that leading zeros stay, and numbers as numbers."""
    book = xlsxwriter.Workbook(
        file, {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    )
    sheet = book.add_worksheet("results")
    for column, title in enumerate(COLUMNS):
        sheet.write_string(0, column, title)
    row = 0
    for items in pages:
        for item in items:
            row += 1
            for column, cell in enumerate(cells(item)):
                if isinstance(cell, str):
                    if cell:
                        sheet.write_string(row, column, safe_cell(cell)[:32767])
                elif cell is not None:
                    sheet.write_number(row, column, cell)
    book.close()
