"""The stock: the same pictures however they are drawn, kept as long as nothing changes that decides them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from shared.vision import Prepared
from shared.vision.prepare import BLANK
from tests.training.tiny import clean_digits
from training import bank
from training.bank import COSTS, SORTS, Drawn, Stock, draw, nothing, stock
from training.network import JUNK

pytestmark = [pytest.mark.torch, pytest.mark.slow, pytest.mark.timeout(300)]
DIGITS = clean_digits()
FEW = Stock(seed=4).scaled(0.0002)


def no_drawing(*_: object, **__: object) -> Drawn:
    """Fail where nothing should be drawn."""
    raise AssertionError("drawn anew")


def test_the_stock_is_the_same_whatever_the_number_of_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Portions have seeds of their own: one process, or two, or none but this one draw the same pictures."""
    monkeypatch.setattr(bank, "PART", 8)
    alone, both = (draw(DIGITS, FEW, processes=count) for count in (1, 2))
    monkeypatch.setattr(bank, "_shared", lambda digits, tasks, _: bank._in_turn(digits, tasks))
    here = draw(DIGITS, FEW)
    for other in (both, here):
        assert np.array_equal(alone.labels, other.labels)
        assert np.array_equal(bank.stacked(alone.prepared), bank.stacked(other.prepared))


def test_a_stock_holds_what_was_asked_for() -> None:
    """So many digits on pages and spoilt ones with their labels, and so much junk labelled as such."""
    made = draw(DIGITS, FEW)
    asked = sum(getattr(FEW, sort) for sort in SORTS)
    assert len(made.prepared) == len(made.labels) == asked
    assert (made.labels == JUNK).sum() == FEW.junk == 10
    assert set(made.labels.tolist()) <= set(range(11))
    assert len(nothing(list(DIGITS.images), 7, 1)) == 7
    other = draw(DIGITS, replace(FEW, seed=5))
    assert not np.array_equal(bank.stacked(made.prepared), bank.stacked(other.prepared))


def test_a_kept_stock_is_used_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second call reads the file; what drawing cost is written down once."""
    made = stock(DIGITS, FEW, tmp_path)
    monkeypatch.setattr(bank, "draw", no_drawing)
    again = stock(DIGITS, FEW, tmp_path)
    assert np.array_equal(made.images, again.images)
    assert np.array_equal(made.labels, again.labels)
    lines = (tmp_path / COSTS).read_text().splitlines()
    assert [json.loads(line)["made"] for line in lines] == ["stock of seed 4"]
    assert json.loads(lines[0])["cpu_seconds"] >= 0


@pytest.mark.parametrize("what", ["seed", "count", "digits", "preparation", "code"])
def test_a_stock_of_another_making_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """Other counts, seeds, digits, drawing or preparing: the file that lies there is another stock."""
    stock(DIGITS, FEW, tmp_path)
    digits, few = DIGITS, FEW
    if what == "preparation":
        monkeypatch.setattr(bank, "PREPARATION", ("digits", "1"))
    elif what == "code":
        read = Path.read_bytes
        monkeypatch.setattr(Path, "read_bytes", lambda path: read(path) + b"#" * (path.name == "paper.py"))
    elif what == "digits":
        digits = DIGITS._replace(images=DIGITS.images[::-1])
    else:
        few = replace(FEW, seed=5) if what == "seed" else replace(FEW, junk=9)
    monkeypatch.setattr(bank, "draw", no_drawing)
    with pytest.raises(AssertionError, match="drawn anew"):
        stock(digits, few, tmp_path)


def test_blanks_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """They never reach a network, so none learns from them."""
    blank = Prepared(np.zeros((28, 28), np.uint8), (BLANK,))
    seen = [Prepared(DIGITS.images[0]), blank, Prepared(DIGITS.images[3], ("multiple_digits",))]
    monkeypatch.setattr(bank, "draw", lambda *_, **__: Drawn(seen, np.array([0, 1, JUNK])))
    made = stock(DIGITS, FEW)
    assert made.labels.tolist() == [0, JUNK]
    assert np.array_equal(made.images, DIGITS.images[[0, 3]])


def test_a_share_of_a_stock_keeps_its_proportions() -> None:
    """A twentieth is a twentieth of each sort, and never none."""
    for sort in SORTS:
        assert getattr(Stock().scaled(0.05), sort) == getattr(Stock(), sort) / 20
        assert getattr(Stock().scaled(0), sort) == 1
    assert Stock(seed=7).scaled(1) == Stock(seed=7)
