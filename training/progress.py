"""Show how far a training run is: bars on a terminal, a line an epoch elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from training.train import Watch


class Bars:
    """Follow one run by a bar of epochs and a bar of batches; a `Watch`, used as a context."""

    def __init__(
        self, epochs: int, *, done: int = 0, name: str = "training", console: Console | None = None
    ) -> None:
        self.console = console or Console(stderr=True, highlight=False)
        self._epochs, self._name = epochs, name
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=self.console, disable=not self.console.is_terminal)
        self._all = self._progress.add_task(f"{name}: epochs", total=epochs, completed=done)
        self._one = self._progress.add_task("batches", total=None)

    def __enter__(self) -> Bars:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def batch(self, done: int, of: int) -> None:
        """Move the bar of batches."""
        self._progress.update(self._one, completed=done, total=of)

    def epoch(self, line: Mapping[str, float]) -> None:
        """Move the bar of epochs and print the epoch's figures above it."""
        self._progress.update(self._all, completed=int(line["epoch"]))
        self.console.print(f"{self._name}: {describe(line, self._epochs)}", soft_wrap=True, markup=False)


class Several:
    """Pass on to several watches what one run says."""

    def __init__(self, *watches: Watch) -> None:
        self.watches = watches

    def batch(self, done: int, of: int) -> None:
        """Tell those that count batches."""
        for watch in self.watches:
            watch.batch(done, of)

    def epoch(self, line: dict[str, float]) -> None:
        """Tell all of them."""
        for watch in self.watches:
            watch.epoch(line)


def describe(line: Mapping[str, float], epochs: int) -> str:
    """Write an epoch's figures as one line: each set's errors of its count, and the rest by name."""
    words = [f"epoch {int(line['epoch'])}/{epochs}"]
    for name, value in line.items():
        if name.endswith("_errors"):
            count = line.get(f"{name.removesuffix('_errors')}_count")
            words.append(f"{name.replace('_', ' ')} {value:g}" + (f" of {count:g}" if count else ""))
        elif name != "epoch" and not name.endswith("_count"):
            words.append(f"{name.replace('_', ' ')} {value:g}")
    return ", ".join(words)
