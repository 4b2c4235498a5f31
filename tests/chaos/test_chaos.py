"""The promise of docs/reliability.md in a short run, and that the driver would notice when it is broken."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.contents import small
from tests.chaos.faults import Injector
from tests.chaos.faults_plan import KINDS, draw
from tests.chaos.inside import digest
from tests.chaos.orders import draw as draw_orders
from tests.chaos.watch import Seen, flaws

ROOT = Path(__file__).resolve().parents[2]
COUNTS = {"total": 10, "pending": 4, "succeeded": 5, "failed": 1, "skipped": 0, "canceled": 0, "expired": 0}
COUNTS |= {"accepted": 3, "review": 2, "reviewed": 0}


def job(**more: Any) -> dict[str, Any]:
    """Return a job as the API shows it."""
    found = {"status": "running", "counts": dict(COUNTS), "finished_at": None}
    found["counts"] |= more.pop("counts", {})
    return {**found, **more}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_nothing_is_lost_and_nothing_counted_twice_under_fire() -> None:
    """A hundred jobs end as they would in peace, whatever happens to the processes meanwhile."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.chaos", "--seed", "1"], cwd=ROOT, capture_output=True, text=True
    )
    left_out = [line for line in done.stdout.splitlines() if "LEFT OUT" in line]
    print("\n".join(left_out))  # what this machine lacks is no secret
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]
    assert "0 violations" in done.stdout.splitlines()[-1]


def test_a_seed_draws_the_same_faults_and_jobs_again() -> None:
    """A run that failed can be repeated by its number, and another number is another run."""
    assert draw(7, 100, 60.0, 15.0) == draw(7, 100, 60.0, 15.0)
    assert draw(7, 100, 60.0, 15.0) != draw(8, 100, 60.0, 15.0)
    orders = [draw_orders(7, small(), [("zip of 3000", 2)], 50, 60.0, "http://127.0.0.1/") for _ in range(2)]
    assert orders[0] == orders[1]
    assert len(orders[0]) == 52


def test_every_fault_is_drawn_done_and_told() -> None:
    """No fault stands in the list alone: each is in every plan that is long enough, in the code and in the page."""
    page = (ROOT / "docs" / "reliability.md").read_text()
    assert {fault.kind for fault in draw(3, len(KINDS), 60.0, 15.0)} == set(KINDS)
    for name, kind in KINDS.items():
        assert hasattr(Injector, f"_{name}")
        assert f"| `{name}` | {kind.says} |" in page


def test_what_a_machine_lacks_is_never_drawn() -> None:
    """Faults that need root or libfaketime are left out of the plan, not counted as done."""
    assert not {"disk_full", "clock_jump"} & {
        f.kind for f in draw(3, 300, 60.0, 15.0, {"disk_full", "clock_jump"})
    }


@pytest.mark.parametrize(
    ("answer", "version", "before"),
    [
        (job(counts={"pending": 5}), 4, Seen()),
        (job(counts={"review": 3}), 4, Seen()),
        (job(), 3, Seen(version=4)),
        (job(), 4, Seen(ended={"succeeded": 6})),
        (job(), 4, Seen(status="succeeded")),
        (job(), 4, Seen(status="running", total=9)),
        (job(status="failed"), 4, Seen()),
    ],
)
def test_a_look_that_contradicts_itself_or_the_last_is_noticed(
    answer: dict[str, Any], version: int, before: Seen
) -> None:
    """Sums that do not fit, versions that go back, counts that shrink, ends that are none."""
    assert flaws(answer, version, before)


def test_a_sound_look_is_left_alone() -> None:
    """What may happen is no violation."""
    before = Seen(version=3, status="validating", total=2, ended={"succeeded": 0})
    assert flaws(job(), 4, before) == []


def test_results_are_compared_row_by_row() -> None:
    """One reading that differs is another digest."""
    rows = [
        (0, "a.png", 1, "succeeded", "7", "accept", "", ""),
        (1, "b.png", 1, "failed", "", "", "", "empty_file"),
    ]
    other = [rows[0], (*rows[1][:-1], "undecodable_image")]
    assert digest(rows) == digest(list(rows))
    assert digest(rows) != digest(other)
