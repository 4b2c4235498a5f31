"""The calls of webhooks: what they answer, and to whom."""

from __future__ import annotations

import httpx

from shared.settings import Settings
from tests.webhooks.driver import sending
from tests.webhooks.receiver import Receiver


def test_the_secret_is_made_once(api: httpx.Client) -> None:
    """Two calls show the same secret; no cache keeps it."""
    first = api.get("/v1/webhooks/secret")
    assert first.status_code == 200
    assert first.json()["secret"].startswith("whsec_")
    assert first.headers["cache-control"] == "no-store"
    assert api.get("/v1/webhooks/secret").json() == first.json()


def test_a_test_ping_arrives(api: httpx.Client, swift: Settings, receiver: Receiver) -> None:
    """With Prefer: wait the answer shows the try."""
    with sending(swift):
        response = api.post("/v1/webhooks/test", json={"url": receiver.url}, headers={"Prefer": "wait=10"})
    assert response.status_code == 200, response.text
    assert response.json()["status"] == "delivered"
    assert receiver.events() == ["webhook.test"]
