"""What stands in a process now: memory and database connections, each under its Prometheus name."""

from __future__ import annotations

import resource
from pathlib import Path

from shared.db import Database

_STATM = Path("/proc/self/statm")


def process_gauges(*databases: Database) -> dict[str, float]:
    """Return the gauges that every process has."""
    pools = [database.connections() for database in databases]
    return {
        "inkqueue_process_resident_bytes": float(resident_bytes()),
        'inkqueue_db_connections{state="in_use"}': float(sum(pool.in_use for pool in pools)),
        'inkqueue_db_connections{state="idle"}': float(sum(pool.idle for pool in pools)),
        "inkqueue_db_connections_limit": float(sum(pool.limit for pool in pools)),
    }


def resident_bytes() -> int:
    """Return the memory that this process holds; where there is no /proc, the most that it ever held."""
    try:
        return int(_STATM.read_text().split()[1]) * resource.getpagesize()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
