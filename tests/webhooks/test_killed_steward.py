"""A steward that is killed while it sends: another one sends again."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from shared.db import Database
from shared.settings import Settings
from tests.processes import Process
from tests.services import wait_for
from tests.webhooks.driver import deliveries, ended_job, sending
from tests.webhooks.receiver import Answer, Receiver


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_steward_that_is_killed_in_the_middle_loses_nothing(
    database: Database,
    swift: Settings,
    settings_env: dict[str, str],
    receiver: Receiver,
    tmp_path: Path,
) -> None:
    """The real process dies with the request under way; after the lease the same message comes from another."""
    receiver.answer = lambda _request: Answer(200, stall_s=0.0 if len(receiver.requests) > 1 else 60.0)
    environment = {
        **settings_env,
        "INKQUEUE_WEBHOOK_ALLOWED_HOSTS": "127.0.0.1",
        "INKQUEUE_WEBHOOK_TIMEOUT_S": "1",
        "INKQUEUE_WEBHOOK_LEASE_S": "1",
    }
    ended_job(database, receiver.url)
    steward = Process([sys.executable, "-m", "worker.steward"], environment, tmp_path / "steward.log")
    try:
        wait_for(lambda: len(receiver.requests) == 1, "the first request", 40.0)
    finally:
        steward.kill()
        steward.stop()
    assert deliveries(database)[0].token is not None
    with sending(swift):
        wait_for(lambda: deliveries(database)[0].state == "delivered", "the second request", 30.0)
    first, second = receiver.requests
    assert (first.id, first.body) == (second.id, second.body)
