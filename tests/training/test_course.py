"""A course: teachers, lessons, students, and nothing that is finished done again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training.tiny import COURSE, clean_digits, parts_of, some_digits, weights
from training import course as courses
from training.classes import Room, hold
from training.course import Finetune, School, mix, nobody, part_junk, read_course, write_course
from training.data import Set
from training.network import JUNK
from training.train import CHECKPOINT, Run, Watch

pytestmark = [pytest.mark.torch, pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Sum in one order."""
    torch.set_num_threads(1)


def test_processes_train_the_same_networks_as_one_does(school: School, mnist: Path, tmp_path: Path) -> None:
    """Two teachers and two students, in one process or shared by two, have the same weights."""
    shared = hold(Room(tmp_path, mnist, COURSE), (1, 2), jobs=2)
    for seed in (1, 2):
        assert torch.equal(weights(shared.graduate(seed)), weights(school.graduate(seed)))
    assert not torch.equal(weights(school.graduate(1)), weights(school.graduate(2)))


def test_a_student_is_fine_tuned_from_where_it_stood(school: School, tmp_path: Path) -> None:
    """What ships begins with the trained student's weights and has moved on from them; without, it is the student."""
    student, shipped = school.student(1).averaged, school.graduate(1)
    begun = School(tmp_path, school.parts, COURSE)
    student_run = begun.student(1)
    student_run.averaged.load_state_dict(student.state_dict())
    student_run.epoch = COURSE.student.epochs
    student_run.save()

    assert torch.equal(weights(begun.tuned(1).network), weights(student))
    assert not torch.equal(weights(shipped), weights(student))
    bare = School(tmp_path, school.parts, replace(COURSE, finetune=Finetune(epochs=0)))
    assert torch.equal(weights(bare.graduate(1)), weights(student))


class Roll:
    """Makes watches: writes down who is trained, and may interrupt at an epoch."""

    def __init__(self, stop_at: str = "") -> None:
        self.names: list[str] = []
        self.stop_at = stop_at

    def __call__(self, name: str, run: Run) -> Watch:
        """Follow a run."""
        self.names.append(f"{name} from {run.epoch}")
        return Interrupter(name == self.stop_at)


class Interrupter:
    """A watch that may interrupt after the first epoch that it sees."""

    def __init__(self, stops: bool) -> None:
        self.stops = stops

    def batch(self, done: int, of: int) -> None:
        """Let batches be."""

    def epoch(self, line: dict[str, float]) -> None:
        """Interrupt, or not."""
        if self.stops:
            raise KeyboardInterrupt


def test_an_interrupted_course_goes_on_where_it_was(school: School, mnist: Path, tmp_path: Path) -> None:
    """Finished teachers, lessons and epochs are not done again, and the student is the same."""
    room, first, second, third = Room(tmp_path, mnist, COURSE), Roll("seed 1"), Roll(), Roll()
    with pytest.raises(KeyboardInterrupt):
        hold(room, [1], jobs=1, watch=first)
    lessons = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.npz")}
    hold(room, [1], jobs=1, watch=second)
    resumed = hold(room, [1], jobs=1, watch=third)
    assert first.names == ["teacher 101 from 0", "teacher 102 from 0", "seed 1 from 0"]
    assert second.names == ["seed 1 from 1", "seed 1 fine-tuned from 0"]
    assert third.names == []
    assert len(lessons) == 4
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.npz")}
    assert set(kept.items()) - set(lessons.items()) == {
        (gentle, gentle.stat().st_mtime_ns) for gentle in [tmp_path / "gentle-0.npz"]
    }
    assert lessons.items() <= kept.items()
    assert torch.equal(weights(resumed.graduate(1)), weights(school.graduate(1)))


def test_an_interruption_while_teachers_learn_leaves_their_epochs(mnist: Path, tmp_path: Path) -> None:
    """The second teacher goes on, the first is not trained again."""
    course = replace(COURSE, teacher=replace(COURSE.teacher, epochs=2))
    with pytest.raises(KeyboardInterrupt):
        hold(Room(tmp_path, mnist, course), [1], jobs=1, watch=Roll("teacher 102"))
    roll = Roll()
    hold(Room(tmp_path, mnist, course), [1], jobs=1, watch=roll)
    assert roll.names == ["teacher 102 from 1", "seed 1 from 0", "seed 1 fine-tuned from 0"]


def test_without_teachers_a_student_learns_from_labels(mnist: Path, tmp_path: Path) -> None:
    """No lesson is made, and the pool itself is bent anew each epoch."""
    school = hold(Room(tmp_path, mnist, replace(COURSE, teachers=0)), [1], jobs=2)
    assert not list(tmp_path.glob("lesson*"))
    assert not list(tmp_path.glob("teacher*"))
    assert len(school.student_pools()) == 1
    assert school.student_pools()[0].chances is None


def test_nothing_trained_is_no_graduate(mnist: Path, tmp_path: Path) -> None:
    """A student that was not trained to its end is refused with its epochs."""
    with pytest.raises(ValueError, match="0 of 2 epochs"):
        School(tmp_path, parts_of(mnist), COURSE).graduate(1)


def test_a_course_comes_back_as_it_was_written(tmp_path: Path) -> None:
    """The same course may be written again; another one is refused, and leaves the first."""
    write_course(COURSE, tmp_path)
    write_course(COURSE, tmp_path)
    assert read_course(tmp_path) == COURSE
    with pytest.raises(ValueError, match="another course"):
        write_course(replace(COURSE, passes=3), tmp_path)
    assert read_course(tmp_path) == COURSE


def test_a_folder_without_a_course_says_what_makes_one(tmp_path: Path) -> None:
    """The message is the command."""
    with pytest.raises(ValueError, match=f"python -m training train --out {tmp_path}"):
        read_course(tmp_path)


def test_another_split_holds_other_writers_out(mnist: Path, tmp_path: Path) -> None:
    """The course's seed decides; whoever opens the folder later holds the same writers out."""
    for seed in (1, 2):
        write_course(replace(COURSE, split_seed=seed), tmp_path / str(seed))
    one, again, other = (
        Room(tmp_path / name, mnist, read_course(tmp_path / name)).open().parts for name in ("1", "1", "2")
    )
    assert np.array_equal(one.writers, again.writers)
    assert set(one.writers) != set(other.writers)


def test_reports_are_on_pictures_of_writers_held_out(
    mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What trains is drawn of the training writers' digits, what is reported on of the others'."""
    asked: list[Set] = []

    def draw(digits: Set, *_: object) -> Set:
        asked.append(digits)
        return Set(digits.images[:20], np.where(np.arange(20) % 2, JUNK, digits.labels[:20]))

    monkeypatch.setattr(courses, "stock", draw)
    parts = parts_of(mnist)
    school = School(tmp_path, parts, COURSE, watch=nobody)
    pool, sets = school.pool(), school.held_out()
    assert [len(one.labels) for one in asked] == [len(parts.train.labels), len(parts.held_out.labels)]
    assert asked[0].images is parts.train.images
    assert asked[1].images is parts.held_out.images
    assert set(sets) == {"held_out", "worn", "junk"}
    assert set(sets["junk"].labels) == {JUNK}
    assert JUNK not in sets["worn"].labels
    assert len(pool.labels) == len(parts.train.labels) + 20


def test_an_epoch_shows_every_digit_and_about_as_much_else() -> None:
    """Of a large stock so much is shown that clean digits are nearly half; of a small one all."""
    clean, worn = clean_digits(20), some_digits(2000)
    junk = Set(worn.images, np.full(2000, JUNK, np.int64))
    made = Set(np.concatenate([worn.images, junk.images]), np.concatenate([worn.labels, junk.labels]))
    pool = mix(clean, made)
    expected = [
        float(pool.shown[:400].sum()),
        float(pool.shown[400:2400].sum()),
        float(pool.shown[2400:].sum()),
    ]
    assert expected == pytest.approx([400, 320, 140], abs=1)
    assert mix(clean, Set(made.images[:8], made.labels[:8])).shown.tolist() == [1.0] * 408
    assert [len(part.labels) for part in part_junk(made)] == [2000, 2000]


def test_a_checkpoint_of_another_recipe_is_never_gone_on_with(mnist: Path, tmp_path: Path) -> None:
    """Not even where somebody changed the course's file by hand."""
    school = School(tmp_path, parts_of(mnist), COURSE)
    school.student(1).save()
    assert (tmp_path / "seed-1" / CHECKPOINT).is_file()
    other = School(tmp_path, parts_of(mnist), replace(COURSE, student=replace(COURSE.student, dropout=0.1)))
    with pytest.raises(ValueError, match="another recipe"):
        other.student(1)
