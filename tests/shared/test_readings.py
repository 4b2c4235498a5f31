"""Readings: confidence stays a probability, a surer network is believed more, and doubt says its reason."""

from __future__ import annotations

import json
import math
import shutil
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from shared.errors import ModelCorrupt, ModelError
from shared.packages import CARD, ModelPackage, find_packages, load_package, resolve
from shared.vision import Prepared, Quality
from shared.vision.confidence import MEASURES, NAMES
from shared.vision.readings import Floats, Readings, read, softmax

DIGITS = resolve(find_packages(), "digits@1.0.0")
IMAGE = np.zeros((28, 28), np.uint8)
WEIGHTS: dict[str, Any] = {
    "bias": 1.0,
    "features": [{"name": name, "centre": 0.5, "scale": 2.0, "weight": 0.7} for name in NAMES],
}
THRESHOLDS = [
    {"target_error": target, "threshold": threshold, "coverage": 0.5, "accepted": 1, "errors": 0,
     "error_upper": 1.0, "certified": False}
    for target, threshold in ((0.001, 0.999), (0.01, 0.9))
]  # fmt: skip

logits = arrays(np.float32, (3, 11), elements=st.floats(-80, 80, width=32))
measures = st.floats(allow_nan=True, allow_infinity=True)
qualities = st.none() | st.builds(Quality, measures, measures, st.integers(0, 1000), measures)


def package(folder: Path, **changes: Any) -> ModelPackage:
    """Give the shipped card an output for junk, and what the test wants to change."""
    target = folder / "digits" / "9.0.0"
    target.mkdir(parents=True)
    shutil.copy(DIGITS.path / CARD, target)
    card = json.loads((target / CARD).read_text()) | {"version": "9.0.0"}
    card |= {"outputs": [*card["labels"], "junk"], "temperature": 1.0, "thresholds": THRESHOLDS}
    (target / CARD).write_text(json.dumps(card | changes))
    return load_package(target)


@pytest.fixture(scope="module")
def judging(tmp_path_factory: pytest.TempPathFactory) -> ModelPackage:
    """Return a package of ten digits and junk whose card uses every feature."""
    return package(tmp_path_factory.mktemp("judging"), confidence=WEIGHTS)


@pytest.fixture(scope="module")
def without_energy(tmp_path_factory: pytest.TempPathFactory) -> ModelPackage:
    """Return the same without the one feature that grows with every logit, junk's too."""
    features = [part for part in WEIGHTS["features"] if part["name"] != "energy"]
    return package(tmp_path_factory.mktemp("plain"), confidence=WEIGHTS | {"features": features})


def answer(
    chosen: ModelPackage, rows: Floats, prepared: Prepared | None = None, target: float | None = None
) -> Readings:
    """Read as many pictures as there are rows with a network that answers these logits."""
    pictures = [prepared or Prepared(IMAGE)] * len(rows)
    return read(chosen, lambda batch: rows[: len(batch)], pictures, target_error=target)


def row(**by_label: float) -> Floats:
    """Return one row of logits: zero but for `_7=5` or `junk=3`."""
    found = np.zeros((1, 11), np.float32)
    for name, value in by_label.items():
        found[0, 10 if name == "junk" else int(name[1:])] = value
    return found


@given(logits, qualities)
def test_confidence_is_a_probability_exactly_where_there_is_an_answer(
    judging: ModelPackage, rows: Floats, quality: Quality | None
) -> None:
    """Whatever network and preparation say, it lies in 0..1, and only an answer has one."""
    got = answer(judging, rows, Prepared(IMAGE, (), quality))

    answered = got.prediction >= 0
    assert np.array_equal(answered, rows.argmax(axis=1) < 10)
    assert np.array_equal(np.isnan(got.confidence), ~answered)
    assert ((got.confidence[answered] >= 0) & (got.confidence[answered] <= 1)).all()
    assert got.accept.tolist() == [not why for why in got.reasons]


@given(logits, qualities, st.floats(0, 20))
def test_a_surer_network_is_never_believed_less(
    judging: ModelPackage, rows: Floats, quality: Quality | None, more: float
) -> None:
    """Raising the best label's logit, all else equal, never lowers the confidence."""
    surer = rows.copy()
    surer[np.arange(3), rows[:, :10].argmax(axis=1)] += np.float32(more)
    before, after = (answer(judging, part, Prepared(IMAGE, (), quality)) for part in (rows, surer))

    known = before.prediction >= 0
    assert np.array_equal(before.prediction[known], after.prediction[known])
    assert (after.confidence[known] >= before.confidence[known] - 1e-6).all()


@given(logits, st.floats(0, 20))
def test_less_junk_never_makes_an_answer_less_sure(
    without_energy: ModelPackage, rows: Floats, less: float
) -> None:
    """Lowering the chance of junk never lowers the confidence."""
    cleaner = rows.copy()
    cleaner[:, 10] -= np.float32(less)
    before, after = answer(without_energy, rows), answer(without_energy, cleaner)

    known = before.prediction >= 0
    assert (after.confidence[known] >= before.confidence[known] - 1e-6).all()


def test_the_regression_is_computed_as_the_card_says(tmp_path: Path) -> None:
    """One feature by hand: log odds = bias + weight · (margin − centre) / scale."""
    feature = {"name": "margin", "centre": 1.0, "scale": 2.0, "weight": 0.5}
    chosen = package(tmp_path, confidence={"bias": 0.25, "features": [feature]}, temperature=2.0)

    got = answer(chosen, row(_7=9, _1=3))

    odds = 0.25 + 0.5 * ((9 - 3) / 2 - 1) / 2
    assert got.confidence[0] == pytest.approx(1 / (1 + math.exp(-odds)), abs=1e-6)
    assert got.probabilities[0] == pytest.approx(softmax(row(_7=9, _1=3), 2.0)[0, :10])


def test_without_a_regression_confidence_is_the_greatest_probability(tmp_path: Path) -> None:
    """Cards of older packages and of other people mean what they always meant; junk takes its share."""
    got = answer(package(tmp_path), row(_7=3, junk=2))

    shares = softmax(row(_7=3, junk=2), 1.0)[0]
    assert got.confidence[0] == pytest.approx(shares[7])
    assert got.probabilities[0].sum() == pytest.approx(1 - shares[10])


def test_what_is_no_digit_has_no_answer(judging: ModelPackage) -> None:
    """Where junk is likeliest there is neither prediction nor confidence, and one reason."""
    got = answer(judging, row(_7=4, junk=5), target=0.01)

    assert got.prediction[0] == -1
    assert math.isnan(got.confidence[0])
    assert got.reasons == [("not_a_digit",)]


def test_doubt_says_whether_it_is_about_which_digit_or_about_any(tmp_path: Path) -> None:
    """Below the threshold: if junk comes second that is told, beside the best guess."""
    chosen = package(tmp_path)
    either, none = answer(chosen, row(_7=2, _1=1.9)), answer(chosen, row(_7=2, junk=1.9))

    assert either.reasons == [("low_confidence",)]
    assert none.reasons == [("low_confidence", "not_a_digit")]
    assert either.prediction[0] == none.prediction[0] == 7
    assert answer(chosen, row(_7=30, junk=1)).reasons == [()]


def test_a_reason_of_the_picture_stands_and_is_told_once(tmp_path: Path) -> None:
    """Preparation and network may find the same; a sure network overrules no reason."""
    chosen = package(tmp_path)
    same = answer(chosen, row(junk=9), Prepared(IMAGE, ("not_a_digit",)))
    two = answer(chosen, row(_7=30), Prepared(IMAGE, ("multiple_digits",)))
    doubtful = answer(chosen, row(_7=1), Prepared(IMAGE, ("multiple_digits",)))
    blank = answer(chosen, row(_7=30), Prepared(IMAGE, ("blank",)))

    assert same.reasons == [("not_a_digit",)]
    assert two.reasons == [("multiple_digits",)]
    assert doubtful.reasons == [("multiple_digits", "low_confidence")]
    assert blank.reasons == [("blank",)]
    assert not any(got.accept[0] for got in (same, two, doubtful, blank))
    assert blank.prediction[0] == -1
    assert not blank.probabilities.any()


def test_a_larger_target_error_accepts_more(judging: ModelPackage) -> None:
    """The job's target picks the threshold that the confidence is held against."""
    rows = np.concatenate([row(_7=value) for value in np.linspace(0, 20, 60)]).astype(np.float32)
    strict, loose = answer(judging, rows, target=0.001), answer(judging, rows, target=0.01)

    assert 0 < strict.accept.sum() < loose.accept.sum() < 60
    assert np.array_equal(strict.accept, strict.confidence >= 0.999)
    assert np.array_equal(loose.accept, loose.confidence >= 0.9)


def test_a_picture_that_tells_nothing_counts_as_usual(tmp_path: Path) -> None:
    """Unchanged pictures, and measures that are missing or no numbers, neither add nor take."""

    class Bare(NamedTuple):
        ink_share: float = math.nan

    features = [{"name": name, "centre": 0.0, "scale": 1.0, "weight": 2.0} for name in MEASURES]
    chosen = package(tmp_path, confidence={"bias": 1.5, "features": features})
    for quality in (None, Bare(), Quality(math.nan, math.inf, 1, 0.0)):
        got = answer(chosen, row(_7=5), Prepared(IMAGE, (), quality))  # type: ignore[arg-type]  # a stranger
        assert got.confidence[0] == pytest.approx(1 / (1 + math.exp(-1.5)))


@pytest.mark.parametrize("name", MEASURES)
def test_an_unusual_picture_lowers_confidence_but_not_without_end(tmp_path: Path, name: str) -> None:
    """Each measure counts for three of its scales at most."""
    feature = {"name": name, "centre": 0.0, "scale": 0.1, "weight": 1.0}
    chosen = package(tmp_path, confidence={"bias": 0.0, "features": [feature]})
    usual, odd, odder = (
        answer(
            chosen, row(_7=5), Prepared(IMAGE, (), Quality(share, width, pieces, contact, dropped=dropped))
        )
        for share, width, pieces, contact, dropped in (
            (1, 1, 1, 0, 0),
            (0.3, 4, 2, 0.2, 0.2),
            (1e-9, 1e9, 900, 1.0, 1.0),
        )
    )

    assert usual.confidence[0] == pytest.approx(0.5)
    assert odd.confidence[0] < 0.5
    assert odder.confidence[0] == pytest.approx(1 / (1 + math.exp(3)), abs=1e-5)


def test_an_answer_that_is_no_number_is_an_error_of_the_model(judging: ModelPackage) -> None:
    """Neither a digit nor a confidence is made of NaN or infinity."""
    for value in (math.nan, math.inf, -math.inf):
        with pytest.raises(ModelError):
            answer(judging, row(_7=value))


def test_logits_beyond_what_the_temperature_allows_are_an_error_of_the_model(tmp_path: Path) -> None:
    """A prediction without a confidence is never given."""
    cold = package(tmp_path, temperature=0.001)
    with pytest.raises(ModelError):
        read(cold, lambda batch: np.full((len(batch), 11), 1e38, np.float32), [Prepared(IMAGE)])


def test_more_labels_than_small_numbers_count_are_read_in_no_time(tmp_path: Path) -> None:
    """The label that the last of 40,000 outputs stands for comes out, without a look through all for each."""
    labels = [f"label {number}" for number in range(40_000)]
    many = package(tmp_path, labels=labels, outputs=labels, thresholds=[])
    logits = np.zeros((1, len(labels)), np.float32)
    logits[0, -1] = 30.0
    began = time.monotonic()
    readings = read(many, lambda _: logits, [Prepared(IMAGE)])
    assert labels[int(readings.prediction[0])] == "label 39999"
    assert time.monotonic() - began < 10


def _changed(**changes: Any) -> dict[str, Any]:
    """Return the card's regression with changes to its first feature."""
    return {"bias": 0.0, "features": [WEIGHTS["features"][0] | changes]}


@pytest.mark.parametrize(
    "confidence",
    [
        None, [], {}, {"bias": 0.0}, {"bias": 0.0, "features": []},
        {"bias": math.nan, "features": WEIGHTS["features"]},
        {"bias": 0.0, "features": [WEIGHTS["features"][0]] * 2},
        _changed(name="__class__"), _changed(centre=math.nan), _changed(centre=None),
        _changed(weight=-0.1), _changed(weight=math.inf), _changed(weight="1"), _changed(weight=True),
        _changed(weight=1e300), _changed(scale=0.0), _changed(scale=-1.0), _changed(scale=1e-300),
    ],
)  # fmt: skip
def test_a_card_whose_regression_makes_no_sense_is_refused(tmp_path: Path, confidence: Any) -> None:
    """Unknown features, negative or endless numbers, nothing at all: the package is corrupt."""
    with pytest.raises(ModelCorrupt, match="confidence"):
        package(tmp_path, confidence=confidence)
