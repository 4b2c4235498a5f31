"""One network's training: a seed decides it, an interruption changes nothing, teachers are listened to."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training.tiny import RECIPE, clean_digits, some_digits, weights
from training.augment import Augmentation, augmentation
from training.data import Set
from training.distill import kept_lessons, lesson
from training.network import JUNK
from training.train import HISTORY, Part, Pool, Recipe, Run, finished, infer, show, train

pytestmark = [pytest.mark.torch, pytest.mark.slow, pytest.mark.timeout(300)]
POOL = Pool.of(Part(some_digits(96)))
CHECK = {"held_out": some_digits(20, seed=9)}
HOW = Augmentation()


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Sum in one order."""
    torch.set_num_threads(1)


class Listener:
    """A watch that writes down what it is told."""

    def __init__(self) -> None:
        self.batches: list[tuple[int, int]] = []
        self.epochs: list[dict[str, float]] = []

    def batch(self, done: int, of: int) -> None:
        """Write a batch down."""
        self.batches.append((done, of))

    def epoch(self, line: dict[str, float]) -> None:
        """Write an epoch down."""
        self.epochs.append(line)


def start(folder: Path, recipe: Recipe, pool: Pool) -> Run:
    """Open a run on the CPU."""
    return Run(folder, recipe, pool.batches(recipe.batch), device="cpu")


def test_an_interrupted_run_ends_where_an_unbroken_one_does(tmp_path: Path) -> None:
    """Stopped after one epoch and started again, training arrives at the same weights."""
    recipe = replace(RECIPE, seed=4)
    unbroken = train(start(tmp_path / "a", recipe, POOL), POOL, CHECK, how=HOW)
    train(start(tmp_path / "b", recipe, POOL), POOL, CHECK, how=HOW, until=1)
    resumed = start(tmp_path / "b", recipe, POOL)
    assert resumed.epoch == 1
    assert torch.equal(weights(train(resumed, POOL, CHECK, how=HOW)), weights(unbroken))
    history = (tmp_path / "b" / HISTORY).read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in history] == [1, 2]
    assert torch.equal(weights(finished(tmp_path / "b", recipe)), weights(unbroken))


def test_a_seed_decides_the_network(tmp_path: Path) -> None:
    """The same seed gives the same weights, another one others."""
    one, two, other = (
        weights(train(start(tmp_path / str(place), replace(RECIPE, seed=seed), POOL), POOL, {}, how=HOW))
        for place, seed in enumerate((1, 1, 2))
    )
    assert torch.equal(one, two)
    assert not torch.equal(one, other)


def test_another_recipe_never_goes_on_with_a_run(tmp_path: Path) -> None:
    """A checkpoint belongs to its recipe; a network that is not trained to its end is not taken for one."""
    train(start(tmp_path, RECIPE, POOL), POOL, {}, until=1)
    with pytest.raises(ValueError, match="another recipe"):
        start(tmp_path, replace(RECIPE, dropout=0.1), POOL)
    with pytest.raises(ValueError, match="1 of 2 epochs"):
        finished(tmp_path, RECIPE)
    with pytest.raises(ValueError, match="0 of 2 epochs"):
        finished(tmp_path / "nowhere", RECIPE)
    with pytest.raises(ValueError, match="another recipe"):
        finished(tmp_path, replace(RECIPE, epochs=1))


def test_a_watch_is_told_of_every_batch_and_epoch(tmp_path: Path) -> None:
    """Batches are counted from one; an epoch's line is what the history holds."""
    watch = Listener()
    train(start(tmp_path, RECIPE, POOL), POOL, CHECK, watch=watch)
    assert watch.batches == [(done, 3) for _ in range(2) for done in (1, 2, 3)]
    written = [json.loads(line) for line in (tmp_path / HISTORY).read_text().splitlines()]
    assert watch.epochs == written
    assert [line["held_out_count"] for line in written] == [20, 20]
    assert all(0 <= line["held_out_errors"] <= 20 and line["cpu_seconds"] >= 0 for line in written)


def test_held_out_sets_change_nothing(tmp_path: Path) -> None:
    """They are reported on; the weights are the same without them."""
    with_, without = (
        train(start(tmp_path / name, RECIPE, POOL), POOL, sets, how=HOW)
        for name, sets in (("a", CHECK), ("b", {}))
    )
    assert torch.equal(weights(with_), weights(without))


def test_several_pools_are_taken_in_turn(tmp_path: Path) -> None:
    """The first epoch sees the first pool, the second the second."""
    pools = [Pool.of(Part(some_digits(32, seed=seed))) for seed in (1, 2)]
    both = weights(train(start(tmp_path / "a", RECIPE, pools[0]), pools, {}))
    run = start(tmp_path / "b", RECIPE, pools[0])
    train(run, pools[0], {}, until=1)
    assert torch.equal(weights(train(run, pools[1], {})), both)
    assert not torch.equal(weights(train(start(tmp_path / "c", RECIPE, pools[0]), pools[0], {})), both)


def numbered(count: int, label: int) -> Set:
    """Return black images under one label."""
    return Set(np.zeros((count, 28, 28), np.uint8), np.full(count, label, np.int64))


def test_an_epoch_shows_the_share_of_each_part() -> None:
    """All of the first part, a quarter of the second, none of the third, in whole batches and no image twice."""
    pool = Pool.of(
        Part(numbered(4000, 0)), Part(numbered(4000, 1), shown=0.25), Part(numbered(900, JUNK), shown=0)
    )
    torch.manual_seed(1)
    order = pool.order(64)
    assert tuple(order.shape) == (pool.batches(64), 64)
    shown = pool.labels[order.flatten().numpy()]
    assert len(order.flatten().unique()) == order.numel()
    assert (shown == 0).sum() == pytest.approx(4000, abs=250)
    assert (shown == 1).sum() == pytest.approx(1000, abs=150)
    assert JUNK not in shown
    assert not torch.equal(order, pool.order(64))


def test_a_pool_of_less_than_a_batch_goes_round() -> None:
    """Few images fill a batch by being shown again."""
    order = Pool.of(Part(some_digits(5))).order(16)
    assert tuple(order.shape) == (1, 16)
    assert set(order.flatten().tolist()) == set(range(5))


def test_pictures_are_bent_but_for_their_share() -> None:
    """What is always shown unbent stays as it is, what never is does not, and half is between."""
    digits, bend = clean_digits(20), augmentation(HOW)
    pool = Pool.of(*(Part(digits, unbent=share) for share in (1.0, 0.0, 0.5)))
    same = []
    for start_ in (0, 400, 800):
        chosen = np.arange(start_, start_ + 400)
        as_they_are = show(pool, chosen, None)
        same.append(float((show(pool, chosen, bend) == as_they_are).flatten(1).all(1).float().mean()))
    assert same[0] == 1
    assert same[1] < 0.05
    assert 0.4 < same[2] < 0.6


def test_a_small_network_learns_the_samples(tmp_path: Path) -> None:
    """A few epochs suffice to tell the sample digits apart: the loop does learn."""
    learn = some_digits(640)
    pool, recipe = Pool.of(Part(learn)), Recipe(epochs=8, batch=32, average=0.9, bf16=False)
    network = train(start(tmp_path, recipe, pool), pool, {})
    assert (infer(network, learn.images).argmax(1) == learn.labels).mean() > 0.9


@pytest.mark.parametrize(("teaching", "follows"), [(1.0, "teachers"), (0.0, "labels")])
def test_a_student_follows_its_teachers_as_far_as_its_recipe_says(
    tmp_path: Path, teaching: float, follows: str
) -> None:
    """Teachers who say 9 − n for every n are believed, or not heard at all."""
    digits = clean_digits(16)
    chances = np.eye(11, dtype=np.float16)[9 - digits.labels]
    pool = Pool.of(Part(digits))._replace(chances=chances)
    recipe = replace(
        RECIPE, epochs=14, batch=20, average=0.8, dropout=0.0, widths=(8, 8, 8, 16, 16, 16), teaching=teaching
    )
    answers = infer(train(start(tmp_path, recipe, pool), pool, {}), digits.images).argmax(1)
    wanted = 9 - digits.labels if follows == "teachers" else digits.labels
    assert (answers == wanted).mean() > 0.9


def test_a_lesson_is_what_teachers_say_of_bent_pictures(tmp_path: Path) -> None:
    """Chances are the mean of the teachers' on the very bytes that are kept; a kept lesson is not made again."""
    teachers = [train(start(tmp_path / str(s), replace(RECIPE, seed=s), POOL), POOL, {}) for s in (1, 2)]
    made: list[int] = []

    def make(number: int) -> Pool:
        made.append(number)
        return lesson(teachers, POOL, HOW, seed=number)

    first = kept_lessons(tmp_path, 2, make)
    again = kept_lessons(tmp_path, 3, make)
    assert made == [0, 1, 2]
    assert not np.array_equal(first[0].images, first[1].images)
    for one, other in zip(first, again, strict=False):
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    logits = np.stack([infer(teacher, first[0].images) for teacher in teachers])
    raised = np.exp(logits - logits.max(axis=2, keepdims=True))
    expected = (raised / raised.sum(axis=2, keepdims=True)).mean(axis=0)
    assert first[0].chances is not None
    assert np.abs(first[0].chances.astype(np.float32) - expected).max() < 0.02
