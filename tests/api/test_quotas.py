"""Quotas: what a tenant may have at once, exact under many at once, and nothing half-stored beyond them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from inkqueue.local.redis import free_port
from shared.blobs_root import MARKER
from shared.db import Database
from shared.jobs import sweep
from shared.settings import Settings
from tests.api.conftest import serving
from tests.api.files import PNG, problem, zipped
from tests.api.keyed import bearer, key_for
from tests.api.test_streaming import half_a_body
from tests.fakes import FakeWorker
from tests.queue_driver import execute, row
from tests.services import wait_for

BIG = zipped("1.png", "2.png", data=PNG + bytes(100_000))
"""Too large for its row: it goes to the storage."""


def submit(api: httpx.Client, data: bytes = PNG, **headers: str) -> httpx.Response:
    """Submit one file as a raw body."""
    kind = "application/zip" if data.startswith(b"PK") else "image/png"
    return api.post("/v1/jobs", content=data, headers={"Content-Type": kind, **headers})


def stored(settings: Settings) -> list[Path]:
    """Return the files in the storage."""
    folder = Path(settings.storage_url.removeprefix("file://"))
    return [path for path in folder.rglob("*") if path.is_file() and path.name != MARKER]


@pytest.fixture
def three(settings: Settings) -> Iterator[httpx.Client]:
    """Lend a service in which a tenant may have three jobs open."""
    with serving(settings.model_copy(update={"quota_open_jobs": 3})) as api:
        yield api


def test_too_many_open_jobs_are_429(three: httpx.Client, worker: FakeWorker) -> None:
    """The fourth job is told to come again; when one has ended, it is taken."""
    assert [submit(three).status_code for _ in range(3)] == [202] * 3
    answer = submit(three)
    assert "3 open jobs" in problem(answer, 429, "queue_full")["detail"]
    assert int(answer.headers["retry-after"]) >= 1
    worker.work()
    assert submit(three).status_code == 202


def test_many_at_once_do_not_slip_over(settings: Settings, database: Database) -> None:
    """Of forty submissions at once to two processes exactly as many are taken as the quota allows."""
    quota = {"quota_open_jobs": 7}
    with (
        serving(settings.model_copy(update=quota)) as one,
        serving(settings.model_copy(update={**quota, "port": free_port()})) as two,
        ThreadPoolExecutor(20) as pool,
    ):
        codes = Counter(pool.map(lambda k: submit((one, two)[k % 2]).status_code, range(40)))
    assert codes == {202: 7, 429: 33}
    assert row(database, "SELECT count(*) AS n FROM jobs").n == 7


def test_many_at_once_do_not_slip_over_in_images(settings: Settings, database: Database) -> None:
    """The same for waiting images, whose number differs by job."""
    data = zipped(*(f"{k}.png" for k in range(10)))
    with (
        serving(settings.model_copy(update={"quota_waiting_items": 55})) as api,
        ThreadPoolExecutor(16) as pool,
    ):
        codes = Counter(pool.map(lambda _: submit(api, data).status_code, range(16)))
    assert codes == {202: 5, 429: 11}
    assert row(database, "SELECT sum(total) AS n FROM jobs").n == 50


def test_bytes_over_the_quota_leave_nothing(settings: Settings, database: Database) -> None:
    """What would be too much is refused before it is read, or when it is all here; no file and no row stays."""
    with serving(settings.model_copy(update={"quota_stored_bytes": len(BIG) + 1000})) as api:
        assert submit(api, BIG).status_code == 202
        before = stored(settings)
        answer = submit(api, BIG)
        body = problem(answer, 507, "storage_full")
        assert str(len(BIG)) in body["detail"]
        unannounced = api.post(
            "/v1/jobs",
            content=iter([BIG[:70_000], BIG[70_000:]]),
            headers={"Content-Type": "application/zip"},
        )
        problem(unannounced, 507, "storage_full")
    assert row(database, "SELECT count(*) AS n FROM jobs").n == 1
    assert row(database, "SELECT count(*) AS n FROM inputs WHERE state = 'receiving'").n == 0
    left = {path.name for path in stored(settings) if path not in before}
    assert left == {key.rsplit("/", 1)[1] for _, key in sweep.collectable_inputs(database)}
    assert len(left) == 1, "the announced one was never written"


def test_predictions_store_bytes_too(settings: Settings, database: Database) -> None:
    """What is read at once is kept like any other upload: small or large, of a length that is told or not."""
    large = PNG + bytes(100_000)
    png = {"Content-Type": "image/png"}
    changed = {"quota_stored_bytes": len(large) + len(PNG), "quota_open_jobs": 1, "predict_timeout_s": 0.1}
    with serving(settings.model_copy(update=changed)) as api:

        def predict(content: bytes | Iterator[bytes]) -> int:
            return api.post("/v1/predict", content=content, headers=png).status_code

        assert predict(iter([large[:70_000], large[70_000:]])) == 504
        assert predict(PNG) == 504, "its place is in the lane: open jobs do not keep it out"
        assert [predict(PNG), predict(large), predict(iter([large]))] == [507] * 3
    assert row(database, "SELECT sum(bytes) AS n FROM inputs").n == len(large) + len(PNG)
    assert row(database, "SELECT count(*) AS n FROM inputs WHERE state = 'receiving'").n == 0


def test_a_refused_job_may_use_its_key_again(three: httpx.Client, worker: FakeWorker) -> None:
    """A submission over the quota does not use up its Idempotency-Key; a replay costs no quota."""
    first = submit(three, **{"Idempotency-Key": "a"}).json()
    assert [submit(three).status_code for _ in range(2)] == [202] * 2
    assert submit(three, PNG + b"x", **{"Idempotency-Key": "b"}).status_code == 429
    again = submit(three, **{"Idempotency-Key": "a"})
    assert (again.status_code, again.json()["id"]) == (202, first["id"])
    worker.work()
    assert submit(three, PNG + b"x", **{"Idempotency-Key": "b"}).status_code == 202


def test_a_retry_counts_too(three: httpx.Client) -> None:
    """A canceled job that is tried again needs room like any other."""
    job = submit(three).json()
    assert three.post(f"/v1/jobs/{job['id']}/cancel").status_code == 202
    assert [submit(three).status_code for _ in range(3)] == [202] * 3
    problem(three.post(f"/v1/jobs/{job['id']}/retry"), 429, "queue_full")


def test_a_tenant_may_have_quotas_of_its_own(settings: Settings, database: Database) -> None:
    """A row in `quotas` goes before the settings, for this tenant alone."""
    acme, other = (bearer(key_for(database, name, "submit", "read")) for name in ("acme", "other"))
    execute(database, "INSERT INTO quotas (tenant, open_jobs) VALUES ('acme', 1)")
    with serving(settings.model_copy(update={"quota_open_jobs": 2})) as api:
        assert [submit(api, **acme).status_code for _ in range(2)] == [202, 429]
        assert [submit(api, **other).status_code for _ in range(3)] == [202, 202, 429]


def test_all_tenants_share_a_backlog(settings: Settings, database: Database) -> None:
    """What waits in all is bounded, whoever it belongs to."""
    acme, other = (bearer(key_for(database, name, "submit", "read")) for name in ("acme", "other"))
    with serving(settings.model_copy(update={"max_backlog_items": 3})) as api:
        assert [submit(api, **acme).status_code for _ in range(2)] == [202, 202]
        assert [submit(api, **other).status_code for _ in range(2)] == [202, 429]


def test_uploads_at_once_are_bounded(settings: Settings, database: Database) -> None:
    """A tenant cannot hold the storage with uploads that never end; one that ends makes room."""
    with serving(settings.model_copy(update={"quota_uploads": 2})) as api:
        held = [half_a_body(api, 3 << 20, BIG[:4] + bytes(2 << 20)) for _ in range(2)]
        waiting = "SELECT count(*) AS n FROM inputs WHERE state = 'receiving'"
        wait_for(lambda: row(database, waiting).n == 2, "both uploads to begin")
        problem(submit(api, BIG), 429, "queue_full")
        assert submit(api).status_code == 202, "a small one needs no place"
        held.pop().close()
        wait_for(lambda: submit(api, BIG).status_code == 202, "the place to be free")
        held.pop().close()
        wait_for(lambda: row(database, waiting).n == 0, "everything to be given up")


def test_one_tenant_does_not_fill_the_interactive_lane(settings: Settings, database: Database) -> None:
    """While one's single images wait in a long line, another's are still taken."""
    acme, other = (bearer(key_for(database, name, "submit", "read")) for name in ("acme", "other"))
    changed = {"max_interactive_backlog": 2, "predict_timeout_s": 0.5}
    with serving(settings.model_copy(update=changed)) as api:
        for _ in range(2):
            submit(api, **acme)

        def predict(headers: dict[str, str]) -> int:
            kind = {"Content-Type": "image/png"}
            return api.post("/v1/predict", content=PNG, headers={**headers, **kind}).status_code

        wait_for(lambda: predict(acme) == 429, "the lane to be full for one", 5)
        assert predict(other) == 504
