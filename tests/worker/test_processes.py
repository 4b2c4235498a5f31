"""Workers and steward as processes: what a kill, a freeze, an emptied Redis and a graceful stop cost."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import psutil
import pytest
import redis

from shared import lanes
from shared.blobs import Blobs
from shared.bundled import bundled
from shared.db import Database
from shared.packages import find_packages, resolve
from shared.settings import Settings
from shared.status import Lane
from tests.processes import Process, steward, worker, worker_command
from tests.queue_driver import row
from tests.services import wait_for
from tests.uploads import submit_file
from tests.worker.files import sample_digits, zip_of
from worker.engines import load_engine

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture
def env(settings_env: dict[str, str]) -> dict[str, str]:
    """Return settings that make failures show quickly."""
    return {
        **settings_env,
        "INKQUEUE_LEASE_S": "3",
        "INKQUEUE_HEARTBEAT_S": "0.3",
        "INKQUEUE_SWEEP_S": "0.3",
        "INKQUEUE_BATCH_SIZE": "4",
    }


@pytest.fixture
def big_zip() -> bytes:
    """Return a zip of 3,000 real digits."""
    digits = list(sample_digits(500).values())
    return zip_of({f"{n:05d}.png": digits[n % len(digits)] for n in range(3000)})


@pytest.fixture
def job(database: Database, blobs: Blobs, settings: Settings, big_zip: bytes) -> UUID:
    """Submit it."""
    return submit_file(database, blobs, settings, "big.zip", big_zip, max_items=250)


def send_ticket(settings: Settings, lane: Lane = Lane.BULK) -> None:
    """Wake one worker."""
    client = redis.Redis.from_url(settings.redis_url)
    lanes.send_tickets(client, lane, 1)
    client.close()


def done(database: Database) -> int:
    """Return how many items have succeeded."""
    found: int = row(database, "SELECT sum(succeeded)::int AS n FROM jobs").n
    return found


def is_exact(database: Database, job: UUID) -> bool:
    """Tell whether the job has ended with every item once and right counters."""
    found = row(
        database,
        """SELECT status, succeeded = total AS complete, (SELECT count(*) FROM items WHERE job_id = :id) AS rows,
        (SELECT count(DISTINCT seq) FROM items WHERE job_id = :id) AS seqs, total FROM jobs WHERE id = :id""",
        id=job,
    )
    return bool(found.status == "succeeded" and found.complete and found.rows == found.seqs == found.total)


def wait_until_half(database: Database) -> None:
    """Wait until the job is well under way and not done."""
    wait_for(lambda: done(database) >= 500, "500 items")


@pytest.fixture
def patient(env: dict[str, str]) -> dict[str, str]:
    """Return settings under which a lease outlives the test."""
    env["INKQUEUE_LEASE_S"] = "60"
    return env


@pytest.fixture
def under_way(
    job: UUID, settings: Settings, env: dict[str, str], tmp_path: Path, database: Database
) -> Iterator[Process]:
    """Run a steward and a worker that is in the middle of the job."""
    with steward(env, tmp_path), worker(env, tmp_path) as running:
        wait_until_half(database)
        yield running


def test_a_job_waits_for_nobody_to_wake_the_worker(
    job: UUID, env: dict[str, str], tmp_path: Path, database: Database
) -> None:
    """A worker that joins begins with what waits, without a ticket and without a steward."""
    with worker(env, tmp_path):
        wait_for(lambda: is_exact(database, job), "the job's end")


def test_a_killed_child_costs_no_item(
    patient: dict[str, str], under_way: Process, database: Database, job: UUID
) -> None:
    """The parent reports the death, the chunk comes back at once, and the job ends exact."""
    under_way.children()[0].send_signal(signal.SIGKILL)

    wait_for(lambda: "worker_child_lost" in under_way.output(), "the parent's report", timeout_s=15)
    wait_for(lambda: is_exact(database, job), "the job's end")


def test_a_killed_worker_takes_its_child_along(
    under_way: Process, database: Database, job: UUID, env: dict[str, str], tmp_path: Path
) -> None:
    """Nothing of a killed worker goes on, and another one finishes."""
    child = under_way.children()[0]
    os.kill(under_way.pid, signal.SIGKILL)
    under_way.popen.wait(10)

    wait_for(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, "the child's end")
    with worker(env, tmp_path, name="w2"):
        wait_for(lambda: is_exact(database, job), "the job's end")


def test_a_frozen_worker_is_replaced_and_fenced(
    under_way: Process, database: Database, job: UUID, env: dict[str, str], tmp_path: Path
) -> None:
    """Another worker finishes; thawed in the middle, the first one changes nothing."""
    child = under_way.children()[0]
    child.suspend()
    with worker(env, tmp_path, name="w2"):
        wait_for(lambda: is_exact(database, job), "the job's end")
    child.resume()

    wait_for(lambda: "lease_lost" in under_way.output() or is_idle(database), "the late worker's word")
    assert is_exact(database, job)


def is_idle(database: Database) -> bool:
    """Tell whether no chunk is held."""
    found: bool = row(database, "SELECT NOT EXISTS (SELECT FROM chunks WHERE state = 'leased') AS idle").idle
    return found


def test_an_emptied_redis_costs_no_item(
    under_way: Process, database: Database, job: UUID, settings: Settings, blobs: Blobs, big_zip: bytes
) -> None:
    """The steward sends the lost tickets again."""
    second = submit_file(database, blobs, settings, "b.zip", big_zip, max_items=250)
    redis.Redis.from_url(settings.redis_url).flushdb()

    wait_for(lambda: is_exact(database, job) and is_exact(database, second), "both jobs' end", 60)


def test_a_graceful_stop_hands_back_without_a_crash(
    under_way: Process, database: Database, job: UUID, env: dict[str, str], tmp_path: Path
) -> None:
    """SIGTERM ends the worker within seconds, nothing stays leased, and no attempt was wasted."""
    code = under_way.stop(timeout_s=10)

    assert code == 0
    assert is_idle(database)
    assert row(database, "SELECT max(crashes) AS n FROM chunks").n == 0
    with worker(env, tmp_path, name="w2"):
        wait_for(lambda: is_exact(database, job), "the job's end")


def test_workers_show_themselves(under_way: Process, database: Database, job: UUID) -> None:
    """A running worker has a row with its model, engine and counters."""
    wait_for(lambda: is_exact(database, job), "the job's end")
    wait_for(
        lambda: row(database, "SELECT items FROM workers WHERE role = 'worker'").items == 3000, "the counters"
    )
    seen = row(database, "SELECT lane, engine, models FROM workers WHERE role = 'worker'")
    chosen = load_engine(resolve(find_packages(), "digits")).name
    assert (seen.lane, seen.engine, "digits@1.0.0" in seen.models) == ("bulk", chosen, True)


def test_the_parent_imports_no_engine(under_way: Process) -> None:
    """What was loaded before the fork would hang the children; the parent maps no engine and no cv2."""
    maps = Path(f"/proc/{under_way.pid}/maps").read_text()

    assert "onnxruntime" not in maps
    assert "openvino" not in maps
    assert "cv2" not in maps


def test_a_broken_model_is_left_out_and_the_others_are_served(
    job: UUID, env: dict[str, str], tmp_path: Path, database: Database
) -> None:
    """One bad package takes down no worker; its log names the package."""
    broken = tmp_path / "models" / "digits" / "999.0.0"
    shutil.copytree(bundled("models") / "digits" / "1.0.0", broken)
    card = json.loads((broken / "model.json").read_text())
    (broken / "model.json").write_text(json.dumps({**card, "version": "999.0.0"}))
    (broken / "model.onnx").write_bytes(b"changed")

    with worker({**env, "INKQUEUE_MODELS_DIRS": str(tmp_path / "models")}, tmp_path) as running:
        wait_for(lambda: is_exact(database, job), "the job's end")

    assert "package_ignored" in running.output()
    assert "digits@999.0.0" in running.output()


def test_a_worker_without_its_engine_ends_and_says_so(env: dict[str, str], tmp_path: Path) -> None:
    """It takes no tickets that others could serve."""
    wrong = {**env, "INKQUEUE_ENGINE": "onnxruntime", "INKQUEUE_DEVICE": "cuda"}
    process = Process(worker_command("bulk", "bad"), wrong, tmp_path / "bad.log")

    wait_for(lambda: process.popen.poll() is not None, "the worker's end")

    assert "worker_cannot_start" in process.output()
    assert "onnxruntime runs on the CPU only" in process.output()
    process.stop()
