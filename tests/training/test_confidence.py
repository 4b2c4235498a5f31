"""Calibration: confidence learns from a known mix of pictures, and serves alike on every engine."""

from __future__ import annotations

import json
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.packages import CARD, ModelPackage, find_packages, load_package, resolve
from shared.vision import Prepared, Quality, prepare
from shared.vision.confidence import confidence as believed
from shared.vision.readings import read
from tests.shared.pictures import digits, paper
from training import confidence as fitting
from training.confidence import Calibration, Outputs, calibrate, deal
from training.data import Set
from training.evidence import JUNK, Evidence, Kind, collect, standard_mix
from training.logistic import fit_signed
from training.thresholds import TARGETS
from worker.engines import classify, load_engine

pytestmark = [pytest.mark.torch, pytest.mark.timeout(120)]
DIGITS = resolve(find_packages(), "digits@1.0.0")
LABELS = tuple("0123456789")
OUTPUTS = Outputs((*LABELS, "junk"), LABELS)


# Regression


def test_the_regression_finds_the_weights_and_drops_what_misleads() -> None:
    """Weights of simulated answers come back; a feature that would need a negative one gets none."""
    rng = np.random.default_rng(3)
    columns = rng.normal(size=(20_000, 4))
    odds = 2.0 + columns @ np.array([1.5, 0.5, 0.0, -1.0])
    bias, weights = fit_signed(columns[:, :3], rng.random(20_000) < 1 / (1 + np.exp(-odds - columns[:, 3])))
    _, signed = fit_signed(columns, rng.random(20_000) < 1 / (1 + np.exp(-odds)))

    assert bias == pytest.approx(2.0, abs=0.3)
    assert weights == pytest.approx([1.5, 0.5, 0.0], abs=0.2)
    assert (signed >= 0).all()
    assert signed[3] == 0


@pytest.mark.parametrize("right", [np.ones(50, bool), np.zeros(50, bool)])
def test_answers_that_are_all_right_or_all_wrong_give_a_finite_regression(right: Any) -> None:
    """Neither makes certainty out of fifty pictures."""
    bias, weights = fit_signed(np.random.default_rng(1).normal(size=(50, 2)), right)

    assert abs(bias) < 10
    assert np.isfinite(weights).all()


# Evidence


def clean_digits(count: int) -> tuple[Set, Any]:
    """Return the first sample digits as if each ten were by one writer."""
    chosen = [digits()[k % len(digits())] for k in range(count)]
    data = Set(np.stack([image for _, image in chosen]), np.array([label for label, _ in chosen]))
    return data, np.arange(count) // 10


def worn(images: Any, seed: int) -> list[Prepared]:
    """Put digits on noisy paper and cut them out again."""
    rng = np.random.default_rng(seed)
    return [
        prepare(np.clip(paper(i) + rng.normal(0, 8, (336, 448)), 0, 255).astype(np.uint8)) for i in images
    ]


def halves(images: Any, seed: int) -> list[Prepared]:
    """Show upper halves only."""
    return [Prepared(np.where(np.arange(28)[:, None] < 14, image, 0).astype(np.uint8)) for image in images]


def test_the_mix_has_the_shares_that_it_says() -> None:
    """65 % clean, each picture once; the rest made of the same writers' pictures; junk has no label."""
    data, writers = clean_digits(130)
    made = collect(data, writers, standard_mix(halves, halves, halves), seed=1)

    counts = {kind: made.kinds.count(kind) for kind in dict.fromkeys(made.kinds)}
    assert counts == {"clean": 130, "mild": 50, "heavy": 16, "junk": 4}
    assert len(made.prepared) == len(made.labels) == len(made.groups) == 200
    kinds = np.array(made.kinds)
    assert (made.labels[kinds == "junk"] == JUNK).all()
    assert (made.labels[kinds != "junk"] >= 0).all()
    assert set(made.groups) == set(writers)
    again = collect(data, writers, standard_mix(halves, halves, halves), seed=1)
    assert all(np.array_equal(a.image, b.image) for a, b in zip(made.prepared, again.prepared, strict=True))


def test_a_mix_that_leaves_nothing_clean_is_refused() -> None:
    """Shares must make sense."""
    data, writers = clean_digits(10)
    for shares in ((0.6, 0.4), (0.5, 0.0), (1.5, -1.0)):
        kinds = [Kind(str(share), share, halves) for share in shares]
        with pytest.raises(ValueError, match="shares"):
            collect(data, writers, kinds, seed=1)


def test_no_writer_is_in_two_folds() -> None:
    """Folds hold whole writers and are about equal."""
    writers = np.repeat(np.arange(40) * 7, 5)
    folds = deal(writers, 5, seed=1)

    assert all(len(set(folds[writers == one])) == 1 for one in set(writers))
    assert np.bincount(folds).tolist() == [40] * 5


# Calibration


def network_like(count: int, seed: int) -> tuple[Any, Evidence]:
    """Imitate a network: right when sure, fooled by thick strokes while sounding sure, junk mostly seen."""
    rng = np.random.default_rng(seed)
    labels = np.where(rng.random(count) < 0.1, JUNK, rng.integers(0, 10, count))
    strokes = np.exp(rng.normal(1, 0.4, count))
    logits = rng.normal(0, 1, (count, 11)).astype(np.float32)
    told = np.where(
        rng.random(count) < 0.15 * np.abs(np.log(strokes) - 1), rng.integers(0, 11, count), labels
    )
    logits[np.arange(count), told] += rng.normal(6, 2, count)
    pictures = [Prepared(np.zeros((28, 28), np.uint8), (), Quality(0.1, float(w), 1, 0.0)) for w in strokes]
    kinds = ["junk" if label == JUNK else "clean" for label in labels]
    return logits, Evidence(pictures, labels, np.arange(count) // 50, kinds)


@pytest.fixture(scope="module")
def calibration() -> Calibration:
    """Calibrate the imitated network."""
    return calibrate(OUTPUTS, *network_like(6000, 1))


def installed(folder: Path, calibration: Calibration) -> ModelPackage:
    """Write the calibration onto a card, by JSON, and read it again."""
    target = folder / "digits" / "9.0.0"
    target.mkdir(parents=True)
    card = json.loads((DIGITS.path / CARD).read_text()) | {"version": "9.0.0", "outputs": OUTPUTS.outputs}
    card |= {"temperature": calibration.temperature, "confidence": calibration.confidence}
    card |= {"thresholds": calibration.thresholds}
    (target / CARD).write_text(json.dumps(card))
    return load_package(target)


def test_calibrated_confidence_is_the_share_of_right_answers(
    calibration: Calibration, tmp_path: Path
) -> None:
    """On other pictures of the same world, served from the card, sureness and success agree."""
    logits, evidence = network_like(6000, 2)
    rows = iter(np.array_split(logits, 6000 // 100))
    got = read(installed(tmp_path, calibration), lambda _: next(rows), evidence.prepared, batch=100)

    answered = got.prediction >= 0
    right = (got.prediction == evidence.labels)[answered]
    order = np.argsort(got.confidence[answered])
    for part in np.array_split(order, 8):
        said = got.confidence[answered][part].mean()
        assert right[part].mean() == pytest.approx(said, abs=0.08)


def test_measures_of_the_picture_help_where_the_network_is_fooled(calibration: Calibration) -> None:
    """The same target accepts more when strokes are looked at than by the probability alone."""
    alone = calibrate(OUTPUTS, *network_like(6000, 1), features=["certainty"])
    chosen = TARGETS.index(0.02)

    assert {part["name"] for part in calibration.confidence["features"]} > {"usual_stroke"}
    assert calibration.thresholds[chosen]["coverage"] > alone.thresholds[chosen]["coverage"]


def test_a_regression_never_judges_the_writers_that_it_was_fitted_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """For the thresholds each answer's confidence comes from a fit without its writer."""
    logits, evidence = network_like(1000, 3)
    writer_of = {id(item): writer for item, writer in zip(evidence.prepared, evidence.groups, strict=True)}
    fitted: list[set[int]] = []
    overlaps: list[set[int]] = []
    fit, judge = fitting.fit_combiner, believed

    def fit_and_note(scaled: Any, public: Any, prepared: Any, *rest: Any) -> Any:
        fitted.append({writer_of[id(item)] for item in prepared})
        return fit(scaled, public, prepared, *rest)

    def judge_and_note(card: Any, scaled: Any, public: Any, prepared: Any) -> Any:
        overlaps.append(fitted[-1] & {writer_of[id(item)] for item in prepared})
        return judge(card, scaled, public, prepared)

    monkeypatch.setattr(fitting, "fit_combiner", fit_and_note)
    monkeypatch.setattr(fitting, "believed", judge_and_note)
    calibrate(OUTPUTS, logits, evidence)

    assert overlaps == [set()] * 5
    assert len(fitted) == 6
    assert fitted[-1] == set(evidence.groups)


REGRESSION: dict[str, Any] = {
    "bias": -1.0,
    "features": [
        {"name": name, "centre": 1.0, "scale": 1.0, "weight": 0.8}
        for name in ("certainty", "margin", "no_junk", "few_pieces", "usual_stroke")
    ],
}


def without_nines(folder: Path) -> ModelPackage:
    """Serve the shipped network as one that reads 0 to 8 and takes a 9 for no digit."""
    target = folder / "digits" / "9.0.0"
    shutil.copytree(DIGITS.path, target)
    card = json.loads((target / CARD).read_text()) | {"version": "9.0.0", "labels": list(LABELS[:9])}
    rows = [row | {"threshold": 0.995} for row in card["thresholds"]]
    (target / CARD).write_text(json.dumps(card | {"confidence": REGRESSION, "thresholds": rows}))
    return load_package(target)


@pytest.mark.slow
def test_all_engines_decide_alike_with_junk_and_a_regression(tmp_path: Path) -> None:
    """ONNX Runtime, OpenVINO and torch give the same pictures the same answers, decisions and reasons."""
    data, writers = clean_digits(300)
    evidence = collect(data, writers, standard_mix(worn, halves, halves), seed=1)
    package = without_nines(tmp_path)
    names = ["onnxruntime", "torch", *(["openvino"] if find_spec("openvino") else [])]

    first, *others = (
        classify(package, load_engine(package, engine=name, device="cpu"), evidence.prepared)
        for name in names
    )

    assert {(), ("low_confidence",), ("low_confidence", "not_a_digit"), ("not_a_digit",)} <= set(
        first.reasons
    )
    nines = np.array(evidence.labels == 9) & (np.array(evidence.kinds) == "clean")
    assert (first.prediction[nines] == -1).mean() > 0.9
    for other in others:
        assert np.array_equal(other.prediction, first.prediction)
        assert other.reasons == first.reasons
        assert other.confidence == pytest.approx(first.confidence, abs=1e-4, nan_ok=True)
