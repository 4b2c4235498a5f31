"""Health, readiness, metrics, models and workers."""

from __future__ import annotations

import shutil
from pathlib import Path

import httpx
import pytest

from inkqueue.local.redis import free_port
from shared.db import Database
from shared.jobs.registry import beat
from shared.settings import Settings
from tests.api.conftest import serving
from tests.api.files import problem
from tests.api.keyed import bearer, key_for
from tests.queue_driver import execute
from tests.services import wait_for

OK = dict.fromkeys(("database", "broker", "storage", "workers", "model"), "ok")


def alive(database: Database, lane: str = "interactive,bulk", **more: object) -> None:
    """Show a worker."""
    info = {
        "id": f"w-{lane}",
        "host": "h",
        "pid": 1,
        "role": "worker",
        "lane": lane,
        "models": ["digits@1.0.0"],
    }
    beat(database, info, **more)  # type: ignore[arg-type]  # the TypedDict, written short


def test_the_process_lives(common: httpx.Client) -> None:
    """The liveness probe asks nobody else."""
    answer = common.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_ready_when_every_part_works(api: httpx.Client, database: Database) -> None:
    """With a worker for both lanes and the model the service is ready."""
    alive(database)
    answer = api.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "checks": OK})


def test_readiness_flips_and_comes_back(api: httpx.Client, database: Database) -> None:
    """Workers that fall silent are noticed within ten seconds, and so is their return."""
    body = problem(api.get("/readyz"), 503, "unavailable")
    assert body["checks"]["database"] == "ok"
    assert body["checks"]["workers"] != "ok"
    alive(database)
    wait_for(lambda: api.get("/readyz").status_code == 200, "readiness", 5)
    execute(database, "UPDATE workers SET heartbeat_at = heartbeat_at - interval '10 seconds'")
    wait_for(lambda: api.get("/readyz").status_code == 503, "the loss to be noticed", 5)


def test_a_lane_without_worker_is_not_ready(api: httpx.Client, database: Database) -> None:
    """When nobody serves single images, that is said."""
    alive(database, "bulk")
    body = problem(api.get("/readyz"), 503, "unavailable")
    assert "interactive" in body["checks"]["workers"]


@pytest.mark.parametrize("part", ["database", "broker", "storage"])
def test_a_part_that_is_away_is_named(settings: Settings, part: str) -> None:
    """Each part that cannot be reached is named, and the answer comes soon."""
    port = free_port()
    changes = {
        "database": {"database_url": f"postgresql://x@127.0.0.1:{port}/x"},
        "broker": {"redis_url": f"redis://127.0.0.1:{port}/0"},
        "storage": {},
    }
    with serving(settings.model_copy(update=changes[part])) as api:
        if part == "storage":
            shutil.rmtree(Path(settings.storage_url.removeprefix("file://")))
            Path(settings.storage_url.removeprefix("file://")).write_text("in the way")
        answer = api.get("/readyz")
        body = problem(answer, 503, "unavailable")
        assert body["checks"][part] != "ok"
        assert answer.elapsed.total_seconds() < 15
        assert api.get("/healthz").status_code == 200


def test_health_tells_whether_a_model_is_loaded(api: httpx.Client, database: Database) -> None:
    """The small health page looks at living workers."""
    assert api.get("/health").json() == {"status": "ok", "model_loaded": False}
    alive(database)
    assert api.get("/health").json() == {"status": "ok", "model_loaded": True}


def test_models(common: httpx.Client) -> None:
    """The model cards can be read by name and by version."""
    cards = [m for m in common.get("/v1/models").json()["items"] if m["name"] == "digits"]
    card = cards[0]

    assert [m["default"] for m in cards] == [True, *[False] * (len(cards) - 1)]
    assert card["labels"] == list("0123456789")
    assert len(card["sha256"]) == 64
    assert {"input", "metrics", "thresholds"} <= set(card)
    assert common.get(f"/v1/models/digits@{card['version']}").json() == card
    assert common.get("/v1/models/digits").json() == card
    problem(common.get("/v1/models/nothing"), 404, "not_found")


def test_workers(api: httpx.Client, database: Database) -> None:
    """The workers that are alive are listed with what they do."""
    alive(database, "bulk", items=10, images_per_s=5.5)
    (worker,) = api.get("/v1/workers").json()["items"]
    assert (worker["lane"], worker["alive"], worker["images_per_s"]) == ("bulk", True, 5.5)
    assert worker["models"] == ["digits@1.0.0"]
    execute(database, "UPDATE workers SET heartbeat_at = heartbeat_at - interval '1 hour'")
    assert api.get("/v1/workers").json()["items"] == []


def test_templates_come_later(common: httpx.Client) -> None:
    """There are no templates yet, and that is said clearly."""
    assert common.get("/v1/templates").json()["items"] == []
    problem(common.get("/v1/templates/x"), 404, "not_found")
    problem(common.delete("/v1/templates/x"), 404, "not_found")
    problem(common.post("/v1/templates", json={}), 422, "invalid_request")
    problem(common.put("/v1/templates/x", json={}), 422, "invalid_request")


def test_health_is_public_and_details_are_not(settings: Settings, database: Database) -> None:
    """Status without a key; details and metrics with one, or on the machine itself with no proxy between."""
    key, acme = bearer(key_for(database, "default", "read")), bearer(key_for(database, "acme"))
    far = {"X-Forwarded-For": "203.0.113.9"}
    with serving(settings) as client:
        assert client.get("/healthz", headers=far).status_code == 200
        assert "checks" not in client.get("/readyz", headers=far).json()
        assert client.get("/readyz", headers=far).json()["detail"] == "Not ready."
        assert "checks" in client.get("/readyz", headers={**far, **key}).json()
        assert "checks" in client.get("/readyz").json()
        problem(client.get("/metrics", headers=far), 401, "unauthorized")
        problem(client.get("/metrics", headers={"Host": "evil.example"}), 401, "unauthorized")
        problem(client.get("/metrics", headers=acme), 403, "forbidden")
        assert client.get("/metrics", headers={**far, **key}).status_code == 200
        assert client.get("/metrics").status_code == 200
    shut = settings.model_copy(update={"loopback_metrics": False, "port": free_port()})
    with serving(shut) as client:
        problem(client.get("/metrics"), 401, "unauthorized")
        assert "checks" not in client.get("/readyz").json()
