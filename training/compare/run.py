"""Go through the entrants, show how far they are, and keep each row as soon as it is there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from training.compare.contest import Contest
from training.compare.measure import measure
from training.compare.outcome import write_outcome
from training.compare.rows import Row, Terms, load_rows, save_rows


def compare(
    contest: Contest, keys: Sequence[str], folder: Path, console: Console, *, fresh: bool = False
) -> list[Row]:
    """Return one row an entrant, measured now or by an earlier call under the same terms, and write the outcome.

    Raises:
        ValueError: the folder's rows cannot be read.
    """
    known = _earlier(folder, damaged_is_none=fresh)
    rows = []
    for key in keys:
        terms = contest.terms(key)
        if fresh or terms not in known:
            known[terms] = _watched(contest, key, console)
            save_rows(list(known.values()), folder)
        rows.append(known[terms])
        console.print(
            f"{rows[-1].title}: {rows[-1].accuracy:.2%}, {rows[-1].ms_per_1000:,.1f} ms per 1,000 images"
        )
    write_outcome(rows, folder)
    return rows


def _earlier(folder: Path, *, damaged_is_none: bool) -> dict[Terms, Row]:
    """Return the rows of earlier calls."""
    try:
        return load_rows(folder)
    except ValueError:
        if damaged_is_none:
            return {}
        raise


def _watched(contest: Contest, key: str, console: Console) -> Row:
    """Measure one entrant under a bar that fills while it learns and again while it reads."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        task = bars.add_task(key, total=1.0)
        return measure(contest, key, lambda done: bars.update(task, completed=done))
