"""Jobs with webhooks, and a sender that runs in a thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import sqlalchemy as sa

from shared.catalogue import Catalogue
from shared.db import Database
from shared.jobs.commit import commit_finished
from shared.outbound import OutboundPolicy
from shared.settings import Settings
from shared.status import ItemStatus
from tests.queue_driver import finished, submit, take
from worker.webhooks.lines import Lines
from worker.webhooks.sender import Sender


def quick(settings: Settings, **more: object) -> Settings:
    """Return settings that allow loopback and try again soon."""
    return settings.model_copy(
        update={
            "webhook_allowed_hosts": "127.0.0.1",
            "webhook_schedule_s": "0,0.1,0.1,0.1",
            "webhook_timeout_s": 5.0,
            "webhook_poll_s": 0.02,
            **more,
        }
    )


@contextmanager
def sending(settings: Settings, worker: str = "test:1:steward") -> Iterator[None]:
    """Run a sender until the block ends."""
    loop_of: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
    ready = threading.Event()

    async def run() -> None:
        stopping = asyncio.Event()
        loop_of.append((asyncio.get_running_loop(), stopping))
        ready.set()
        db = Database(settings.sqlalchemy_url, "steward", 3, prepared=True)
        lines = Lines(OutboundPolicy.from_settings(settings))
        await Sender(settings, db, Catalogue((), "digits"), lines, worker).run(stopping)
        await lines.close()
        db.close()

    thread = threading.Thread(target=asyncio.run, args=(run(),), daemon=True)
    thread.start()
    ready.wait(10)
    try:
        yield
    finally:
        loop, stopping = loop_of[0]
        loop.call_soon_threadsafe(stopping.set)
        thread.join(20)
    assert not thread.is_alive()


def job_with(db: Database, url: str, *events: str, items: int = 1, **more: object) -> UUID:
    """Submit a job whose webhook wants these events, by default its end."""
    webhook = {"url": url, "events": list(events) or ["job.completed"]}
    return submit(db, [(n, n + 1) for n in range(items)], webhook=webhook, **more)


def work(db: Database, status: ItemStatus = ItemStatus.SUCCEEDED) -> None:
    """Work on one chunk as a worker does."""
    [claimed] = take(db)
    commit_finished(db, [finished(claimed, status)], results_ttl_s=60.0)


def ended_job(db: Database, url: str, *events: str, **more: object) -> UUID:
    """Submit a job of one image and end it."""
    job_id = job_with(db, url, *events, **more)
    work(db)
    return job_id


def deliveries(db: Database, job_id: UUID | None = None) -> list[sa.Row[tuple[object, ...]]]:
    """Return the rows, oldest first."""
    where = "WHERE job_id = :id" if job_id else ""
    with db.transaction() as connection:
        statement = sa.text(f"SELECT * FROM webhook_deliveries {where} ORDER BY id")
        return list(connection.execute(statement, {"id": job_id} if job_id else {}).all())
