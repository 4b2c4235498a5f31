"""Keys over HTTP: who is let in, what a key allows, and how soon a revoked one is refused."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import httpx
import pytest
from pydantic import SecretStr

from api import gate, keyring
from inkqueue.local.redis import free_port
from shared.db import Database
from shared.keys.store import list_keys, revoke_key
from shared.keys.text import KeyText, new_key
from shared.settings import Settings
from tests.api.conftest import serving
from tests.api.files import problem
from tests.api.keyed import bearer, key_for
from tests.queue_driver import execute
from tests.services import wait_for

PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)
REFUSED_S = 20.0
"""A process remembers a key for five seconds; the rest is a busy machine's."""


@pytest.fixture
def admin(database: Database) -> KeyText:
    """Make the first key, which closes the service."""
    return key_for(database)


@pytest.fixture
def closed(admin: KeyText, settings: Settings) -> Iterator[httpx.Client]:
    """Lend a client without a key of a service that has one."""
    with serving(settings) as client:
        yield client


def test_both_headers_are_understood(closed: httpx.Client, admin: KeyText) -> None:
    """A key comes as Bearer, whatever the case of the scheme, or as X-API-Key, or as both."""
    for headers in (
        bearer(admin),
        {"authorization": f"bEaReR  {admin.text}"},
        {"X-API-Key": admin.text},
        {**bearer(admin), "X-API-Key": admin.text},
    ):
        assert closed.get("/v1/jobs", headers=headers).status_code == 200


def test_without_a_key_nothing_is_seen(closed: httpx.Client) -> None:
    """The answer is a problem document that names the scheme."""
    answer = closed.get("/v1/jobs")
    problem(answer, 401, "unauthorized")
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_nobody_learns_why_a_key_is_refused(closed: httpx.Client, database: Database, admin: KeyText) -> None:
    """Missing, unknown, wrong, revoked and expired keys get the same text."""
    revoked, expired = key_for(database, "acme"), key_for(database, "acme", lifetime_s=3600)
    revoke_key(database, None, list_keys(database)[1].id)
    execute(database, f"UPDATE api_keys SET expires_at = created_at WHERE prefix = '{expired.prefix}'")
    wrong = KeyText(admin.prefix, new_key().secret)
    answers = [closed.get("/v1/jobs")]
    answers += [closed.get("/v1/jobs", headers=bearer(k)) for k in (new_key(), wrong, revoked, expired)]
    assert {a.status_code for a in answers} == {401}
    assert len({a.json()["detail"] for a in answers}) == 1
    assert closed.get("/v1/jobs", headers=bearer(admin)).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        [("Authorization", "Basic aWs6")],
        [("Authorization", "{}")],
        [("Authorization", "Bearer")],
        [("Authorization", "Bearer {} x")],
        [("Authorization", "Bearer {},Bearer {}")],
        [("Authorization", "Bearer\t{}")],
        [("Authorization", 'Bearer "{}"')],
        [("Authorization", "Bearer {}x")],
        [("Authorization", "Bearer {}" + "0" * 5000)],
        [("Authorization", "Bearer {}"), ("Authorization", "Bearer {}")],
        [("X-API-Key", "{}"), ("X-API-Key", "{}")],
        [("X-API-Key", "")],
        [("X-API-Key", "ü")],
        [("X-API-Key", "Bearer {}")],
        [("Authorization", "Bearer {}"), ("X-API-Key", "ik_other")],
        [("Authorization", "Basic aWs6"), ("X-API-Key", "{}")],
    ],
)
def test_odd_headers_are_no_key(closed: httpx.Client, admin: KeyText, headers: list[tuple[str, str]]) -> None:
    """Whatever is not exactly one key in one of the two forms is 401."""
    sent = [(name, value.replace("{}", admin.text).encode("latin-1")) for name, value in headers]
    problem(closed.get("/v1/jobs", headers=sent), 401, "unauthorized")


def test_two_different_keys_are_refused(closed: httpx.Client, database: Database, admin: KeyText) -> None:
    """Which of two valid keys is meant is not guessed."""
    other = key_for(database, "acme")
    headers = {**bearer(admin), "X-API-Key": other.text}
    assert "different" in problem(closed.get("/v1/jobs", headers=headers), 401, "unauthorized")["detail"]


@pytest.mark.parametrize(
    "name", ["key", "api_key", "apikey", "access_token", "token", "authorization", "X-API-Key"]
)
def test_an_address_carries_no_key(closed: httpx.Client, admin: KeyText, name: str) -> None:
    """Addresses are logged and kept in histories, so a key in one does not count."""
    problem(closed.get("/v1/jobs", params={name: admin.text}), 401, "unauthorized")


@pytest.mark.parametrize(
    ("scope", "method", "path", "status"),
    [
        ("read", "GET", "/v1/jobs", 200),
        ("read", "POST", "/v1/jobs", 403),
        ("read", "POST", "/v1/predict", 403),
        ("read", "POST", "/v1/jobs/job_" + "0" * 32 + "/cancel", 403),
        ("read", "DELETE", "/v1/jobs/job_" + "0" * 32, 403),
        ("read", "GET", "/v1/keys", 403),
        ("submit", "GET", "/v1/jobs", 403),
        ("submit", "GET", "/v1/models", 403),
        ("submit", "POST", "/v1/jobs", 422),
        ("review", "GET", "/v1/jobs", 403),
        ("admin", "GET", "/v1/jobs", 200),
        ("admin", "POST", "/v1/jobs", 422),
    ],
)
def test_a_key_does_what_its_scopes_say(
    closed: httpx.Client, database: Database, scope: str, method: str, path: str, status: int
) -> None:
    """A missing scope is 403 and named; admin includes the others."""
    answer = closed.request(method, path, headers=bearer(key_for(database, "default", scope)))
    assert answer.status_code == status
    if status == 403:
        assert "scope" in problem(answer, 403, "forbidden")["detail"]


def test_a_stranger_hears_of_the_key_before_all_else(closed: httpx.Client) -> None:
    """Neither a wrong parameter nor a wrong body nor an unknown path tells a stranger anything."""
    for answer in (
        closed.get("/v1/jobs?limit=x"),
        closed.post("/v1/jobs", content=b"x", headers={"Content-Type": "text/plain"}),
        closed.post("/v1/keys", content=b"{", headers={"Content-Type": "application/json"}),
        closed.get("/v1/nothing/here"),
        closed.put("/v1/jobs"),
        closed.get("/v1/jobs/job_" + "0" * 32),
    ):
        problem(answer, 401, "unauthorized")


def test_a_revoked_key_is_refused_everywhere_within_seconds(
    settings: Settings, database: Database, admin: KeyText
) -> None:
    """A second process that knew the key a moment ago refuses it, too."""
    key = key_for(database, "acme", "read")
    other = settings.model_copy(update={"port": free_port()})
    with serving(settings) as first, serving(other) as second:
        for client in (first, second):
            assert client.get("/v1/jobs", headers=bearer(key)).status_code == 200
        own = {k["prefix"]: k["id"] for k in first.get("/v1/keys", headers=bearer(admin)).json()["items"]}
        assert key.prefix not in own
        revoke_key(database, "acme", list_keys(database, "acme")[0].id)
        since = time.monotonic()
        for client in (first, second):
            wait_for(lambda c=client: c.get("/v1/jobs", headers=bearer(key)).status_code == 401, "the end")  # type: ignore[misc]
        assert time.monotonic() - since < REFUSED_S


def test_a_stream_ends_with_its_key(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who follows a job sees nothing of it any more once the key is revoked."""
    monkeypatch.setattr(gate, "AGAIN_S", 0.0)
    monkeypatch.setattr(keyring, "FRESH_S", 0.0)
    key = key_for(database, "acme", "submit", "read")
    with serving(settings) as client:
        job = client.post("/v1/jobs", files={"files": ("a.png", PNG)}, headers=bearer(key)).json()["id"]
        with client.stream("GET", f"/v1/jobs/{job}/events", headers=bearer(key)) as stream:
            lines = stream.iter_lines()
            seen = [next(lines)]
            revoke_key(database, "acme", list_keys(database, "acme")[0].id)
            execute(database, "UPDATE jobs SET version = version + 1")
            with pytest.raises(httpx.RemoteProtocolError):
                seen += lines
    assert sum(line.startswith("event:") for line in seen) == 1


def test_a_key_closes_a_service_that_runs(settings: Settings, database: Database) -> None:
    """As soon as a key is made, within seconds nobody gets in without one."""
    with serving(settings) as client:
        assert client.get("/v1/jobs").status_code == 200
        key_for(database)
        wait_for(lambda: client.get("/v1/jobs").status_code == 401, "the service to be closed", 5)


def test_a_service_does_not_fall_open(settings: Settings, database: Database, admin: KeyText) -> None:
    """When the last key was revoked nobody gets in, after a restart neither."""
    revoke_key(database, None, list_keys(database)[0].id)
    for _ in range(2):
        with serving(settings.model_copy(update={"port": free_port()})) as client:
            problem(client.get("/v1/jobs"), 401, "unauthorized")


def test_an_address_that_others_reach_is_never_open(settings: Settings) -> None:
    """Without a key such a service lets nobody in, whatever its table says."""
    with serving(settings.model_copy(update={"host": "0.0.0.0"})) as client:
        problem(client.get("/v1/jobs"), 401, "unauthorized")


def test_the_first_key_opens_the_door(settings: Settings, database: Database) -> None:
    """INKQUEUE_BOOTSTRAP_KEY closes the service from its first moment and is let in soon."""
    key = new_key()
    with serving(settings.model_copy(update={"bootstrap_key": SecretStr(key.text)})) as client:
        problem(client.get("/v1/jobs"), 401, "unauthorized")
        wait_for(lambda: client.get("/v1/jobs", headers=bearer(key)).status_code == 200, "the first key", 10)


def test_an_admin_manages_the_own_keys(closed: httpx.Client, database: Database, admin: KeyText) -> None:
    """Made over HTTP a key works at once; another tenant's is neither listed nor revoked."""
    acme = key_for(database, "acme")
    body = {"name": "till", "scopes": ["read"], "expires_in_s": 3600}
    made = closed.post("/v1/keys", json=body, headers=bearer(acme))
    assert made.status_code == 201
    assert (made.json()["tenant"], made.json()["scopes"]) == ("acme", ["read"])
    key = {"Authorization": f"Bearer {made.json()['key']}"}
    assert closed.get("/v1/jobs", headers=key).status_code == 200
    listed = closed.get("/v1/keys", headers=bearer(acme))
    assert {k["tenant"] for k in listed.json()["items"]} == {"acme"}
    assert made.json()["key"] not in listed.text
    path = f"/v1/keys/{made.json()['id']}"
    problem(closed.delete(path, headers=bearer(admin)), 404, "not_found")
    for _ in range(2):
        assert closed.delete(path, headers=bearer(acme)).status_code == 204


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": "a"},
        {"name": "a", "scopes": []},
        {"name": "a", "scopes": ["root"]},
        {"name": "a", "scopes": ["read"], "tenant": "acme"},
        {"name": "a", "scopes": ["read"], "expires_in_s": -1},
        {"name": "a\u0000", "scopes": ["read"]},
        {"name": "a", "scopes": "read"},
    ],
)
def test_wrong_keys_are_not_made(closed: httpx.Client, admin: KeyText, body: dict[str, object]) -> None:
    """A tenant cannot be chosen over HTTP, and what is wrong is named."""
    problem(closed.post("/v1/keys", json=body, headers=bearer(admin)), 422, "invalid_request")


def test_a_page_cannot_close_an_open_service(api: httpx.Client, database: Database) -> None:
    """The first key is made on the machine, not over HTTP."""
    body = {"name": "mine", "scopes": ["admin"]}
    problem(api.post("/v1/keys", json=body), 403, "forbidden")
    assert list_keys(database) == []


def test_use_is_noted_off_the_way(closed: httpx.Client, database: Database, admin: KeyText) -> None:
    """Within seconds the list shows that a key was used."""
    assert list_keys(database)[0].last_used_at is None
    closed.get("/v1/jobs", headers=bearer(admin))
    wait_for(lambda: list_keys(database)[0].last_used_at is not None, "the use to be noted", 15)


def test_a_key_costs_no_query_a_request(
    closed: httpx.Client, admin: KeyText, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a hundred requests at once and after another one asks the database for the key."""
    asked: list[str] = []
    real = keyring.find_key
    monkeypatch.setattr(keyring, "find_key", lambda db, prefix: asked.append(prefix) or real(db, prefix))
    threads = [
        threading.Thread(target=lambda: [closed.get("/v1/models", headers=bearer(admin)) for _ in range(10)])
        for _ in range(10)
    ]
    since = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1 <= len(asked) <= 1 + (time.monotonic() - since) / 4.0
