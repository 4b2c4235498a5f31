"""Narrow arithmetic: only where it decides as float32 does, and only where it was measured."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import ModelCorrupt
from shared.packages import CARD, ModelPackage, find_packages, load_package, resolve
from shared.vision import Prepared, prepare
from shared.vision.narrow import (
    Errors,
    Floats,
    Narrow,
    allowed,
    computes_bf16,
    doubtful,
    guarded,
    trial_pictures,
)
from shared.vision.prepare import Quality
from shared.vision.readings import Readings, read
from tests.shared.pictures import digits
from worker.engines import EngineMissing, classify, load_engine
from worker.engines import narrow as engines_narrow
from worker.engines.narrow import NarrowEngine

DIGITS = resolve(find_packages(), "digits@1.0.0")
MEASURED = {
    "arithmetic": "bf16",
    "difference_error": 0.5,
    "odds_error": 0.3,
    "images": 10_000,
    "note": "a test",
}
TARGETS = [row["target_error"] for row in DIGITS.card["thresholds"]]
REGRESSION = {
    "bias": 3.0,
    "features": [
        {"name": name, "centre": 4.0, "scale": 3.0, "weight": 0.9}
        for name in ("certainty", "margin", "no_junk", "energy", "usual_stroke")
    ],
}
PICTURE = Prepared(np.full((28, 28), 9, np.uint8), quality=Quality(0.2, 3.0, 1, 0.0))
needs_bf16 = pytest.mark.skipif(not computes_bf16(), reason="this CPU has no instructions for bfloat16")


def altered(folder: Path, **changes: object) -> ModelPackage:
    """Copy the shipped package and change its card."""
    target = folder / "digits" / "9.0.0"
    shutil.copytree(DIGITS.path, target)
    card = json.loads((target / CARD).read_text()) | {"version": "9.0.0"} | changes
    (target / CARD).write_text(json.dumps(card))
    return load_package(target)


@pytest.fixture(scope="module")
def with_junk(tmp_path_factory: pytest.TempPathFactory) -> ModelPackage:
    """Make a card with a junk output and a regression."""
    outputs = [*DIGITS.labels, "junk"]
    return altered(tmp_path_factory.mktemp("junk"), outputs=outputs, confidence=REGRESSION)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> ModelPackage:
    """Make a card that says how far bfloat16 strays."""
    return altered(tmp_path_factory.mktemp("measured"), narrow=MEASURED)


def many(count: int) -> list[Prepared]:
    """Make digits moved, thinned and under noise, and pictures that are none, all for sure the same."""
    rng = np.random.default_rng(3)
    clean = [prepare(image).image for _, image in digits()]
    made = trial_pictures((1, 28, 28), count // 10)
    while len(made) < count:
        image = np.roll(clean[len(made) % len(clean)], rng.integers(-3, 4, 2), (0, 1)).astype(np.float64)
        image = image * rng.uniform(0.2, 1.2) + rng.normal(
            0, rng.choice([0.0, 10.0, 40.0, 90.0]), image.shape
        )
        made.append(Prepared(np.clip(image, 0, 255).astype(np.uint8)))
    return made


def differing(one: Readings, other: Readings) -> int:
    """Count the pictures whose label, decision or reasons differ."""
    different = (one.prediction != other.prediction) | (one.accept != other.accept)
    reasons = [one.reasons[index] != other.reasons[index] for index in range(len(one))]
    return int((different | np.array(reasons, bool)).sum())


def bent(logits: Floats, rng: np.random.Generator, difference: float) -> Floats:
    """Move each logit, none against another by more than a difference."""
    return (logits + rng.uniform(0, difference * 0.999, logits.shape)).astype(np.float32)


def answers(package: ModelPackage, logits: Floats, target: float) -> Readings:
    """Decide on given logits."""
    return read(package, lambda _: logits, [PICTURE] * len(logits), target_error=target)


@pytest.mark.parametrize("regression", [False, True])
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), difference=st.sampled_from([0.01, 0.1, 0.5, 2.0]))
def test_a_settled_answer_stays_whatever_the_error(
    with_junk: ModelPackage, regression: bool, seed: int, difference: float
) -> None:
    """No logits within the bounds get another label, decision or reason, for any target error."""
    package = with_junk if regression else DIGITS
    rng = np.random.default_rng(seed)
    narrow = rng.normal(0, rng.uniform(1, 8), (40, len(package.outputs))).astype(np.float32)
    truth, prepared = bent(narrow, rng, difference), [PICTURE] * 40
    # Four features of the logits, each weighing 0.9 / 3 of a difference at most, make 1.2; one alone makes 1.
    bounds = Errors(difference, 1.2 * difference / package.card["temperature"] + 1e-4)
    for target in (*TARGETS, 1e-9):
        thresholds = np.full(40, package.threshold(target))
        settled = ~doubtful(package, narrow, prepared, thresholds, bounds)
        assert (
            differing(answers(package, narrow[settled], target), answers(package, truth[settled], target))
            == 0
        )


def test_close_answers_are_doubted_and_clear_ones_are_not() -> None:
    """Two labels close together, or a confidence close to the threshold, are computed again; others are not."""
    threshold = DIGITS.threshold(0.001)
    odds = math.log(threshold / (1 - threshold) * 9) * DIGITS.card["temperature"]
    logits = np.zeros((5, 10), np.float32)
    logits[:, 3] = [0.4, odds + 0.2, odds - 0.2, odds + 9, odds - 2]
    found = doubtful(DIGITS, logits, [PICTURE] * 5, np.full(5, threshold), Errors(0.5, 0.3))
    assert found.tolist() == [True, True, True, False, False]
    logits[0, 0] = np.nan
    assert doubtful(DIGITS, logits, [PICTURE] * 5, np.full(5, threshold), Errors(0.0, 0.0))[0]


def test_only_the_doubtful_are_computed_again() -> None:
    """The float32 network sees the doubtful pictures of a batch and no others, and its answers count."""
    rough = np.zeros((3, 10), np.float32)
    rough[:, 3] = [30.0, 0.1, 30.0]
    seen: list[int] = []

    def exact(batch: Floats) -> Floats:
        seen.append(len(batch))
        return np.eye(10, dtype=np.float32)[[4] * len(batch)] * np.float32(0.2)

    narrow = Narrow(lambda batch: rough[: len(batch)].copy(), Errors(1.0, 1.0))
    got = guarded(DIGITS, narrow, exact, np.zeros((3, 1, 28, 28), np.float32), [PICTURE] * 3, np.full(3, 0.9))
    assert seen == [1]
    assert got.argmax(axis=1).tolist() == [3, 4, 3]


def test_an_error_beyond_the_bound_sends_the_whole_batch_to_float32() -> None:
    """Where a picture computed twice shows that the card's bound does not hold, nothing narrow is returned."""
    rough = np.zeros((3, 10), np.float32)
    rough[:, 3] = [30.0, 0.1, 30.0]
    truth = np.eye(10, dtype=np.float32)[[7, 7, 7]] * np.float32(20)
    narrow = Narrow(lambda batch: rough.copy(), Errors(1.0, 1.0))
    got = guarded(
        DIGITS, narrow, lambda batch: truth[: len(batch)], np.zeros((3, 1)), [PICTURE] * 3, np.full(3, 0.9)
    )
    assert np.array_equal(got, truth)


@needs_bf16
def test_ten_thousand_pictures_are_decided_as_onnx_runtime_does(measured: ModelPackage) -> None:
    """Labels, decisions and reasons are float32's for every target error, and most are computed only once."""
    pictures, usual = many(10_000), load_engine(measured, engine="onnxruntime")
    engine = load_engine(measured, device="cpu")
    assert isinstance(engine, NarrowEngine)
    assert (engine.name, engine.engine_class) == ("openvino-bf16", "cpu-bf16")
    rng = np.random.default_rng(5)
    wishes = [None, *TARGETS, 1e-9]
    targets = [wishes[number] for number in rng.integers(0, len(wishes), len(pictures))]
    expected = classify(measured, usual, pictures, target_error=targets)
    got = classify(measured, engine, pictures, target_error=targets)
    assert differing(got, expected) == 0
    assert not np.array_equal(got.probabilities, expected.probabilities)
    assert 0.02 < expected.accept.mean() < 0.98


@needs_bf16
def test_a_machine_that_errs_more_than_was_measured_serves_in_float32(tmp_path: Path) -> None:
    """The card's figures are tried at the start; where they do not hold, ONNX Runtime serves."""
    package = altered(tmp_path, narrow=MEASURED | {"difference_error": 1e-6, "odds_error": 1e-6})
    assert load_engine(package, device="cpu").name == "onnxruntime"
    with pytest.raises(EngineMissing, match="errs more"):
        NarrowEngine(package)


def test_without_a_measurement_float32_serves() -> None:
    """A package whose card tells no error is never computed in narrow arithmetic."""
    assert load_engine(DIGITS, device="cpu").engine_class == "cpu-fp32"
    with pytest.raises(EngineMissing, match="never measured"):
        NarrowEngine(DIGITS)


def test_without_a_cpu_for_it_float32_serves(measured: ModelPackage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A CPU that only emulates bfloat16 would be slower; ONNX Runtime serves, and asking for it is refused."""
    monkeypatch.setattr(engines_narrow, "computes_bf16", lambda: False)
    assert load_engine(measured, device="cpu").name == "onnxruntime"
    with pytest.raises(EngineMissing, match="CPU"):
        NarrowEngine(measured)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_an_engine_asked_for_by_name_stays_float32(measured: ModelPackage, engine: str) -> None:
    """Only `auto` goes narrow, so that a pool can be held to one engine class."""
    assert load_engine(measured, engine=engine).engine_class == "cpu-fp32"


def test_native_bfloat16_is_read_from_the_cpu_flags(tmp_path: Path) -> None:
    """Only a CPU with instructions for it counts; AVX-512 alone does not, and neither does an unknown machine."""
    flags = tmp_path / "cpuinfo"
    flags.write_text("flags\t\t: fpu avx512f avx512_bf16 sse\n")
    assert computes_bf16(flags)
    flags.write_text("flags\t\t: fpu avx512f avx512_vnni\n")
    assert not computes_bf16(flags)
    assert not computes_bf16(tmp_path / "none")


def test_errors_are_allowed_for_several_times() -> None:
    """What is reckoned with is a multiple of what was measured."""
    card = DIGITS.card | {"narrow": MEASURED}
    assert allowed(card["narrow"]) == Errors(2.0, 1.2)


@pytest.mark.parametrize("change", [{"odds_error": 0}, {"difference_error": "small"}, {"arithmetic": "int4"}])
def test_a_card_with_a_wrong_measurement_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    """Nothing is computed on a bound that is none."""
    with pytest.raises(ModelCorrupt, match="narrow"):
        altered(tmp_path, narrow=MEASURED | change)
