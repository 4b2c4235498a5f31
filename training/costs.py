"""What a course has cost and what its students know: the figures that only the maker of a package can measure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from shared.packages import Metric
from training.bank import COSTS
from training.course import School
from training.data import Set
from training.package import as_served
from training.suites.from_card import MEAN_OF_SEEDS, TRAINING_MINUTES
from training.train import HISTORY, infer

CORES = 2


def training_minutes(school: School, seed: int) -> Metric:
    """Return the processor time of everything that one student needs, as minutes on two cores."""
    folders = [school.place("teacher", teacher) for teacher in school.teacher_seeds]
    own = [school.place(kind, seed) for kind in ("seed", "tuned")]
    histories = [folder / HISTORY for folder in (*folders, *own)]
    seconds = sum(_cpu_seconds([school.folder / COSTS, *histories]))
    return Metric(
        name=TRAINING_MINUTES,
        data="stock, teachers, lessons and one student",
        value=round(seconds / 60 / CORES, 1),
        count=1,
        note=f"{seconds / 60:.0f} minutes of processor time, shared by {CORES} cores",
    )


def _cpu_seconds(paths: Iterable[Path]) -> Iterable[float]:
    """Yield the processor time of each line of histories and costs that are there."""
    for path in paths:
        if path.is_file():
            for line in path.read_text(encoding="utf-8").splitlines():
                yield float(json.loads(line)["cpu_seconds"])


def mean_of_seeds(school: School, seeds: Sequence[int], test: Set) -> Metric:
    """Return mean and standard deviation over students of the accuracy on the test images."""
    right = [infer(as_served(school.graduate(seed)), test.images).argmax(1) == test.labels for seed in seeds]
    accuracies = [float(answers.mean()) for answers in right]
    deviation = float(np.std(accuracies, ddof=1)) if len(accuracies) > 1 else 0.0
    each = ", ".join(f"{100 * accuracy:.2f}" for accuracy in accuracies)
    return Metric(
        name=MEAN_OF_SEEDS,
        data="MNIST test",
        value=round(float(np.mean(accuracies)), 6),
        count=len(accuracies),
        note=f"standard deviation {100 * deviation:.3f} %; seeds {seeds[0]} to {seeds[-1]}: {each} %",
    )
