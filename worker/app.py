"""The Celery app: `celery -A worker.app worker -P prefork -c 1 -Q bulk`.

The parent process imports no engine and no cv2: what a child loads after the fork is in `worker.runtime`.
Why each setting stands here: docs/architecture.md, "Celery on Redis".
"""

from __future__ import annotations

import logging
from typing import Any
from uuid import UUID

from celery import Celery, signals

from shared import lanes
from shared.logs import configure_logs, get_logger
from shared.settings import get_settings
from shared.status import Lane
from worker import orphan, parent

log = get_logger(__name__)


def create_app() -> Celery:
    """Build the app from the settings; connects to nothing."""
    settings = get_settings()
    made = Celery("inkqueue", broker=settings.redis_url)
    made.conf.update(
        task_default_queue=str(Lane.BULK),
        task_create_missing_queues=True,
        task_ignore_result=True,
        task_store_errors_even_if_ignored=False,
        task_acks_late=True,
        task_acks_on_failure_or_timeout=True,
        task_reject_on_worker_lost=False,
        task_time_limit=settings.task_limit_s,
        task_serializer="json",
        accept_content=["json"],
        worker_prefetch_multiplier=1,
        worker_concurrency=1,
        worker_enable_remote_control=True,
        worker_send_task_events=False,
        worker_proc_alive_timeout=120.0,
        worker_lost_wait=0.5,
        worker_max_memory_per_child=1,  # kilobytes; whether it is exceeded says worker.recycle
        worker_soft_shutdown_timeout=settings.stop_grace_s,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_pool_limit=2,
        broker_transport_options={
            "visibility_timeout": 300,
            "unacked_restore_interval": 5,
            "unacked_restore_throttle": 1,
            "unacked_mutex_expire": 30,
            "socket_timeout": 5,
            "socket_connect_timeout": 2,
            "socket_keepalive": True,
            "health_check_interval": 10,
        },
    )
    return made


app = create_app()


@app.task(name=lanes.TASK, bind=True, base=parent.Drain)
def drain(_self: parent.Drain, lane: str) -> None:
    """Work off the lane until nothing is claimable or the slice of time is over."""
    from worker import runtime  # the child's rooms: engines and cv2 must not be imported before the fork

    runtime.current().drain(Lane(lane))


@app.task(name=lanes.RENDER, bind=True, base=parent.Drain)
def render(_self: parent.Drain, job_id: str, seq: int, view: str) -> None:
    """Put a picture of one item where the API looks for it."""
    from worker import runtime  # the child's rooms: engines and cv2 must not be imported before the fork

    runtime.current().render(UUID(hex=job_id), seq, view)


@signals.setup_logging.connect
def _logs(**_: Any) -> None:
    """Write our own logs instead of Celery's."""
    settings = get_settings()
    configure_logs(settings.log_level, settings.log_format)
    for name in ("celery.worker.strategy", "celery.app.trace"):  # two lines a ticket that say nothing of jobs
        logging.getLogger(name).setLevel(logging.WARNING)


@signals.worker_init.connect
def _parent_starts(**_: Any) -> None:
    """Make what parent and child share, before the fork."""
    parent.prepare()


@signals.worker_process_init.connect
def _child_starts(**_: Any) -> None:
    """Load and warm the models in the child."""
    orphan.die_with_parent()
    from worker import runtime  # the child's rooms: engines and cv2 must not be imported before the fork

    try:
        runtime.start(sorted(app.amqp.queues.consume_from))
    except Exception:  # Celery would swallow it and let a worker without a model eat tickets
        log.exception("worker_cannot_start")
        parent.end_worker()


@signals.worker_process_shutdown.connect
def _child_stops(**_: Any) -> None:
    """Give back what is still held and sign off."""
    from worker import runtime  # the child's rooms: engines and cv2 must not be imported before the fork

    runtime.stop()


@signals.worker_ready.connect
def _parent_ready(**_: Any) -> None:
    """Ask for whatever waits already, so that a worker that joins needs nobody to wake it."""
    parent.wake(sorted(app.amqp.queues.consume_from))


@signals.worker_shutting_down.connect
def _parent_stops(**_: Any) -> None:
    """Tell the child to finish its batch and hand back the rest."""
    parent.ask_to_stop()
