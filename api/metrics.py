"""Write the metrics of all processes as Prometheus text (exposition format 0.0.4)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from shared.db import Database
from shared.jobs.workers import backlog_items, live_workers, metric_sums
from shared.status import ItemStatus, Lane

WORKERS_GONE_S = 15.0
_SUFFIX = re.compile(r"_(bucket|sum|count)$")


@dataclass(frozen=True, slots=True)
class Family:
    """A metric: its kind, its explanation, and samples that are there from the beginning."""

    name: str
    kind: str
    help: str
    zeros: tuple[str, ...] = ()


FAMILIES = (
    Family("inkqueue_backlog_items", "gauge", "Images waiting or in flight, by lane."),
    Family("inkqueue_workers", "gauge", "Processes that are alive, by role."),
    Family(
        "inkqueue_items_total",
        "counter",
        "Items that ended, by how.",
        tuple(f'inkqueue_items_total{{status="{status}"}}' for status in ItemStatus),
    ),
    Family(
        "inkqueue_batch_size",
        "histogram",
        "Images in a batch of the network.",
        ('inkqueue_batch_size_bucket{le="+Inf"}', "inkqueue_batch_size_sum", "inkqueue_batch_size_count"),
    ),
    Family("inkqueue_stage_seconds", "histogram", "Time of a stage of the pipeline, a batch."),
    Family(
        "inkqueue_job_seconds",
        "histogram",
        "Time from a job's submission to its end.",
        ('inkqueue_job_seconds_bucket{le="+Inf"}', "inkqueue_job_seconds_sum", "inkqueue_job_seconds_count"),
    ),
    Family(
        "inkqueue_webhook_attempts_total",
        "counter",
        "Attempts to deliver a webhook, by outcome.",
        tuple(f'inkqueue_webhook_attempts_total{{outcome="{o}"}}' for o in ("delivered", "failed")),
    ),
    Family(
        "inkqueue_leases_expired_total",
        "counter",
        "Chunks taken back from workers that fell silent.",
        ("inkqueue_leases_expired_total",),
    ),
)
_KNOWN = {family.name for family in FAMILIES}


def exposition(db: Database) -> str:
    """Read the metrics of every process and write them down.

    Raises:
        Unavailable: the database is away.
    """
    samples = metric_sums(db)
    backlog = backlog_items(db)
    for lane in Lane:
        samples[f'inkqueue_backlog_items{{lane="{lane}"}}'] = float(backlog.get(lane, 0))
    roles = [worker.role for worker in live_workers(db, gone_s=WORKERS_GONE_S)]
    for role in ("worker", "steward"):
        samples[f'inkqueue_workers{{role="{role}"}}'] = float(roles.count(role))
    return "".join(_lines(samples))


def _lines(samples: dict[str, float]) -> Iterable[str]:
    """Write all families, the known ones first."""
    by_family: dict[str, dict[str, float]] = {}
    for family in FAMILIES:
        by_family[family.name] = dict.fromkeys(family.zeros, 0.0)
    for sample, value in samples.items():
        by_family.setdefault(family_of(sample), {})[sample] = value
    described = {family.name: family for family in FAMILIES}
    for name, members in by_family.items():
        known = described.get(name)
        if known:
            yield f"# HELP {name} {known.help}\n# TYPE {name} {known.kind}\n"
        for sample in sorted(members, key=_order):
            yield f"{sample} {_number(members[sample])}\n"


def family_of(sample: str) -> str:
    """Return the metric that a sample belongs to: its name without labels and a histogram's suffix."""
    name = sample.split("{", 1)[0]
    base = _SUFFIX.sub("", name)
    return base if base in _KNOWN else name


def _order(sample: str) -> tuple[str, float, str]:
    """Sort a histogram's buckets by their bound."""
    bound = re.search(r'[{,]le="([^"]+)"', sample)
    labels = re.sub(r'(?<=[{,])le="[^"]+",?', "", sample)
    return labels, float(bound[1]) if bound else 0.0, sample


def _number(value: float) -> str:
    """Write whole numbers as such."""
    return str(int(value)) if value == int(value) else repr(value)
