"""Which fault happens when: a pure function of the seed, so that a run can be repeated."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """A fault: how often it is drawn, and how long it lasts, in seconds; the upper bound in leases if `leases`."""

    weight: float
    shortest_s: float = 0.0
    longest_s: float = 0.0
    leases: float = 0.0
    says: str = ""


KINDS: dict[str, Kind] = {
    "worker_child_kill": Kind(8, says="SIGKILL of the process that reads the images"),
    "worker_kill": Kind(6, says="SIGKILL of a worker with all of its processes"),
    "worker_child_freeze": Kind(5, 0.5, 4, 1.8, "SIGSTOP of the process that reads the images, then SIGCONT"),
    "worker_freeze": Kind(4, 0.5, 4, 1.8, "SIGSTOP of a worker's parent, then SIGCONT"),
    "worker_freeze_kill": Kind(3, 0.5, 4, 1.2, "SIGSTOP of both, then SIGKILL"),
    "worker_stop": Kind(3, says="SIGTERM of a worker, as in a rolling restart"),
    "api_kill": Kind(5, says="SIGKILL of an API process"),
    "api_freeze": Kind(3, 0.5, 8, 0, "SIGSTOP of an API process, then SIGCONT"),
    "api_stop": Kind(2, says="SIGTERM of an API process, as in a rolling restart"),
    "steward_kill": Kind(4, says="SIGKILL of a steward"),
    "steward_freeze": Kind(3, 0.5, 12, 0, "SIGSTOP of a steward, then SIGCONT"),
    "redis_kill": Kind(4, says="SIGKILL of Redis, then a restart"),
    "redis_flush": Kind(5, says="FLUSHALL"),
    "redis_freeze": Kind(3, 0.5, 8, 0, "SIGSTOP of Redis, then SIGCONT"),
    "redis_gone": Kind(3, 1, 10, 0, "no process reaches Redis: connections are refused"),
    "redis_partition": Kind(4, 1, 4, 1.5, "one process does not reach Redis: its bytes wait"),
    "redis_cut": Kind(3, says="all connections to Redis are reset"),
    "redis_slow": Kind(3, 2, 8, 0, "Redis answers late"),
    "messages_doubled": Kind(4, says="the tickets in Redis are copied"),
    "messages_reordered": Kind(3, says="the tickets in Redis are shuffled, old ones come again"),
    "messages_lost": Kind(3, says="the tickets in Redis are removed, taken ones too"),
    "postgres_restart": Kind(2, says="PostgreSQL's fast shutdown, then a restart"),
    "postgres_crash": Kind(2, says="PostgreSQL's immediate shutdown or SIGKILL, then recovery"),
    "postgres_sessions": Kind(5, says="pg_terminate_backend of some sessions"),
    "postgres_cut": Kind(4, says="all connections of one process to PostgreSQL are reset"),
    "postgres_partition": Kind(4, 1, 4, 1.5, "one process does not reach PostgreSQL: its bytes wait"),
    "postgres_slow": Kind(3, 2, 8, 0, "PostgreSQL answers late"),
    "storage_fails": Kind(4, 0.5, 6, 0, "every file that is opened is refused by the kernel"),
    "storage_slow": Kind(4, 2, 10, 0, "every file opens late"),
    "storage_gone": Kind(2, 0.5, 4, 0, "the storage folder is away"),
    "disk_full": Kind(4, 1, 10, 0, "not one page is free on the disk of the storage"),
    "clock_jump": Kind(6, 1, 30, 0, "the clock of one process jumps by up to an hour, and back"),
    "receiver_down": Kind(3, 1, 12, 0, "the receiver of webhooks refuses connections"),
    "receiver_fails": Kind(3, 1, 12, 0, "the receiver of webhooks answers 500"),
    "receiver_slow": Kind(2, 1, 10, 0, "the receiver of webhooks answers late"),
}


@dataclass(frozen=True)
class Fault:
    """One fault of a plan: `pick` chooses among the targets that are there when the moment comes."""

    number: int
    at_s: float
    kind: str
    for_s: float
    pick: int
    amount: float


def draw(
    seed: int, count: int, duration_s: float, lease_s: float, without: Collection[str] = ()
) -> list[Fault]:
    """Draw so many faults over so many seconds; each kind comes up once before chance alone decides."""
    chance = random.Random(f"faults {seed}")
    kinds = [name for name in KINDS if name not in without]
    drawn = list(_kinds(chance, kinds, count))
    moments = sorted(chance.uniform(0, duration_s) for _ in drawn)
    return [
        Fault(
            number,
            at_s,
            kind,
            _length(chance, KINDS[kind], lease_s, duration_s),
            chance.randrange(1 << 30),
            chance.random(),
        )
        for number, (at_s, kind) in enumerate(zip(moments, drawn, strict=True), 1)
    ]


def _kinds(chance: random.Random, kinds: list[str], count: int) -> Iterator[str]:
    weights = [KINDS[name].weight for name in kinds]
    first = chance.sample(kinds, min(count, len(kinds)))
    rest = chance.choices(kinds, weights, k=count - len(first))
    together = first + rest
    chance.shuffle(together)
    yield from together


def _length(chance: random.Random, kind: Kind, lease_s: float, duration_s: float) -> float:
    longest = max(kind.shortest_s, kind.leases * lease_s if kind.leases else kind.longest_s)
    drawn = chance.uniform(kind.shortest_s, longest)
    return min(drawn, max(kind.shortest_s, duration_s / 4))
