"""The steward: `python -m worker.steward`. It sweeps, tops up tickets, sends webhooks, removes what nobody needs.

Any number may run; each query takes its rows with SKIP LOCKED or may be repeated. None of the duties depends on Redis
being up, and no duty's failure stops another.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from uuid import UUID

import redis

from shared import lanes
from shared.blobs import Blobs, open_blobs
from shared.blobs_counted import CountedBlobs
from shared.catalogue import Catalogue
from shared.contracts import WorkerInfo
from shared.db import Database
from shared.errors import InkqueueError
from shared.gauges import process_gauges
from shared.jobs import crash, registry, stop, sweep
from shared.jobs.arrivals import stored_keys
from shared.logs import configure_logs, get_logger
from shared.outbound import OutboundPolicy
from shared.settings import Settings, get_settings
from shared.status import Lane, StopReason
from shared.webhooks.log import forget_deliveries
from shared.webhooks.secrets import forget_secrets
from worker.duties import DutyLog
from worker.webhooks.files import more_files
from worker.webhooks.lines import Lines
from worker.webhooks.sender import Sender

log = get_logger(__name__)
STOP_BUDGET = 50_000
OLD_SNAPSHOT_S = 60.0
STRANDED_S = 60.0
METRICS_KEPT_S = 600.0
UNFINISHED_S = 3600.0
SENDER_CONNECTIONS = 3


@dataclass(frozen=True)
class Duty:
    """Something to be done every so many seconds."""

    name: str
    every_s: float
    work: Callable[[], None]


class Steward:
    """Holds what the duties need; each duty is one method."""

    def __init__(self, settings: Settings, db: Database, blobs: Blobs, client: redis.Redis) -> None:
        self.settings, self.db, self.client = settings, db, client
        self.id = f"{socket.gethostname()}:{os.getpid()}:steward:{random.getrandbits(32):08x}"
        self.log = DutyLog()
        self.blobs = CountedBlobs(blobs, self.log)
        info: WorkerInfo = {
            "id": self.id,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "role": "steward",
        }
        self.presence = registry.Presence(db, info)

    def duties(self) -> list[Duty]:
        """Return all duties with their rhythm."""
        sweep_s = self.settings.sweep_s
        return [
            Duty("expire_leases", sweep_s, self.expire_leases),
            Duty("top_up_tickets", sweep_s, self.top_up_tickets),
            Duty("stop_jobs", sweep_s, self.stop_jobs),
            Duty("end_stuck_sessions", sweep_s, self.end_stuck_sessions),
            Duty("beat", self.settings.heartbeat_s, self.beat),
            Duty("collect", 5 * sweep_s, self.collect),
            Duty("purge", 5 * sweep_s, self.purge),
            Duty("rescue_stranded", 15.0, self.rescue_stranded),
            Duty("forget_webhooks", 60.0, self.forget_webhooks),
            Duty("report_snapshots", 30.0, self.report_snapshots),
            Duty("make_partitions", 3600.0, self.make_partitions),
        ]

    def expire_leases(self) -> None:
        """Return chunks of silent workers to the line."""
        count = crash.expire_leases(self.db, lease_s=self.settings.lease_s)
        if count:
            log.warning("leases_expired", chunks=count)
            registry.count(self.db, "inkqueue_leases_expired_total", count)

    def top_up_tickets(self) -> None:
        """Keep as many tickets in each lane as it has claimable chunks, up to a cap."""
        for lane in Lane:
            wanted = sweep.claimable(self.db, lane, self.settings.ticket_cap)
            if not wanted:
                continue
            try:
                lanes.send_tickets(self.client, lane, wanted - lanes.waiting_tickets(self.client, lane))
            except redis.RedisError as error:
                log.warning("tickets_not_sent", lane=str(lane), reason=str(error))
                return

    def stop_jobs(self) -> None:
        """Begin to stop jobs past their deadline, and go on with every job that is being stopped."""
        for job_id in sweep.overdue(self.db):
            if stop.request_stop(self.db, job_id, StopReason.DEADLINE):
                log.info("deadline_passed", job=job_id.hex)
        for job_id in sweep.stopping(self.db):
            self._apart("stop", job_id, self._stop)

    def _stop(self, job_id: UUID) -> None:
        """Go on with one job that is being stopped."""
        done = stop.finish_stop(
            self.db, self.blobs, job_id, results_ttl_s=self.settings.results_ttl_s, budget_items=STOP_BUDGET
        )
        self._hint(job_id)
        if done:
            log.info("job_stopped", job=job_id.hex)

    def end_stuck_sessions(self) -> None:
        """Cut sessions of frozen workers that hold locks."""
        count = sweep.end_stuck_sessions(self.db, older_s=self.settings.stuck_transaction_s)
        if count:
            log.warning("sessions_terminated", sessions=count)

    def beat(self) -> None:
        """Show that this steward lives, and forget processes that are gone."""
        gauges = self.log.gauges() | process_gauges(self.db)
        self.presence.beat(metrics=self.log.samples(), gauges=gauges)
        registry.forget_gone(self.db, gone_s=METRICS_KEPT_S)

    def sign_off(self) -> None:
        """Forget this steward."""
        self.presence.leave()

    def collect(self) -> None:
        """Remove uploads that were given up, objects that nothing refers to, and old idempotency keys."""
        stale = sweep.collect_stale_uploads(self.db, stale_s=self.settings.upload_stale_s)
        if stale:
            log.info("uploads_given_up", uploads=stale)
        while rows := sweep.collectable_inputs(self.db):
            self.blobs.delete([key for _, key in rows if key is not None])
            sweep.forget_inputs(self.db, [input_id for input_id, _ in rows])
        while keys := sweep.due_tombstones(self.db):
            self.blobs.delete(keys)
            sweep.forget_tombstones(self.db, keys)
        sweep.forget_keys(self.db)
        self.blobs.sweep_unfinished(UNFINISHED_S)

    def purge(self) -> None:
        """Remove the rows of deleted and expired jobs, batch by batch."""
        for job_id in sweep.purgeable(self.db):
            self._apart("purge", job_id, self._purge)

    def _apart(self, what: str, job_id: UUID, work: Callable[[UUID], None]) -> None:
        """Do something for one job; its failure must not keep the others from their turn."""
        try:
            work(job_id)
        except InkqueueError as error:
            log.warning("job_left_for_later", work=what, job=job_id.hex, reason=error.detail)

    def _purge(self, job_id: UUID) -> None:
        """Remove the rows of one job."""
        while not sweep.purge_items(self.db, job_id):
            pass
        sweep.purge_rest(self.db, job_id)
        log.info("job_purged", job=job_id.hex)

    def forget_webhooks(self) -> None:
        """Remove deliveries that have been in the log for long, and secrets that sign no more."""
        while forget_deliveries(self.db, older_s=self.settings.webhook_log_s):
            pass
        forget_secrets(self.db)

    def rescue_stranded(self) -> None:
        """Cut jobs anew that have open items and no open chunk; there should be none, so it is an error."""
        for job_id in sweep.stranded(self.db, older_s=STRANDED_S):
            log.error("job_stranded", job=job_id.hex, chunks=sweep.cut_anew(self.db, job_id))

    def report_snapshots(self) -> None:
        """Say which sessions hold an old snapshot; they slow every claim."""
        for row in sweep.old_snapshots(self.db, older_s=OLD_SNAPSHOT_S):
            log.warning("old_snapshot", **row)

    def make_partitions(self) -> None:
        """Make the partitions of the next weeks; a row in the default one is an alarm."""
        made, stray = sweep.make_partitions(self.db)
        if made:
            log.info("partitions_made", partitions=made)
        if stray:
            log.error("rows_in_default_partition")

    def _hint(self, *jobs: UUID) -> None:
        """Tell waiting API processes, if Redis is there."""
        try:
            lanes.publish_hint(self.client, *jobs)
        except redis.RedisError:
            log.debug("hint_failed")


async def keep(duty: Duty, stopping: asyncio.Event, done: DutyLog | None = None) -> None:
    """Do one duty in its rhythm until the steward stops; an outage is logged and outlived."""
    done = done or DutyLog()
    while not stopping.is_set():
        began = time.monotonic()
        try:
            await asyncio.to_thread(duty.work)
            done.succeeded(duty.name)
        except InkqueueError as error:
            done.failed(duty.name)
            log.warning("duty_failed", duty=duty.name, reason=error.detail)
        except Exception:  # one duty's defect must not stop the others
            done.failed(duty.name)
            log.exception("duty_broken", duty=duty.name)
        pause = duty.every_s * random.uniform(0.9, 1.1) - (time.monotonic() - began)
        try:
            await asyncio.wait_for(stopping.wait(), max(0.05, pause))
        except TimeoutError:
            continue


async def run(steward: Steward, stopping: asyncio.Event | None = None, sender: Sender | None = None) -> None:
    """Keep all duties, and send webhooks, until SIGTERM or SIGINT."""
    stopping = stopping or asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    work = [keep(duty, stopping, steward.log) for duty in steward.duties()]
    await asyncio.gather(*work, *([sender.run(stopping)] if sender else []))
    steward.sign_off()


async def serve(steward: Steward) -> None:
    """Keep all duties and send webhooks; the sender has connections of its own, so that no duty delays it."""
    settings = steward.settings
    db = Database(
        settings.sqlalchemy_url, "steward", SENDER_CONNECTIONS, prepared=settings.prepared_statements
    )
    catalogue = Catalogue(settings.model_dirs, settings.default_model)
    more_files(settings.webhook_concurrency)
    lines = Lines(OutboundPolicy.from_settings(settings))
    await run(steward, sender=Sender(settings, db, catalogue, lines, steward.id))
    await lines.close()
    db.close()


def main() -> None:
    """Run one steward of the environment's settings."""
    settings = get_settings()
    configure_logs(settings.log_level, settings.log_format)
    db = Database(settings.sqlalchemy_url, "steward", 4)
    steward = Steward(
        settings,
        db,
        open_blobs(settings, partial(stored_keys, db)),
        lanes.connect(settings, timeout_s=2.0),
    )
    log.info("steward_started")
    asyncio.run(serve(steward))
    db.close()


if __name__ == "__main__":
    main()
