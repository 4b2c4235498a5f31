"""Shows in the table of processes that this one lives, with its counters, every few seconds."""

from __future__ import annotations

import os
import secrets
import socket
import threading

from api.traffic import Traffic
from shared.contracts import WorkerInfo
from shared.db import Database
from shared.errors import InkqueueError
from shared.gauges import process_gauges
from shared.jobs.registry import Presence
from shared.logs import get_logger

log = get_logger(__name__)

EVERY_S = 3.0
JOIN_S = 3.0


class Showing:
    """A thread of its own; an outage is outlived, and what was counted meanwhile is shown later."""

    def __init__(self, db: Database, traffic: Traffic, *pools: Database) -> None:
        self._traffic, self._pools = traffic, (db, *pools)
        host, pid = socket.gethostname(), os.getpid()
        info: WorkerInfo = {
            "id": f"{host}:{pid}:api:{secrets.token_hex(4)}",
            "host": host,
            "pid": pid,
            "role": "api",
        }
        self._presence = Presence(db, info)
        self._one = threading.Lock()
        self._well = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="presence", daemon=True)

    def start(self) -> None:
        """Begin to show this process."""
        self._thread.start()

    def show(self) -> None:
        """Show it now.

        Raises:
            Unavailable, StorageFull: the database does not take it.
        """
        with self._one:
            gauges = self._traffic.gauges() | process_gauges(*self._pools)
            self._well = False
            self._presence.beat(metrics=self._traffic.samples(), gauges=gauges)
            self._well = True

    def close(self) -> None:
        """Leave the table; the counters go to the totals. After an outage the steward does that in its time."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(JOIN_S)
        if not self._well:
            return
        try:
            self.show()
            self._presence.leave()
        except InkqueueError as error:
            log.warning("sign_off_failed", why=error.detail)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.show()
            except InkqueueError as error:
                log.warning("presence_not_shown", why=error.detail)
            except Exception:  # the thread must outlive whatever happens
                log.exception("presence_broken")
            self._stop.wait(EVERY_S)
