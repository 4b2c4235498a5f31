"""Chunks that run together: those of one model, and how long things may take in their lane."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from shared.contracts import JobSpec
from shared.settings import Settings
from shared.status import Lane
from worker.heartbeat import Held
from worker.models import Loaded, Models


class Limits(NamedTuple):
    """Seconds that one image or batch may take, and seconds after which a chunk is broken off in order."""

    item_s: float
    budget_s: float


def limits_of(settings: Settings, lane: Lane) -> Limits:
    """Return how long things may take: less where others wait behind a single image."""
    if lane is Lane.INTERACTIVE:
        item_s = settings.interactive_limit_s
        return Limits(item_s, min(settings.chunk_budget_s, item_s / 2))
    return Limits(settings.item_limit_s, settings.chunk_budget_s)


@dataclass(frozen=True, slots=True)
class Group:
    """Chunks that run through one model together, and their jobs in the same order; no model to count pages."""

    loaded: Loaded | None
    held: Sequence[Held]
    specs: Sequence[JobSpec]


def by_model(held: Sequence[Held], specs: dict[UUID, JobSpec], models: Models) -> list[Group]:
    """Sort chunks by the model that serves them; chunks of jobs that are gone fall out and lose their lease."""
    groups: dict[tuple[str, int | None], tuple[Loaded | None, list[Held], list[JobSpec]]] = {}
    for one in held:
        spec = specs.get(one.claim.job_id)
        if spec is None:
            continue
        expands = one.claim.kind == "expand"
        loaded = None if expands else models.find(spec.model_name, spec.model_version)
        together = loaded is not None and not one.claim.alone and one.claim.end_seq == one.claim.first_seq + 1
        key = (loaded.package.ref if loaded else "", None if together else one.claim.id)
        _, chunks, jobs = groups.setdefault(key, (loaded, [], []))
        chunks.append(one)
        jobs.append(spec)
    return [Group(*group) for group in groups.values()]
