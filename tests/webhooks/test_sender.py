"""The sender: what arrives, how often, and what the log says of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from shared.db import Database
from shared.settings import Settings
from tests.services import wait_for
from tests.webhooks.driver import deliveries, ended_job, quick, sending
from tests.webhooks.receiver import Receiver, receiving


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Lend a receiver."""
    with receiving() as running:
        yield running


def test_the_end_of_a_job_arrives_once(database: Database, settings: Settings, receiver: Receiver) -> None:
    """One request with the job as it ended; the row says delivered."""
    job_id = ended_job(database, receiver.url)
    with sending(quick(settings)):
        wait_for(lambda: deliveries(database)[0].state == "delivered", "the delivery")
    [request] = receiver.requests
    assert request.document["type"] == "job.completed"
    assert request.document["data"]["id"] == f"job_{job_id.hex}"
    assert request.document["data"]["status"] == "succeeded"
