"""One job followed through the logs of every process that had to do with it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.settings import Settings
from tests.processes import ROOT, Process, started, steward, worker
from tests.services import wait_for
from tests.webhooks.receiver import Receiver, receiving

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SENT = {"X-Request-Id": "order-17", "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
Line = dict[str, Any]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture
def hooks() -> Iterator[Receiver]:
    """Run a receiver of webhooks."""
    with receiving() as receiver:
        yield receiver


def lines_of(process: Process, job: str) -> list[Line]:
    """Return the lines of a process that name a job; every line of ours is a JSON object."""
    found = [json.loads(text) for text in process.output().splitlines() if job in text]
    assert all({"event", "level", "timestamp", "logger"} <= set(line) for line in found)
    return [line for line in found if job == line.get("job") or job in (line.get("job") or ())]


def test_a_job_is_followed_by_its_id(
    settings: Settings, settings_env: dict[str, str], tmp_path: Path, hooks: Receiver
) -> None:
    """API, both kinds of worker and steward tell of it with job, request and trace; workers name chunk and attempt."""
    env = {**settings_env, "INKQUEUE_WEBHOOK_ALLOWED_HOSTS": f"127.0.0.1:{hooks.port}"}
    digits = (ROOT / "samples" / "digits.zip").read_bytes()
    with (
        ExitStack() as stack,
        httpx.Client(base_url=f"http://127.0.0.1:{settings.port}", trust_env=False) as client,
    ):
        bulk = stack.enter_context(worker(env, tmp_path))
        keeper = stack.enter_context(steward(env, tmp_path))
        command = [sys.executable, "-m", "api"]
        service = stack.enter_context(started(command, env, tmp_path / "api.log", "Uvicorn running"))
        answer = client.post(
            "/v1/jobs",
            files={"files": ("digits.zip", digits)},
            data={"webhook_url": hooks.url},
            headers=SENT,
        )
        job = answer.json()["id"]
        wait_for(lambda: hooks.requests, "the webhook", 60)
        wait_for(lambda: "webhook_delivered" in keeper.output(), "its line", 10)
        told = {
            name: lines_of(one, job)
            for name, one in (("api", service), ("worker", bulk), ("steward", keeper))
        }

    assert answer.headers["x-request-id"] == SENT["X-Request-Id"]
    events = {name: {line["event"] for line in lines} for name, lines in told.items()}
    assert {"job_submitted", "request"} <= events["api"]
    assert {"items_committed", "job_ended"} <= events["worker"]
    assert events["steward"] == {"webhook_delivered"}
    for line in [line for lines in told.values() for line in lines]:
        assert (line["request_id"], line["trace_id"]) == (SENT["X-Request-Id"], TRACE)
    for line in told["worker"]:
        assert line["chunk"] > 0
        assert line["attempt"] == 1
    (ended,) = [line for line in told["worker"] if line["event"] == "job_ended"]
    assert ended["status"] == hooks.requests[0].document["data"]["status"]
