"""Room for the connections to receivers."""

from __future__ import annotations

import resource

SPARE = 256
"""Files that everything else in the process may have open."""


def more_files(connections: int) -> None:
    """Raise the limit of open files of this process as far as so many connections need and the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + SPARE
    if soft != resource.RLIM_INFINITY and soft < wanted:
        top = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, top), hard))
