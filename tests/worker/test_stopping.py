"""Workers that are asked to stop: within a set time, with nothing lost, and as if what is left had never been begun."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from uuid import UUID

import pytest

from shared.blobs import Blobs
from shared.db import Database
from shared.settings import Settings
from tests.processes import Process, steward, worker, worker_command
from tests.queue_driver import row
from tests.services import wait_for
from tests.uploads import submit_file
from tests.worker.files import sample_digits, zip_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
TRAPS = Path(__file__).parent / "traps"
GRACE_S = 4.0


@pytest.fixture
def env(settings_env: dict[str, str]) -> dict[str, str]:
    """Return settings under which leases outlive the test: what comes back was given back."""
    return {
        **settings_env,
        "PYTHONPATH": str(TRAPS),
        "INKQUEUE_LEASE_S": "120",
        "INKQUEUE_HEARTBEAT_S": "0.3",
        "INKQUEUE_SWEEP_S": "0.3",
        "INKQUEUE_STOP_GRACE_S": str(GRACE_S),
        "INKQUEUE_BATCH_SIZE": "8",
    }


def slow_job(
    database: Database, blobs: Blobs, settings: Settings, kind: str, count: int, most: int = 100
) -> UUID:
    """Submit digits that each carry a trap, in chunks of `most`."""
    digits = list(sample_digits(100).values())
    mark = f"trap={kind}".encode()
    files = {f"{n:04d}.png": digits[n % 100] + mark for n in range(count)}
    return submit_file(database, blobs, settings, "slow.zip", zip_of(files), max_items=most)


def is_busy(database: Database) -> bool:
    """Tell whether a chunk is held."""
    return bool(row(database, "SELECT EXISTS (SELECT FROM chunks WHERE state = 'leased') AS busy").busy)


def most_attempts(database: Database) -> int:
    """Return how often the most often claimed chunk was claimed."""
    found: int = row(database, "SELECT max(attempt)::int AS n FROM chunks").n
    return found


def is_unharmed(database: Database) -> bool:
    """Tell whether nothing is held, and nothing held against anybody."""
    found = row(
        database,
        "SELECT count(*) FILTER (WHERE state = 'leased') AS held, sum(losses + crashes) AS n FROM chunks",
    )
    return bool(found.held == 0 and found.n == 0)


def test_one_worker_after_the_other_is_stopped_and_no_chunk_is_begun_twice(
    env: dict[str, str], tmp_path: Path, database: Database, blobs: Blobs, settings: Settings
) -> None:
    """Two stops in the middle of long chunks: each in time, no attempt beyond the first, every item once."""
    job = slow_job(database, blobs, settings, "slow", 150, most=50)
    with steward(env, tmp_path):
        for turn in range(2):
            with worker(env, tmp_path, name=f"w{turn}") as running:
                wait_for(lambda: is_busy(database), "a chunk in hand")
                time.sleep(0.3 + 0.4 * turn)  # another place of the chunk each time
                began = time.monotonic()
                code = running.stop(timeout_s=GRACE_S + 20)
                assert time.monotonic() - began < GRACE_S + 20
            assert code == 0
            assert is_unharmed(database)
            assert most_attempts(database) == 1
        with worker(env, tmp_path, name="last"):
            wait_for(lambda: row(database, "SELECT status FROM jobs").status == "succeeded", "the end", 90)
    assert most_attempts(database) == 1
    found = row(
        database, "SELECT count(*) AS n, count(DISTINCT seq) AS d FROM items WHERE job_id = :id", id=job
    )
    assert found == (150, 150)


@pytest.mark.parametrize(
    "signals",
    [
        [signal.SIGTERM, signal.SIGTERM, signal.SIGTERM],
        [signal.SIGTERM, signal.SIGQUIT],
        [signal.SIGQUIT],
        [signal.SIGINT, signal.SIGINT],
    ],
    ids=lambda signals: "-".join(number.name for number in signals),
)
def test_whoever_is_impatient_does_no_harm(
    signals: list[signal.Signals],
    env: dict[str, str],
    tmp_path: Path,
    database: Database,
    blobs: Blobs,
    settings: Settings,
) -> None:
    """A second signal, or a harder one, to the whole process group: the chunk is free at once and unharmed."""
    slow_job(database, blobs, settings, "slow", 100)
    with worker(env, tmp_path) as running:
        wait_for(lambda: is_busy(database), "a chunk in hand")
        for number in signals:
            os.killpg(running.pid, number)
            time.sleep(0.2)
        running.popen.wait(GRACE_S + 30)

    assert is_unharmed(database)
    assert most_attempts(database) <= 1


def test_what_hangs_is_given_back_when_the_time_to_stop_is_over(
    env: dict[str, str], tmp_path: Path, database: Database, blobs: Blobs, settings: Settings
) -> None:
    """A worker whose library does not come back stops all the same, and the chunk is as it was."""
    slow_job(database, blobs, settings, "loop", 10)
    note = tmp_path / "trapped"
    with worker({**env, "TRAP_NOTE": str(note)}, tmp_path) as running:
        wait_for(note.exists, "a picture in hand", 60)
        began = time.monotonic()
        running.popen.send_signal(signal.SIGTERM)
        running.popen.wait(GRACE_S + 30)

    assert time.monotonic() - began > GRACE_S - 1
    assert is_unharmed(database)
    assert most_attempts(database) == 0


def test_a_worker_stops_while_redis_is_away(
    env: dict[str, str], tmp_path: Path, database: Database, blobs: Blobs, settings: Settings
) -> None:
    """The broker is not needed to hand back."""
    slow_job(database, blobs, settings, "slow", 100)
    unreachable = {**env, "INKQUEUE_REDIS_URL": "redis://127.0.0.1:1/0"}
    process = Process(worker_command("bulk", "alone"), unreachable, tmp_path / "alone.log")
    wait_for(lambda: "worker_started" in process.output(), "the child", 60)

    began = time.monotonic()
    process.stop(timeout_s=GRACE_S + 20)

    assert time.monotonic() - began < GRACE_S + 20


def test_a_worker_that_grows_is_replaced_between_two_chunks(
    env: dict[str, str], tmp_path: Path, database: Database, blobs: Blobs, settings: Settings
) -> None:
    """Pictures that leak eight megabytes each: new processes take over, and no chunk is lost or begun twice."""
    slow_job(database, blobs, settings, "growing", 60, most=20)
    small = {**env, "INKQUEUE_RECYCLE_BYTES": str(100 << 20)}
    with steward(small, tmp_path), worker(small, tmp_path) as running:
        first = running.children()[0].pid
        wait_for(lambda: row(database, "SELECT status FROM jobs").status == "succeeded", "the end", 60)
        wait_for(lambda: [c.pid for c in running.children()] not in ([], [first]), "another process", 30)
        assert "worker_recycled" in running.output()

    assert is_unharmed(database)
    assert most_attempts(database) == 1
