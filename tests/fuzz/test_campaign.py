"""A run of the fuzzer notices what goes wrong in its children, and can show it again."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.fuzz.__main__ import replay
from benchmarks.fuzz.campaign import MIB, Outcome, Plan, run_target, table
from benchmarks.fuzz.target import input_of
from benchmarks.fuzz.traps import TRAP, TRAPS

pytestmark = pytest.mark.timeout(240)

INPUTS = 16
SEED = 5
TRAP_NAMED = {trap.name: trap for trap in TRAPS}


def trapped(name: str) -> list[int]:
    """Return the numbers of the inputs that are traps."""
    return [n for n in range(INPUTS) if input_of(TRAP_NAMED[name], SEED, n) == TRAP]


def outcome_of(name: str, folder: Path, inputs: int = INPUTS) -> Outcome:
    """Run a target in two processes."""
    return run_target(name, inputs, Plan(SEED, 2, 0.5, 512, folder))


def numbers(outcome: Outcome) -> list[int]:
    """Return the numbers of the inputs that ended a process."""
    return sorted(int(what.rpartition(":")[2]) for what in outcome.failures)


@pytest.mark.slow
def test_a_crash_costs_one_input(tmp_path: Path) -> None:
    """Each input that kills its process is counted and named; all the others are read."""
    outcome = outcome_of("trap-crash", tmp_path)
    assert (outcome.inputs, outcome.crashes, outcome.hangs) == (INPUTS, len(trapped("trap-crash")), 0)
    assert numbers(outcome) == trapped("trap-crash") != []


@pytest.mark.slow
def test_a_hang_is_ended(tmp_path: Path) -> None:
    """The same holds for an input that never ends."""
    outcome = outcome_of("trap-hang", tmp_path)
    assert (outcome.inputs, outcome.crashes, outcome.hangs) == (INPUTS, 0, len(trapped("trap-hang")))
    assert numbers(outcome) == trapped("trap-hang") != []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["trap-raise", "trap-fill"])
def test_a_foreign_error_is_kept_with_its_input(tmp_path: Path, name: str) -> None:
    """An error of no one's tree, out of memory included, is counted; its input and traceback lie in a file."""
    outcome = outcome_of(name, tmp_path)
    assert (outcome.inputs, outcome.crashes, outcome.broken) == (INPUTS, 0, len(trapped(name)))
    kept = sorted(tmp_path.glob("*.bin"))
    assert [file.read_bytes() for file in kept] == [TRAP] * len(trapped(name))
    assert all("Error" in file.with_suffix(".txt").read_text() for file in kept)
    if name == "trap-raise":
        for what in (str(kept[0]), f"{name}:{SEED}:{trapped(name)[0]}"):
            with pytest.raises(IndexError, match="trap"):
                replay(what)


@pytest.mark.slow
def test_growth_is_measured(tmp_path: Path) -> None:
    """A reader that keeps 20 kB of each input shows in the table."""
    outcome = outcome_of("trap-grow", tmp_path, inputs=3000)
    assert 10 * MIB < outcome.growth_bytes < 60 * MIB
    assert "| trap-grow | 3,000 | " in table([outcome])


def test_a_proper_input_is_replayed(capsys: pytest.CaptureFixture[str]) -> None:
    """Replaying says what became of an input."""
    assert replay("names:1:1") == 0
    assert capsys.readouterr().out.splitlines()[-1] in {"read", "refused"}
