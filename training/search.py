"""Search for a recipe: widths, dropout, learning rate and strength of augmentation, by Optuna, resumable.

A trial is judged on writers held out from training, never on test images. Every draw depends on the study's seed
and on the trials that ended before, so that a study that was killed and started again finds what an unbroken one
does: interrupted trials are marked as failed, and tried again from their last epoch on.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState

from training.data import Set
from training.network import DigitNet, count_parameters
from training.plan import Plan, count_products, draw, name_of, way_of
from training.recipes import Way, write_way
from training.train import Pool, Watch
from training.trial import Judge, Material, attempt

DATABASE = "study.db"
BEST = "best.json"
NAME = "recipe"


class OtherPlanError(Exception):
    """The study's folder was begun with another plan or other data."""


def search(
    folder: Path,
    plan: Plan,
    pool: Pool,
    held_out: Mapping[str, Set],
    *,
    device: str | None = None,
    watch: Watch | None = None,
) -> optuna.Study:
    """Try recipes until `plan.trials` were tried in the study of a folder, counting those of former calls.

    Raises:
        OtherPlanError: the folder's study has another plan or other data.
        BlockingIOError: another process searches in the folder.
        ValueError: no network is within the budget.
    """
    material = Material(pool, held_out, device)
    with _alone(folder):
        study = _open_study(folder, plan, material)
        _retry_interrupted(study)
        while len(tried(study)) < plan.trials:
            trial, way = _ask(study, plan)
            home = folder / "trials" / f"{len(tried(study)):03d}-{name_of(way)}"
            attempt(study, trial, Judge(trial, plan, watch), home, way, material)
            keep_best(study, plan, folder)
    return study


def _open_study(folder: Path, plan: Plan, material: Material) -> optuna.Study:
    """Open or begin the study of a folder."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        storage=f"sqlite:///{folder / DATABASE}",
        study_name=NAME,
        load_if_exists=True,
        pruner=optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=max(1, plan.base.epochs // 3)),
    )
    sizes = {name: len(part.labels) for name, part in material.held_out.items()}
    fixed = json.loads(json.dumps(plan.fixed() | {"images": len(material.pool.labels), "held_out": sizes}))
    begun = study.user_attrs.get("plan", fixed)
    if begun != fixed:
        names = ", ".join(sorted(name for name in fixed if begun.get(name) != fixed[name]))
        raise OtherPlanError(f"the study in {folder} has other {names}; choose another --study folder")
    study.set_user_attr("plan", fixed)
    return study


def tried(study: optuna.Study) -> list[FrozenTrial]:
    """Return the trials that ended, by themselves or cut short, in their order."""
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))


def keep_best(study: optuna.Study, plan: Plan, folder: Path) -> None:
    """Write the best recipe so far for `train --recipe`."""
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if complete:
        write_way(way_of(study.best_params, plan), folder / BEST)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep a second search out of a study's folder: it would take running trials for interrupted ones."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def _retry_interrupted(study: optuna.Study) -> None:
    """Mark trials that a kill left running as failed, and line their numbers up to be tried again."""
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
        if trial.params:
            study.enqueue_trial(trial.params)


def _ask(study: optuna.Study, plan: Plan) -> tuple[Trial, Way]:
    """Draw the next recipe, by a seed that the number of ended trials decides."""
    seed = plan.base.seed * 100_003 + len(tried(study))
    study.sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=8)
    trial = study.ask()
    way = way_of(draw(trial, plan), plan)
    trial.set_user_attr("widths", list(way.recipe.widths))
    trial.set_user_attr("parameters", count_parameters(DigitNet(widths=way.recipe.widths)))
    trial.set_user_attr("products", count_products(way.recipe.widths))
    return trial, way
