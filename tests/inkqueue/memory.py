"""What the small service of these tests remembers: jobs, requests seen, faults on order."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

Json = dict[str, Any]


@dataclass(frozen=True)
class Seen:
    """A request as it arrived, with the options of its query or form."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass
class FakeJob:
    """A job that goes through `script`, one state a version; the last one stays."""

    id: str
    items: list[Json]
    options: Mapping[str, str]
    script: list[str]
    version: int = 0

    @property
    def status(self) -> str:
        """Return the state that the job is in."""
        return self.script[self.version]

    @property
    def done(self) -> bool:
        """Tell whether the script is at a terminal state."""
        return self.status in {"succeeded", "partially_succeeded", "failed", "canceled", "expired"}

    def step(self) -> None:
        """Go on in the script."""
        self.version = min(self.version + 1, len(self.script) - 1)

    def document(self) -> Json:
        """Return the job as the contract shows it, with a field that no client knows yet."""
        ends = [item["status"] for item in self.items] if self.done else []
        counts = {end: ends.count(end) for end in ("succeeded", "failed", "skipped", "canceled", "expired")}
        total = len(self.items)
        counts |= {"total": total, "pending": total - len(ends), "accepted": counts["succeeded"], "review": 0}
        return {
            "id": self.id,
            "object": "job",
            "status": self.status,
            "counts": counts | {"reviewed": 0},
            "name": self.options.get("name"),
            "mode": self.options.get("mode", "classify"),
            "progress": 1.0 if self.done else self.version / len(self.script),
            "eta_seconds": None,
            "created_at": "2026-01-02T03:04:05Z",
            "finished_at": "2026-01-02T03:04:06Z" if self.done else None,
            "model": {"name": "digits", "version": "1.0.0", "sha256": "ab" * 32},
            "metadata": json.loads(self.options.get("metadata", "{}")),
            "invented_later": {"by": "a newer service"},
        }


class Spoilable(Protocol):
    """What a fault may do to a request."""

    mute: bool

    def problem(
        self, status: int, code: str, headers: Mapping[str, str] | None = None, **extra: object
    ) -> bool:
        """Refuse it."""
        ...

    def reset(self) -> bool:
        """Break its connection."""
        ...


Fault = Callable[[Spoilable], bool]
"""Spoils one request; returns whether the request is over."""


@dataclass
class FakeService:
    """The service's memory, and the faults that are on order."""

    url: str = ""
    seen: list[Seen] = field(default_factory=list)
    jobs: dict[str, FakeJob] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    faults: deque[Fault] = field(default_factory=deque)
    script: list[str] | None = None
    page_size: int = 1000
    events_per_stream: int = 1000
    streams_events: bool = True
    cut_export_at: deque[int] = field(default_factory=deque)
    ready: bool = True

    def refuse(
        self, status: int, code: str, headers: Mapping[str, str] | None = None, **extra: object
    ) -> None:
        """Order a problem as the answer to the next request."""
        self.faults.append(lambda handler: handler.problem(status, code, headers or {}, **extra))

    def reset_before_work(self) -> None:
        """Order the next connection to be reset before the request is worked on."""
        self.faults.append(lambda handler: handler.reset())

    def reset_after_work(self) -> None:
        """Order the next request to be worked on and its answer to be lost."""

        def lose(handler: Spoilable) -> bool:
            handler.mute = True
            return False

        self.faults.append(lose)

    def add_job(self, names: list[str], options: Mapping[str, str] | None = None) -> FakeJob:
        """Make a job."""
        items = [item_of(seq, name) for seq, name in enumerate(names)]
        failed = sum(item["status"] == "failed" for item in items)
        end = "succeeded" if not failed else "failed" if failed == len(items) else "partially_succeeded"
        job_id = f"job_{len(self.jobs):032x}"
        script = self.script or ["queued", "running", end]
        self.jobs[job_id] = FakeJob(job_id, items, options or {}, list(script))
        return self.jobs[job_id]

    def submissions(self) -> list[Seen]:
        """Return every submission that arrived, repeats included."""
        return [seen for seen in self.seen if (seen.method, seen.path) == ("POST", "/v1/jobs")]


def item_of(seq: int, name: str) -> Json:
    """Read an item, by its name alone."""
    item: Json = {"seq": seq, "custom_id": name, "name": name, "page": 1, "reasons": [], "reviews": []}
    if "bad" in name:
        error = {"code": "undecodable_image", "detail": "The image is damaged.", "retryable": False}
        return item | {"status": "failed", "prediction": None, "confidence": None, "error": error}
    if name.endswith(".txt"):
        return item | {"status": "skipped", "prediction": None, "confidence": None, "error": None}
    reading = {
        "prediction": "7",
        "confidence": 0.998,
        "probabilities": [0.0002] * 7 + [0.998, 0.0002, 0.0002],
    }
    return item | reading | {"status": "succeeded", "decision": "accept", "final_value": "7", "error": None}
