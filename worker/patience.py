"""Keep what has been read while the database is away."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from shared.errors import StorageFull, Unavailable
from shared.jobs.commit import Committed
from shared.logs import get_logger

log = get_logger(__name__)


def through_outage(
    write: Callable[[], Committed], patience_s: float, is_stopping: Callable[[], bool]
) -> Committed:
    """Commit, and try again for a while as long as the database is away or full.

    A commit whose answer was lost may be repeated: the fence lets nothing through twice.

    Raises:
        Unavailable, StorageFull: it was so for `patience_s`, or this worker is to stop.
    """
    until = time.monotonic() + patience_s
    while True:
        try:
            return write()
        except (Unavailable, StorageFull) as error:
            if time.monotonic() > until or is_stopping():
                raise
            log.warning("commit_waits", reason=error.detail)
            time.sleep(random.uniform(0.2, 0.6))
