"""Submit several files at once from asyncio and print the readings as they are finished."""

from __future__ import annotations

import asyncio
import sys

from inkqueue import AsyncClient


async def read(client: AsyncClient, path: str) -> int:
    """Submit one file and print its items while the job runs; return how many there were."""
    job = await client.submit(path)
    count = 0
    async for item in job.results():
        print(path, item.seq, item.name, item.status, item.prediction)
        count += 1
    return count


async def main(paths: list[str]) -> None:
    """Read all files side by side."""
    async with AsyncClient() as client:
        counts = await asyncio.gather(*(read(client, path) for path in paths))
    print(f"{sum(counts)} items in {len(paths)} jobs")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
