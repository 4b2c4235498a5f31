"""One trial of a search: trained, reported epoch by epoch, stopped where it falls behind."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import optuna
from optuna.trial import Trial, TrialState

from training.data import Set
from training.plan import Plan
from training.recipes import Way
from training.train import CHECKPOINT, HISTORY, Pool, Run, Watch, train


class Judge:
    """Report a trial's epochs to the study, stop it where it falls behind, and say what it is worth."""

    def __init__(self, trial: Trial, plan: Plan, watch: Watch | None) -> None:
        self.trial, self.plan, self.watch = trial, plan, watch
        self.errors: list[float] = []

    def batch(self, done: int, of: int) -> None:
        """Pass it on."""
        if self.watch is not None:
            self.watch.batch(done, of)

    def epoch(self, line: dict[str, float]) -> None:
        """Show an epoch and weigh it."""
        if self.watch is not None:
            self.watch.epoch({**line, "trial": self.trial.number})
        self.weigh(line)

    def weigh(self, line: Mapping[str, float]) -> None:
        """Tell the study an epoch's error: the mean over the held-out sets, in percent.

        Raises:
            optuna.TrialPruned: at this epoch the trial is worse than half of the former ones.
        """
        names = [name.removesuffix("_errors") for name in line if name.endswith("_errors")]
        shares = [line[f"{name}_errors"] / line[f"{name}_count"] for name in names]
        self.errors.append(100 * sum(shares) / len(shares))
        self.trial.report(self.errors[-1], int(line["epoch"]))
        if line["epoch"] < self.plan.base.epochs and self.trial.should_prune():
            raise optuna.TrialPruned

    def worth(self) -> float:
        """Return the mean error of the last epochs."""
        counted = self.errors[-self.plan.last :]
        return sum(counted) / len(counted)


class Material(NamedTuple):
    """What every trial is trained and judged on, and where."""

    pool: Pool
    held_out: Mapping[str, Set]
    device: str | None = None


def attempt(
    study: optuna.Study, trial: Trial, judge: Judge, home: Path, way: Way, material: Material
) -> None:
    """Train one trial, or the rest of one that was interrupted, and tell the study how it ended."""
    run = _open_run(home, way, material)
    try:
        for line in _history(home):
            judge.weigh(line)
        train(run, material.pool, material.held_out, how=way.augmentation, watch=judge)
    except optuna.TrialPruned:
        study.tell(trial, state=TrialState.PRUNED)
    else:
        study.tell(trial, judge.worth())
    (home / CHECKPOINT).unlink(missing_ok=True)


def _open_run(home: Path, way: Way, material: Material) -> Run:
    """Open a trial's run; one whose last epoch was saved and not written down begins anew."""
    batches = material.pool.batches(way.recipe.batch)
    run = Run(home, way.recipe, batches, device=material.device)
    if run.epoch == len(_history(home)):
        return run
    shutil.rmtree(home)
    return Run(home, way.recipe, batches, device=material.device)


def _history(home: Path) -> list[dict[str, float]]:
    """Read the epochs that a trial has behind it."""
    path = home / HISTORY
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
