"""What tests of bad input share: large bytes, raw bodies, and the question what was kept."""

from __future__ import annotations

from typing import Any

import httpx
import numpy as np

from shared.db import Database
from tests.queue_driver import row

BIG = np.random.default_rng(0).bytes(100_000)


def raw(
    api: httpx.Client, body: bytes, content_type: str = "application/zip", **params: Any
) -> httpx.Response:
    """Send a raw body."""
    return api.post("/v1/jobs", content=body, headers={"content-type": content_type}, params=params)


def nothing_kept(database: Database) -> bool:
    """Check that no job and no living input was left."""
    jobs = row(database, "SELECT count(*) FROM jobs")[0]
    inputs = row(database, "SELECT count(*) FROM inputs WHERE state <> 'collecting'")[0]
    return (jobs, inputs) == (0, 0)
