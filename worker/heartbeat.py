"""The thread that keeps a worker's leases alive, notices lost ones, and shows that the process lives."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from shared.contracts import Claim, WorkerInfo
from shared.db import Database
from shared.errors import InkqueueError
from shared.gauges import process_gauges
from shared.jobs import claim as claims_of
from shared.jobs import registry, sweep
from shared.logs import get_logger
from shared.settings import Settings
from shared.status import Lane
from worker.hints import Hints
from worker.metrics import Metrics
from worker.models import Models

log = get_logger(__name__)
_SILENT_CHECKS = 3


@dataclass(slots=True)
class Held:
    """A chunk in work: how far it has come, and whether it was lost."""

    claim: Claim
    position: int
    lost: bool = False


class Heartbeat:
    """Owns the second database connection of the worker.

    Args:
        give_up: called when this worker's consumer takes no tickets although work waits.
    """

    def __init__(
        self,
        db: Database,
        settings: Settings,
        info: WorkerInfo,
        metrics: Metrics,
        hints: Hints,
        lanes: Sequence[Lane],
        models: Models,
        give_up: Callable[[], None] | None = None,
    ) -> None:
        self._db, self._settings = db, settings
        self._presence = registry.Presence(db, info)
        self._metrics, self._hints = metrics, hints
        self._lanes, self._models = lanes, models
        self._give_up = give_up or stop_parent
        self._held: dict[int, Held] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._last_ticket = time.monotonic()
        self._working = False
        self._silent = 0
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Begin to beat."""
        self._thread.start()

    def close(self) -> None:
        """Stop beating and wait for the last beat."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def hold(self, claims: Sequence[Claim]) -> list[Held]:
        """Begin to keep these leases."""
        held = [Held(c, c.first_seq) for c in claims]
        with self._lock:
            self._held.update({h.claim.id: h for h in held})
        return held

    def release(self, held: Sequence[Held]) -> None:
        """Stop keeping these leases."""
        with self._lock:
            for one in held:
                self._held.pop(one.claim.id, None)

    def ticket_taken(self) -> None:
        """Note that a ticket has arrived."""
        self._working, self._last_ticket, self._silent = True, time.monotonic(), 0

    def ticket_done(self) -> None:
        """Note that the process waits for the next ticket."""
        self._working, self._last_ticket = False, time.monotonic()

    def beat(self) -> None:
        """Prolong once; mark what somebody else has taken."""
        with self._lock:
            held = list(self._held.values())
        if not held:
            return
        alive = claims_of.heartbeat(
            self._db,
            [h.claim for h in held],
            [h.position for h in held],
            lease_s=self._settings.lease_s,
            limit_s=self._settings.chunk_limit_s,
        )
        for one in held:
            if one.claim.id not in alive:
                one.lost = True

    def _run(self) -> None:
        """Beat until closed; an outage is logged and outlived."""
        while True:
            try:
                self.beat()
                self._presence.beat(
                    models=list(self._models.served.references),
                    items=self._metrics.items,
                    images_per_s=self._metrics.images_per_s(),
                    metrics=self._metrics.samples(),
                    gauges=self._gauges(),
                )
                self._check_consumer()
            except InkqueueError as error:
                log.warning("heartbeat_failed", reason=error.detail)
            except (
                Exception
            ):  # the thread must outlive whatever happens, or every lease of the process is lost
                log.exception("heartbeat_broken")
            if self._stop.wait(self._settings.heartbeat_s):
                return

    def _gauges(self) -> dict[str, float]:
        """Return what stands now: memory, connections, chunks in hand."""
        return {
            **process_gauges(self._db),
            "inkqueue_worker_chunks_held": float(len(self._held)),
            "inkqueue_worker_images_per_second": self._metrics.images_per_s(),
        }

    def _check_consumer(self) -> None:
        """Give up when work has waited for long, tickets are there, and this idle process gets none."""
        self._offer_help()
        patience = 3 * self._settings.sweep_s + 2 * self._settings.heartbeat_s
        if self._working or time.monotonic() - self._last_ticket < patience:
            return
        for lane in self._lanes:
            if sweep.oldest_claimable_s(self._db, lane, self._models.served.names) < patience:
                continue
            waiting = self._hints.waiting(lane)
            if waiting == 0:
                self._hints.ticket(lane)
            self._silent = self._silent + 1 if waiting else 0
            if self._silent >= _SILENT_CHECKS:
                log.error("consumer_silent", lane=str(lane), tickets=waiting)
                time.sleep(random.uniform(0, self._settings.heartbeat_s))
                self._give_up()
                return

    def _offer_help(self) -> None:
        """Wake this idle process, which may stand in, when single images wait for workers that do not come."""
        if self._working or self._lanes != [Lane.BULK]:
            return
        waited_s = sweep.oldest_claimable_s(self._db, Lane.INTERACTIVE, self._models.served.names)
        if waited_s > self._settings.stand_in_s:
            self._hints.ticket(Lane.BULK)


def stop_parent() -> None:
    """Ask the parent to stop, so that whoever supervises it starts it anew."""
    os.kill(os.getppid(), signal.SIGTERM)
