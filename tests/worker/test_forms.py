"""Whatever way a digit is sent, it reads right."""

from __future__ import annotations

import pytest

from shared.packages import find_packages, resolve
from shared.vision import decode, prepare
from tests.shared.pictures import FORMS, digits
from worker.engines import Engine, classify, load_engine

PACKAGE = resolve(find_packages(), "digits")


@pytest.fixture(scope="module")
def engine() -> Engine:
    """Load the shipped package by the engine that every worker has."""
    return load_engine(PACKAGE, engine="onnxruntime", device="cpu")


@pytest.mark.parametrize("form", FORMS)
def test_every_way_to_send_a_digit_reads_right(form: str, engine: Engine) -> None:
    """Nineteen of twenty real digits at least read right, whatever the file they come in."""
    prepared = [prepare(decode(FORMS[form](image), page=1, max_pixels=10**8).pixels) for _, image in digits()]
    readings = classify(PACKAGE, engine, prepared)
    wrong = [label for (label, _), got in zip(digits(), readings.prediction, strict=True) if label != got]
    assert len(wrong) <= 1, wrong
    assert not any("blank" in why for why in readings.reasons)
