"""What the queue itself costs: claims and commits on the stack's PostgreSQL, in a database of their own."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TypedDict
from urllib.parse import urlsplit, urlunsplit

import psycopg

from benchmarks.service import Service
from shared.contracts import Claim, Finished, ItemRow, NewInput, NewJob, NewManifest
from shared.db import Database
from shared.jobs.claim import Served, claim
from shared.jobs.commit import commit_finished
from shared.jobs.submit import submit_job
from shared.migrate import migrate
from shared.settings import Settings
from shared.status import Decision, ItemStatus, Lane

NAME = "bench_queue"
SERVED = Served(["digits"], {"digits@1.0.0": "cpu-fp32"})
ROUNDS = 200
SIZES = (256, 1000)


class Queue(TypedDict):
    """Medians in milliseconds, by name."""

    submit_ms: float
    claim_ms: float
    commit_ms: dict[str, float]


def measure_queue(service: Service) -> Queue:
    """Submit, claim and commit by hand, one connection, nobody else at work."""
    with own_database(service.urls["INKQUEUE_DATABASE_URL"]) as db:
        submits = [timed(lambda: submit(db, 1)) for _ in range(ROUNDS)]
        claims, held = [], []
        for _ in range(ROUNDS):
            began = time.perf_counter()
            held += claim(db, Lane.BULK, SERVED, "bench:1:1", lease_s=600.0)
            claims.append((time.perf_counter() - began) * 1000)
        commits = {}
        for size in SIZES:
            submit(db, size, chunks=ROUNDS // 4)
            commits[str(size)] = statistics.median(commit_times(db, ROUNDS // 4))
    return {
        "submit_ms": round(statistics.median(submits), 2),
        "claim_ms": round(statistics.median(claims), 2),
        "commit_ms": {size: round(median, 2) for size, median in commits.items()},
    }


def commit_times(db: Database, rounds: int) -> Iterator[float]:
    """Claim chunks and commit their rows; yield what each commit took."""
    for _ in range(rounds):
        (held,) = claim(db, Lane.BULK, SERVED, "bench:1:1", lease_s=600.0)
        yield timed(partial(commit_finished, db, [finish(held)], results_ttl_s=60.0))


def timed(call: Callable[[], object]) -> float:
    """Return the milliseconds of one call."""
    began = time.perf_counter()
    call()
    return (time.perf_counter() - began) * 1000


@contextmanager
def own_database(url: str) -> Iterator[Database]:
    """Lend a migrated database on the same server."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {NAME}".encode())
        own = urlunsplit(urlsplit(url)._replace(path=f"/{NAME}"))
        settings = Settings(database_url=own)
        migrate(settings.sqlalchemy_url)
        db = Database(settings.sqlalchemy_url, "tool", 1)
        try:
            yield db
        finally:
            db.close()
            connection.execute(f"DROP DATABASE {NAME} WITH (FORCE)".encode())


def submit(db: Database, items: int, chunks: int = 1) -> None:
    """Submit a job of chunks of so many items."""
    upload = NewInput(name="a.png", content_type="image/png", bytes=3, sha256="00", inline=b"abc")
    ranges = [(n * items, (n + 1) * items) for n in range(chunks)]
    manifest = NewManifest(state="items", total=items * chunks, inline=b"not read here")
    submit_job(db, NewJob([upload], manifest, ranges, lane=Lane.BULK, model_name="digits"))


def finish(held: Claim) -> Finished:
    """Make the rows of a claimed chunk."""
    rows = [
        ItemRow(
            seq=seq,
            status=ItemStatus.SUCCEEDED,
            name=f"{seq:05}.png",
            custom_id=None,
            page=1,
            prediction="7",
            confidence=0.99,
            probabilities=[0.1] * 10,
            decision=Decision.ACCEPT,
            reasons=[],
            width=28,
            height=28,
        )
        for seq in range(held.first_seq, held.end_seq)
    ]
    return Finished(held, rows, "1.0.0", "ab", "cpu-fp32", "digits@1")
