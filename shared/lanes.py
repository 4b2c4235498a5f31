"""Tickets and hints on Redis: "lane X has work" and "job Y has changed". Losing any of them costs time, never truth."""

from __future__ import annotations

import base64
import json
import uuid
from uuid import UUID

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from shared.settings import Settings
from shared.status import Lane

TASK = "inkqueue.drain"
RENDER = "inkqueue.render"
HINTS = "inkqueue:jobs"


def connect(settings: Settings, timeout_s: float = 2.0) -> redis.Redis:
    """Make a client that gives up soon; nothing is sent before its first command."""
    return redis.Redis.from_url(
        settings.redis_url,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        socket_keepalive=True,
        health_check_interval=10,
        retry=Retry(
            NoBackoff(), 1
        ),  # a connection that a restart has closed is opened again; an outage costs no time
    )


def ticket(lane: Lane) -> str:
    """Return a Celery message for this lane, ready to be pushed on its list."""
    return _message(TASK, [str(lane)], lane)


def send_render(client: redis.Redis, job_id: UUID, seq: int, view: str) -> None:
    """Ask a worker of the interactive lane for a picture of an item; it is put where `view_key` says.

    Raises:
        redis.RedisError: Redis is away.
    """
    client.lpush(str(Lane.INTERACTIVE), _message(RENDER, [job_id.hex, seq, view], Lane.INTERACTIVE))


def view_key(job_id: UUID, seq: int, view: str) -> str:
    """Return where the rendered picture of an item is kept for a while."""
    return f"views/{job_id.hex}/{seq}-{view}.png"


def _message(task: str, arguments: list[str | int], lane: Lane) -> str:
    """Write a message in Celery's protocol 2, in the envelope of kombu's Redis transport.

    Writing it ourselves spares a producer pool and makes a ticket one LPUSH.
    """
    task_id = str(uuid.uuid4())
    embed = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
    body = json.dumps([arguments, {}, embed])
    return json.dumps(
        {
            "body": base64.b64encode(body.encode()).decode(),
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": {
                "lang": "py",
                "task": task,
                "id": task_id,
                "root_id": task_id,
                "parent_id": None,
                "group": None,
                "retries": 0,
                "eta": None,
                "expires": None,
                "timelimit": [None, None],
                "ignore_result": True,
                "argsrepr": repr(tuple(arguments)),
                "kwargsrepr": "{}",
                "origin": "inkqueue",
            },
            "properties": {
                "correlation_id": task_id,
                "reply_to": None,
                "delivery_mode": 2,
                "delivery_info": {"exchange": "", "routing_key": str(lane)},
                "priority": 0,
                "body_encoding": "base64",
                "delivery_tag": task_id,
            },
        }
    )


def send_tickets(client: redis.Redis, lane: Lane, count: int) -> None:
    """Push so many tickets with one command.

    Raises:
        redis.RedisError: Redis is away; the steward will send them later.
    """
    if count > 0:
        client.lpush(str(lane), *(ticket(lane) for _ in range(count)))


def waiting_tickets(client: redis.Redis, lane: Lane) -> int:
    """Return how many tickets of this lane nobody has taken yet."""
    return int(client.llen(str(lane)))


def publish_hint(client: redis.Redis, *job_ids: UUID) -> None:
    """Tell waiting API processes that these jobs have changed."""
    if job_ids:
        client.publish(HINTS, ",".join(job.hex for job in job_ids))
