"""Several lessons at once: what becomes of the processes that hold them."""

from __future__ import annotations

import multiprocessing
import os
import time
from pathlib import Path

import psutil

from tests.services import wait_for
from training.classes import _begin

SPAWN = multiprocessing.get_context("spawn")


def test_no_lesson_goes_on_without_its_parent(tmp_path: Path) -> None:
    """A run that is killed leaves no process behind that trains for nobody."""
    note = tmp_path / "child"
    parent = SPAWN.Process(target=hold_a_class, args=(note,))
    parent.start()
    wait_for(note.exists, "the lesson to begin", timeout_s=120)
    child = psutil.Process(int(note.read_text()))
    assert child.is_running()
    parent.kill()
    parent.join()
    wait_for(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, "the lesson to end")


def hold_a_class(note: Path) -> None:
    """Deal one endless lesson to a pool."""
    with SPAWN.Pool(1, _begin, (1,)) as pool:
        pool.apply(be_taught, (note,))


def be_taught(note: Path) -> None:
    """Say who is here and stay."""
    whole = note.with_suffix(".new")
    whole.write_text(str(os.getpid()))
    whole.rename(note)
    time.sleep(600)
