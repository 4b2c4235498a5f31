"""Send webhooks: claim what is due, try it, record what became of it; no database connection is held meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar
from uuid import UUID

from shared.catalogue import Catalogue
from shared.db import Database
from shared.errors import InkqueueError
from shared.ids import delivery_id_text, job_id_text
from shared.logs import get_logger, trace_id
from shared.settings import Settings
from shared.webhooks.bodies import job_body, job_of
from shared.webhooks.queue import (
    FIRST,
    Claimed,
    Outcome,
    Places,
    Receiver,
    Round,
    claim_due,
    keep_bodies,
    record,
    release,
)
from shared.webhooks.schedule import Schedule
from shared.webhooks.secrets import signing_secrets
from worker.webhooks.attempt import Result, attempt, judge, moment, unwritten
from worker.webhooks.lines import Lines
from worker.webhooks.room import YOUNG_S, Room
from worker.webhooks.tally import Tally

T = TypeVar("T")
log = get_logger(__name__)
BUSY_S = 0.02
GATHER_S = 0.1
"""So long what is due, and what became of it, gathers: one statement then serves many."""
COUNT_S = 2.0
OUTAGE_S = 1.0
STOP_S = 3.0
MARGIN_S = 5.0
THREADS = 3
SUPERSEDED = "The job has ended meanwhile."


class Sender:
    """One process's sender; its state is only what it knows of receivers, all else is in the rows."""

    def __init__(
        self,
        settings: Settings,
        db: Database,
        catalogue: Catalogue,
        lines: Lines,
        worker: str,
    ) -> None:
        self._settings, self._db, self._catalogue = settings, db, catalogue
        self._lines, self._worker = lines, worker
        self._schedule = Schedule.parse(settings.webhook_schedule_s, settings.webhook_jitter)
        self._lease_s = max(settings.webhook_lease_s, settings.webhook_timeout_s + MARGIN_S)
        self._room = Room(settings.webhook_concurrency)
        self._after: Receiver = FIRST
        self._owed: list[Claimed] = []  # claimed just before an outage, and not begun
        self._under_way: dict[asyncio.Task[None], Claimed] = {}
        self._progress: dict[UUID, asyncio.Task[None]] = {}
        self._outcomes: asyncio.Queue[Outcome] = asyncio.Queue()
        self._tally = Tally(db)
        self._threads = ThreadPoolExecutor(THREADS, "webhooks")

    async def run(self, stopping: asyncio.Event) -> None:
        """Send until the event is set; then give back what is not done within a few seconds."""
        recorder = asyncio.create_task(self._keep_recording())
        counter = asyncio.create_task(self._keep_counting())
        try:
            while not stopping.is_set():
                pause = await self._round()
                await self._lines.tidy()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stopping.wait(), pause)
        finally:
            counter.cancel()
            await self._finish(recorder)

    async def _round(self) -> float:
        """Claim what is due and begin to send it; return how long to wait before the next round."""
        most = self._room.free
        if not most:
            return BUSY_S
        try:
            free, limits, held = self._room.places, self._room.limits(), self._room.held()
            taken, since, bodies, keys = await self._in_thread(lambda: self._take(most, free, limits, held))
        except InkqueueError as error:
            log.warning("webhooks_not_claimed", reason=error.detail)
            return OUTAGE_S
        except Exception:  # a defect in one round must not end the sender
            log.exception("webhooks_broken")
            return OUTAGE_S
        self._after = taken.after
        for claimed in taken.claimed:
            self._start(claimed, bodies.get(claimed.id), keys.get(claimed.tenant, []), since)
        if taken.after != FIRST:
            return BUSY_S
        poll_s = self._settings.webhook_poll_s
        return min(GATHER_S, poll_s) if taken.claimed else poll_s

    def _take(
        self, most: int, free: Places, limits: dict[Receiver, Places], held: list[str]
    ) -> tuple[Round, float, dict[UUID, bytes], dict[str, list[str]]]:
        """Claim, write the bodies of first tries down, and read the secrets that sign; in a thread."""
        release(self._db, self._owed)
        self._owed = []
        since = time.monotonic()
        taken = claim_due(
            self._db,
            self._worker,
            lease_s=self._lease_s,
            most=most,
            free=free,
            limits=limits,
            held=held,
            after=self._after,
        )
        self._owed = list(taken.claimed)
        fresh = [(c, text) for c in taken.claimed if c.body is None and (text := self._body(c)) is not None]
        keep_bodies(self._db, fresh)
        bodies = {c.id: c.body.encode() for c in taken.claimed if c.body is not None}
        bodies |= {c.id: text.encode() for c, text in fresh}
        keys = signing_secrets(self._db, {c.tenant for c in taken.claimed}) if taken.claimed else {}
        self._owed = []
        return taken, since, bodies, keys

    def _body(self, claimed: Claimed) -> str | None:
        """Write the body of a delivery that has none yet; None when its job is gone."""
        if claimed.snapshot is None:
            return None
        try:
            job = job_of(claimed.snapshot, claimed.inputs)
            return job_body(claimed.event, job, claimed.input_count, self._catalogue).decode()
        except Exception:  # one broken row must not keep the others from their turn
            log.exception("webhook_body_broken", delivery=delivery_id_text(claimed.id))
            return None

    def _start(self, claimed: Claimed, body: bytes | None, keys: Sequence[str], since: float) -> None:
        """Begin one attempt; the end of a job calls back the progress of it that is still on its way."""
        cut = (
            self._progress.get(claimed.job_id)
            if claimed.job_id and claimed.event == "job.completed"
            else None
        )
        task = asyncio.create_task(self._send(claimed, body, keys, since, cut))
        self._under_way[task] = claimed
        if claimed.event == "job.progress" and claimed.job_id is not None:
            self._progress[claimed.job_id] = task
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        claimed = self._under_way.pop(task)
        if claimed.job_id is not None and self._progress.get(claimed.job_id) is task:
            del self._progress[claimed.job_id]
        if not task.cancelled() and task.exception() is not None:
            log.error("webhook_attempt_broken", exc_info=task.exception())

    async def _send(
        self,
        claimed: Claimed,
        body: bytes | None,
        keys: Sequence[str],
        since: float,
        cut: asyncio.Task[None] | None,
    ) -> None:
        """Try one delivery and hand its outcome on."""
        if cut is not None:
            cut.cancel(SUPERSEDED)
            await asyncio.wait([cut])
        if time.monotonic() - since > self._lease_s - self._settings.webhook_timeout_s:
            return  # this process was frozen; another one has the lease, or soon will
        at = moment(claimed, since)
        if body is None:
            self._tell(claimed, *unwritten(claimed, at))
            return
        began = self._room.begin(claimed.receiver, again=claimed.again)
        old = False

        def age() -> None:
            nonlocal old
            old = True
            self._room.age(claimed.receiver, again=claimed.again)

        timer = asyncio.get_running_loop().call_later(YOUNG_S, age)
        alive: bool | None = None
        line, sound = self._lines.take(claimed.receiver), False
        try:
            result = await attempt(line, claimed, body, keys, at, self._settings.webhook_timeout_s)
            alive, sound = result.alive, result.status is not None
        except asyncio.CancelledError as stopped:
            if SUPERSEDED not in stopped.args:
                raise
            result = Result(at, round((time.monotonic() - began) * 1000), error=SUPERSEDED)
        finally:
            timer.cancel()
            self._room.leave(claimed.receiver, old=old, again=claimed.again)
            self._room.learn(claimed.receiver, began, alive)
            await self._lines.give(claimed.receiver, line, sound=sound)
        self._tell(claimed, result, judge(claimed, result, self._schedule))

    def _tell(self, claimed: Claimed, result: Result, outcome: Outcome) -> None:
        """Log an attempt and queue its outcome."""
        log.info(
            "webhook_delivered" if result.delivered else "webhook_not_delivered",
            delivery=delivery_id_text(claimed.id),
            job=job_id_text(claimed.job_id) if claimed.job_id else None,
            webhook_event=claimed.event,
            attempt=claimed.step + 1,
            status=result.status,
            reason=result.error,
            ms=result.duration_ms,
            state=outcome.state,
            request_id=claimed.request_id,
            trace_id=trace_id(claimed.traceparent),
        )
        self._tally.add(delivered=result.delivered)
        self._outcomes.put_nowait(outcome)

    async def _keep_recording(self) -> None:
        """Write outcomes, as many as there are at once, until canceled; an outage is waited out."""
        while True:
            batch = [await self._outcomes.get()]
            await asyncio.sleep(GATHER_S)
            while not self._outcomes.empty():
                batch.append(self._outcomes.get_nowait())
            while not await self._record(batch):
                await asyncio.sleep(OUTAGE_S)
            for _ in batch:
                self._outcomes.task_done()

    async def _record(self, batch: list[Outcome]) -> bool:
        """Write a batch; False when the database is away."""
        try:
            await self._in_thread(lambda: self._write(batch))
        except InkqueueError as error:
            log.warning("webhooks_not_recorded", reason=error.detail, attempts=len(batch))
            return False
        except Exception:  # the leases end, and what is in this batch is sent again
            log.exception("webhooks_not_recorded", attempts=len(batch))
        return True

    def _write(self, batch: list[Outcome]) -> None:
        kept = record(self._db, batch)
        for outcome in batch:
            if outcome.id not in kept:
                log.warning("webhook_lease_lost", delivery=delivery_id_text(outcome.id))

    async def _keep_counting(self) -> None:
        """Add to the metrics now and then, until canceled."""
        while True:
            await asyncio.sleep(COUNT_S)
            try:
                await self._in_thread(self._tally.flush)
            except InkqueueError as error:
                log.warning("webhooks_not_counted", reason=error.detail)

    async def _finish(self, recorder: asyncio.Task[None]) -> None:
        """Wait a little for what is under way, give the rest back, write what is known."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=STOP_S)
        left = dict(self._under_way)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._outcomes.join(), STOP_S)
        recorder.cancel()
        try:
            await self._in_thread(lambda: release(self._db, list(left.values())))
            await self._in_thread(self._tally.flush)
        except InkqueueError as error:
            log.warning("webhooks_not_released", reason=error.detail)
        self._threads.shutdown()

    async def _in_thread(self, work: Callable[[], T]) -> T:
        """Do database work in one of the sender's own threads: those of the other duties may be busy for long."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)
