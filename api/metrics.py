"""Write the metrics of all processes as Prometheus text (exposition format 0.0.4)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import redis

from api.metric_families import FAMILIES, KNOWN, PARTS, family_of
from shared.errors import InkqueueError
from shared.jobs.observe import Process, depths, lines, processes
from shared.jobs.workers import metric_sums
from shared.lanes import waiting_tickets
from shared.room import storage_room
from shared.samples import label_value
from shared.status import Lane

if TYPE_CHECKING:
    from api.services import Services

GONE_S = 15.0
"""A process that is silent for longer is not counted as alive; its counters stay."""
DUTY_AGE = "inkqueue_duty_age_seconds"


def exposition(parts: Services, checks: Mapping[str, str]) -> str:
    """Read the metrics of every process and write them down.

    Without the database there are no counters: those of one process alone would look like a restart of all others.

    Args:
        checks: `ok` or what is wrong, a part, as just measured.
    """
    samples: dict[str, float] = {
        f'inkqueue_part_ok{{part="{part}"}}': float(checks.get(part) == "ok") for part in PARTS
    }
    whole = checks.get("database") == "ok"
    try:
        if whole:
            samples |= _of_rows(parts)
    except InkqueueError:
        samples['inkqueue_part_ok{part="database"}'] = 0.0
        whole = False
    if checks.get("broker") == "ok":
        samples |= _of_redis(parts.redis)
    samples |= _of_disk(parts)
    return "".join(_lines(samples, whole))


def _of_rows(parts: Services) -> dict[str, float]:
    """Read what the database knows; this process shows its own counters first."""
    parts.showing.show()
    db = parts.db
    samples = metric_sums(db)
    for line in lines(db):
        items = f'inkqueue_backlog_items{{lane="{line.lane}"}}'
        samples[items] = samples.get(items, 0.0) + float(line.items)
        samples[f'inkqueue_chunks{{lane="{line.lane}",state="{line.state}"}}'] = float(line.chunks)
        if line.state == "pending":
            samples[f'inkqueue_oldest_claimable_seconds{{lane="{line.lane}"}}'] = line.oldest_s
    deep = depths(db)
    samples |= {f'inkqueue_jobs{{status="{status}"}}': float(n) for status, n in deep.jobs.items()}
    samples["inkqueue_uploads"] = float(deep.uploads)
    samples["inkqueue_webhooks_pending"] = float(deep.deliveries)
    samples["inkqueue_database_bytes"] = float(deep.database_bytes)
    return samples | _of_processes(processes(db))


def _of_processes(found: Iterable[Process]) -> dict[str, float]:
    """Label the gauges of each living process; of duties the latest counts, whoever did it."""
    samples: dict[str, float] = {}
    for process in found:
        labels = f'role="{process.role}",process="{label_value(process.host)}:{process.pid}"'
        for name, value in process.gauges.items():
            if family_of(name) == DUTY_AGE:
                age = float(value) + process.age_s
                samples[name] = min(samples.get(name, age), age)
            elif process.age_s < GONE_S:
                samples[labelled(name, labels)] = float(value)
        alive = f'inkqueue_workers{{role="{process.role}"}}'
        samples[alive] = samples.get(alive, 0.0) + (process.age_s < GONE_S)
    return samples


def labelled(sample: str, labels: str) -> str:
    """Put labels before those that a sample has."""
    name, brace, rest = sample.partition("{")
    return f"{name}{{{labels},{rest}" if brace else f"{name}{{{labels}}}"


def _of_redis(client: redis.Redis) -> dict[str, float]:
    """Count the tickets that wait; a Redis that fails now has none to tell."""
    try:
        return {f'inkqueue_tickets{{lane="{lane}"}}': float(waiting_tickets(client, lane)) for lane in Lane}
    except redis.RedisError:
        return {'inkqueue_part_ok{part="broker"}': 0.0}


def _of_disk(parts: Services) -> dict[str, float]:
    """Measure the room of a local storage."""
    try:
        room = storage_room(parts.settings)
    except OSError:
        return {}
    if room is None:
        return {}
    return {"inkqueue_storage_free_bytes": float(room.free), "inkqueue_storage_size_bytes": float(room.size)}


def _lines(samples: Mapping[str, float], whole: bool) -> Iterable[str]:
    """Write all families, the known ones first, each with its samples in order."""
    by_family: dict[str, dict[str, float]] = {
        family.name: dict.fromkeys(family.zeros if whole else (), 0.0) for family in FAMILIES
    }
    for sample, value in samples.items():
        by_family.setdefault(family_of(sample), {})[sample] = value
    for name, members in by_family.items():
        if name in KNOWN:
            yield f"# HELP {name} {KNOWN[name].help}\n# TYPE {name} {KNOWN[name].kind}\n"
        for sample in sorted(members, key=_order):
            yield f"{sample} {_number(members[sample])}\n"


def _order(sample: str) -> tuple[str, float, str]:
    """Sort a histogram's buckets by their bound."""
    bound = re.search(r'[{,]le="([^"]+)"', sample)
    labels = re.sub(r'(?<=[{,])le="[^"]+",?', "", sample)
    return labels, float(bound[1]) if bound else 0.0, sample


def _number(value: float) -> str:
    """Write whole numbers as such."""
    return str(int(value)) if value == int(value) else repr(value)
