"""The asynchronous client does what the blocking one does."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from inkqueue import AsyncClient, JobState, WaitTimeout
from inkqueue.client import mirror
from inkqueue.exceptions import JobActive
from tests.inkqueue.conftest import IMPATIENT, PNG
from tests.inkqueue.memory import FakeService


def test_the_asynchronous_client_is_the_mirror_of_the_blocking_one() -> None:
    """`async_client.py` is what `python -m inkqueue.client.mirror` makes."""
    assert mirror.TARGET.read_text() == mirror.mirrored(mirror.SOURCE.read_text())


def test_a_job_is_submitted_followed_and_read(service: FakeService, scans: Path) -> None:
    """Upload with a lost answer, broken streams, paged results: all as with the blocking client."""
    service.reset_after_work()
    service.events_per_stream = 1
    service.page_size = 2
    states: list[JobState] = []

    async def use() -> list[int]:
        async with AsyncClient(service.url, retry=IMPATIENT) as client:
            job = await (await client.submit(scans)).wait(progress=states.append)
            assert b"".join([piece async for piece in job.export("csv")]).count(b"\r\n") == 7
            return [item.seq async for item in job.results()]

    assert asyncio.run(use()) == [0, 1, 2, 3, 4, 5]
    assert [state.status for state in states] == ["queued", "running", "partially_succeeded"]
    assert len(service.jobs) == 1


def test_many_calls_run_side_by_side(service: FakeService) -> None:
    """One client serves many tasks."""

    async def use() -> int:
        async with AsyncClient(service.url, retry=IMPATIENT) as client:
            await asyncio.gather(*(client.submit(PNG) for _ in range(5)))
            return len([job async for job in client.jobs()])

    assert asyncio.run(use()) == 5


def test_errors_and_deadlines_reach_the_caller(service: FakeService) -> None:
    """Refusals are the same classes; waiting ends in time."""
    service.script = ["running"]

    async def use() -> None:
        async with AsyncClient(service.url, retry=IMPATIENT) as client:
            job = await client.submit(PNG)
            with pytest.raises(WaitTimeout):
                await job.wait(timeout=0.3)
            service.refuse(409, "job_active")
            with pytest.raises(JobActive):
                await job.delete()

    asyncio.run(use())


def test_waiting_can_be_canceled_like_any_task(service: FakeService) -> None:
    """A canceled wait lets go of its stream, and the client goes on."""
    service.script = ["running"]

    async def use() -> str:
        async with AsyncClient(service.url, retry=IMPATIENT) as client:
            job = await client.submit(PNG)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(job.wait(), timeout=0.2)
            return (await job.refresh()).status

    assert asyncio.run(use()) == "running"
