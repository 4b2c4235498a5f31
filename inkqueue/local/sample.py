"""Submit the bundled images and show what comes back."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from inkqueue import Client, Item
from inkqueue.exceptions import Forbidden, Unauthorized

LABEL = re.compile(r"_(\w+)\.\w+$")
ROWS_SHOWN = 8


class SampleRun:
    """One submission of `samples/digits.zip`, made in a thread of its own."""

    def __init__(self, url: str, console: Console) -> None:
        """Remember where to send it and where to show it."""
        self.url = url
        self.console = console
        self.done = threading.Event()
        self.succeeded = False

    def run(self) -> None:
        """Submit, wait with a progress bar, show a table; whatever goes wrong is shown, not raised."""
        try:
            self._run()
        except (Unauthorized, Forbidden) as error:
            self.console.print(f"The sample was left out: {error} {error.hint}", soft_wrap=True)
        except Exception as error:  # the stack serves on, sample or not
            self.console.print(f"[red]The sample failed:[/] {error}", soft_wrap=True)
        finally:
            self.done.set()

    def _run(self) -> None:
        archive = bundled("samples") / "digits.zip"
        with Client(self.url) as client:
            began = time.monotonic()
            job = client.submit(archive)
            job.wait(progress=True)
            took_s = time.monotonic() - began
            items = list(job.results())
            self._show(job.id, items, took_s)
            self.succeeded = any(item.status == "succeeded" for item in items)

    def _show(self, job_id: str, items: Sequence[Item], took_s: float) -> None:
        print_line = self.console.print
        print_line(table(items))
        counts = ", ".join(
            f"{sum(item.status == status for item in items)} {status}"
            for status in dict.fromkeys(sorted(item.status for item in items))
        )
        print_line(f"  {len(items)} images in {took_s:.1f} s: {counts}")
        right, labelled = accuracy(items)
        if labelled:
            print_line(
                f"  Accuracy    [bold]{right / labelled:.2%}[/] ({right} of {labelled} labelled images)"
            )
        print_line(f"  Job         {self.url}/v1/jobs/{job_id}", soft_wrap=True)
        print_line(f"  Results     {self.url}/v1/jobs/{job_id}/results?format=csv", soft_wrap=True)
        print_line(f"  API docs    {self.url}/docs", soft_wrap=True)


def bundled(name: str) -> Path:
    """Ask the server package for a folder that travels with it."""
    command = [sys.executable, "-m", "shared.bundled", name]
    return Path(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip())


def accuracy(items: Sequence[Item]) -> tuple[int, int]:
    """Count the right readings, and the images whose file name ends in `_<label>` before its extension."""
    labels = [(item, label_of(item.name)) for item in items if item.status == "succeeded"]
    known = [(item, label) for item, label in labels if label is not None]
    return sum(item.prediction == label for item, label in known), len(known)


def label_of(name: str) -> str | None:
    """Return the label that a file name carries, if any."""
    found = LABEL.search(name)
    return found.group(1) if found else None


def table(items: Sequence[Item]) -> Table:
    """Return a short table: what could not be read, and some of what was."""
    unread = [item for item in items if item.status != "succeeded"][: ROWS_SHOWN // 2]
    read = [item for item in items if item.status == "succeeded"][: ROWS_SHOWN - len(unread)]
    made = Table(title=None, box=None, pad_edge=False, header_style="bold")
    for heading in ("  image", "status", "reads", "confidence", "decision"):
        made.add_column(heading)
    for item in sorted([*read, *unread], key=lambda item: item.seq):
        sure = f"{item.confidence:.4f}" if item.confidence is not None else ""
        what = item.error.code if item.error else item.decision or ""
        made.add_row(f"  {item.name}", item.status, item.prediction or "", sure, what)
    return made
