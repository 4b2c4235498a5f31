"""Progress: bars for people, a line an epoch for logs."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from training.progress import Bars, Several, describe

pytestmark = pytest.mark.torch
LINE: dict[str, float] = {"epoch": 2, "loss": 0.25, "held_out_errors": 35, "held_out_count": 6071}


def shown(*, terminal: bool) -> str:
    """Return what two watched epochs write, to a terminal or to a file."""
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal, width=80, color_system=None)
    with Bars(2, name="seed 1", console=console) as bars:
        for epoch in (1, 2):
            for batch in (1, 2, 3):
                bars.batch(batch, 3)
            bars.epoch({**LINE, "epoch": epoch})
    return file.getvalue()


def test_a_log_gets_one_line_an_epoch() -> None:
    """No bar, no control character."""
    figures = "loss 0.25, held out errors 35 of 6071"
    assert shown(terminal=False).splitlines() == [f"seed 1: epoch {k}/2, {figures}" for k in (1, 2)]


def test_a_terminal_gets_bars_too() -> None:
    """Bars of epochs and batches move to their ends below the lines."""
    text = shown(terminal=True)
    assert "seed 1: epoch 2/2" in text
    assert "seed 1: epochs" in text
    assert "3/3" in text


def test_several_watches_hear_the_same() -> None:
    """Bars and diary follow one run together."""
    files = [io.StringIO(), io.StringIO()]
    both = Several(*(Bars(2, console=Console(file=file, width=80)) for file in files))
    both.batch(1, 3)
    both.epoch(LINE)
    assert files[0].getvalue() == files[1].getvalue() == f"training: {describe(LINE, 2)}\n"
