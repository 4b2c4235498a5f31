"""Bars on stderr for uploads and jobs; plain lines where stderr is no terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from inkqueue.models import JobState

Watcher = Callable[[JobState], None]
UploadWatcher = Callable[[int, int], None]


@contextmanager
def shown_progress(progress: bool | Watcher) -> Iterator[Watcher]:
    """Lend what is to be called with each state: the caller's function, a bar, or nothing."""
    if callable(progress):
        yield progress
    elif not progress:
        yield lambda _state: None
    elif sys.stderr.isatty():
        with _job_bar() as show:
            yield show
    else:
        yield _job_lines()


@contextmanager
def shown_upload(show: bool) -> Iterator[UploadWatcher | None]:
    """Lend what is to be called while an upload runs; only a terminal gets a bar."""
    if not (show and sys.stderr.isatty()):
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("uploading"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("upload", total=None)
        yield lambda sent, total: bar.update(task, completed=sent, total=total)


@contextmanager
def _job_bar() -> Iterator[Watcher]:
    """Draw a bar with counts and the time left, as the service estimates it."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description:<20}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("waiting", total=None, left="")

        def show(state: JobState) -> None:
            counts = state.counts
            total = None if state.status == "validating" else counts.total
            bar.update(
                task, description=state.status, completed=counts.finished, total=total, left=_left(state)
            )

        yield show


def _left(state: JobState) -> str:
    """Say how long the job still takes."""
    if state.done or state.eta_seconds is None:
        return ""
    seconds = round(state.eta_seconds)
    return f"{seconds // 60}:{seconds % 60:02d} left"


def _job_lines() -> Watcher:
    """Print a line whenever the status changes or another tenth is done."""
    last: list[tuple[str, int]] = [("", -1)]

    def show(state: JobState) -> None:
        now = (state.status, int(state.progress * 10))
        if now != last[0]:
            last[0] = now
            counts = state.counts
            print(f"{state.id} {state.status} {counts.finished}/{counts.total}", file=sys.stderr, flush=True)

    return show
