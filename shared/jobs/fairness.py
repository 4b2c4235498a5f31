"""Fair queueing between tenants: where in the line of its lane and priority a chunk stands."""

from __future__ import annotations

BASE_TURN = """SELECT greatest(
        (SELECT min(turn) FROM chunks WHERE state = 'pending' AND lane = :lane AND priority = :priority),
        (SELECT max(turn) FROM chunks WHERE state = 'pending' AND lane = :lane AND priority = :priority
            AND tenant = :tenant),
        0) AS turn"""
"""A tenant's k-th new chunk gets this plus k: after its own last one, and not before the head of the line.

So a tenant that comes now stands beside the head, and one with a million images waits only for itself. Source:
self-clocked fair queueing (Golestani, 1994), with the head's turn as the virtual time.
"""

HEAD_TURN = """(SELECT min(h.turn) FROM chunks h
    WHERE h.state = 'pending' AND h.lane = k.lane AND h.priority = k.priority)"""
"""The turn at the head of chunk k's line; one that returns to the line stands there or where it stood."""
