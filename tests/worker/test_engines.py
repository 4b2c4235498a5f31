"""Engines: checked, warmed, equal among themselves; readings that say what to trust."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from shared.errors import ModelCorrupt
from shared.packages import CARD, ModelPackage, find_packages, load_package, resolve
from shared.vision import Prepared, prepare
from tests.shared.pictures import digits, paper
from worker.engines import Engine, EngineMissing, classify, load_engine, to_batch
from worker.engines.protocol import Floats

DIGITS = resolve(find_packages(), "digits@1.0.0")
PREPARED = [prepare(image) for _, image in digits()]
LABELS = np.array([label for label, _ in digits()])
BLANK = prepare(np.full((50, 50), 255, np.uint8))


class FixedEngine:
    """An engine that knows its answers beforehand and counts the images it saw."""

    name, device, engine_class = "fixed", "cpu", "cpu-fp32"

    def __init__(self, logits: Floats) -> None:
        self.logits, self.seen = logits, 0

    def infer(self, batch: Floats) -> Floats:
        """Return the next answers."""
        part = self.logits[self.seen : self.seen + len(batch)]
        self.seen += len(batch)
        return part


@pytest.fixture(scope="module")
def engine() -> Engine:
    """Load the shipped package."""
    return load_engine(DIGITS, engine="onnxruntime")


def altered(folder: Path, **changes: object) -> ModelPackage:
    """Copy the shipped package and change its card."""
    target = folder / "digits" / "9.0.0"
    shutil.copytree(DIGITS.path, target)
    card = json.loads((target / CARD).read_text()) | {"version": "9.0.0"} | changes
    (target / CARD).write_text(json.dumps(card))
    return load_package(target)


def test_real_digits_are_read_and_described(engine: Engine) -> None:
    """Each picture gets a label, its probabilities sum to one, the confidence is that of the label."""
    got = classify(DIGITS, engine, PREPARED)
    assert (got.prediction == LABELS).mean() >= 0.95
    assert got.probabilities.dtype == np.float32
    assert got.probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert np.array_equal(got.probabilities[np.arange(len(got)), got.prediction], got.confidence)
    assert np.array_equal(got.accept, [not why for why in got.reasons])


def test_a_blank_is_never_a_digit(engine: Engine) -> None:
    """Nothing to read: no prediction, no confidence, review, and the neighbours are read as ever."""
    alone = classify(DIGITS, engine, PREPARED[:2])
    got = classify(DIGITS, engine, [PREPARED[0], BLANK, PREPARED[1]])
    assert got.prediction[1] == -1
    assert math.isnan(got.confidence[1])
    assert not got.probabilities[1].any()
    assert got.reasons[1] == ("blank",)
    assert not got.accept[1]
    assert np.array_equal(got.prediction[[0, 2]], alone.prediction)
    assert got.confidence[[0, 2]] == pytest.approx(alone.confidence, abs=1e-6)


def test_blanks_alone_and_nothing_at_all_ask_no_engine() -> None:
    """Neither needs a network."""
    engine = FixedEngine(np.zeros((0, 10), np.float32))
    assert classify(DIGITS, engine, [BLANK, BLANK]).reasons == [("blank",)] * 2
    assert len(classify(DIGITS, engine, [])) == 0
    assert engine.seen == 0


def test_the_target_error_decides_what_is_accepted() -> None:
    """Below the threshold an answer goes to review; each image may have its own target."""
    sure, unsure = DIGITS.threshold(0.001), DIGITS.threshold(0.01)
    middle = (sure + unsure) / 2 if unsure < sure else sure
    odds = np.log(middle / (1 - middle) * 9) * DIGITS.card["temperature"]
    logits = np.zeros((4, 10), np.float32)
    logits[:, 7] = odds
    wishes = [0.01, 0.001, None, 1e-9]
    got = classify(DIGITS, FixedEngine(logits), [PREPARED[0]] * 4, target_error=wishes)
    assert got.prediction.tolist() == [7] * 4
    assert got.confidence == pytest.approx(middle, abs=1e-4)
    assert got.accept.tolist() == [True, False, False, False]
    assert got.reasons == [(), ("low_confidence",), ("low_confidence",), ("low_confidence",)]


def test_a_reason_of_the_picture_overrules_a_sure_network() -> None:
    """Two digits in one picture go to review however sure the network is."""
    logits = np.zeros((1, 10), np.float32)
    logits[0, 3] = 50
    two = Prepared(PREPARED[0].image, ("multiple_digits",))
    got = classify(DIGITS, FixedEngine(logits), [two])
    assert got.prediction[0] == 3
    assert got.reasons == [("multiple_digits",)]
    assert not got.accept[0]


def test_junk_is_no_public_label(tmp_path: Path) -> None:
    """An output beyond the labels means "not a digit": no prediction, and its probability is left out."""
    package = altered(tmp_path, outputs=["junk", *DIGITS.labels])
    logits = np.zeros((2, 11), np.float32)
    logits[0, 0], logits[1, 4] = 9, 9
    got = classify(package, FixedEngine(logits), PREPARED[:2])
    assert got.prediction.tolist() == [-1, 3]
    assert got.reasons[0] == ("not_a_digit",)
    assert math.isnan(got.confidence[0])
    assert got.probabilities.shape == (2, 10)
    assert got.probabilities[0].sum() < 0.1
    assert got.probabilities[1].argmax() == 3


@pytest.mark.parametrize("size", [1, 7, 128, 1000])
def test_answers_do_not_depend_on_the_batch(engine: Engine, size: int) -> None:
    """Any cutting into batches gives the same predictions and decisions."""
    many = PREPARED * 10
    whole, cut = classify(DIGITS, engine, many), classify(DIGITS, engine, many, batch=size)
    assert np.array_equal(whole.prediction, cut.prediction)
    assert np.array_equal(whole.accept, cut.accept)
    assert np.abs(whole.probabilities - cut.probabilities).max() < 1e-5


def test_the_batch_is_scaled_as_the_card_says(tmp_path: Path) -> None:
    """Grey and colour pictures come out as float32 (N, C, H, W) with scale, mean and deviation applied."""
    grey = altered(
        tmp_path / "a", input={"shape": [1, 28, 28], "scale": 1 / 255, "mean": [0.5], "std": [0.25]}
    )
    got = to_batch(grey, PREPARED[:3])
    assert got.dtype == np.float32
    assert got.shape == (3, 1, 28, 28)
    assert got[0, 0] == pytest.approx((PREPARED[0].image / 255 - 0.5) / 0.25, abs=1e-5)
    card = {"shape": [3, 5, 4], "scale": 1 / 255, "mean": [0.1, 0.2, 0.3], "std": [1.0, 2.0, 4.0]}
    colour = altered(tmp_path / "b", input=card)
    picture = np.random.default_rng(1).integers(0, 256, (5, 4, 3)).astype(np.uint8)
    one = to_batch(colour, [Prepared(picture)])
    wanted = (picture / 255 - np.array(card["mean"])) / np.array(card["std"])
    assert one.shape == (1, 3, 5, 4)
    assert one[0] == pytest.approx(wanted.transpose(2, 0, 1), abs=1e-5)


def test_a_damaged_package_is_not_served(tmp_path: Path) -> None:
    """Changed weights, broken weights with a right checksum, and a card of another shape are all refused."""
    package = altered(tmp_path / "a")
    with (package.path / "model.onnx").open("r+b") as file:
        file.seek(1000)
        file.write(b"\x00\x01\x02")
    with pytest.raises(ModelCorrupt, match="checksum"):
        load_engine(package)
    for number, changes in enumerate(
        (
            {"labels": ["a"], "outputs": ["a", "b"]},
            {"input": {"shape": [1, 30, 30], "scale": 1.0, "mean": [0.0], "std": [1.0]}},
            {"preparation": {"name": "digits", "version": "99"}},
        )
    ):
        with pytest.raises(ModelCorrupt):
            load_engine(altered(tmp_path / str(number), **changes))


def test_an_engine_or_device_that_is_not_there_is_named() -> None:
    """A wrong name is the operator's mistake; a missing engine says what to install."""
    with pytest.raises(ValueError, match="tensorrt"):
        load_engine(DIGITS, engine="tensorrt")
    with pytest.raises(ValueError, match="tpu"):
        load_engine(DIGITS, device="tpu")
    with pytest.raises(EngineMissing):
        load_engine(DIGITS, engine="onnxruntime", device="cuda")


def test_openvino_decides_as_onnx_runtime_does_or_says_how_to_get_it(engine: Engine) -> None:
    """The optional engine gives equal decisions where it is installed; elsewhere it names its extra."""
    if find_spec("openvino") is None:
        with pytest.raises(EngineMissing, match=r"inkqueue\[fast\]"):
            load_engine(DIGITS, engine="openvino")
        return
    fast = classify(DIGITS, load_engine(DIGITS, engine="openvino"), PREPARED)
    usual = classify(DIGITS, engine, PREPARED)
    assert np.abs(fast.probabilities - usual.probabilities).max() < 1e-4
    assert np.array_equal(fast.prediction, usual.prediction)
    assert np.array_equal(fast.accept, usual.accept)


def test_auto_takes_onnx_runtime_on_a_cpu() -> None:
    """Without a GPU the engine that every worker has serves what knows no narrow arithmetic, and imports no other."""
    engine = load_engine(DIGITS, device="cpu")
    assert (engine.name, engine.device, engine.engine_class) == ("onnxruntime", "cpu", "cpu-fp32")
    code = (
        "import sys; from shared.packages import *; from worker.engines import load_engine;"
        "load_engine(resolve(find_packages(), 'digits@1.0.0'), device='cpu');"
        "sys.exit(bool({'torch', 'openvino'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_large_drawings_are_read_through_the_whole_way(engine: Engine) -> None:
    """Preparation and network together read drawings as well as MNIST's own pictures."""
    got = classify(DIGITS, engine, [prepare(paper(image)) for _, image in digits()])
    assert (got.prediction == LABELS).mean() >= 0.95
