"""Pictures and networks that take their worker down: each ends alone, and everything else goes on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from shared.blobs import Blobs
from shared.db import Database
from shared.settings import Settings
from tests.processes import Process, steward, worker
from tests.queue_driver import row
from tests.services import wait_for
from tests.uploads import submit_file
from tests.worker.files import items_of, sample_digits, zip_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
TRAPS = Path(__file__).parent / "traps"
KINDS = ("segfault", "killed", "memory", "loop", "frozen", "exit")


@pytest.fixture
def env(settings_env: dict[str, str]) -> dict[str, str]:
    """Return settings that make failures show quickly, and the traps."""
    return {
        **settings_env,
        "PYTHONPATH": str(TRAPS),
        "INKQUEUE_LEASE_S": "4",
        "INKQUEUE_HEARTBEAT_S": "0.3",
        "INKQUEUE_SWEEP_S": "0.3",
        "INKQUEUE_ITEM_LIMIT_S": "3",
        "INKQUEUE_INTERACTIVE_LIMIT_S": "2",
        "INKQUEUE_CHUNK_MEMORY_BYTES": str(300 << 20),
    }


@pytest.fixture
def two_workers(env: dict[str, str], tmp_path: Path) -> Iterator[list[Process]]:
    """Run a steward and two workers of the lane `bulk`."""
    with steward(env, tmp_path), worker(env, tmp_path) as one, worker(env, tmp_path, name="w2") as two:
        yield [one, two]


def ended(database: Database, job: UUID) -> str | None:
    """Return the state of a job that has ended."""
    found = row(database, "SELECT status, finished_at FROM jobs WHERE id = :id", id=job)
    return str(found.status) if found.finished_at else None


def said(database: Database, job: UUID) -> dict[object, object]:
    """Return what was read, by name."""
    return {item["name"]: item["prediction"] for item in items_of(database, job)}


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_that_takes_its_worker_down_ends_alone(
    kind: str,
    two_workers: list[Process],
    database: Database,
    blobs: Blobs,
    settings: Settings,
) -> None:
    """In a zip of forty, 39 are read as ever, one is `model_error`, and other jobs pass it by."""
    digits = sample_digits(40)
    names = list(digits)
    poison = names[23]
    bad = submit_file(
        database,
        blobs,
        settings,
        "bad.zip",
        zip_of({**digits, poison: digits[poison] + f"trap={kind}".encode()}),
    )
    good = submit_file(database, blobs, settings, "good.zip", zip_of(digits), max_items=10)

    wait_for(lambda: ended(database, good), "the job beside it", 60)
    wait_for(lambda: ended(database, bad), "the end of the poisoned job", 120)

    assert ended(database, good) == "succeeded"
    assert ended(database, bad) == "partially_succeeded"
    failed = [item for item in items_of(database, bad) if item["status"] != "succeeded"]
    assert [(item["name"], item["error_code"]) for item in failed] == [(poison, "model_error")]
    expected = said(database, good)
    assert {**said(database, bad), poison: None} == {**expected, poison: None}
    log = "".join(process.output() for process in two_workers)
    assert log.count("item_crashed") + log.count("item_set_aside") >= 3
