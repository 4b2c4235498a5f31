"""What goes to stdout: tables for people, tab-separated lines for pipes, JSON on request."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO

from inkqueue.models import JobState

_COMMANDS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def printable(value: object) -> str:
    """Return a text on one line that cannot command a terminal: names and answers are the words of strangers."""
    return _COMMANDS.sub(lambda found: found[0].encode("unicode_escape").decode(), str(value))


def note(text: str) -> None:
    """Print a line for people, which is no data, to stderr."""
    print("\n".join(map(printable, text.split("\n"))), file=sys.stderr, flush=True)


def print_json(document: object) -> None:
    """Print a JSON document on one line, or indented for a terminal."""
    print(json.dumps(document, ensure_ascii=False, indent=2 if sys.stdout.isatty() else None), flush=True)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows: drawn on a terminal, else as tab-separated lines under a header."""
    texts = [["" if value is None else printable(value) for value in row] for row in rows]
    if not sys.stdout.isatty():
        for line in [list(columns), *texts]:
            print("\t".join(line))
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for number, column in enumerate(columns):  # What is copied, the first column, is never cut.
        width = max((len(row[number]) for row in texts), default=0) if number == 0 else None
        table.add_column(column, overflow="fold", min_width=width)
    for row in texts:
        table.add_row(*map(escape, row))
    Console(highlight=False).print(table)


def print_facts(facts: Iterable[tuple[str, object]]) -> None:
    """Print names and values, one pair a line."""
    known = [(name, printable(value)) for name, value in facts if value not in (None, "")]
    width = max((len(name) for name, _ in known), default=0)
    for name, value in known:
        print(f"{name:<{width}}  {value}")


def job_facts(state: JobState) -> list[tuple[str, object]]:
    """Say what a person wants to know of a job."""
    counts = state.counts
    ends = ("succeeded", "failed", "skipped", "canceled", "expired")
    parts = [f"{getattr(counts, end)} {end}" for end in ends if getattr(counts, end)]
    return [
        ("job", state.id),
        ("name", state.name),
        ("status", state.status),
        ("items", f"{counts.finished} of {counts.total} finished" + "".join(f", {part}" for part in parts)),
        ("readings", f"{counts.accepted} accepted, {counts.review} to review" if counts.succeeded else None),
        ("model", state.model),
        ("left", f"{state.eta_seconds:.0f} s" if state.eta_seconds and not state.done else None),
        ("created", time_text(state.created_at)),
        ("finished", time_text(state.finished_at)),
        ("retry of", state.parent_id),
    ]


def time_text(moment: datetime | None) -> str:
    """Write a time as the API does, to the second."""
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}" if moment else ""


def one_line(state: JobState) -> str:
    """Say in one line how a job stands."""
    counts = state.counts
    parts = [f"{counts.accepted} accepted", f"{counts.review} to review"] if counts.succeeded else []
    parts += [
        f"{getattr(counts, end)} {end}"
        for end in ("failed", "skipped", "canceled", "expired")
        if getattr(counts, end)
    ]
    return f"{state.id} {state.status}: {counts.finished} of {counts.total} items" + "".join(
        f", {part}" for part in parts
    )


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """Write a file that gets its name only when it is complete; devices and pipes are written directly."""
    if path.exists() and not path.is_file():
        with path.open("wb") as stream:
            yield stream
        return
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as stream:
            yield stream
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
