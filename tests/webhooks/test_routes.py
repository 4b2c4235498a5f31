"""The calls of webhooks: what they answer, and to whom."""

from __future__ import annotations

import base64
from typing import Any
from uuid import uuid4

import httpx
import pytest
import sqlalchemy as sa

from inkqueue.webhooks import WebhookSignatureRefused, verify
from shared.db import Database
from shared.jobs.commit import commit_finished
from shared.settings import Settings
from shared.status import Lane
from tests.api.files import PNG
from tests.queue_driver import execute, finished, take
from tests.services import wait_for
from tests.webhooks.driver import deliveries, ended_job, sending
from tests.webhooks.receiver import Answer, Receiver


def post(api: httpx.Client, **options: Any) -> httpx.Response:
    """Submit one image as JSON with these options."""
    data = "data:image/png;base64," + base64.b64encode(PNG).decode()
    return api.post("/v1/jobs", json={"images": [{"data": data}], **options})


def problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Check a problem document."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["code"] == code
    found: dict[str, Any] = response.json()
    return found


def test_the_secret_is_made_once(api: httpx.Client) -> None:
    """Two calls show the same secret; no cache keeps it."""
    first = api.get("/v1/webhooks/secret")
    assert first.status_code == 200
    assert first.json()["secret"].startswith("whsec_")
    assert first.headers["cache-control"] == "no-store"
    assert api.get("/v1/webhooks/secret").json() == first.json()


def test_a_rotation_shows_the_new_secret_and_how_long_the_old_one_signs(
    api: httpx.Client, database: Database
) -> None:
    """Of three secrets the last two sign: rotating twice ends one that has leaked."""
    first = api.get("/v1/webhooks/secret").json()
    second = api.post("/v1/webhooks/secret/rotate").json()
    third = api.post("/v1/webhooks/secret/rotate").json()
    assert first["previous_expires_at"] is None
    assert second["previous_expires_at"] is not None
    assert len({first["secret"], second["secret"], third["secret"]}) == 3
    assert api.get("/v1/webhooks/secret").json() == third
    with database.transaction() as connection:
        kept = set(connection.execute(sa.text("SELECT secret FROM webhook_secrets")).scalars())
    assert kept == {second["secret"], third["secret"]}


def test_a_test_ping_arrives(api: httpx.Client, swift: Settings, receiver: Receiver) -> None:
    """With Prefer: wait the answer shows the try."""
    with sending(swift):
        response = api.post("/v1/webhooks/test", json={"url": receiver.url}, headers={"Prefer": "wait=10"})
    assert response.status_code == 200, response.text
    assert response.json()["status"] == "delivered"
    assert response.headers["preference-applied"] == "wait=10"
    assert receiver.events() == ["webhook.test"]
    shown = api.get(response.headers["location"])
    assert shown.json() == response.json()


def test_a_test_without_wait_is_answered_at_once(api: httpx.Client, receiver: Receiver) -> None:
    """202 and the delivery, pending."""
    response = api.post("/v1/webhooks/test", json={"url": receiver.url})
    assert (response.status_code, response.json()["status"]) == (202, "pending")
    assert response.json()["job_id"] is None


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data",
        "https://10.0.0.1/",
        "https://localhost/",
        "https://[::1]/",
        "ftp://example.org/",
        "https://user:pass@example.org/",
        "nonsense",
        "http://127.1:8000/",
    ],
)
def test_addresses_inside_are_refused_at_every_door(api: httpx.Client, database: Database, url: str) -> None:
    """In a submission, in a dry run and in a test; nothing of it is kept."""
    problem(api.post("/v1/webhooks/test", json={"url": url}), 422, "webhook_url_refused")
    problem(post(api, webhook_url=url), 422, "webhook_url_refused")
    dry = api.post("/v1/jobs?dry_run=true", files={"files": ("a.png", PNG)}, data={"webhook_url": url})
    problem(dry, 422, "webhook_url_refused")
    assert deliveries(database) == []
    assert api.get("/v1/jobs").json()["items"] == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"url": 5},
        {"url": None},
        {"url": ""},
        {"url": "https://a.example/" + "x" * 5000},
        {"uri": "x"},
        [],
    ],
)
def test_a_broken_test_is_refused(api: httpx.Client, body: object) -> None:
    """Clearly, and never with a 500."""
    response = api.post("/v1/webhooks/test", json=body)
    assert response.status_code == 422
    assert response.json()["code"] in {"invalid_request", "webhook_url_refused"}


@pytest.mark.parametrize(
    "options",
    [
        {"webhook_events": ["job.completed"]},
        {"webhook_url": "https://example.org/", "webhook_events": []},
        {"webhook_url": "https://example.org/", "webhook_events": ["job.exploded"]},
        {"webhook_url": "https://example.org/", "webhook_events": "job.completed"},
        {"webhook_url": 7},
    ],
)
def test_broken_options_are_refused(api: httpx.Client, options: dict[str, object]) -> None:
    """Unknown events, none, and events without an address."""
    problem(post(api, **options), 422, "invalid_request")


def test_a_prediction_has_no_webhook(api: httpx.Client, receiver: Receiver) -> None:
    """It is refused rather than ignored."""
    response = api.post("/v1/predict", files={"files": ("a.png", PNG)}, data={"webhook_url": receiver.url})
    problem(response, 422, "invalid_request")


def test_the_body_is_the_job_as_the_api_shows_it(
    api: httpx.Client, swift: Settings, database: Database, receiver: Receiver
) -> None:
    """From submission to delivery: same document, URL and events shown, nothing else of the webhook."""
    made = post(
        api, webhook_url=receiver.url, webhook_events=["job.completed", "job.completed"], metadata={"k": "ü"}
    ).json()
    assert made["webhook"] == {"url": receiver.url, "events": ["job.completed"]}
    [claimed] = take(database, Lane.INTERACTIVE)
    commit_finished(database, [finished(claimed)], results_ttl_s=3600.0)
    with sending(swift):
        wait_for(lambda: len(receiver.requests) == 1, "the webhook")
    shown = api.get(f"/v1/jobs/{made['id']}").json()
    assert receiver.requests[0].document["data"] == shown


def test_the_log_is_paged_and_filtered(api: httpx.Client, database: Database, receiver: Receiver) -> None:
    """Newest first, by job and state, without gaps between pages."""
    jobs = [ended_job(database, receiver.url) for _ in range(5)]
    execute(database, "UPDATE webhook_deliveries SET state = 'failed' WHERE job_id = :id", id=jobs[1])
    first = api.get("/v1/webhooks/deliveries?limit=2").json()
    second = api.get(f"/v1/webhooks/deliveries?limit=3&cursor={first['next_cursor']}").json()
    listed = [d["job_id"] for d in first["items"] + second["items"]]
    assert listed == [f"job_{job.hex}" for job in reversed(jobs)]
    assert second["next_cursor"] is None
    of_job = api.get(f"/v1/webhooks/deliveries?job_id=job_{jobs[2].hex}").json()["items"]
    assert [d["job_id"] for d in of_job] == [f"job_{jobs[2].hex}"]
    failed = api.get("/v1/webhooks/deliveries?status=failed").json()["items"]
    assert [d["job_id"] for d in failed] == [f"job_{jobs[1].hex}"]


@pytest.mark.parametrize(
    "query", ["status=x", "limit=0", "limit=201", "job_id=5", "cursor=%00", "colour=red"]
)
def test_a_broken_query_of_the_log_is_refused(api: httpx.Client, query: str) -> None:
    """Not answered with everything."""
    problem(api.get(f"/v1/webhooks/deliveries?{query}"), 422, "invalid_request")


@pytest.mark.parametrize("end", [200, 410, 500])
def test_redelivery_sends_the_same_message_again(
    api: httpx.Client, swift: Settings, database: Database, receiver: Receiver, end: int
) -> None:
    """Whatever became of it; same id, same bytes, and the log goes on."""
    receiver.answer = lambda _request: Answer(end)
    ended_job(database, receiver.url)
    with sending(swift):
        wait_for(lambda: deliveries(database)[0].state != "pending", "the first end")
        before = len(receiver.requests)
        receiver.answer = lambda _request: Answer(200)
        whd = api.get("/v1/webhooks/deliveries").json()["items"][0]["id"]
        assert api.post(f"/v1/webhooks/deliveries/{whd}/redeliver").status_code == 202
        wait_for(lambda: deliveries(database)[0].attempt_count == before + 1, "the second delivery")
    assert deliveries(database)[0].state == "delivered"
    assert len({(r.id, r.body) for r in receiver.requests}) == 1


def test_redelivery_of_a_waiting_one_is_now(
    api: httpx.Client, swift: Settings, database: Database, receiver: Receiver
) -> None:
    """It does not wait for its hour."""
    ended_job(database, receiver.url)
    execute(database, "UPDATE webhook_deliveries SET next_attempt_at = now() + interval '1 day', step = 3")
    whd = api.get("/v1/webhooks/deliveries").json()["items"][0]["id"]
    with sending(swift):
        api.post(f"/v1/webhooks/deliveries/{whd}/redeliver")
        wait_for(lambda: deliveries(database)[0].state == "delivered", "the delivery")


def test_a_canceled_delivery_is_not_sent_again(
    api: httpx.Client, database: Database, receiver: Receiver
) -> None:
    """Deleting a job cancels what has not arrived, for good."""
    job_id = ended_job(database, receiver.url)
    assert api.delete(f"/v1/jobs/job_{job_id.hex}").status_code == 204
    [shown] = api.get("/v1/webhooks/deliveries").json()["items"]
    assert (shown["status"], shown["reason"]) == ("canceled", "job_deleted")
    problem(api.post(f"/v1/webhooks/deliveries/{shown['id']}/redeliver"), 409, "nothing_to_retry")


def test_another_tenants_deliveries_are_not_there(
    api: httpx.Client, database: Database, receiver: Receiver
) -> None:
    """404, and not in any list, also by the job's id."""
    execute(database, "INSERT INTO tenants (id) VALUES ('other')")
    job_id = ended_job(database, receiver.url, tenant="other")
    [theirs] = deliveries(database)
    for path in (f"whd_{theirs.id.hex}", f"whd_{uuid4().hex}", "whd_x", "job_" + theirs.id.hex):
        problem(api.get(f"/v1/webhooks/deliveries/{path}"), 404, "not_found")
        problem(api.post(f"/v1/webhooks/deliveries/{path}/redeliver"), 404, "not_found")
    assert api.get("/v1/webhooks/deliveries").json()["items"] == []
    assert api.get(f"/v1/webhooks/deliveries?job_id=job_{job_id.hex}").json()["items"] == []


def test_tenants_sign_with_secrets_of_their_own(
    api: httpx.Client, swift: Settings, database: Database, receiver: Receiver
) -> None:
    """What one tenant gets does not verify with another's secret."""
    execute(database, "INSERT INTO tenants (id) VALUES ('other')")
    ended_job(database, receiver.url, tenant="other")
    with sending(swift):
        wait_for(lambda: len(receiver.requests) == 1, "the webhook")
    mine = api.get("/v1/webhooks/secret").json()["secret"]
    with pytest.raises(WebhookSignatureRefused):
        verify(receiver.requests[0].body, receiver.requests[0].headers, mine)


def test_work_is_counted(api: httpx.Client, swift: Settings, database: Database, receiver: Receiver) -> None:
    """The metrics tell attempts by outcome."""
    receiver.answer = lambda _request: Answer(500 if len(receiver.requests) == 1 else 200)
    ended_job(database, receiver.url)
    with sending(swift):
        wait_for(lambda: deliveries(database)[0].state == "delivered", "the delivery")
    text = api.get("/metrics").text
    assert 'inkqueue_webhook_attempts_total{outcome="delivered"} 1\n' in text
    assert 'inkqueue_webhook_attempts_total{outcome="failed"} 1\n' in text
