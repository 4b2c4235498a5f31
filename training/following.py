"""Who follows a run: bars, lines, a diary."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from types import TracebackType

from training.augment import Augmentation
from training.course import WatchMaker
from training.progress import Bars, Several
from training.tracking import Tracker, track
from training.train import HISTORY, Run, Watch


def followers(augmentation: Augmentation, *, tracked: bool) -> WatchMaker:
    """Return what gives each run a bar, and, where wanted, a run in MLflow; fit to be sent to a process."""
    return partial(_follow, augmentation, tracked)


def _follow(augmentation: Augmentation, tracked: bool, name: str, run: Run) -> Watch:
    """Follow one run."""
    bars = Bars(run.recipe.epochs, done=run.epoch, name=name)
    if not tracked:
        return bars
    parameters = asdict(run.recipe) | {f"augment.{key}": value for key, value in asdict(augmentation).items()}
    return Followed(run, bars, track(run.folder, parameters))


class Followed(Several):
    """A run with a bar and a diary, which is closed at the end."""

    def __init__(self, run: Run, bars: Bars, tracker: Tracker) -> None:
        super().__init__(bars, tracker)
        self.run, self.bars, self.tracker = run, bars, tracker

    def __enter__(self) -> Followed:
        self.bars.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bars.__exit__(kind, error, trace)
        if kind is None:
            self.tracker.keep(self.run.folder / HISTORY)
        self.tracker.end("FINISHED" if kind is None else "KILLED")
