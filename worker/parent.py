"""What the parent of a worker process does: it wakes the child, asks it to stop, and reports its death."""

from __future__ import annotations

import atexit
import os
import secrets
import signal
import socket
import sys
from pathlib import Path

import redis
from billiard.einfo import ExceptionInfo
from billiard.exceptions import WorkerLostError
from celery import Task
from celery.worker.request import Request

from shared import lanes
from shared.db import Database
from shared.errors import InkqueueError
from shared.jobs import claim, crash, registry
from shared.logs import get_logger
from shared.settings import get_settings
from shared.status import Lane
from worker.board import Board
from worker.watch import Watch

log = get_logger(__name__)
_nonce = ""  # two containers may share host name and process ids
board = Board()


def prepare() -> None:
    """Make what parent and child share, watch over the child, and leave nothing leased at the end."""
    global board, _nonce
    board = Board()
    _nonce = secrets.token_hex(4)
    Watch(board, get_settings().stop_grace_s).start()
    atexit.register(_leave, os.getpid())


def ask_to_stop() -> None:
    """Raise the flag; the child sees it between two batches."""
    board.ask_to_stop()


def is_stopping() -> bool:
    """Tell whether the parent has asked to stop."""
    return board.stopping_since > 0


def _leave(parent: int) -> None:
    """Give back what children held that were killed because they did not stop in time; none is to blame for that."""
    if os.getpid() == parent:
        report_lost()


def end_worker() -> None:
    """End the whole worker from its child; whoever supervises it starts it anew."""
    os.kill(os.getppid(), signal.SIGTERM)
    os._exit(1)


def worker_id(pid: int | None = None) -> str:
    """Return the name of this child, or of one of this parent's: host, nonce, parent and child."""
    parent, child = (os.getppid(), os.getpid()) if pid is None else (os.getpid(), pid)
    return f"{socket.gethostname()}:{_nonce}:{parent}:{child}"


def wake(queues: list[str]) -> None:
    """Send one ticket to each lane that this worker serves; duplicates are harmless."""
    client = lanes.connect(get_settings())
    try:
        for queue in queues:
            lanes.send_tickets(client, Lane(queue), 1)
    except redis.RedisError as error:
        log.warning("wake_failed", reason=str(error))
    finally:
        client.close()


class DrainRequest(Request):  # type: ignore[misc]  # celery is not typed
    """A ticket in the parent's hands; learns when the child that worked on it was lost."""

    def on_failure(
        self, exc_info: ExceptionInfo, send_failed_event: bool = True, return_ok: bool = False
    ) -> None:
        """Return the dead child's chunks at once instead of waiting for their leases."""
        super().on_failure(exc_info, send_failed_event=send_failed_event, return_ok=return_ok)
        exception = exc_info.exception
        if isinstance(getattr(exception, "exc", exception), WorkerLostError):
            report_lost()


class Drain(Task):  # type: ignore[misc]  # celery is not typed
    """The task base that uses our requests."""

    Request = DrainRequest
    abstract = True


def report_lost() -> None:
    """Take back the chunks of children of this parent that are dead; unharmed, when they died because we stop."""
    try:
        db = Database(get_settings().sqlalchemy_url, "worker", 1)
        try:
            for name in crash.lease_holders(db, f"{socket.gethostname()}:{_nonce}:{os.getpid()}:"):
                if not _is_alive(int(name.rsplit(":", 1)[1])):
                    take_back = claim.hand_back_all if is_stopping() else crash.child_lost
                    returned = take_back(db, name)
                    log.error("worker_child_lost", worker=name, chunks=returned)
                    registry.count(db, "inkqueue_worker_children_lost_total", 1)
        finally:
            db.close()
    except InkqueueError as error:
        log.warning("worker_child_lost_unreported", reason=error.detail)


def _is_alive(pid: int) -> bool:
    """Tell whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] not in {b"Z", b"X"}
    except OSError:
        return _exists(pid) if sys.platform != "linux" else False


def _exists(pid: int) -> bool:
    """Tell whether a process exists, where there is no /proc."""
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True
