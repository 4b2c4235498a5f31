"""What happens while a delivery is on its way: its job is deleted, the secret is rotated, the database goes away."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from shared.db import Database
from shared.errors import Unavailable
from shared.jobs.remove import delete_job
from shared.settings import Settings
from shared.webhooks.queue import keep_bodies
from shared.webhooks.secrets import current_secret, rotate_secret
from tests.queue_driver import execute
from tests.services import wait_for
from tests.webhooks.driver import deliveries, ended_job, sending
from tests.webhooks.receiver import Answer, Received, Receiver

CUT = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()"""


@contextmanager
def held_up(receiver: Receiver, status: int) -> Iterator[None]:
    """Let the first request arrive, run the block, and then answer it with this status; all others with 204."""
    arrived, go_on = threading.Event(), threading.Event()

    def answer(_request: Received) -> Answer:
        if go_on.is_set():
            return Answer()
        arrived.set()
        go_on.wait(4.0)
        return Answer(status)

    receiver.answer = answer
    try:
        assert arrived.wait(10.0)
        yield
    finally:
        go_on.set()


@pytest.mark.parametrize(
    ("status", "state", "reason"), [(500, "canceled", "job_deleted"), (204, "delivered", None)]
)
def test_a_job_that_is_deleted_on_the_way_is_not_sent_again(
    database: Database, swift: Settings, receiver: Receiver, status: int, state: str, reason: str | None
) -> None:
    """What has arrived is delivered; what has not stays canceled. The log keeps the try."""
    job_id = ended_job(database, receiver.url)
    with sending(swift):
        with held_up(receiver, status):
            delete_job(database, "default", job_id)
        wait_for(lambda: bool(deliveries(database)[0].attempts), "the outcome")
    [told] = deliveries(database)
    assert (told.state, told.reason, told.token) == (state, reason, None)
    assert [one["status_code"] for one in told.attempts] == [status]
    assert len(receiver.requests) == 1


def test_the_next_try_is_signed_by_the_secrets_of_its_time(
    database: Database, swift: Settings, receiver: Receiver
) -> None:
    """A rotation between two tries: the first is signed by the old secret alone, the second by both."""
    old = current_secret(database, "default").secret
    ended_job(database, receiver.url)
    with sending(swift):
        with held_up(receiver, 500):
            new = rotate_secret(database, "default", 3600).secret
        wait_for(lambda: deliveries(database)[0].state == "delivered", "the second try")
    first, second = receiver.requests
    Webhook(old).verify(first.body, first.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(new).verify(first.body, first.headers)
    for secret in (old, new):
        Webhook(secret).verify(second.body, second.headers)


def test_an_outcome_outlives_the_connections_to_the_database(
    database: Database, swift: Settings, receiver: Receiver
) -> None:
    """Every session is cut while a request is on its way: it is recorded all the same, and not sent again."""
    ended_job(database, receiver.url)
    with sending(swift):
        with held_up(receiver, 200):
            execute(database, CUT)
        wait_for(lambda: deliveries(database)[0].state == "delivered", "the record")
        ended_job(database, receiver.url)
        wait_for(
            lambda: [row.state for row in deliveries(database)] == ["delivered"] * 2, "the next delivery"
        )
    assert len(receiver.requests) == 2


def test_an_outage_between_claim_and_request_costs_no_lease(
    database: Database, swift: Settings, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was claimed and not begun when the database went away is sent as soon as it is back."""
    away = iter([True, True])

    def keep(*given: object) -> None:
        if next(away, False):
            raise Unavailable("The database is away.")
        keep_bodies(*given)  # type: ignore[arg-type]  # passed through

    monkeypatch.setattr("worker.webhooks.sender.keep_bodies", keep)
    ended_job(database, receiver.url)

    with sending(swift):
        wait_for(lambda: bool(receiver.requests), "the request", 15)

    assert len(receiver.requests) == 1
