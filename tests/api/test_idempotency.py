"""`Idempotency-Key` under attack: many at once, other bytes of the same content, crashes, odd keys."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from inkqueue.local.redis import free_port
from shared.db import Database
from shared.settings import Settings
from tests.api.conftest import serving
from tests.api.files import PNG, problem, zipped
from tests.fakes import FakeWorker
from tests.queue_driver import execute, row

MANY = 10


def send(api: httpx.Client, key: str, name: str = "a.png", body: bytes = PNG, **more: Any) -> httpx.Response:
    """Submit one file under a key; each call has a boundary of its own."""
    return api.post("/v1/jobs", files={"files": (name, body)}, headers={"Idempotency-Key": key}, **more)


def at_once(count: int, call: Callable[[int], httpx.Response]) -> list[httpx.Response]:
    """Make so many calls at the same time; where a busy machine lets nobody to the database, call again."""

    def patiently(number: int) -> httpx.Response:
        end = time.monotonic() + 30
        while (answer := call(number)).status_code == 503 and time.monotonic() < end:
            continue
        return answer

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(patiently, range(count)))


def jobs(database: Database) -> int:
    """Count the jobs there are."""
    return int(str(row(database, "SELECT count(*) FROM jobs")[0]))


@pytest.fixture
def second(settings: Settings, api: httpx.Client) -> Iterator[httpx.Client]:
    """Lend a client of a second API process on the same database and storage."""
    with serving(settings.model_copy(update={"port": free_port()})) as client:
        yield client


@pytest.mark.parametrize("data", [PNG, PNG + bytes(100_000)], ids=["inline", "stored"])
def test_ten_at_once_over_two_services_make_one_job(
    api: httpx.Client, second: httpx.Client, database: Database, data: bytes
) -> None:
    """Whoever wins, all ten hear of the same job; exactly one of them made it, and no upload is left over."""
    answers = at_once(MANY, lambda i: send((api, second)[i % 2], "race", body=data))

    assert [a.status_code for a in answers] == [202] * MANY, [a.text for a in answers]
    assert len({a.json()["id"] for a in answers}) == 1
    assert sorted("idempotency-replayed" in a.headers for a in answers) == [False] + [True] * (MANY - 1)
    assert jobs(database) == 1
    assert row(database, "SELECT count(*) FROM inputs WHERE state = 'receiving'")[0] == 0
    assert row(database, "SELECT count(*) FROM inputs WHERE state = 'attached'")[0] == 1


def test_of_ten_with_different_content_one_wins(
    api: httpx.Client, second: httpx.Client, database: Database
) -> None:
    """The others hear that the key is taken, none gets a job that is not its own."""
    answers = at_once(MANY, lambda i: send((api, second)[i % 2], "race", name=f"{i}.png"))

    assert sorted(a.status_code for a in answers) == [202] + [422] * (MANY - 1)
    for answer in answers:
        if answer.status_code == 422:
            problem(answer, 422, "idempotency_key_reused")
    assert jobs(database) == 1


def test_two_that_wait_get_the_end_of_one_job(
    api: httpx.Client, worker: FakeWorker, database: Database
) -> None:
    """`Prefer: wait` and a key go together: both get the results, and the image is read once."""
    headers = {"Idempotency-Key": "w", "Prefer": "wait=20"}
    with ThreadPoolExecutor(2) as pool:
        both = [
            pool.submit(api.post, "/v1/jobs", files={"files": ("a.png", PNG)}, headers=headers)
            for _ in range(2)
        ]
        while not all(one.done() for one in both):
            worker.work()
    answers = [one.result() for one in both]

    assert [a.status_code for a in answers] == [200, 200]
    assert answers[0].json()["id"] == answers[1].json()["id"]
    assert [len(a.json()["results"]) for a in answers] == [1, 1]
    assert jobs(database) == 1


def test_an_upload_that_broke_off_leaves_its_key_free(api: httpx.Client, database: Database) -> None:
    """A client dies in mid-upload and comes again: the key stands for what was promised, not for what was begun."""
    head = (
        b"POST /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/png\r\nIdempotency-Key: broken\r\n"
    )
    with socket.create_connection((api.base_url.host, api.base_url.port or 80)) as connection:
        connection.sendall(head + b"Content-Length: 200000\r\n\r\n" + PNG + bytes(100_000))

    answer = api.post(
        "/v1/jobs", content=PNG, headers={"Content-Type": "image/png", "Idempotency-Key": "broken"}
    )
    assert (answer.status_code, "idempotency-replayed" in answer.headers) == (202, False)
    assert jobs(database) == 1


def test_a_submission_that_was_refused_leaves_its_key_free(api: httpx.Client) -> None:
    """What is corrected may come under the same key."""
    problem(send(api, "k", "a.zip", b"no zip"), 422, "corrupt_archive")
    assert send(api, "k", "a.zip", zipped("a.png")).status_code == 202


def test_a_dry_run_takes_no_key(api: httpx.Client, database: Database) -> None:
    """A rehearsal neither uses a key up nor is answered by one."""
    assert send(api, "k", params={"dry_run": "true"}).json()["total"] == 1
    made = send(api, "k", name="b.png")
    assert "idempotency-replayed" not in made.headers
    assert send(api, "k", params={"dry_run": "true"}).json()["total"] == 1
    assert jobs(database) == 1


@pytest.mark.parametrize("same", ["options in the address", "alias", "empty option"])
def test_the_same_content_in_another_form_is_the_same(api: httpx.Client, same: str) -> None:
    """The same parts, names and options are the same submission, however they are written."""
    first = api.post(
        "/v1/jobs",
        files={"files": ("a.png", PNG)},
        data={"priority": "high", "mode": "digit"},
        headers={"Idempotency-Key": "k"},
    )
    match same:
        case "options in the address":
            again = send(api, "k", params={"priority": "high"})
        case "alias":
            again = send(api, "k", data={"priority": "high", "mode": "classify"})
        case _:
            again = send(api, "k", data={"priority": "high", "name": ""})
    assert (again.status_code, again.json()["id"]) == (202, first.json()["id"])


@pytest.mark.parametrize(
    "key",
    ["", '""', '"a', 'a"', '"', "x" * 256, '"' + "x" * 256 + '"', "schlüssel", "a\tb", '"a"b"'],
)
def test_what_is_no_key_is_refused(common: httpx.Client, key: str) -> None:
    """An empty, endless, badly quoted or unprintable key is named as the reason."""
    raw = {"Idempotency-Key": key.encode("utf-8")}
    answer = common.post("/v1/jobs", files={"files": ("a.png", PNG)}, headers=raw)  # type: ignore[arg-type]  # bytes may be sent as they are
    body = problem(answer, 422, "invalid_request")
    assert body["errors"][0]["loc"] == "header.Idempotency-Key"


@pytest.mark.parametrize(
    ("one", "other"),
    [("plain", '"plain"'), ("a,b", '"a,b"'), (r'"q\"q"', r'"q\"q"'), ("x" * 255, "x" * 255)],
)
def test_quotes_are_no_part_of_a_key(common: httpx.Client, one: str, other: str) -> None:
    """Quoted or bare, with commas, and of any length up to the limit: the same key."""
    first = send(common, one, name=f"{hash(one)}.png")
    again = send(common, other, name=f"{hash(one)}.png")
    assert first.json()["id"] == again.json()["id"]
    assert again.headers["idempotency-replayed"] == "true"


def test_two_keys_are_none(common: httpx.Client) -> None:
    """A request with two keys is refused: which of them counts, nobody could know."""
    headers = [("Idempotency-Key", "one"), ("Idempotency-Key", "two")]
    answer = common.post("/v1/jobs", files={"files": ("a.png", PNG)}, headers=headers)
    problem(answer, 422, "invalid_request")


def test_a_key_outlives_nothing_but_its_job(
    api: httpx.Client, worker: FakeWorker, database: Database
) -> None:
    """After a delete a repeat makes a new job: what is deleted is not answered again."""
    first = send(api, "k").json()
    worker.work()
    assert api.delete(f"/v1/jobs/{first['id']}").status_code == 204

    again = send(api, "k")
    assert (again.status_code, "idempotency-replayed" in again.headers) == (202, False)
    assert again.json()["id"] != first["id"]


def test_a_key_whose_job_is_being_deleted_is_free(
    api: httpx.Client, worker: FakeWorker, database: Database
) -> None:
    """In the moment between the job's end for everybody and the key's, a repeat is no 404."""
    first = send(api, "k").json()
    worker.work()
    execute(database, "UPDATE jobs SET deleted_at = clock_timestamp()")

    again = send(api, "k")
    assert (again.status_code, again.json()["id"] != first["id"]) == (202, True), again.text
    assert send(api, "k").json()["id"] == again.json()["id"]


def test_the_end_of_a_keys_time_is_a_setting(settings: Settings) -> None:
    """A key is kept as long as the operator says, by the database's clock."""
    with serving(settings.model_copy(update={"idempotency_ttl_s": 0})) as api:
        assert send(api, "k").json()["id"] != send(api, "k").json()["id"]


def test_ten_retries_at_once_make_one_job(
    api: httpx.Client, second: httpx.Client, worker: FakeWorker, database: Database
) -> None:
    """A retry under a key happens once, however often it is asked for; without one each is a job of its own."""
    failed = send(api, "first", name="bad.png").json()
    worker.work()
    headers = {"Idempotency-Key": "retry"}
    answers = at_once(
        MANY, lambda i: (api, second)[i % 2].post(f"/v1/jobs/{failed['id']}/retry", headers=headers)
    )

    assert [a.status_code for a in answers] == [202] * MANY, [a.text for a in answers]
    assert len({a.json()["id"] for a in answers}) == 1
    assert jobs(database) == 2


def test_a_key_of_a_submission_is_none_of_a_retry(api: httpx.Client, worker: FakeWorker) -> None:
    """One key stands for one request, whatever kind it is."""
    failed = send(api, "k", name="bad.png").json()
    worker.work()
    answer = api.post(f"/v1/jobs/{failed['id']}/retry", headers={"Idempotency-Key": "k"})
    problem(answer, 422, "idempotency_key_reused")
