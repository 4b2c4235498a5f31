"""The lane of single images while one of them hangs its worker."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from shared.blobs import Blobs
from shared.db import Database
from shared.settings import Settings
from shared.status import Lane
from tests.processes import steward, worker
from tests.queue_driver import row
from tests.services import wait_for
from tests.uploads import submit_file
from tests.worker.files import sample_digits

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
TRAPS = Path(__file__).parent / "traps"


@pytest.fixture
def env(settings_env: dict[str, str]) -> dict[str, str]:
    """Return the traps and a lease of which nobody may have to wait for the end."""
    return {
        **settings_env,
        "PYTHONPATH": str(TRAPS),
        "INKQUEUE_SWEEP_S": "0.3",
        "INKQUEUE_INTERACTIVE_LIMIT_S": "6",
        "INKQUEUE_STAND_IN_S": "1",
    }


@pytest.mark.parametrize("kind", ["loop", "frozen"])
def test_a_picture_that_hangs_holds_up_nobody_else(
    kind: str, env: dict[str, str], tmp_path: Path, database: Database, blobs: Blobs, settings: Settings
) -> None:
    """Twenty single images beside and behind it are read; a bulk worker stands in until the lane's own is back."""
    digits = list(sample_digits(21).items())
    with steward(env, tmp_path), worker(env, tmp_path, "interactive"), worker(env, tmp_path, name="w2"):
        bad = submit_file(
            database,
            blobs,
            settings,
            "bad.png",
            digits[0][1] + f"trap={kind}".encode(),
            lane=Lane.INTERACTIVE,
            inline=True,
        )
        wait_for(lambda: row(database, "SELECT state FROM chunks").state == "leased", "it to be in hand")
        began = time.monotonic()
        for name, data in digits[1:]:
            submit_file(database, blobs, settings, name, data, lane=Lane.INTERACTIVE, inline=True)
        wait_for(
            lambda: row(database, "SELECT count(*) AS n FROM jobs WHERE status = 'succeeded'").n == 20,
            "the others",
        )
        took_s = time.monotonic() - began
        wait_for(
            lambda: row(database, "SELECT status FROM jobs WHERE id = :id", id=bad).status == "failed",
            "its end",
            90,
        )

    assert took_s < 6  # after so many seconds whoever hangs is ended, and nobody would be held up any more
    assert row(database, "SELECT error_code FROM items WHERE status = 'failed'").error_code == "model_error"
