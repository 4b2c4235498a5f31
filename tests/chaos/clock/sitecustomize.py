"""Python's sleep for processes under libfaketime: version 0.9.10 refuses the call that Python 3.11 and newer make.

Its `clock_nanosleep` takes a time of the steady clock, which stays true here, for one of the clock that jumps.
"""

import select
import time


def sleep(seconds: float) -> None:
    """Rest for so many seconds of the steady clock."""
    if seconds < 0:
        raise ValueError("sleep length must be non-negative")
    select.select([], [], [], seconds)


time.sleep = sleep
