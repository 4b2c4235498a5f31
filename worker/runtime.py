"""What one worker process owns, made once after the fork: connections, storage, loaded models, heartbeat."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from functools import partial

from shared import lanes
from shared.blobs import Blobs, open_blobs
from shared.blobs_counted import CountedBlobs
from shared.contracts import WorkerInfo
from shared.db import Database
from shared.errors import InkqueueError
from shared.jobs import claim, registry
from shared.jobs.arrivals import stored_keys
from shared.logs import get_logger
from shared.packages import fingerprint
from shared.settings import Settings, get_settings
from shared.status import Lane
from worker import parent
from worker.drain import Drainer
from worker.heartbeat import Heartbeat
from worker.hints import Hints
from worker.metrics import Metrics
from worker.models import Models, ModelWatch, fetch_models, load_models
from worker.recycle import Growth, tell_pool

log = get_logger(__name__)
_current: Drainer | None = None
_watch: ModelWatch | None = None


def current() -> Drainer:
    """Return this process' drainer.

    Raises:
        RuntimeError: the process was not started by `start`.
    """
    if _current is None:
        raise RuntimeError("this process has not loaded its models")
    return _current


def start(queues: Sequence[str]) -> None:
    """Load the models, connect, and begin to beat."""
    global _current, _watch
    settings = get_settings()
    fetch_models(settings)
    seen = fingerprint(settings.model_dirs)
    models = load_models(settings)
    _current = build(settings, models, [Lane(queue) for queue in queues])
    _current.growth.look(list(models.served.references))
    tell_pool(_current.growth)
    _current.heartbeat.start()
    parent.board.enter(os.getpid())
    _watch = ModelWatch(settings, models, seen)
    _watch.start()
    served = list(models.served.references)
    log.info("worker_started", lanes=list(queues), models=served, engine=models.engine_name)


def stop() -> None:
    """Hand back what is held, stop beating and sign off."""
    global _current
    if _watch is not None:
        _watch.close()
    if _current is None:
        return
    drainer, _current = _current, None
    parent.board.enter(0)
    drainer.heartbeat.close()
    try:
        claim.hand_back_all(drainer.db, drainer.worker)
        registry.leave(drainer.db, drainer.worker)
    except InkqueueError as error:
        log.warning("sign_off_failed", reason=error.detail)
    drainer.db.close()


def build(
    settings: Settings, models: Models, serve: Sequence[Lane], *, blobs: Blobs | None = None
) -> Drainer:
    """Put a drainer together; nothing runs yet."""
    db = Database(settings.sqlalchemy_url, "worker", 2, prepared=settings.prepared_statements)
    metrics = Metrics()
    hints = Hints(lanes.connect(settings, timeout_s=1.0))
    worker = parent.worker_id()
    info: WorkerInfo = {
        "id": worker,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "role": "worker",
        "lane": ",".join(serve),
        "device": models.device,
        "engine": models.engine_name,
    }
    heartbeat = Heartbeat(db, settings, info, metrics, hints, serve, models)
    store = CountedBlobs(blobs or open_blobs(settings, partial(stored_keys, db)), metrics)
    return Drainer(
        settings,
        db,
        store,
        models,
        worker,
        heartbeat,
        hints,
        metrics,
        parent.is_stopping,
        parent.board,
        Growth(settings.recycle_bytes),
    )
