"""The sender: what arrives, how often, and what the log says of it."""

from __future__ import annotations

import time

import pytest
from standardwebhooks.webhooks import Webhook

from shared.db import Database
from shared.settings import Settings
from shared.webhooks.log import insert_test
from shared.webhooks.queue import Outcome, Places, claim_due, record
from shared.webhooks.secrets import current_secret, rotate_secret
from tests.queue_driver import execute
from tests.services import wait_for
from tests.webhooks.driver import deliveries, ended_job, job_with, quick, sending, work
from tests.webhooks.receiver import Answer, Received, Receiver, receiving


def settled(db: Database, count: int = 1) -> bool:
    """Tell whether nothing of so many deliveries is left to do."""
    rows = deliveries(db)
    return len(rows) == count and all(row.state != "pending" for row in rows)


def test_the_end_of_a_job_arrives_once(database: Database, swift: Settings, receiver: Receiver) -> None:
    """One request with the job as it ended and the headers of the standard; the row says delivered."""
    job_id = ended_job(database, receiver.url, traceparent=f"00-{'a' * 32}-{'b' * 16}-01")
    with sending(swift):
        wait_for(lambda: settled(database), "the delivery")
    [request] = receiver.requests
    [told] = deliveries(database)
    assert request.document["type"] == "job.completed"
    assert request.document["data"]["id"] == f"job_{job_id.hex}"
    assert request.document["data"]["status"] == "succeeded"
    assert request.id == f"whd_{told.id.hex}"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["traceparent"] == f"00-{'a' * 32}-{'b' * 16}-01"
    assert abs(int(request.headers["webhook-timestamp"]) - time.time()) < 60
    assert (told.state, told.attempt_count, told.attempts[0]["status_code"]) == ("delivered", 1, 204)


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_every_2xx_is_a_success(database: Database, swift: Settings, receiver: Receiver, status: int) -> None:
    """And nothing is sent again."""
    receiver.answer = lambda _request: Answer(status)
    ended_job(database, receiver.url)
    with sending(swift):
        wait_for(lambda: settled(database), "the delivery")
    assert [row.state for row in deliveries(database)] == ["delivered"]
    assert len(receiver.requests) == 1


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 401, 404, 429, 500, 503])
def test_everything_else_is_tried_again_until_the_schedule_ends(
    database: Database, swift: Settings, receiver: Receiver, status: int
) -> None:
    """Redirects are not followed; every try has the same id and bytes, and a signature that holds."""
    receiver.answer = lambda _request: Answer(status, {"Location": "/elsewhere"})
    ended_job(database, receiver.url)
    with sending(swift):
        wait_for(lambda: settled(database), "the end of the tries")
    [told] = deliveries(database)
    assert (told.state, told.reason, told.attempt_count) == ("failed", "exhausted", 4)
    assert [a["status_code"] for a in told.attempts] == [status] * 4
    assert len({(r.id, r.body, r.path) for r in receiver.requests}) == 1
    theirs = Webhook(current_secret(database, "default").secret)
    assert all(theirs.verify(r.body, r.headers) for r in receiver.requests)


def test_410_stops_at_once(database: Database, swift: Settings, receiver: Receiver) -> None:
    """A receiver that is gone is not bothered again."""
    receiver.answer = lambda _request: Answer(410)
    ended_job(database, receiver.url)
    with sending(swift):
        wait_for(lambda: settled(database), "the end")
    [told] = deliveries(database)
    assert (told.state, told.reason, told.attempt_count) == ("failed", "gone", 1)


def test_a_receiver_that_recovers_gets_it(database: Database, swift: Settings, receiver: Receiver) -> None:
    """Two failures, then success: three requests, delivered."""
    receiver.answer = lambda request: Answer(500 if len(receiver.requests) < 3 else 200)
    ended_job(database, receiver.url)
    with sending(swift):
        wait_for(lambda: settled(database), "the delivery")
    [told] = deliveries(database)
    assert (told.state, [a["status_code"] for a in told.attempts]) == ("delivered", [500, 500, 200])


def test_retry_after_is_waited_for(database: Database, swift: Settings, receiver: Receiver) -> None:
    """The next try is not before the receiver's wish."""
    receiver.answer = lambda _request: Answer(503, {"Retry-After": "120"})
    ended_job(database, receiver.url)
    with sending(swift):
        wait_for(lambda: deliveries(database)[0].attempt_count == 1, "the first try")
        [told] = deliveries(database)
    assert told.state == "pending"
    assert 115 < (told.next_attempt_at - told.claimed_at).total_seconds() < 150


def test_a_receiver_that_never_answers_is_cut(
    database: Database, settings: Settings, receiver: Receiver
) -> None:
    """After the time limit the try has failed, in words that name nothing of ours."""
    receiver.answer = lambda _request: Answer(200, stall_s=30)
    ended_job(database, receiver.url)
    with sending(quick(settings, webhook_timeout_s=0.3, webhook_schedule_s="0")):
        wait_for(lambda: settled(database), "the end")
    [told] = deliveries(database)
    assert (told.state, told.attempts[0]["status_code"]) == ("failed", None)
    assert told.attempts[0]["error"] == "No answer came in time."
    assert 300 <= told.attempts[0]["duration_ms"] < 5000


def test_a_receiver_that_drips_is_cut(database: Database, settings: Settings, receiver: Receiver) -> None:
    """Its status counts; its endless answer holds nothing up."""
    receiver.answer = lambda _request: Answer(200, drip=True)
    ended_job(database, receiver.url)
    with sending(quick(settings, webhook_timeout_s=1.0)):
        wait_for(lambda: settled(database), "the delivery")
    [told] = deliveries(database)
    assert told.state == "delivered"
    assert told.attempts[0]["duration_ms"] < 1500


def test_only_the_start_of_an_answer_is_kept(database: Database, swift: Settings, receiver: Receiver) -> None:
    """1 kB of a megabyte, and bytes that are no text break nothing."""
    receiver.answer = lambda _request: Answer(200, body=b"\x00\xff\xfe" + b"x" * 1_000_000)
    ended_job(database, receiver.url)
    with sending(swift):
        wait_for(lambda: settled(database), "the delivery")
    text = deliveries(database)[0].attempts[0]["response"]
    assert text == "\ufffd" * 3 + "x" * 1021


def test_nobody_there_is_told_in_words(database: Database, settings: Settings, receiver: Receiver) -> None:
    """A refused connection is a failed try without any address in its words."""
    with receiving() as closed:
        pass
    ended_job(database, closed.url)
    with sending(quick(settings, webhook_schedule_s="0")):
        wait_for(lambda: settled(database), "the end")
    error = deliveries(database)[0].attempts[0]["error"]
    assert error.startswith("No connection could be made")
    assert "127" not in error


def test_an_address_that_may_not_be_called_any_more_is_not_called(
    database: Database, settings: Settings, receiver: Receiver
) -> None:
    """The policy holds at connection too: loopback is refused once it is off the list."""
    ended_job(database, receiver.url)
    ended_job(database, receiver.url.replace("http://127.0.0.1", "https://localhost"))
    with sending(quick(settings, webhook_schedule_s="0", webhook_allowed_hosts="")):
        wait_for(lambda: settled(database, 2), "the end")
    assert receiver.requests == []
    assert {row.state for row in deliveries(database)} == {"failed"}


def test_both_secrets_sign_after_a_rotation(database: Database, swift: Settings, receiver: Receiver) -> None:
    """Receivers with the old and with the new secret both accept it; after the overlap only the new one."""
    old = current_secret(database, "default").secret
    new = rotate_secret(database, "default", 3600).secret
    ended_job(database, receiver.url)
    with sending(swift):
        wait_for(lambda: settled(database), "the delivery")
        execute(database, "UPDATE webhook_secrets SET expires_at = now() WHERE expires_at IS NOT NULL")
        ended_job(database, receiver.url)
        wait_for(lambda: settled(database, 2), "the second delivery")
    both, only = [request.headers["webhook-signature"].split(" ") for request in receiver.requests]
    assert (len(both), len(only)) == (2, 1)
    for secret in (old, new):
        Webhook(secret).verify(receiver.requests[0].body, receiver.requests[0].headers)


def test_two_senders_send_each_once(database: Database, swift: Settings, receiver: Receiver) -> None:
    """They share the work and never send the same twice without need."""
    for _ in range(40):
        ended_job(database, receiver.url)
    with sending(swift, "one"), sending(swift, "two"):
        wait_for(lambda: settled(database, 40), "all deliveries")
    assert len(receiver.requests) == 40
    assert len({request.id for request in receiver.requests}) == 40


def test_what_a_lost_sender_had_is_sent_by_another_and_its_word_counts_no_more(
    database: Database, swift: Settings, receiver: Receiver
) -> None:
    """After the lease another sends it; what the lost one records then changes nothing."""
    ended_job(database, receiver.url)
    [lost] = claim_due(database, "lost", lease_s=0.5, most=1, free=Places(1, 1, 1), limits={}).claimed
    with sending(swift):
        wait_for(lambda: settled(database), "the delivery")
    late = Outcome(lost.id, lost.token, "failed", "exhausted", None, 0, {"late": True})
    assert record(database, [late]) == set()
    [told] = deliveries(database)
    assert (told.state, told.attempt_count, len(receiver.requests)) == ("delivered", 1, 1)


def test_a_sender_that_stops_gives_back_what_is_under_way(
    database: Database, swift: Settings, receiver: Receiver
) -> None:
    """Another steward need not wait for the lease; no try is lost."""
    receiver.answer = lambda _request: Answer(200, stall_s=30)
    ended_job(database, receiver.url)
    with sending(swift):
        wait_for(lambda: bool(receiver.requests), "the request")
    [told] = deliveries(database)
    assert (told.state, told.token, told.attempt_count) == ("pending", None, 0)
    receiver.answer = lambda _request: Answer(200)
    with sending(swift):
        wait_for(lambda: settled(database), "the delivery")


def test_a_dead_receiver_holds_up_nobody(database: Database, swift: Settings, receiver: Receiver) -> None:
    """With many waiting for one that stalls, another gets its own meanwhile."""
    with receiving() as dead:
        dead.answer = lambda _request: Answer(200, stall_s=60)
        execute(
            database,
            """INSERT INTO webhook_deliveries (tenant, event, url, body)
            SELECT 'default', 'job.reviewed', :url, '{}' FROM generate_series(1, 1000)""",
            url=dead.url,
        )
        with sending(swift):
            wait_for(lambda: len(dead.requests) >= 32, "the dead one's share")
            job_id = ended_job(database, receiver.url)
            wait_for(lambda: deliveries(database, job_id)[0].state == "delivered", "the living one's")
            rows = deliveries(database)
    assert len(receiver.requests) == 1
    assert sum(row.state == "pending" for row in rows) >= 300


def test_a_receiver_that_fails_and_stalls_at_random_gets_everything(
    database: Database, settings: Settings, receiver: Receiver
) -> None:
    """30 % failures and 10 % stalls lose nothing."""

    def moody(request: Received) -> Answer:
        drawn = int.from_bytes(request.headers["webhook-signature"][-9:-1].encode()) % 10
        tries = sum(one.id == request.id for one in receiver.requests)
        if drawn < 1 and tries < 3:
            return Answer(200, stall_s=2.0)
        return Answer(500 if drawn < 4 and tries < 5 else 200)

    receiver.answer = moody
    for _ in range(60):
        ended_job(database, receiver.url)
    with sending(quick(settings, webhook_schedule_s="0" + ",0.1" * 12, webhook_timeout_s=0.5)):
        wait_for(lambda: settled(database, 60), "all deliveries", 40.0)
    assert {row.state for row in deliveries(database)} == {"delivered"}


def test_no_progress_follows_the_end(database: Database, swift: Settings, receiver: Receiver) -> None:
    """Progress that is still on its way is called back before the end is sent."""
    receiver.answer = lambda request: Answer(
        200, stall_s=30 if request.document["type"] == "job.progress" else 0.0
    )
    job_id = job_with(database, receiver.url, "job.progress", "job.completed", items=2)
    work(database)
    with sending(swift):
        wait_for(lambda: receiver.events() == ["job.progress"], "the progress")
        work(database)
        wait_for(lambda: receiver.events() == ["job.progress", "job.completed"], "the end")
        wait_for(lambda: all(row.token is None for row in deliveries(database)), "the log")
    assert [row.state for row in deliveries(database, job_id)] == ["canceled", "delivered"]


def test_a_ping_that_fails_is_not_repeated(database: Database, swift: Settings, receiver: Receiver) -> None:
    """A test is tried once."""
    receiver.answer = lambda _request: Answer(500)
    insert_test(database, "default", receiver.url, None, None)
    with sending(swift):
        wait_for(lambda: settled(database), "the test")
    assert (deliveries(database)[0].attempt_count, len(receiver.requests)) == (1, 1)
