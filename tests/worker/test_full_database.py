"""A database that takes no change for a while: workers and steward wait and go on, and no image pays for it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from shared.blobs import Blobs
from shared.db import Database
from shared.settings import Settings
from tests.api.test_full_database import refusing
from tests.processes import steward, worker
from tests.queue_driver import row
from tests.services import wait_for
from tests.uploads import submit_file
from tests.worker.files import sample_digits, zip_of

FULL_S = 5.0
LEASE_S = 2.0


@pytest.mark.slow
@pytest.mark.timeout(150)
def test_a_full_database_costs_time_and_nothing_else(
    database: Database,
    blobs: Blobs,
    settings: Settings,
    settings_env: dict[str, str],
    tmp_path: Path,
) -> None:
    """In a job nothing can be written for more than two leases; then every item is there once, none failed."""
    env = {
        **settings_env,
        "INKQUEUE_LEASE_S": str(LEASE_S),
        "INKQUEUE_HEARTBEAT_S": "0.3",
        "INKQUEUE_SWEEP_S": "0.3",
        "INKQUEUE_BATCH_SIZE": "4",
    }
    digits = list(sample_digits(200).values())
    data = zip_of({f"{n:05d}.png": digits[n % len(digits)] for n in range(6000)})
    job = submit_file(database, blobs, settings, "big.zip", data, max_items=100)

    def succeeded() -> int:
        return int(str(row(database, "SELECT succeeded FROM jobs").succeeded))

    with worker(env, tmp_path) as one, steward(env, tmp_path) as keeper:
        wait_for(lambda: succeeded() > 0, "the first chunk", 60)
        with refusing(settings.database_url, "53100"):
            before = succeeded()
            time.sleep(FULL_S)
            assert succeeded() == before < 6000
        wait_for(lambda: succeeded() == 6000, "the rest", 80)
        assert one.popen.poll() is None
        assert keeper.popen.poll() is None
    found = row(
        database,
        """SELECT status, failed, (SELECT count(*) FROM items) AS items,
        (SELECT max(crashes) FROM chunks) AS crashes FROM jobs WHERE id = :id""",
        id=job,
    )
    assert tuple(found) == ("succeeded", 0, 6000, 0)
