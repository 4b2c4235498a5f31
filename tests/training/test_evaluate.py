"""Measuring a package: figures count what they say, bars are the issue's, nothing is passed over in silence."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from shared.packages import SHIPPED, find_packages, load_package, resolve, verify
from shared.vision import Prepared
from shared.vision.readings import Readings
from tests.training.reference import make_reference
from training.commands import app
from training.evaluate import evaluate_all, evaluate_suite
from training.suites import (
    JUNK,
    Figure,
    Result,
    Sources,
    Suite,
    corruptions,
    from_card,
    junk,
    mnist,
    pooled,
    speed,
)
from training.suites.bars import BARS, Bar, Unit, Verdict
from training.suites.catalogue import CATALOGUE
from training.suites.draw import mean_of_groups, reading, worst_group
from training.suites.engines import load_engines
from training.suites.interval import exact_interval, mean_interval
from training.suites.tell import metric, say

pytestmark = pytest.mark.torch
DIGITS = resolve(find_packages(), "digits@1.0.0")
ISSUE = [
    ("MNIST test", 0.9965, 0.998),
    ("MNIST test, mean of seeds", 0.9965, 0.998),
    ("Parameters", None, 165_000),
    ("USPS test", 0.98, 0.988),
    ("Real digits", 0.97, 0.99),
    ("Real digits, mean of sources", 0.98, 0.993),
    ("MNIST-C, mean", 0.975, 0.988),
    ("MNIST-C, worst", 0.93, 0.97),
    ("Metamorphic, same answer", 0.99, 0.997),
    ("Metamorphic, silent flips", None, 0.0),
    ("Junk refused", 0.98, 0.999),
    ("Clean digits refused", 0.005, 0.005),
    ("Clean digits taken for junk", 0.005, 0.005),
    ("Error among accepted, digits", 0.001, 0.001),
    ("Error among accepted, with junk", 0.001, 0.001),
    ("Clean digits accepted", 0.97, 0.993),
    ("Images a second on one core", 8_000, 15_000),
    ("Minutes of training on two cores", 60, 20),
]


def measured(
    labels: Sequence[int],
    predictions: Sequence[int],
    accept: Sequence[bool],
    *,
    name: str = "some",
    groups: Sequence[str] | None = None,
) -> Result:
    """Make a result of these answers and decisions to black pictures."""
    count = len(labels)
    readings = Readings(
        prediction=np.array(predictions, np.int16),
        confidence=np.where(np.array(predictions) < 0, np.nan, 0.9).astype(np.float32),
        probabilities=np.zeros((count, 10), np.float32),
        accept=np.array(accept, bool),
        reasons=[() if passed else ("low_confidence",) for passed in accept],
    )
    pictures = [Prepared(np.zeros((28, 28), np.uint8))] * count
    return Result(Suite(name, pictures, np.array(labels, np.int64), groups), readings)


@pytest.mark.parametrize(
    ("hits", "count", "low", "high"),
    [(0, 10, 0.0, 0.30850), (5, 10, 0.18709, 0.81291), (10, 10, 0.69150, 1.0), (998, 1000, 0.99279, 0.99976)],
)
def test_intervals_are_those_of_clopper_and_pearson(hits: int, count: int, low: float, high: float) -> None:
    """They agree with published tables and are certain of nothing where nothing was counted."""
    assert exact_interval(hits, count) == pytest.approx((low, high), abs=1e-5)
    assert exact_interval(0, 0) == (0.0, 1.0)


def test_a_mean_of_perfect_small_groups_is_not_certain() -> None:
    """Five of five do not prove that none fails."""
    low, high = mean_interval([(5, 5), (10, 10)])
    assert low < 0.95
    assert high == 1.0


def test_wrong_answers_count_only_where_they_are_accepted() -> None:
    """A wrong answer that goes to review is no error among the accepted; junk that passes is one."""
    result = measured([1, 2, 3, JUNK, JUNK], [1, 7, 7, 4, -1], [True, False, True, True, False])
    assert result.accepted_wrong.tolist() == [False, False, True, True, False]
    accuracy, accepted, error = reading(result)
    assert (accuracy.value, accepted.value) == (0.4, 0.6)
    assert error.value == pytest.approx(2 / 3)
    assert error.count == 3


def test_the_mean_of_groups_weighs_each_alike_and_the_worst_is_named() -> None:
    """One group of three does not outweigh one of a single picture."""
    groups = ["large", "large", "large", "small"]
    result = measured([1, 1, 1, 1], [1, 1, 1, 2], [True] * 4, groups=groups)
    assert mean_of_groups("mean", result, result.right).value == 0.5
    worst = worst_group("worst", result, result.right)
    assert (worst.name, worst.value, worst.count, worst.note) == ("worst", 0.0, 1, "small")


def test_junk_figures_leave_omniglot_out_of_the_mean() -> None:
    """It is told by itself, and a stricter figure counts only pictures that get no digit."""
    groups = ["blank", "blank", "noise", "omniglot"]
    result = measured([JUNK] * 4, [-1, 3, 3, 3], [False, False, True, True], name=junk.NAME, groups=groups)
    found = {figure.name: figure for figure in junk.figures(result)}
    assert found[junk.MEAN].value == 0.5
    assert found["refused of omniglot"].value == 0.0
    assert (found["refused of blank"].value, found["without_answer of blank"].value) == (1.0, 0.5)


def test_the_pooled_error_needs_every_set() -> None:
    """A pool that lacks a set would be another figure."""
    parts = {name: measured([1, 1], [1, 2], [True, True], name=name) for name in pooled.PARTS}
    (figure,) = pooled.figures(parts)
    assert (figure.suite, figure.value, figure.count) == (pooled.DIGITS, 0.5, 2 * len(parts))
    groups = ["clean", "invert"]
    parts["metamorphic"] = measured([1, 1], [2, 2], [True, True], name="metamorphic", groups=groups)
    (without_clean,) = pooled.figures(parts)
    assert without_clean.count == 2 * len(parts) - 1
    parts.pop("USPS test")
    assert pooled.figures(parts) == []


def test_the_bars_are_those_of_the_issue_and_every_one_has_its_figure(everything: Path) -> None:
    """At least, aim and order are as demanded; each is decided by a figure that exists or that the card tells."""
    assert [(bar.name, bar.at_least, bar.aim) for bar in BARS] == ISSUE
    told = json.loads(everything.read_text(encoding="utf-8"))
    known = {f"{figure['data']}/{figure['name']}" for figure in told["figures"]}
    only_the_maker_knows = {f"card/{name}" for name in (from_card.MEAN_OF_SEEDS, from_card.TRAINING_MINUTES)}
    assert {bar.figure for bar in BARS} - known == only_the_maker_knows


def test_a_bar_is_passed_reached_or_missed_by_so_much() -> None:
    """Equal is enough; where less is better the sense turns; too few pictures do not pass."""
    rising, falling = Bar("a", "s/f", 0.9, 0.95), Bar("b", "s/f", 0.1, 0.05, falling=True, fewest=100)
    figure = Figure("f", "s", 0.9, 50)
    assert Verdict(rising, figure).passes
    assert not Verdict(rising, figure).reaches_aim
    assert say(Verdict(rising, Figure("f", "s", 0.88, 50))) == "short of the bar by 2 points"
    assert say(Verdict(falling, Figure("f", "s", 0.13, 500))) == "short of the bar by 3 points"
    assert say(Verdict(falling, Figure("f", "s", 0.01, 50))) == "too few: 100 are needed"
    assert say(Verdict(falling, Figure("f", "s", 0.01, 500))) == "reaches the aim"
    assert not Verdict(rising, None, "gone").passes
    assert say(Verdict(Bar("c", "s/f", None, 5, True, Unit.NUMBER), Figure("f", "s", 7, 1))) == (
        "short of the aim by 2"
    )


def test_a_card_keeps_interval_and_note_of_a_figure() -> None:
    """What is measured can be judged later."""
    kept = metric(Figure("accuracy", "MNIST test", 0.9977, 10_000, 0.9966, 0.9985, "as served"))
    assert kept["value"] == 0.9977
    assert kept["note"] == "95 %: 0.9966 to 0.9985; as served"
    assert "note" not in metric(Figure("parameters", "card", 3, 1))


def test_the_network_alone_is_asked_about_pictures_without_preparation() -> None:
    """Its answers are those to the raw pictures, whatever the preparation made of them."""
    raw = np.stack([np.full((28, 28), 9, np.uint8), np.zeros((28, 28), np.uint8)])
    blanked = [Prepared(np.zeros((28, 28), np.uint8), ("blank",))] * 2
    suite = Suite(corruptions.NAME, blanked, np.array([1, 1]), ["a", "a"], raw)
    result = evaluate_suite(DIGITS, suite)
    assert result.readings.prediction.tolist() == [-1, -1]
    assert result.alone is not None
    assert (result.alone.prediction >= 0).all()


def test_parts_of_a_suite_must_be_of_one_length() -> None:
    """A label too many is refused at once."""
    with pytest.raises(ValueError, match="differ in length"):
        Suite("some", [], np.array([1]))


def test_all_engines_decide_alike_and_the_best_is_one_of_them() -> None:
    """An engine whose decisions differ could not be the best."""
    pictures = [Prepared(np.full((28, 28), shade, np.uint8)) for shade in range(0, 250, 5)]
    found = {figure.name: figure for figure in speed.figures(DIGITS, pictures)}
    names = [runner.name for runner in load_engines(DIGITS)]
    assert names[0] == "onnxruntime"
    assert all(found[f"differing_decisions of {name}"].value == 0 for name in names)
    assert all(found[f"greatest_probability_difference of {name}"].value < 1e-4 for name in names)
    best = found[speed.BEST]
    assert best.value == max(figure.value for name, figure in found.items() if "images_per_second of" in name)


def test_a_difference_in_decision_is_counted() -> None:
    """Another answer or another decision is a difference; another probability is none."""
    one = measured([1, 1, 1], [1, 2, 3], [True, True, True]).readings
    other = measured([1, 1, 1], [1, 2, 4], [True, False, True]).readings
    assert speed.differing_decisions(one, other) == 2


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lay out a small folder of every set."""
    folder = tmp_path_factory.mktemp("reference")
    make_reference(folder)
    return folder


@pytest.fixture(scope="module")
def everything(sources: Path) -> Path:
    """Measure everything on the small folder once, and return the JSON file."""
    path = sources / "measured.json"
    done = run("--all", "--reference", sources, "--json", path, "--limit", 4)
    assert done == 0
    return path


def run(*options: object) -> int:
    """Run `evaluate` on the shipped digits and return its exit status."""
    command = ["evaluate", "--model", "digits@1.0.0", *map(str, options)]
    return CliRunner().invoke(app, command).exit_code


def test_missing_sets_are_told_and_the_rest_is_measured(sources: Path, tmp_path: Path) -> None:
    """The table says of each bar why it could not be decided, and names the folder."""
    result = evaluate_all(DIGITS, Sources.under(sources), limit=3, only=["USPS test"])
    assert list(result.results) == ["USPS test"]
    assert result.missing["junk"] == "not asked for"
    gone = tmp_path / "gone"
    command = ["evaluate", "--all", "--model", "digits@1.0.0", "--reference", str(gone)]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0
    for part in ("mnist", "usps/usps.h5", "real-digits"):
        assert f"not measured: {gone / part} is missing" in done.output
    assert CliRunner().invoke(app, [*command, "--require-all"]).exit_code == 1


def test_every_suite_leaves_its_figures_in_the_json(everything: Path) -> None:
    """Bars, figures and what was not measured are there to be read by machines."""
    told = json.loads(everything.read_text(encoding="utf-8"))
    assert {figure["data"] for figure in told["figures"]} >= {*CATALOGUE, speed.NAME, pooled.DIGITS}
    assert told["not_measured"] == {}
    assert [bar["bar"] for bar in told["bars"]] == [bar.name for bar in BARS]
    assert (told["model"], told["limit"]) == ("digits@1.0.0", 4)


def test_measuring_twice_gives_the_same_figures(sources: Path) -> None:
    """All that is drawn comes from the seed."""
    names = [corruptions.NAME, junk.NAME, "metamorphic"]
    first, again = (evaluate_all(DIGITS, Sources.under(sources), limit=3, only=names) for _ in range(2))
    assert first.figures == again.figures


def test_write_keeps_the_card_valid_and_refuses_a_sample(sources: Path, tmp_path: Path) -> None:
    """Figures measured anew replace the old ones; those of a sample are not for a card."""
    shutil.copytree(SHIPPED / "digits" / "1.0.0", tmp_path / "digits" / "9.0.0")
    card = tmp_path / "digits" / "9.0.0" / "model.json"
    card.write_text(card.read_text(encoding="utf-8").replace('"version": "1.0.0"', '"version": "9.0.0"'))
    command = ["evaluate", "--model", "digits@9.0.0", "--models", str(tmp_path), "--reference", str(sources)]
    assert CliRunner().invoke(app, [*command, "--write", "--limit", "5"]).exit_code == 2
    for _ in range(2):
        assert CliRunner().invoke(app, [*command, "--write"]).exit_code == 0
    package = load_package(card.parent)
    verify(package)
    names = [m["name"] for m in package.card["metrics"] if m["data"] == mnist.NAME]
    assert sorted(names) == sorted(
        ["accuracy", "accepted", "error_among_accepted", mnist.REFUSED, mnist.NO_DIGIT]
    )


def test_a_package_that_a_shipped_one_hides_is_not_measured_by_mistake(sources: Path, tmp_path: Path) -> None:
    """Figures of the shipped version would be taken for those of the new one."""
    shutil.copytree(SHIPPED / "digits" / "1.0.0", tmp_path / "digits" / "1.0.0")
    command = ["evaluate", "--model", "digits@1.0.0", "--reference", str(sources), "--limit", "5"]
    done = CliRunner().invoke(app, [*command, "--models", str(tmp_path)])
    assert (done.exit_code, "version of its own" in re.sub(r"[\s│]+", " ", done.output)) == (2, True)
    assert CliRunner().invoke(app, [*command, "--models", str(SHIPPED)]).exit_code == 0


def test_an_unknown_suite_is_named(sources: Path) -> None:
    """A typing error measures nothing."""
    assert run("--only", "MNIST tset", "--reference", sources) == 2


def test_an_unknown_model_and_missing_data_are_told_in_a_sentence(tmp_path: Path) -> None:
    """Neither ends in a traceback, and a call that measured nothing is no success."""
    unknown = CliRunner().invoke(app, ["evaluate", "--model", "nonsense"])
    assert unknown.exit_code == 2
    assert "No model 'nonsense' is installed" in " ".join(unknown.output.replace("│", " ").split())
    nothing = CliRunner().invoke(app, ["evaluate", "--model", "digits", "--data-dir", str(tmp_path)])
    assert nothing.exit_code == 1
    assert "Nothing was measured" in nothing.output
