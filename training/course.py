"""The whole way to a shipped network: a stock of pictures, teachers, their lessons, and a student a seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from training.augment import Augmentation
from training.bank import Stock, stock
from training.data import Set, Split
from training.distill import LESSON_BATCH, kept_lessons, lesson
from training.network import JUNK, DigitNet
from training.train import Part, Pool, Recipe, Run, Watch, finished, train

COURSE = "course.json"
WORN, JUNK_EACH = 0.8, 0.35
JUNK_SHARE = JUNK_EACH / (1 + WORN + JUNK_EACH)
"""Share of junk among what is shown."""
WIDE = (24, 48, 48, 96, 96, 160)
"""Widths of a teacher, which need not be quick."""
FIRST_TEACHER = 101
"""Seed of the first teacher, far from those of students."""


@dataclass(frozen=True)
class Finetune:
    """The end of a student's way; `bend` is the strength of the augmentation. None takes place with 0 epochs."""

    epochs: int = 3
    peak_rate: float = 8e-4
    passes: int = 2
    bend: float = 0.4


@dataclass(frozen=True)
class Course:
    """What a student goes through; `passes` are the lessons, each a draw of the pool bent anew.

    At the end it is fine-tuned on pictures that are bent less, by `finetune_bend`: what it will read is mostly
    written well, and the hard bends of before cost it a little there. `split_seed` decides which writers are held
    out from all of it.
    """

    student: Recipe = field(default_factory=lambda: Recipe(epochs=20))
    teacher: Recipe = field(default_factory=lambda: Recipe(epochs=12, widths=WIDE))
    teachers: int = 2
    passes: int = 8
    finetune: Finetune = field(default_factory=Finetune)
    stock: Stock = field(default_factory=Stock)
    augmentation: Augmentation = field(default_factory=Augmentation)
    split_seed: int = 1


_COURSES = TypeAdapter(Course)

WatchMaker = Callable[[str, Run], Watch | None]
"""From a run and its name to somebody who follows it."""


def nobody(name: str, run: Run) -> Watch | None:
    """Follow no run."""
    return None


def write_course(course: Course, folder: Path) -> None:
    """Write a course into its folder.

    Raises:
        ValueError: the folder holds another course, whose lessons would pass for those of this one.
    """
    if (folder / COURSE).exists() and read_course(folder) != course:
        raise ValueError(f"{folder} holds another course; choose another --out folder")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / COURSE).write_bytes(_COURSES.dump_json(course, indent=2) + b"\n")


def read_course(folder: Path) -> Course:
    """Read the course of a folder.

    Raises:
        ValueError: nothing was trained there.
    """
    try:
        return _COURSES.validate_json((folder / COURSE).read_bytes())
    except (OSError, ValidationError) as error:
        raise ValueError(
            f"{folder} holds no course; `python -m training train --out {folder}` makes one"
        ) from error


class School:
    """One course on one split of the data, kept in a folder; whatever is finished there is not done again."""

    def __init__(self, folder: Path, parts: Split, course: Course, *, watch: WatchMaker = nobody) -> None:
        self.folder, self.parts, self.course, self.watch = folder, parts, course, watch
        self._pool: Pool | None = None
        self._held_out: dict[str, Set] | None = None
        self._lessons: list[Pool] | None = None

    def student(self, seed: int) -> Run:
        """Return a student's run as the folder holds it."""
        recipe = replace(self.course.student, seed=seed)
        return Run(self.place("seed", seed), recipe, self._batches(recipe, bool(self.course.teachers)))

    def graduate(self, seed: int) -> DigitNet:
        """Return a student that is trained to its end.

        Raises:
            ValueError: it is not.
        """
        student = self._student(seed)
        if not self.course.finetune.epochs:
            return student
        return finished(self.place("tuned", seed), self._tuning(seed))

    def tuned(self, seed: int) -> Run:
        """Return the run in which a student that is trained to its end is fine-tuned."""
        recipe = self._tuning(seed)
        run = Run(self.place("tuned", seed), recipe, self._batches(recipe, bool(self.course.teachers)))
        if run.epoch == 0:
            run.begin_from(self._student(seed))
        return run

    def place(self, kind: str, seed: int) -> Path:
        """Return the folder of a run; `kind` is teacher, seed or tuned."""
        return self.folder / f"{kind}-{seed}"

    def teacher(self, seed: int) -> Run:
        """Return a teacher's run as the folder holds it."""
        recipe = replace(self.course.teacher, seed=seed)
        return Run(self.place("teacher", seed), recipe, self._batches(recipe, False))

    @property
    def teacher_seeds(self) -> range:
        """Return the seeds of the teachers."""
        return range(FIRST_TEACHER, FIRST_TEACHER + self.course.teachers)

    def train_teacher(self, seed: int) -> DigitNet:
        """Train a teacher to its end."""
        return self._finish(self.teacher(seed), f"teacher {seed}", lambda: [self.pool()])

    def train_student(self, seed: int) -> DigitNet:
        """Train a student to its end; teachers and lessons first, where they are not there yet."""
        network = self._finish(self.student(seed), f"seed {seed}", self.student_pools)
        if not self.course.finetune.epochs:
            return network
        gentle = self.course.augmentation.scaled(self.course.finetune.bend)
        return self._finish(self.tuned(seed), f"seed {seed} fine-tuned", self.tuning_pools, gentle)

    def pool(self) -> Pool:
        """Return what epochs draw from: clean digits each time, a part of the stock each time."""
        if self._pool is None:
            made = stock(self.parts.train, self.course.stock, self.folder)
            self._pool = mix(self.parts.train, made)
        return self._pool

    def held_out(self) -> dict[str, Set]:
        """Return the sets that runs report on: digits by writers that are not trained on, clean and worn, and junk."""
        if self._held_out is None:
            made = stock(self.parts.held_out, _small(self.course.stock), self.folder)
            digits, junk = part_junk(made)
            self._held_out = {"held_out": self.parts.held_out, "worn": digits, "junk": junk}
        return self._held_out

    def _student(self, seed: int) -> DigitNet:
        """Return a student before it is fine-tuned."""
        return finished(self.place("seed", seed), replace(self.course.student, seed=seed))

    def _tuning(self, seed: int) -> Recipe:
        """Return the recipe by which a student is fine-tuned."""
        how = self.course.finetune
        return replace(self.course.student, seed=seed, epochs=how.epochs, peak_rate=how.peak_rate)

    def _finish(
        self,
        run: Run,
        name: str,
        pools: Callable[[], Sequence[Pool]],
        bend: Augmentation | None = None,
    ) -> DigitNet:
        """Train what is left of a run."""
        if run.epoch >= run.recipe.epochs:
            return run.averaged
        taught = self.course.teachers and run.recipe.seed < FIRST_TEACHER
        how = None if taught else bend or self.course.augmentation
        source, held_out = pools(), self.held_out()
        watch = self.watch(name, run)
        with watch if isinstance(watch, AbstractContextManager) else nullcontext():
            return train(run, source, held_out, how=how, watch=watch)

    def student_pools(self) -> Sequence[Pool]:
        """Return lessons, or the bare pool where nobody teaches."""
        if not self.course.teachers:
            return [self.pool()]
        if self._lessons is None:
            self._lessons = kept_lessons(self.folder, self.course.passes, self._make_lesson)
        return self._lessons

    def tuning_pools(self) -> Sequence[Pool]:
        """Return lessons of pictures that are bent less, or the bare pool where nobody teaches."""
        if not self.course.teachers:
            return [self.pool()]
        if not self.course.finetune.epochs:
            return []
        return kept_lessons(self.folder, self.course.finetune.passes, self._make_gentle_lesson, "gentle")

    def _make_lesson(self, number: int) -> Pool:
        """Make one lesson by all teachers."""
        return self._teach(self.course.augmentation, 1009 + number)

    def _make_gentle_lesson(self, number: int) -> Pool:
        """Make one lesson of pictures that are bent less."""
        return self._teach(self.course.augmentation.scaled(self.course.finetune.bend), 2003 + number)

    def _teach(self, how: Augmentation, seed: int) -> Pool:
        """Ask all teachers about a draw of the pool."""
        teachers = [self.train_teacher(number).eval() for number in self.teacher_seeds]
        return lesson(teachers, self.pool(), how, seed=seed)

    def _batches(self, recipe: Recipe, taught: bool) -> int:
        """Return how many batches an epoch of a recipe has."""
        if not taught:
            return self.pool().batches(recipe.batch)
        return max(self.pool().batches(LESSON_BATCH) * LESSON_BATCH // recipe.batch, 1)


def mix(digits: Set, made: Set) -> Pool:
    """Join clean digits and a stock: per epoch every digit once, and for each WORN others and JUNK_EACH of junk."""
    drawn, junk = part_junk(made)
    count = max(len(digits.labels), 1)
    return Pool.of(
        Part(digits, 1.0, 0.3),
        Part(drawn, min(WORN * count / max(len(drawn.labels), 1), 1.0), 0.5),
        Part(junk, min(JUNK_EACH * count / max(len(junk.labels), 1), 1.0), 0.4),
    )


def part_junk(made: Set) -> tuple[Set, Set]:
    """Part a stock into digits and junk."""
    is_junk = made.labels == JUNK
    return Set(made.images[~is_junk], made.labels[~is_junk]), Set(made.images[is_junk], made.labels[is_junk])


def _small(what: Stock) -> Stock:
    """Return a stock of a twentieth, of another seed, to report on."""
    return replace(what.scaled(0.05), seed=what.seed + 1)
