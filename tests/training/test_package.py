"""Packages: whole, never overwritten, and made by commands from data alone."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import Result
from typer.testing import CliRunner

from shared.packages import CARD, find_packages, load_package, resolve, verify
from shared.vision import prepare
from tests.shared.pictures import digits
from tests.training.tiny import COURSE, parts_of
from training.commands import app
from training.costs import mean_of_seeds, training_minutes
from training.course import School, read_course
from training.data import load
from training.network import DigitNet, count_parameters
from training.package import AlreadyThereError, Origin, as_served, make_package
from training.recipes import Way, write_way
from training.train import infer
from worker.engines import classify, load_engine

pytestmark = [pytest.mark.torch, pytest.mark.slow, pytest.mark.timeout(300)]


def call(command: str, *options: str | Path) -> Result:
    """Call a command of the laboratory."""
    return CliRunner().invoke(app, [command, *map(str, options)])


def said(done: Result) -> str:
    """Return what a command printed, without frames and line ends."""
    return re.sub(r"[\s│]+", " ", done.output)


def test_a_package_is_whole_and_never_overwritten(school: School, mnist: Path, tmp_path: Path) -> None:
    """Its files and card are what workers need; the same version cannot be made twice."""
    measured = [mean_of_seeds(school, (1, 2), load(mnist, "test")), training_minutes(school, 1)]
    origin = Origin("7.0.0", COURSE.student, "python -m training train", "Held out.", measured)
    make_package(school.graduate(1), parts_of(mnist), tmp_path, origin)
    package = resolve(find_packages([tmp_path]), "digits@7.0.0")
    verify(package)
    prepared = [prepare(image, **package.card["preparation"]) for _, image in digits()]
    answers = classify(package, load_engine(package), prepared)
    assert answers.probabilities.shape == (20, 10)
    before = (package.path / CARD).read_bytes()
    with pytest.raises(AlreadyThereError, match="new version"):
        make_package(school.graduate(2), parts_of(mnist), tmp_path, origin)
    assert (package.path / CARD).read_bytes() == before


def test_a_card_says_what_the_network_is(school: School, mnist: Path, tmp_path: Path) -> None:
    """Eleven outputs, ten of them labels, the preparation, confidence, thresholds, and what was measured."""
    card = make_package(
        school.graduate(1), parts_of(mnist), tmp_path, Origin("7.0.0", COURSE.student, "make it", "Held out.")
    )
    assert card["labels"] == [str(digit) for digit in range(10)]
    assert card["outputs"] == [*card["labels"], "junk"]
    assert card["preparation"] == {"name": "digits", "version": "4"}
    assert card["confidence"] is not None
    assert card["temperature"] > 0
    targets = [row["target_error"] for row in card["thresholds"]]
    assert targets == sorted(targets)
    assert card["default_target_error"] in targets
    assert card["parameters"] == count_parameters(as_served(school.graduate(1)))
    assert (card["training"]["command"], card["training"]["protocol"]) == ("make it", "Held out.")
    held_out = parts_of(mnist).held_out
    right = float((infer(as_served(school.graduate(1)), held_out.images).argmax(1) == held_out.labels).mean())
    assert card["metrics"][0]["value"] == pytest.approx(right, abs=1e-4)
    assert "writers that training never saw" in card["metrics"][0]["data"]


def test_figures_of_the_making_are_counted(school: School, mnist: Path) -> None:
    """The mean is that of all students, with its deviation; the minutes are what every part of the way cost."""
    test = load(mnist, "test")
    mean, minutes = mean_of_seeds(school, (1, 2), test), training_minutes(school, 1)
    students = [as_served(school.graduate(seed)) for seed in (1, 2)]
    each = [float((infer(student, test.images).argmax(1) == test.labels).mean()) for student in students]
    assert mean["name"] == "mean_accuracy_of_seeds"
    assert mean["value"] == pytest.approx(np.mean(each), abs=1e-6)
    assert mean["count"] == 2
    assert f"standard deviation {100 * np.std(each, ddof=1):.3f} %" in mean["note"]
    parts = [
        "teacher-101/history.jsonl",
        "teacher-102/history.jsonl",
        "seed-1/history.jsonl",
        "tuned-1/history.jsonl",
    ]
    parts.append("costs.jsonl")
    lines = [line for part in parts for line in (school.folder / part).read_text().splitlines()]
    assert len(lines) == 1 + 1 + 2 + 1 + 2 + COURSE.passes + COURSE.finetune.passes
    seconds = sum(json.loads(line)["cpu_seconds"] for line in lines)
    assert minutes["name"] == "training_minutes"
    assert minutes["value"] == round(seconds / 120, 1)


def test_a_network_that_knows_nothing_is_packaged_and_accepts_nothing_surely(
    mnist: Path, tmp_path: Path
) -> None:
    """Calibration of forty images by a network that guesses promises no target."""
    torch.manual_seed(0)
    network = DigitNet(widths=COURSE.student.widths).eval()
    make_package(network, parts_of(mnist), tmp_path, Origin("1", COURSE.student, "none", "None."))
    package = load_package(tmp_path / "digits" / "1")
    assert not any(row["certified"] for row in package.card["thresholds"] if row["target_error"] <= 0.01)
    prepared = [prepare(image) for _, image in digits()]
    assert not classify(package, load_engine(package), prepared).accept.any()


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """Write a recipe of a small network."""
    write_way(Way(COURSE.student, COURSE.augmentation), tmp_path / "way.json")
    return tmp_path / "way.json"


def carry_out(steps: Sequence[tuple[str | Path, ...]]) -> None:
    """Call commands one after the other; each must succeed."""
    for command, *options in steps:
        done = call(str(command), *options)
        assert done.exit_code == 0, (done.output, done.exception)


def test_the_commands_make_a_package_from_data_alone(mnist: Path, tmp_path: Path, recipe: Path) -> None:
    """train, package, evaluate and export work one after the other, as the card says."""
    torch.set_num_threads(1)
    run, models = tmp_path / "run", tmp_path / "models"
    places = ("--data-dir", mnist, "--out", run)
    small = ("--epochs", "1", "--teachers", "1", "--recipe", recipe, "--stock", "0.0005", "--threads", "1")
    measure = ("--data-dir", mnist, "--models", models, "--model", "digits@3.0.0", "--write")
    carry_out(
        [
            ("train", *places, *small, "--seeds", "2", "--jobs", "1"),
            ("package", *places, "--version", "3.0.0", "--seed", "2", "--seeds", "2", "--models", models),
            ("evaluate", *measure),
            ("export", tmp_path / "files", *places, "--seed", "2"),
        ]
    )
    package = load_package(models / "digits" / "3.0.0")
    named = {(metric["name"], metric["data"]) for metric in package.card["metrics"]}
    assert {("accuracy", "MNIST test"), ("mean_accuracy_of_seeds", "MNIST test")} <= named
    assert "training_minutes" in {name for name, _ in named}
    assert package.card["training"]["seed"] == 2
    typed = package.card["training"]["command"]
    assert typed.startswith(
        "python -m training train --data-dir data/mnist --seeds 2 --epochs 1 --teachers 1"
    )
    assert "--stock 0.0005" in typed
    assert "--recipe" in typed
    assert "student of seed 2" in package.card["training"]["protocol"]
    verify(package)
    assert (tmp_path / "files" / "model.pt2").is_file()
    again = call("package", *places, "--version", "3.0.0", "--models", models)
    assert again.exit_code == 2
    assert "give the new package a new version" in said(again)
    third = call("package", *places, "--version", "4.0.0", "--seeds", "3", "--models", models)
    assert third.exit_code == 2
    assert "0 of 1 epochs" in said(third)


def test_a_command_that_cannot_work_blames_an_option(mnist: Path, tmp_path: Path, recipe: Path) -> None:
    """No data, no course, another course, no recipe: a sentence, no traceback, and nothing changed."""
    course = ("--recipe", recipe, "--stock", "0", "--teachers", "0", "--epochs", "1", "--threads", "1")
    run = tmp_path / "run"
    carry_out([("train", "--data-dir", mnist, "--out", run, *course)])
    before = read_course(run)
    refused = [
        (("train", "--data-dir", tmp_path / "nowhere", "--out", tmp_path / "other"), "--download fetches it"),
        (("train", "--data-dir", mnist, "--out", run), "holds another course"),
        (("train", "--data-dir", mnist, "--recipe", tmp_path / "none.json"), "no readable recipe"),
        (("package", "--version", "1", "--data-dir", mnist, "--out", tmp_path), "holds no course"),
        (("export", tmp_path / "x", "--data-dir", tmp_path / "nowhere", "--out", run), "--download fetches"),
    ]
    for arguments, words in refused:
        done = call(*arguments)
        assert done.exit_code == 2
        assert words in said(done)
    assert read_course(run) == before
    assert not (tmp_path / "other").exists()
