"""A database that takes no more: full, out of memory or connections, or read-only. Writing waits, reading goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
import psycopg
import pytest

from shared.db import Database
from shared.settings import Settings
from tests.api.conftest import serving
from tests.api.files import PNG, problem, submitted, zipped
from tests.api.keyed import bearer, key_for
from tests.fakes import FakeWorker
from tests.queue_driver import row

URL = "https://hooks.example/x"
TABLES = """SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition"""


@contextmanager
def refusing(url: str, sqlstate: str) -> Iterator[None]:
    """Let every change of a row fail with this code, as the system would make it fail."""
    with psycopg.connect(url, autocommit=True) as connection:
        tables = [str(name) for (name,) in connection.execute(TABLES)]
        connection.execute(
            "CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS"
            f" $$ BEGIN RAISE EXCEPTION 'no room' USING ERRCODE = '{sqlstate}'; END $$"
        )
        for name in tables:
            connection.execute(
                f"CREATE TRIGGER a_no_room BEFORE INSERT OR UPDATE OR DELETE ON {name}"
                " FOR EACH STATEMENT EXECUTE FUNCTION no_room()"
            )
        yield
        connection.execute("DROP FUNCTION no_room CASCADE")


@contextmanager
def read_only(url: str, _: str) -> Iterator[None]:
    """Make the database read-only, as a standby is, and cut those who do not know yet."""
    cut = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()"""
    name = url.split("/")[3].split("?")[0]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        connection.execute(cut)
        yield
        connection.execute("SET default_transaction_read_only = off")
        connection.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
        connection.execute(cut)


STATES: dict[str, tuple[Callable[..., object], str, int, str]] = {
    "disk full": (refusing, "53100", 507, "storage_full"),
    "out of memory": (refusing, "53200", 503, "unavailable"),
    "too many connections": (refusing, "53300", 503, "unavailable"),
    "input or output failed": (refusing, "58030", 503, "unavailable"),
    "read-only": (read_only, "25006", 503, "unavailable"),
}


@dataclass(frozen=True)
class Things:
    """What the requests are about: an ended job with a failed item, an open one, a key, a delivery."""

    ended: str
    open: str
    key: str
    delivery: str


def requests(things: Things) -> dict[str, Callable[[httpx.Client], httpx.Response]]:
    """Return every request that writes, by a name."""
    ended, live = f"/v1/jobs/{things.ended}", f"/v1/jobs/{things.open}"
    one, review = {"files": ("a.png", PNG)}, {"value": "7"}
    return {
        "submit": lambda api: api.post("/v1/jobs", files=one),
        "submit a large one": lambda api: api.post(
            "/v1/jobs", files={"files": ("a.png", PNG + bytes(99_000))}
        ),
        "submit with a key": lambda api: api.post("/v1/jobs", files=one, headers={"Idempotency-Key": "k"}),
        "predict": lambda api: api.post("/v1/predict", files=one),
        "retry": lambda api: api.post(f"{ended}/retry"),
        "review": lambda api: api.put(f"{ended}/items/0/reviews/ann", json=review),
        "reviews": lambda api: api.post(
            f"{ended}/reviews", json={"reviewer": "bob", "items": [{"seq": 0, **review}]}
        ),
        "cancel": lambda api: api.post(f"{live}/cancel"),
        "redeliver": lambda api: api.post(f"/v1/webhooks/deliveries/{things.delivery}/redeliver"),
        "webhook test": lambda api: api.post("/v1/webhooks/test", json={"url": URL}),
        "rotate": lambda api: api.post("/v1/webhooks/secret/rotate"),
        "make a key": lambda api: api.post("/v1/keys", json={"name": "n", "scopes": ["read"]}),
        "revoke a key": lambda api: api.delete(f"/v1/keys/{things.key}"),
        "delete": lambda api: api.delete(ended),
    }


def prepare(api: httpx.Client, worker: FakeWorker) -> Things:
    """Make what the requests need."""
    answer = api.post(
        "/v1/jobs",
        files={"files": ("a.zip", zipped("a.png", "bad.png"))},
        data={"webhook_url": URL},
    )
    assert answer.status_code == 202
    worker.work()
    key = api.post("/v1/keys", json={"name": "old", "scopes": ["read"]}).json()
    (delivery,) = api.get("/v1/webhooks/deliveries").json()["items"]
    return Things(answer.json()["id"], submitted(api, "x.png", "y.png")["id"], key["id"], delivery["id"])


def picture(database: Database) -> list[object]:
    """Return what must not change by requests that are refused."""
    counts = ", ".join(
        f"(SELECT count(*) FROM {name})"
        for name in (
            "jobs",
            "chunks",
            "items",
            "reviews",
            "api_keys",
            "webhook_deliveries",
            "webhook_secrets",
        )
    )
    state = "(SELECT array_agg((status, stop_reason, deleted_at)::text ORDER BY id) FROM jobs)"
    living = "(SELECT count(*) FROM inputs WHERE state = 'attached')"
    return list(row(database, f"SELECT {counts}, {living}, {state}"))


@pytest.mark.parametrize("name", STATES)
def test_every_route_that_writes_says_so_and_keeps_nothing(
    settings: Settings, database: Database, worker: FakeWorker, name: str
) -> None:
    """503 or 507 with Retry-After on each of them, nothing half done, reads go on, and afterwards all succeed."""
    make, sqlstate, status, code = STATES[name]
    me = bearer(key_for(database, "default"))
    hosts = settings.model_copy(update={"webhook_allowed_hosts": "hooks.example", "predict_timeout_s": 0.2})
    with serving(hosts) as api:
        api.headers.update(me)
        things = prepare(api, worker)
        before = picture(database)
        with make(settings.database_url, sqlstate):  # type: ignore[attr-defined]  # both are context managers
            for what, send in requests(things).items():
                answer = send(api)
                assert (what, answer.status_code) == (what, status)
                assert problem(answer, status, code)["retryable"], what
                assert int(answer.headers["retry-after"]) >= 1, what
            assert api.get(f"/v1/jobs/{things.ended}").json()["counts"]["failed"] == 1
            assert len(api.get(f"/v1/jobs/{things.ended}/results").json()["items"]) == 2
            assert api.get("/metrics").status_code == 200
        database.close()  # its connections were cut, too
        assert picture(database) == before

        for what, send in requests(things).items():
            answer = send(api)
            if answer.status_code == 503:  # a connection that was cut a moment ago; the client asks again
                answer = send(api)
            assert answer.status_code in {200, 201, 202, 204, 504}, (what, answer.text)
