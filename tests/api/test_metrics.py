"""Metrics of the whole service: what Prometheus reads adds up over all processes, living and gone."""

from __future__ import annotations

from contextlib import ExitStack

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from api.metric_families import FAMILIES, KNOWN, family_of
from inkqueue.local.redis import free_port
from shared.blobs import open_blobs
from shared.db import Database
from shared.errors import Unavailable
from shared.jobs.registry import Presence, beat, forget_gone
from shared.settings import Settings
from shared.status import Lane
from tests.api.conftest import serving
from tests.api.files import submitted
from tests.fakes import FakeWorker
from tests.queue_driver import execute
from tests.services import wait_for

Samples = dict[tuple[str, ...], float]
DIGITS = 'inkqueue_items_total{status="succeeded"}'
REQUESTS = "inkqueue_http_requests_total"


def read(api: httpx.Client) -> Samples:
    """Return every sample by its name and the values of its labels, sorted by the labels' names."""
    return {
        (s.name, *(value for _, value in sorted(s.labels.items()))): s.value
        for family in text_string_to_metric_families(api.get("/metrics").text)
        for s in family.samples
    }


def alive(database: Database, lane: str, **more: object) -> None:
    """Show a worker."""
    info = {"id": f"w-{lane}", "host": "h", "pid": 1, "role": "worker", "lane": lane}
    beat(database, info, **more)  # type: ignore[arg-type]  # the TypedDict, written short


def answered(samples: Samples, route: str, status: str = "200") -> float:
    """Return how many GET requests of a route were counted."""
    return samples.get((REQUESTS, "GET", route, status), 0.0)


def test_metrics(api: httpx.Client, database: Database, worker: FakeWorker) -> None:
    """Backlogs are those of the rows; counters add up over living and gone processes."""
    submitted(api, *(f"{i}.png" for i in range(7)))
    submitted(api, *(f"{i}.png" for i in range(5)))
    worker.take(Lane.BULK)
    alive(database, "bulk", metrics={DIGITS: 4, "inkqueue_batch_size_count": 2})
    execute(database, "INSERT INTO metric_totals VALUES (:name, 6)", name=DIGITS)
    samples = read(api)

    assert samples["inkqueue_backlog_items", "bulk"] == 12
    assert samples["inkqueue_backlog_items", "interactive"] == 0
    assert samples["inkqueue_chunks", "bulk", "leased"] == samples["inkqueue_chunks", "bulk", "pending"] == 1
    assert samples["inkqueue_jobs", "queued"] == 2
    assert samples["inkqueue_oldest_claimable_seconds", "bulk"] > 0
    assert samples["inkqueue_oldest_claimable_seconds", "interactive"] == 0
    assert samples["inkqueue_items_total", "succeeded"] == 10
    assert samples["inkqueue_items_total", "failed"] == 0
    assert samples["inkqueue_leases_expired_total",] == 0
    assert samples["inkqueue_workers", "worker"] == samples["inkqueue_workers", "api"] == 1
    assert samples["inkqueue_storage_free_bytes",] > 0


def test_the_text_is_as_prometheus_wants_it(api: httpx.Client, database: Database) -> None:
    """Each family is explained before its samples, no sample comes twice, and buckets only rise up to the count."""
    alive(database, "bulk", metrics={DIGITS: 4}, gauges={"inkqueue_process_resident_bytes": 5e6})
    for path in ("/readyz", "/v1/jobs", "/v1/jobs/nothing", "/nowhere", '/"\\', "/static/none.css"):
        api.get(path)
    text = api.get("/metrics").text
    lines = text.splitlines()
    names = [line.rsplit(" ", 1)[0] for line in lines if not line.startswith("#")]

    assert len(set(names)) == len(names)
    assert {family_of(name) for name in names} <= set(KNOWN)
    assert [line.split()[2] for line in lines if line.startswith("# HELP")] == [f.name for f in FAMILIES]
    assert text.endswith("\n")
    for family in text_string_to_metric_families(text):
        if family.type == "histogram":
            check_histogram([s for s in family.samples if s.name.endswith(("_bucket", "_count"))])


def check_histogram(samples: list[object]) -> None:
    """Hold every series of a histogram against what a histogram is."""
    series: dict[tuple[tuple[str, str], ...], list[tuple[float, float]]] = {}
    counts: dict[tuple[tuple[str, str], ...], float] = {}
    for sample in samples:
        labels = dict(sample.labels)  # type: ignore[attr-defined]  # the parser is not typed
        bound = labels.pop("le", None)
        key, value = tuple(sorted(labels.items())), sample.value  # type: ignore[attr-defined]  # likewise
        if bound is None:
            counts[key] = value
        else:
            series.setdefault(key, []).append((float(bound), value))
    assert set(series) == set(counts)
    for key, buckets in series.items():
        assert [value for _, value in sorted(buckets)] == sorted(value for _, value in buckets)
        assert max(buckets) == (float("inf"), counts[key])


def test_requests_are_counted_by_route(api: httpx.Client) -> None:
    """Labels are our own patterns: whatever strangers ask for, there are no more of them."""
    job = submitted(api, "a.png")
    for path in (f"/v1/jobs/{job['id']}", f"/v1/jobs/{job['id']}?wait=0", "/v1/jobs/job_x"):
        api.get(path)
    for stranger in range(5):
        api.get(f"/wp-admin/{stranger}")
    api.get(f"/v1/jobs/{job['id']}", params={"wait": 1})
    samples = read(api)

    assert answered(samples, "/v1/jobs/{job_id}") == 3
    assert answered(samples, "/v1/jobs/{job_id}", "404") == 1
    assert samples[REQUESTS, "POST", "/v1/jobs", "202"] == 1
    assert answered(samples, "none", "404") == 5
    timed = samples["inkqueue_http_request_seconds_count", "/v1/jobs/{job_id}"]
    assert timed == 3  # the one that waited by wish is counted and not timed
    assert max(v for name, v in samples.items() if name[0] == "inkqueue_http_requests_in_flight") == 1


def test_several_processes_add_up_and_survive_their_restart(settings: Settings, database: Database) -> None:
    """Any process tells the sum; one that stops takes nothing along, and one that is killed is counted once."""
    with ExitStack() as kept:
        first = kept.enter_context(serving(settings))
        with serving(settings.model_copy(update={"port": free_port()})) as second:
            for _ in range(3):
                second.get("/v1/jobs")
            first.get("/v1/jobs")
            wait_for(lambda: answered(read(first), "/v1/jobs") == 4, "both to be counted", 10)
        assert answered(read(first), "/v1/jobs") == 4
        with serving(settings.model_copy(update={"port": free_port()})) as third:
            third.get("/v1/jobs")
            assert answered(read(third), "/v1/jobs") == 5
        assert answered(read(first), "/v1/jobs") == 5
        execute(
            database, "UPDATE workers SET heartbeat_at = now() - interval '1 hour'"
        )  # as if it were frozen
        forget_gone(database, gone_s=600)
        first.get("/v1/jobs")
        assert answered(read(first), "/v1/jobs") == 6


def test_a_process_that_comes_back_is_counted_once(database: Database) -> None:
    """A worker that was frozen and forgotten goes on from what the totals hold."""
    presence = Presence(database, {"id": "w", "host": "h", "pid": 1, "role": "worker"})

    def total() -> float:
        with database.transaction() as connection:
            rows = connection.exec_driver_sql(
                "SELECT metrics ->> 'n' FROM workers UNION ALL SELECT value::text FROM metric_totals"
            )
            return sum(float(value or 0) for (value,) in rows)

    for number in (1.0, 5.0):
        presence.beat(metrics={"n": number})
    forget_gone(database, gone_s=-1)
    assert total() == 5
    for number in (7.0, 8.0):
        presence.beat(metrics={"n": number})
    assert total() == 8
    forget_gone(database, gone_s=-1)
    presence.beat(metrics={"n": 9.0})
    presence.leave()
    assert total() == 9
    assert database_rows(database) == 0


def test_a_beat_that_fails_loses_no_count(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was counted while the database was away is in the totals once the process is heard of again."""
    presence = Presence(database, {"id": "w", "host": "h", "pid": 1, "role": "worker"})
    presence.beat(metrics={"n": 5.0})

    def away() -> None:
        raise Unavailable

    with monkeypatch.context() as broken:
        broken.setattr(database, "transaction", away)
        with pytest.raises(Unavailable):
            presence.beat(metrics={"n": 7.0})
    forget_gone(database, gone_s=-1)
    presence.beat(metrics={"n": 8.0})
    presence.leave()
    with database.transaction() as connection:
        assert (
            connection.exec_driver_sql("SELECT value FROM metric_totals WHERE name = 'n'").scalar_one() == 8
        )


def database_rows(database: Database) -> int:
    """Count the processes in the table."""
    with database.transaction() as connection:
        return int(connection.exec_driver_sql("SELECT count(*) FROM workers").scalar_one())


def test_gauges_of_processes_and_duties(api: httpx.Client, database: Database) -> None:
    """Each living process has its own gauges; a duty is as old as the latest that any steward did."""
    age = 'inkqueue_duty_age_seconds{duty="expire_leases"}'
    for number, seconds in (("1", 3.0), ("2", 50.0)):
        info = {"id": number, "host": "far", "pid": int(number), "role": "steward"}
        beat(database, info, gauges={age: seconds, "inkqueue_process_resident_bytes": 7.0})  # type: ignore[arg-type]
    samples = read(api)

    assert 3 <= samples["inkqueue_duty_age_seconds", "expire_leases"] < 40
    assert samples["inkqueue_process_resident_bytes", "far:2", "steward"] == 7
    execute(database, "UPDATE workers SET heartbeat_at = now() - interval '5 minutes' WHERE role = 'steward'")
    samples = read(api)
    assert samples["inkqueue_workers", "steward"] == 0
    assert samples["inkqueue_duty_age_seconds", "expire_leases"] > 300
    assert ("inkqueue_process_resident_bytes", "far:2", "steward") not in samples


@pytest.mark.parametrize("part", ["database", "broker"])
def test_a_part_that_is_away_is_told(settings: Settings, part: str) -> None:
    """An outage is a metric; counters of one process alone are not given as if they were all."""
    port = free_port()
    urls = {"database": f"postgresql://x@127.0.0.1:{port}/x", "broker": f"redis://127.0.0.1:{port}/0"}
    key = "database_url" if part == "database" else "redis_url"
    open_blobs(settings).probe()  # a folder that was never used asks the database whether it is the storage
    with serving(settings.model_copy(update={key: urls[part], "allow_open": True})) as api:
        answer = api.get("/metrics")
        samples = read(api)
    assert answer.status_code == 200
    assert samples["inkqueue_part_ok", part] == 0
    assert samples["inkqueue_part_ok", "storage"] == 1
    assert ((REQUESTS, "GET", "/metrics", "200") in samples) is (part == "broker")
