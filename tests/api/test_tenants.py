"""Two tenants share a service and see, change, fetch and guess nothing of each other.

The routes are those that the application has: one that is neither public nor declared here fails the test, so that a
new route cannot be forgotten.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from api.auth import Need
from api.gate import PUBLIC, PUBLIC_FOLDERS
from api.main import create_app
from api.services import get_caller
from shared.blobs import open_blobs
from shared.db import Database
from shared.keys.store import list_keys
from shared.settings import Settings
from tests.api.conftest import serving
from tests.api.files import PNG, problem, zipped
from tests.api.keyed import bearer, key_for
from tests.fakes import FakeWorker
from tests.queue_driver import execute, row

MARK = "zebra"
SCANS = zipped(f"{MARK}.png", f"{MARK}-bad.png")
FOREIGN, OWN, SHARED, OPERATOR = (
    "404 for another tenant's",
    "only the own",
    "the same for all",
    "operator only",
)
ROUTES = {
    ("POST", "/v1/jobs"): OWN,
    ("GET", "/v1/jobs"): OWN,
    ("GET", "/v1/jobs/{job_id}"): FOREIGN,
    ("DELETE", "/v1/jobs/{job_id}"): FOREIGN,
    ("POST", "/v1/jobs/{job_id}/cancel"): FOREIGN,
    ("POST", "/v1/jobs/{job_id}/retry"): FOREIGN,
    ("GET", "/v1/jobs/{job_id}/summary"): FOREIGN,
    ("GET", "/v1/jobs/{job_id}/events"): FOREIGN,
    ("GET", "/v1/jobs/{job_id}/results"): FOREIGN,
    ("GET", "/v1/jobs/{job_id}/items/{seq}"): FOREIGN,
    ("GET", "/v1/jobs/{job_id}/items/{seq}/image"): FOREIGN,
    ("PUT", "/v1/jobs/{job_id}/items/{seq}/reviews/{reviewer}"): FOREIGN,
    ("DELETE", "/v1/jobs/{job_id}/items/{seq}/reviews/{reviewer}"): FOREIGN,
    ("POST", "/v1/jobs/{job_id}/reviews"): FOREIGN,
    ("GET", "/v1/jobs/{job_id}/reviews"): FOREIGN,
    ("DELETE", "/v1/jobs/{job_id}/reviews"): FOREIGN,
    ("GET", "/v1/jobs/{job_id}/grid"): FOREIGN,
    ("GET", "/v1/reviews/export"): OWN,
    ("GET", "/v1/jobs/{job_id}/sheets/{n}"): FOREIGN,
    ("GET", "/v1/jobs/{job_id}/sheets"): FOREIGN,
    ("POST", "/v1/predict"): OWN,
    ("GET", "/v1/models"): SHARED,
    ("GET", "/v1/models/{name}"): SHARED,
    ("GET", "/v1/workers"): SHARED,
    ("GET", "/v1/system"): OWN,
    ("GET", "/v1/templates"): OWN,
    ("POST", "/v1/templates"): OWN,
    ("GET", "/v1/templates/{name}"): FOREIGN,
    ("DELETE", "/v1/templates/{name}"): FOREIGN,
    ("PUT", "/v1/templates/{name}"): OWN,
    ("POST", "/v1/templates/{name}/preview"): OWN,
    ("GET", "/v1/keys"): OWN,
    ("POST", "/v1/keys"): OWN,
    ("DELETE", "/v1/keys/{key_id}"): FOREIGN,
    ("GET", "/v1/webhooks/secret"): OWN,
    ("POST", "/v1/webhooks/secret/rotate"): OWN,
    ("POST", "/v1/webhooks/test"): OWN,
    ("GET", "/v1/webhooks/deliveries"): OWN,
    ("GET", "/v1/webhooks/deliveries/{delivery_id}"): FOREIGN,
    ("POST", "/v1/webhooks/deliveries/{delivery_id}/redeliver"): FOREIGN,
    ("GET", "/metrics"): OPERATOR,
    ("GET", "/"): OWN,
    ("GET", "/try"): SHARED,
    ("GET", "/jobs"): OWN,
    ("POST", "/jobs"): OWN,
    ("POST", "/jobs/samples"): OWN,
    ("GET", "/jobs/{job_id}"): FOREIGN,
    ("GET", "/jobs/{job_id}/results"): FOREIGN,
    ("GET", "/jobs/{job_id}/list"): FOREIGN,
    ("GET", "/jobs/{job_id}/review"): FOREIGN,
    ("GET", "/jobs/{job_id}/code"): FOREIGN,
    ("GET", "/models"): SHARED,
    ("GET", "/models/{name}"): SHARED,
    ("GET", "/system"): OWN,
    ("GET", "/tour"): SHARED,
    ("POST", "/sign-out"): OWN,
}
"""What every route that is not public promises to two tenants."""


def routes_of(app: FastAPI) -> set[tuple[str, str]]:
    """Return method and path of every route of an application."""
    return {
        (method, context.path_format or "")
        for context in iter_route_contexts(app.routes)
        for method in context.methods or ()
        if method not in ("HEAD", "OPTIONS")
    }


def is_public(path: str) -> bool:
    """Tell whether the gate lets everybody to a path."""
    return path in PUBLIC or path.startswith(PUBLIC_FOLDERS)


@dataclass
class World:
    """A service with two tenants: `a` has something of everything, `b` looks for it."""

    api: httpx.Client
    a: dict[str, str]
    b: dict[str, str]
    ids: dict[str, str]

    def ask(self, who: dict[str, str], method: str, path: str, ids: dict[str, str]) -> httpx.Response:
        """Call a route with these ids."""
        body: dict[str, object] = {}
        if method == "POST" and path in ("/v1/jobs", "/jobs", "/v1/predict"):
            body = {"files": {"files": ("b.zip", zipped("b.png", "c.png"))}}
        elif method == "POST" and path == "/v1/keys":
            body = {"json": {"name": "b", "scopes": ["read"]}}
        elif path.endswith("/sheets"):
            body = {"params": {"seqs": "0"}}
        elif method == "PUT" and path.endswith("/reviews/{reviewer}"):
            body = {"json": {"value": "7"}}
        elif method == "DELETE" and path.endswith("/reviews"):
            body = {"params": {"seqs": "0", "reviewer": "b"}}
        elif method == "POST" and path.endswith("/reviews"):
            body = {"json": {"reviewer": "b", "items": [{"seq": 0, "value": "7"}]}}
        elif method == "POST" and path == "/v1/webhooks/test":
            body = {"json": {"url": "https://8.8.8.8/hook"}}
        headers = {**who, "Accept": "application/json"}
        return self.api.request(method, path.format(**ids), headers=headers, **body)  # type: ignore[arg-type]


@pytest.fixture
def world(settings: Settings, database: Database) -> Iterator[World]:
    """Let tenant `a` submit, read and make what there is; everything of it is marked."""
    a, b = bearer(key_for(database, f"{MARK}-a")), bearer(key_for(database, "b"))
    with serving(settings) as api:
        files = [("files", (f"{MARK}.zip", SCANS, "application/zip"))]
        headers = {**a, "Idempotency-Key": "same"}
        form = {"name": MARK, "metadata": f'{{"k": "{MARK}"}}'}
        job = api.post("/v1/jobs", files=files, data=form, headers=headers)
        assert job.status_code == 202
        FakeWorker(database, open_blobs(settings)).work()
        hook = {"url": f"https://8.8.8.8/{MARK}"}
        delivery = api.post("/v1/webhooks/test", json=hook, headers=a).json()["id"]
        secret = api.get("/v1/webhooks/secret", headers=a).json()["secret"]
        execute(database, "UPDATE jobs SET request_id = :mark", mark=MARK)
        key_id = f"key_{list_keys(database, f'{MARK}-a')[0].id.hex}"
        ids = {
            "job_id": job.json()["id"],
            "delivery_id": delivery,
            "key_id": key_id,
            "seq": "0",
            "reviewer": "anna",
            "n": "0",
            "name": "digits",
        }
        yield World(api, a, b, {**ids, "secret": secret})


def test_every_route_is_declared() -> None:
    """A route that is neither public nor in the table above was forgotten."""
    found = {(method, path) for method, path in routes_of(create_app(Settings())) if not is_public(path)}
    assert found == set(ROUTES)


def test_every_route_asks_for_a_scope() -> None:
    """A route that is not public names its scope, or no key could be kept from it."""
    scopeless = [
        context.path_format
        for context in iter_route_contexts(create_app(Settings()).routes)
        if getattr(context, "dependant", None) is not None
        and not is_public(context.path_format or "")
        and not _needs(context.dependant)
    ]
    assert scopeless == []


def _needs(dependant: object) -> bool:
    inner = getattr(dependant, "dependencies", [])
    return isinstance(getattr(dependant, "call", None), Need) or any(_needs(one) for one in inner)


def test_the_gate_is_no_only_lock() -> None:
    """Routes depend on a caller as well, and without the gate there is none."""
    app = create_app(Settings())
    callers = [c for c in iter_route_contexts(app.routes) if getattr(c, "dependant", None) is not None]
    asking = [c.path_format for c in callers if not is_public(c.path_format or "")]
    assert asking
    assert all(_calls(c.dependant, get_caller) for c in callers if c.path_format in asking)


def _calls(dependant: object, wanted: object) -> bool:
    inner = getattr(dependant, "dependencies", [])
    return getattr(dependant, "call", None) is wanted or any(_calls(one, wanted) for one in inner)


def test_nothing_of_another_tenant_is_seen(world: World) -> None:
    """Every route, asked with the other's ids: 404 as for an id that never was, and no trace of the other's things."""
    before = world.api.get(f"/v1/jobs/{world.ids['job_id']}", headers=world.a).content
    guessed = {
        "job_id": f"job_{uuid.uuid4().hex}",
        "delivery_id": f"whd_{uuid.uuid4().hex}",
        "key_id": f"key_{uuid.uuid4().hex}",
        "seq": "0",
        "reviewer": "anna",
        "n": "0",
        "name": "other",
    }
    for (method, path), kind in ROUTES.items():
        answer = world.ask(world.b, method, path, world.ids)
        traces = [MARK, world.ids["secret"], *(world.ids[i] for i in ("job_id", "delivery_id", "key_id"))]
        shown = answer.text.replace(answer.request.url.path, "") + str(answer.headers)
        assert [trace for trace in traces if trace in shown] == [], (method, path)
        match kind:
            case "404 for another tenant's":
                assert answer.status_code == 404, (method, path, answer.text)
                assert _told(answer) == _told(world.ask(world.b, method, path, guessed)), (method, path)
            case "operator only":
                assert answer.status_code == 403
            case "the same for all":
                mine = world.ask(world.a, method, path, world.ids)
                assert (answer.status_code, answer.content) == (200, mine.content), (method, path)
            case _:
                assert answer.status_code < 500, (method, path, answer.text)
    assert world.api.get(f"/v1/jobs/{world.ids['job_id']}", headers=world.a).content == before


def _told(answer: httpx.Response) -> tuple[object, ...]:
    """Return what an error tells, its address and request apart."""
    body = answer.json()
    return (answer.status_code, body["code"], body["title"], body["detail"], body["errors"], sorted(body))


MALFORMED = [
    "job_",
    "job_{hex}0",
    "JOB_{hex}",
    "job_{upper}",
    "{hex}",
    "job_{hex}%00",
    "job_{hex}%0a",
    "job_{hex}'%20OR%20'1'='1",
    "job_*",
    "%2e%2e",
    "job_{dashed}",
    "job_{hex},job_{hex}",
    "..%2fjob_{hex}",
]


def test_other_spellings_of_an_id_lead_nowhere(world: World) -> None:
    """An id has one spelling; every other is the same 404 for its owner and for others."""
    hexa = world.ids["job_id"].removeprefix("job_")
    for form in MALFORMED:
        text = form.format(hex=hexa, upper=hexa.upper(), dashed=str(uuid.UUID(hexa)))
        for who in (world.a, world.b):
            for tail in ("", "/results", "/items/0", "/items/0/image", "/events", "/summary"):
                answer = world.api.get(f"/v1/jobs/{text}{tail}", headers=who)
                assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), (text, tail)


def test_the_same_idempotency_key_is_two_jobs(world: World) -> None:
    """A key that another tenant has used is unused, whatever the content."""
    files = [("files", (f"{MARK}.zip", SCANS, "application/zip"))]
    form = {"name": MARK, "metadata": f'{{"k": "{MARK}"}}'}
    headers = {**world.b, "Idempotency-Key": "same"}
    made = world.api.post("/v1/jobs", files=files, data=form, headers=headers)
    assert made.status_code == 202
    assert "idempotency-replayed" not in made.headers
    assert made.json()["id"] != world.ids["job_id"]
    other = world.api.post(
        "/v1/jobs", files={"files": ("x.png", PNG)}, headers={**world.b, "Idempotency-Key": "same"}
    )
    problem(other, 422, "idempotency_key_reused")
    again = world.api.post("/v1/jobs", files=files, data=form, headers={**world.a, "Idempotency-Key": "same"})
    assert again.json()["id"] == world.ids["job_id"]


def test_a_cursor_of_another_tenant_shows_the_own(world: World) -> None:
    """A cursor is a place in time and no permission."""
    for n in range(2):
        world.api.post("/v1/jobs", files={"files": (f"{n}.png", PNG)}, headers=world.a)
    cursor = world.api.get("/v1/jobs?limit=1", headers=world.a).json()["next_cursor"]
    mine = world.api.post("/v1/jobs", files={"files": ("b.png", PNG)}, headers=world.b).json()["id"]
    assert world.api.get(f"/v1/jobs?cursor={cursor}", headers=world.b).json()["items"] == []
    assert [j["id"] for j in world.api.get("/v1/jobs", headers=world.b).json()["items"]] == [mine]


def test_no_version_opens_a_stream(world: World) -> None:
    """`Last-Event-ID` of another tenant's job gives nothing away."""
    for version in ("0", "1", "2", "999999999999"):
        headers = {**world.b, "Last-Event-ID": version}
        answer = world.api.get(f"/v1/jobs/{world.ids['job_id']}/events", headers=headers)
        problem(answer, 404, "not_found")


def test_nobody_waits_for_anothers_job(world: World) -> None:
    """A long poll for another tenant's job ends at once."""
    answer = world.api.get(f"/v1/jobs/{world.ids['job_id']}?wait=30", headers=world.b, timeout=5)
    problem(answer, 404, "not_found")


def test_equal_bytes_are_stored_twice(world: World, database: Database) -> None:
    """Deleting an upload takes nothing from another tenant who sent the same bytes."""
    big = zipped(*(f"{n}.png" for n in range(400)))
    for who in (world.a, world.b):
        assert world.api.post("/v1/jobs", files={"files": ("x.zip", big)}, headers=who).status_code == 202
    stored = "SELECT count(storage_key) AS n, count(DISTINCT storage_key) AS places FROM inputs"
    found = row(database, stored)
    assert (found.n, found.places) == (2, 2)


def test_no_header_chooses_the_tenant(world: World) -> None:
    """Headers that name a tenant are no way in."""
    for name in ("X-Tenant", "X-Tenant-Id", "Tenant", "X-Forwarded-User", "X-Remote-User"):
        headers = {**world.b, name: f"{MARK}-a"}
        problem(world.api.get(f"/v1/jobs/{world.ids['job_id']}", headers=headers), 404, "not_found")
        assert world.api.get("/v1/jobs", headers=headers).json()["items"] == []
