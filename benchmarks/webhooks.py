"""Send many webhooks (`python -m benchmarks.webhooks`): to a receiver that fails and stalls, a sound one, a dead one.

A steward sends, on servers of its own. Small jobs are ended through the queue's own queries at a steady rate; the delay
of a first try is the receiver's clock minus the `finished_at` of the job, on one machine.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import TypedDict
from uuid import UUID

import psutil
import sqlalchemy as sa

from benchmarks.queue import finish
from benchmarks.webhook_receiver import Manners, Notes, Receivers, as_json, percentiles, receivers
from benchmarks.webhook_stack import load, sending_stack
from shared.contracts import NewInput, NewJob, NewManifest
from shared.db import Database
from shared.jobs.batch import claim_batch, commit_batch
from shared.jobs.binding import array_of
from shared.jobs.claim import Served
from shared.jobs.submit import submit_job
from shared.settings import Settings
from shared.status import Lane
from shared.webhooks.secrets import current_secret
from shared.webhooks.signing import new_secret

MODEL = "bench"
SERVED = Served([MODEL], {f"{MODEL}@1.0.0": "cpu-fp32"})
AGAIN_S = "0" + ",2" * 40
QUIET_S = 300.0
COPIED = 1000
TICK_S = 0.05
MOST = 50
"""Jobs that one commit ends; more than one where the machine is behind the rate."""


class Delays(TypedDict):
    """What became of the webhooks for one receiver; delays of the first tries in seconds."""

    jobs: int
    delivered: int
    tries: int
    wrong_signatures: int
    first_try_s: dict[str, float]


class Report(TypedDict):
    """All figures of a run."""

    rate_per_s: float
    total_s: float
    load: float
    steward_ms_a_try: float
    steward_mb: int
    dead_backlog: int
    failing: Delays
    sound: Delays


def measure(count: int, sound: int, dead: int, rate: float, timeout_s: float) -> Report:
    """End jobs at a steady rate and wait until everything has arrived.

    Args:
        count: jobs of the receiver that fails 30 % and stalls 10 %.
        sound: jobs of the sound receiver, spread among them.
        dead: jobs of the dead host, ended before, at least one.
    """
    secret = new_secret()
    manners = [Manners(fails=0.3, stalls=0.1), Manners()]
    with receivers(manners, secret) as others, sending_stack(wishes(timeout_s)) as stack:
        settings = Settings(database_url=stack.database_url)
        db = Database(settings.sqlalchemy_url, "tool", 2)
        keep_secret(db, secret)
        urls = [f"http://127.0.0.1:{port}/hook" for port in others.ports]
        submit_all(db, [urls[2]] * dead)
        end(db, dead, 1000.0)
        wait_for_first(db)
        mixed = spread(urls[0], count, urls[1], sound)
        submit_all(db, mixed)
        began, cpu = time.monotonic(), cpu_s(stack.steward)
        rate_per_s = end(db, len(mixed), rate)
        loaded = load()
        failing, healthy = wait(others, count, sound)
        total_s = time.monotonic() - began
        cpu = cpu_s(stack.steward) - cpu
        memory = stack.steward.memory_info().rss >> 20
        left = backlog(db, urls[2])
        db.close()
    return {
        "rate_per_s": round(rate_per_s, 1),
        "total_s": round(total_s, 1),
        "load": loaded,
        "steward_ms_a_try": round(1000 * cpu / max(1, failing.tries + healthy.tries), 2),
        "steward_mb": memory,
        "dead_backlog": left,
        "failing": delays(failing, count),
        "sound": delays(healthy, sound),
    }


def wishes(timeout_s: float) -> dict[str, str]:
    """Return the steward's settings: loopback allowed, a short schedule of many tries."""
    return {
        "INKQUEUE_WEBHOOK_ALLOWED_HOSTS": "127.0.0.1",
        "INKQUEUE_WEBHOOK_SCHEDULE_S": AGAIN_S,
        "INKQUEUE_WEBHOOK_TIMEOUT_S": str(timeout_s),
        "INKQUEUE_LOG_LEVEL": "WARNING",
    }


def keep_secret(db: Database, secret: str) -> None:
    """Sign with a secret that the receivers know."""
    current_secret(db, "default")
    with db.transaction() as connection:
        connection.execute(sa.text("UPDATE webhook_secrets SET secret = :secret"), {"secret": secret})


def spread(one: str, count: int, other: str, fewer: int) -> list[str]:
    """Mix the addresses of two receivers evenly."""
    every = max(1, count // max(1, fewer))
    mixed: list[str] = []
    for n in range(max(count, fewer)):
        mixed += [one] if n < count else []
        mixed += [other] if n % every == 0 and n // every < fewer else []
    return mixed


def submit_all(db: Database, urls: list[str]) -> None:
    """Submit a job for the first address and copy its rows for each of the others."""
    pattern = submit(db, urls[0]) if urls else None
    for start in range(1, len(urls), COPIED):
        with db.transaction() as connection:
            connection.execute(_COPY, {"id": pattern, "urls": urls[start : start + COPIED]})


def end(db: Database, count: int, rate: float) -> float:
    """End jobs at most at this rate; return the rate that was reached."""
    began, done = time.monotonic(), 0
    while done < count:
        time.sleep(max(TICK_S, began + done / rate - time.monotonic()))
        due = int((time.monotonic() - began) * rate) + 1 - done
        held, _ = claim_batch(db, Lane.BULK, SERVED, "bench:1:1", lease_s=15.0, most=max(1, min(MOST, due)))
        done += (
            len(commit_batch(db, [finish(one) for one in held], results_ttl_s=86400.0).jobs) if held else 0
        )
    return count / max(0.001, time.monotonic() - began)


def cpu_s(process: psutil.Process) -> float:
    """Return the seconds of processor that a process has used."""
    times = process.cpu_times()
    return float(times.user + times.system)


def submit(db: Database, url: str) -> UUID:
    """Submit a job of one image, of a model that no worker of the stack has."""
    upload = NewInput(name="a.png", content_type="image/png", bytes=3, sha256="00", inline=b"abc")
    webhook: dict[str, object] = {"url": url, "events": ["job.completed"]}
    manifest = NewManifest(state="items", total=1, inline=b"not read here")
    job = NewJob([upload], manifest, [(0, 1)], lane=Lane.BULK, model_name=MODEL, webhook=webhook)
    return submit_job(db, job).job_id


def wait_for_first(db: Database) -> None:
    """Wait until the steward has begun to send."""
    statement = sa.text("SELECT count(*) FROM webhook_deliveries WHERE claimed_at IS NOT NULL")
    end_at = time.monotonic() + QUIET_S
    while time.monotonic() < end_at:
        with db.transaction() as connection:
            if connection.execute(statement).scalar_one():
                return
        time.sleep(0.1)
    raise RuntimeError("the steward sends nothing")


def wait(others: Receivers, count: int, sound: int) -> tuple[Notes, Notes]:
    """Wait until everything has arrived, or nothing more comes."""
    seen, news_at = -1, time.monotonic()
    while True:
        failing, healthy = others.notes()
        arrived = len(failing.delivered) + len(healthy.delivered)
        if arrived > seen:
            seen, news_at = arrived, time.monotonic()
        if arrived == count + sound or time.monotonic() - news_at > QUIET_S:
            return failing, healthy
        time.sleep(0.2)


def backlog(db: Database, url: str) -> int:
    """Count what still waits for an address."""
    with db.transaction() as connection:
        statement = sa.text("SELECT count(*) FROM webhook_deliveries WHERE url = :url AND state = 'pending'")
        return int(connection.execute(statement, {"url": url}).scalar_one())


def delays(notes: Notes, jobs: int) -> Delays:
    """Sum up what a receiver has noted."""
    return {
        "jobs": jobs,
        "delivered": len(notes.delivered),
        "tries": notes.tries,
        "wrong_signatures": notes.wrong,
        "first_try_s": percentiles(list(notes.first_s.values())),
    }


def text(report: Report) -> str:
    """Return the figures for people."""
    lines = [
        f"jobs ended           {report['rate_per_s']:g} a second; everything delivered after {report['total_s']:g} s",
        f"machine              load {report['load']:g} while jobs ended; steward {report['steward_ms_a_try']:g} ms of"
        f" processor a try, {report['steward_mb']} MB",
        f"dead host            {report['dead_backlog']:,} waiting for it all the while",
    ]
    for name, one in (("fails 30 %, stalls 10 %", report["failing"]), ("sound", report["sound"])):
        first = ", ".join(f"{p} {seconds:.3f} s" for p, seconds in one["first_try_s"].items())
        lines.append(
            f"{name:<24} {one['delivered']:,} of {one['jobs']:,} delivered in {one['tries']:,} tries,"
            f" {one['wrong_signatures']} wrong signatures; first try after the job's end: {first}"
        )
    return "\n".join(lines)


_COPY = sa.text(
    """WITH copies AS MATERIALIZED (SELECT uuidv7() AS id, u.url, u.n FROM unnest(:urls) WITH ORDINALITY AS u (url, n)),
    j AS (INSERT INTO jobs SELECT p.* FROM copies c, jobs o, jsonb_populate_record(o, jsonb_build_object(
        'id', c.id, 'webhook', o.webhook || jsonb_build_object('url', c.url))) p WHERE o.id = :id),
    i AS (INSERT INTO job_inputs SELECT p.* FROM copies c, job_inputs o, jsonb_populate_record(o,
        jsonb_build_object('job_id', c.id)) p WHERE o.job_id = :id),
    m AS (INSERT INTO manifests SELECT p.* FROM copies c, manifests o, jsonb_populate_record(o,
        jsonb_build_object('job_id', c.id)) p WHERE o.job_id = :id)
    INSERT INTO chunks OVERRIDING SYSTEM VALUE SELECT p.* FROM copies c, chunks o, jsonb_populate_record(o,
        jsonb_build_object('id', nextval(pg_get_serial_sequence('chunks', 'id')), 'job_id', c.id,
        'turn', o.turn + c.n)) p WHERE o.job_id = :id"""
).bindparams(array_of("urls", sa.Text()))


def main() -> None:
    """Measure and print; exit code 1 when something did not arrive or was signed wrongly."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.webhooks", description=__doc__)
    parser.add_argument(
        "--count", type=int, default=10_000, help="webhooks for the receiver that fails and stalls"
    )
    parser.add_argument("--sound", type=int, default=1000, help="webhooks for the sound receiver")
    parser.add_argument("--dead", type=int, default=1000, help="webhooks for the dead host")
    parser.add_argument("--rate", type=float, default=100.0, help="jobs that end in a second")
    parser.add_argument("--timeout", type=float, default=10.0, help="seconds that a try may take")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    report = measure(options.count, options.sound, options.dead, options.rate, options.timeout)
    sys.stdout.write((as_json(report) if options.json else text(report)) + "\n")
    whole = all(one["delivered"] == one["jobs"] for one in (report["failing"], report["sound"]))
    right = not any(one["wrong_signatures"] for one in (report["failing"], report["sound"]))
    raise SystemExit(0 if whole and right else 1)


if __name__ == "__main__":
    main()
