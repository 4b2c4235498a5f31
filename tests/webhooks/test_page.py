"""The receivers that docs/webhooks.md shows, run as they stand."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import HTTPServer
from typing import Any

import httpx
import pytest
import uvicorn

from inkqueue.local.redis import free_port
from shared.webhooks import bodies
from shared.webhooks.signing import new_secret, signatures
from tests.docs.pages import ROOT, blocks
from tests.services import wait_for

PAGE = ROOT / "docs" / "webhooks.md"
BODY = b"""{"type": "job.completed", "timestamp": "2026-01-02T03:04:05.000000Z", "data": {"id": "job_1", "status":
"succeeded", "counts": {"total": 1}}}"""
PING = bodies.test_body(datetime.now(UTC), "http://127.0.0.1:9000/hook")


def programs() -> list[dict[str, Any]]:
    """Run the page's Python blocks; return what each has defined."""
    found = []
    for block in blocks(PAGE):
        if block.kind == "python":
            names: dict[str, Any] = {"__name__": "receiver"}
            exec(block.text.replace("from __future__ import annotations", ""), names)
            found.append(names)
    return found


@contextmanager
def served(names: dict[str, Any]) -> Iterator[str]:
    """Serve whichever receiver a block has defined; lend its address."""
    port = free_port()
    if "app" in names:
        config = uvicorn.Config(names["app"], port=port, log_config=None)
        server: Any = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        wait_for(lambda: server.started, "the receiver")
        yield f"http://127.0.0.1:{port}/hook"
        server.should_exit = True
        thread.join(10)
    else:
        with HTTPServer(("127.0.0.1", port), names["Hook"]) as plain:
            thread = threading.Thread(target=plain.serve_forever, args=(0.05,), daemon=True)
            thread.start()
            yield f"http://127.0.0.1:{port}/hook"
            plain.shutdown()
            thread.join(10)


@pytest.mark.parametrize("number", [0, 1])
def test_the_pages_receivers_take_what_is_signed_and_nothing_else(
    number: int, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """204 for a webhook of ours, a test ping too, 400 for a forged one."""
    secret = new_secret()
    monkeypatch.setenv("WEBHOOK_SECRET", secret)

    def signed(body: bytes) -> dict[str, str]:
        at = int(time.time())
        return {
            "webhook-id": "whd_1",
            "webhook-timestamp": str(at),
            "webhook-signature": signatures([secret], "whd_1", at, body),
        }

    with served(programs()[number]) as url, httpx.Client(trust_env=False) as client:
        assert client.post(url, content=BODY, headers=signed(BODY)).status_code == 204
        assert client.post(url, content=BODY + b" ", headers=signed(BODY)).status_code == 400
        assert client.post(url, content=BODY).status_code == 400
        assert client.post(url, content=PING, headers=signed(PING)).status_code == 204
    assert "job_1" in capfd.readouterr().out
