"""Shapes of `GET /v1/system`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from api.schemas import Schema, Worker


class LaneLine(Schema):
    """What a lane holds, and how long that takes at the pace of its workers."""

    lane: str
    waiting: int = Field(description="Images that no worker has yet.")
    in_work: int = Field(description="Images that workers have in hand.")
    jobs: int
    oldest_s: float = Field(description="Seconds that the first of them has waited.")
    workers: int
    images_per_s: float = Field(description="Over the last ten seconds, all workers of the lane together.")
    eta_s: float | None = Field(description="Seconds until the line is empty; null without a pace.")


class ChunkInHand(Schema):
    """Which images of which job a worker has now."""

    job_id: str
    job_name: str | None
    first_seq: int
    end_seq: int
    position: int


class BusyWorker(Worker):
    """A process that is alive, and what it has in hand; `chunk` is shown of your own jobs only."""

    busy: bool
    chunk: ChunkInHand | None


class System(Schema):
    """Whether work can be done, by whom, and how long it waits."""

    ready: bool
    checks: dict[str, str] = Field(description="`ok` or what is wrong, a part.")
    of: Literal["everybody", "you"] = Field(description="Whose work `lanes` counts.")
    lanes: list[LaneLine] | None
    workers: list[BusyWorker] | None
