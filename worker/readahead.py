"""Read ahead in a thread, a handful of items at a time, so that storage and decoder work together."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
GROUP = 64
GROUP_BYTES = 4 * 1024 * 1024
DEPTH = 4


def ahead(items: Iterable[T], size: Callable[[T], int]) -> Iterator[T]:
    """Yield what `items` yields, in order, while a thread reads some groups of items ahead.

    A group ends at `GROUP` items or `GROUP_BYTES`, so that large images do not fill the memory. What `items` raises
    is raised here. Closing the iterator early ends the thread.

    Args:
        size: the bytes that one item holds.
    """
    ready: queue.Queue[list[T] | BaseException | None] = queue.Queue(DEPTH)
    closed = threading.Event()
    thread = threading.Thread(target=_fill, args=(items, size, ready, closed), name="readahead", daemon=True)
    thread.start()
    try:
        while (group := ready.get()) is not None:
            if isinstance(group, BaseException):
                raise group
            yield from group
    finally:
        closed.set()


def _fill(
    items: Iterable[T],
    size: Callable[[T], int],
    ready: queue.Queue[list[T] | BaseException | None],
    closed: threading.Event,
) -> None:
    """Put groups into the queue until the end, an error, or nobody listens."""
    group: list[T] = []
    weight = 0
    try:
        for item in items:
            group.append(item)
            weight += size(item)
            if len(group) >= GROUP or weight >= GROUP_BYTES:
                if not _put(ready, group, closed):
                    return
                group, weight = [], 0
        if _put(ready, group, closed):
            _put(ready, None, closed)
    except BaseException as error:
        _put(ready, error, closed)


def _put(
    ready: queue.Queue[list[T] | BaseException | None],
    value: list[T] | BaseException | None,
    closed: threading.Event,
) -> bool:
    """Put one value; False when nobody listens any more."""
    while not closed.is_set():
        try:
            ready.put(value, timeout=0.2)
        except queue.Full:
            continue
        return True
    return False
