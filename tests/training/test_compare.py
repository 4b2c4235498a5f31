"""Comparing classifiers: every row is measured alike, kept, and not measured twice."""

from __future__ import annotations

import csv
import io
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console
from threadpoolctl import threadpool_info
from typer.testing import CliRunner

from shared.packages import find_packages, resolve
from tests.shared.pictures import digits
from training import data
from training.commands import app
from training.compare import run
from training.compare.contest import Contest, load_contest
from training.compare.entrant import Entrant, Progress
from training.compare.entrants import KEYS, SHIPPED, TRAINED, chosen
from training.compare.measure import limited, measure
from training.compare.outcome import write_outcome
from training.compare.rows import FILE, Row, Terms, load_rows, save_rows

pytestmark = pytest.mark.torch
DIGITS = resolve(find_packages(), "digits@1.0.0")


def moved_digits(count: int, seed: int) -> data.Set:
    """Make digits of the samples, each moved by a pixel or none."""
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, len(digits()), count)
    images = [np.roll(digits()[k][1], tuple(rng.integers(-1, 2, 2)), (0, 1)) for k in drawn]
    return data.Set(np.stack(images), np.array([digits()[k][0] for k in drawn], np.int64))


@pytest.fixture(scope="module")
def contest() -> Contest:
    """Let all learn from 300 digits and read 60 others."""
    return Contest(moved_digits(300, 1), moved_digits(60, 2), DIGITS)


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """Lay out a small MNIST of 150 training and 40 test images."""
    for part, count in (("train", 150), ("test", 40)):
        for name, values in zip(data.FILES[part], moved_digits(count, count), strict=True):
            head = struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape)
            (tmp_path / name).write_bytes(head + values.astype(np.uint8).tobytes())
    return tmp_path


def quiet() -> Console:
    """Return a console that nobody sees."""
    return Console(file=io.StringIO())


def ignore(share: float) -> None:
    """Hear of progress and do nothing."""


@pytest.mark.parametrize("key", KEYS)
def test_each_classifier_learns_and_is_measured(contest: Contest, key: str) -> None:
    """Moved digits are mostly read by whoever saw others like them; time and size are there."""
    row = measure(contest, key, ignore)
    assert row.accuracy >= 0.7
    assert row.read_in_s > 0
    assert row.size > 1000
    assert row.terms == contest.terms(key)


@pytest.mark.parametrize("entrant", TRAINED, ids=lambda entrant: entrant.key)
def test_a_seed_decides_what_is_learned(contest: Contest, entrant: Entrant) -> None:
    """Two readers of one seed answer alike on every image."""
    few = data.Set(contest.train.images[:120], contest.train.labels[:120])
    answers = []
    for _ in range(2):
        reader = entrant.make(3, 1)
        reader.learn(*few, ignore)
        answers.append(reader.read(contest.test.images))
    assert np.array_equal(*answers)


def test_only_the_shipped_network_learns_nothing(contest: Contest) -> None:
    """Its row names the package by its checksum, no number of images, and the training time of its card."""
    card = DIGITS.card | {
        "metrics": [{"name": "training_minutes", "data": "MNIST", "value": 18.5, "count": 1}]
    }
    told = replace(contest, package=replace(DIGITS, card=card))  # type: ignore[arg-type]  # a card with a figure
    assert measure(told, SHIPPED, ignore).learned_in_s == pytest.approx(18.5 * 60)
    row = measure(contest, SHIPPED, ignore)
    assert row.learned_in_s is None
    assert row.terms.images is None
    assert row.terms.package == DIGITS.sha256
    assert row.size == (DIGITS.path / "model.onnx").stat().st_size


def test_a_slow_learner_gets_fewer_images_unless_told(contest: Contest) -> None:
    """The SVM has a bound of its own; a number given holds for all; nobody gets more than there are."""
    many = replace(contest, train=data.Set(np.zeros((10_500, 1, 1), np.uint8), np.zeros(10_500, np.int64)))
    assert (many.terms("svm").images, many.terms("knn").images) == (10_000, 10_500)
    told = replace(many, most=500)
    assert (told.terms("svm").images, told.terms("knn").images) == (500, 500)
    assert contest.terms("svm").images == 300


def test_threads_are_held_while_measuring() -> None:
    """Torch and the libraries of NumPy run on as many threads as asked for, and torch as before afterwards."""
    before = torch.get_num_threads()
    with limited(1):
        assert torch.get_num_threads() == 1
        assert {library["num_threads"] for library in threadpool_info()} == {1}
    assert torch.get_num_threads() == before


def test_an_interruption_costs_one_row(
    contest: Contest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that were finished before Ctrl-C are kept; the next call measures the others alone."""
    asked: list[str] = []

    def stop_at_mlp(contest: Contest, key: str, progress: Progress) -> Row:
        asked.append(key)
        if key == "mlp" and asked.count("mlp") == 1:
            raise KeyboardInterrupt
        return measure(contest, key, progress)

    monkeypatch.setattr(run, "measure", stop_at_mlp)
    with pytest.raises(KeyboardInterrupt):
        run.compare(contest, ["knn", "mlp"], tmp_path, quiet())
    rows = run.compare(contest, ["knn", "mlp"], tmp_path, quiet())
    assert asked == ["knn", "mlp", "mlp"]
    assert [row.terms.key for row in rows] == ["knn", "mlp"]
    run.compare(contest, ["knn"], tmp_path, quiet(), fresh=True)
    assert asked[3:] == ["knn"]


def test_fresh_rows_replace_their_own_alone(contest: Contest, tmp_path: Path) -> None:
    """Measuring one again keeps the rows of others."""
    run.compare(contest, ["knn", SHIPPED], tmp_path, quiet())
    run.compare(contest, ["knn"], tmp_path, quiet(), fresh=True)
    assert {terms.key for terms in load_rows(tmp_path)} == {"knn", SHIPPED}


def test_fresh_starts_anew_where_rows_are_damaged(contest: Contest, tmp_path: Path) -> None:
    """A damaged file stops a comparison, as the message says until --fresh is given."""
    (tmp_path / FILE).write_text("no rows")
    with pytest.raises(ValueError, match="--fresh"):
        run.compare(contest, ["knn"], tmp_path, quiet())
    assert len(run.compare(contest, ["knn"], tmp_path, quiet(), fresh=True)) == 1
    assert len(load_rows(tmp_path)) == 1


@pytest.mark.parametrize("change", [{"seed": 2}, {"threads": 2}, {"most": 200}])
def test_rows_of_other_terms_are_measured_anew(contest: Contest, change: dict[str, int]) -> None:
    """Another seed, another number of threads or images is another row; so are other images."""
    terms = contest.terms("knn")
    assert replace(contest, **change).terms("knn") != terms  # type: ignore[arg-type]  # each is an int
    assert replace(contest, test=moved_digits(60, 9)).terms("knn") != terms


def some_row(key: str = "knn", title: str = "k-NN") -> Row:
    """Make a row of round numbers: 99 of 100 right, 2,000 images a second, 2 MB."""
    return Row(Terms(key, 300, 100, 1, 1, "abc"), title, 99, 1.5, 0.05, 2_000_000)


def test_rows_come_back_as_they_were_kept(tmp_path: Path) -> None:
    """What is read again equals what was written; another file in its place is refused by name."""
    save_rows([some_row(), some_row("svm")], tmp_path)
    assert list(load_rows(tmp_path).values()) == [some_row(), some_row("svm")]
    (tmp_path / FILE).write_text('{"key": "knn"}\n')
    with pytest.raises(ValueError, match="--fresh"):
        load_rows(tmp_path)


def test_table_and_numbers_say_the_same(tmp_path: Path) -> None:
    """Markdown and CSV hold accuracy, times and size of each row; unknown training time is no zero."""
    shipped = replace(some_row(SHIPPED, "shipped"), learned_in_s=None)
    write_outcome([some_row(), shipped], tmp_path)
    text = (tmp_path / "compare.md").read_text(encoding="utf-8")
    assert "| k-NN | 300 | 99.00 % | 94.55 % to 99.97 % | 1.5 | 500.0 | 2,000 | 2.00 |" in text
    assert (tmp_path / "plots" / "compare-accuracy.svg").is_file()
    assert (tmp_path / "compare.html").is_file()
    with (tmp_path / "compare.csv").open(encoding="utf-8", newline="") as file:
        first, second = csv.DictReader(file)
    assert (first["accuracy"], first["ms_per_1000_images"], first["size_bytes"]) == (
        "0.99",
        "500.0",
        "2000000",
    )
    assert (first["training_s"], second["training_s"]) == ("1.5", "")


def test_names_are_put_in_the_order_of_the_table() -> None:
    """A list is sorted and freed of doubles; an unknown name is refused with those that there are."""
    assert chosen("shipped, knn,knn") == ["knn", SHIPPED]
    with pytest.raises(ValueError, match="knnn cannot be compared; choose from knn, svm"):
        chosen("svm,knnn")
    with pytest.raises(ValueError, match="nothing"):
        chosen(" ,")


def test_a_sample_of_test_images_is_spread_over_all(data_dir: Path) -> None:
    """Ten of forty test images are every fourth or so, with their labels."""
    whole = load_contest(data_dir, DIGITS, seed=1, threads=1, most=None, tested=None)
    part = load_contest(data_dir, DIGITS, seed=1, threads=1, most=None, tested=10)
    assert len(whole.test.labels) == 40
    assert np.array_equal(part.test.labels, whole.test.labels[np.linspace(0, 39, 10).round().astype(int)])


@pytest.mark.parametrize(
    "other", [{"labels": ["cat", "dog"]}, {"input": DIGITS.card["input"] | {"shape": [3, 28, 28]}}]
)
def test_a_package_that_reads_something_else_is_refused(data_dir: Path, other: dict[str, object]) -> None:
    """Cats, dogs and colours are not compared with digits."""
    package = replace(DIGITS, card=DIGITS.card | other)  # type: ignore[arg-type, operator]  # a card with changes
    with pytest.raises(ValueError, match=r"digits@1\.0\.0 reads no digits"):
        load_contest(data_dir, package, seed=1, threads=1, most=None, tested=None)


def test_the_command_writes_a_table(data_dir: Path, tmp_path: Path) -> None:
    """It prints the table that it writes, and says what it cannot do."""
    arguments = [
        "compare",
        "--data-dir",
        str(data_dir),
        "--out",
        str(tmp_path / "out"),
        "--model",
        "digits@1.0.0",
    ]
    done = CliRunner().invoke(app, [*arguments, "--models", "knn,shipped", "--train-size", "120"])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "out" / "compare.md").read_text(encoding="utf-8") in done.output
    assert "| k-NN (k = 3) | 120 |" in done.output
    wrong = CliRunner().invoke(app, [*arguments, "--models", "oracle"])
    assert wrong.exit_code == 2
    assert "oracle cannot be compared" in wrong.output
    missing = CliRunner().invoke(app, ["compare", "--data-dir", str(tmp_path / "nowhere")])
    assert missing.exit_code == 2
