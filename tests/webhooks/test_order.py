"""The order of the line: what was never tried goes before what has failed; a long line costs nothing."""

from __future__ import annotations

import time

from shared.db import Database
from shared.webhooks.queue import Places, Receiver, claim_due
from tests.queue_driver import execute

NONE = Places(0, 0, 0)


def insert(db: Database, host: str, count: int, step: int) -> None:
    """Put deliveries into the line that are due for a minute already."""
    execute(
        db,
        """INSERT INTO webhook_deliveries (tenant, event, url, body, step, next_attempt_at)
        SELECT 'default', 'job.reviewed', :url, '{}', :step, now() - interval '1 minute'
        FROM generate_series(1, :count)""",
        url=f"https://{host}/x",
        count=count,
        step=step,
    )


def claim(db: Database, free: Places, limits: dict[Receiver, Places] | None = None) -> list[int]:
    """Claim; return how often each was tried before."""
    taken = claim_due(db, "test", lease_s=60, most=100, free=free, limits=limits or {})
    return [claimed.step for claimed in taken.claimed]


def test_first_tries_go_before_older_further_ones(database: Database) -> None:
    """Although what has failed is due for longer; and a share of the places stays for the latter."""
    insert(database, "a", 50, 1)
    insert(database, "a", 10, 0)
    assert sorted(claim(database, Places(12, 8, 4))) == [0] * 8 + [1] * 4
    assert sorted(claim(database, Places(1, 1, 1))) == [0]
    assert sorted(claim(database, Places(12, 8, 4))) == [0] + [1] * 4
    assert sorted(claim(database, Places(1, 1, 1))) == [1]


def test_a_long_line_for_a_receiver_that_is_held_back_costs_nothing(database: Database) -> None:
    """Another's first try is found at once behind twenty thousand of a dead host."""
    insert(database, "dead", 20_000, 1)
    insert(database, "dead", 20_000, 0)
    insert(database, "sound", 1, 0)
    execute(database, "ANALYZE webhook_deliveries")
    began = time.monotonic()
    assert claim(database, Places(8, 8, 8), {Receiver("default", "https://dead"): NONE}) == [0]
    assert time.monotonic() - began < 10
