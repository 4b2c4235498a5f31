"""What the system page tells: whether the parts work, who is alive, what waits and for how long."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from starlette.concurrency import run_in_threadpool

from api.auth import OPERATOR
from api.services import Caller, Services
from shared.documents import time_text
from shared.errors import InkqueueError
from shared.ids import job_id_text
from shared.jobs.load import InHand, LaneLoad, busy_workers, chunks_in_hand, lane_loads
from shared.jobs.workers import WorkerView, live_workers
from shared.status import Lane


async def system_document(parts: Services, caller: Caller) -> dict[str, Any]:
    """Return what stands now; while the database is away `lanes` and `workers` are null.

    Those who run the service (the tenant `default`) see the work of all tenants, others their own.
    """
    checks = await parts.probes.measure()
    everything = caller.tenant == OPERATOR
    try:
        told = await run_in_threadpool(_told, parts, caller.tenant, everything)
    except InkqueueError:
        told = {"lanes": None, "workers": None}
    ready = all(what == "ok" for what in checks.values())
    return {"ready": ready, "checks": checks, "of": "everybody" if everything else "you", **told}


def _told(parts: Services, tenant: str, everything: bool) -> dict[str, Any]:
    living = live_workers(parts.db, gone_s=parts.settings.worker_gone_s)
    loads = lane_loads(parts.db, None if everything else tenant)
    busy = busy_workers(parts.db)
    mine = {hand.worker: hand for hand in chunks_in_hand(parts.db, tenant)}
    return {
        "lanes": lanes_document(loads, living),
        "workers": [worker_document(one) | _hand(one, busy, mine) for one in living],
    }


def lanes_document(loads: Sequence[LaneLoad], living: Sequence[WorkerView]) -> list[dict[str, Any]]:
    """Return each lane with its line, its workers' pace, and how long the line takes at that pace."""
    found = {load.lane: load for load in loads}
    return [_lane(found.get(lane, LaneLoad(lane, 0, 0, 0, 0.0)), living) for lane in map(str, Lane)]


def _lane(load: LaneLoad, living: Sequence[WorkerView]) -> dict[str, Any]:
    serving = [one for one in living if one.role == "worker" and load.lane in (one.lane or "").split(",")]
    pace = sum(one.images_per_s for one in serving)
    left = load.waiting + load.in_work
    return {
        "lane": load.lane,
        "waiting": load.waiting,
        "in_work": load.in_work,
        "jobs": load.jobs,
        "oldest_s": round(load.oldest_s, 1),
        "workers": len(serving),
        "images_per_s": round(pace, 1),
        "eta_s": 0.0 if left == 0 else round(left / pace, 1) if pace else None,
    }


def worker_document(worker: WorkerView) -> dict[str, Any]:
    """Return a process as clients see it."""
    return {
        "id": worker.id,
        "host": worker.host,
        "role": worker.role,
        "alive": True,
        "lane": worker.lane,
        "device": worker.device,
        "engine": worker.engine,
        "models": worker.models,
        "items": worker.items,
        "images_per_s": worker.images_per_s,
        "started_at": time_text(worker.started_at),
        "heartbeat_at": time_text(worker.heartbeat_at),
    }


def _hand(worker: WorkerView, busy: Collection[str], mine: Mapping[str, InHand]) -> dict[str, Any]:
    hand = mine.get(worker.id)
    shown = None if hand is None else _chunk(hand)
    return {"busy": worker.id in busy, "chunk": shown}


def _chunk(hand: InHand) -> dict[str, Any]:
    return {
        "job_id": job_id_text(hand.job_id),
        "job_name": hand.job_name,
        "first_seq": hand.first_seq,
        "end_seq": hand.end_seq,
        "position": hand.position,
    }
