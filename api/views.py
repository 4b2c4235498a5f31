"""Pictures that a worker renders: asked for once, kept for a day, streamed from the storage."""

from __future__ import annotations

import asyncio
import time
from uuid import UUID

import redis
from starlette.concurrency import run_in_threadpool

from shared.blobs import Blobs
from shared.errors import BlobMissing, Unavailable
from shared.lanes import send_render, view_key

WAIT_S = 8.0
LOOK_S = 0.03
SLOWEST_LOOK_S = 0.5


async def rendered(blobs: Blobs, client: redis.Redis, job_id: UUID, seq: int, view: str) -> bytes:
    """Return the PNG of an item, rendered now unless it has been before; who waits holds no thread.

    Raises:
        Unavailable: no worker has rendered it in time.
    """
    key = view_key(job_id, seq, view)
    try:
        return await run_in_threadpool(blobs.get, key)
    except BlobMissing:
        pass
    try:
        await run_in_threadpool(send_render, client, job_id, seq, view)
    except redis.RedisError as error:
        raise Unavailable("Pictures cannot be rendered at the moment.") from error
    until, pause = time.monotonic() + WAIT_S, LOOK_S
    while time.monotonic() < until:
        await asyncio.sleep(pause)
        pause = min(SLOWEST_LOOK_S, pause * 1.3)
        try:
            return await run_in_threadpool(blobs.get, key)
        except BlobMissing:
            continue
    raise Unavailable("No worker has rendered this picture in time. Please try again.")
