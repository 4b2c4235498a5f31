"""Random access to the bytes of one uploaded file, wherever they are kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

GAP_BYTES = 64 * 1024
RUN_BYTES = 8 * 1024 * 1024


class ByteSource(Protocol):
    """Random access to one file; safe to use from several threads.

    Every method may raise `BlobMissing` when the file is gone, `Unavailable` when the storage is silent.
    """

    @property
    def size(self) -> int:
        """Return the file's size in bytes."""

    def read(self, offset: int, length: int) -> bytes:
        """Return `length` bytes from `offset`; fewer only where the file ends."""

    def read_many(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return the bytes of each `(offset, length)`, near ones read together."""


class BytesSource:
    """A file that is in memory."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    @property
    def size(self) -> int:
        """Return the size in bytes."""
        return len(self._data)

    def read(self, offset: int, length: int) -> bytes:
        """Return `length` bytes from `offset`; fewer only at the end."""
        return self._data[max(0, offset) : max(0, offset + length)]

    def read_many(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return the bytes of each `(offset, length)`."""
        return [self.read(offset, length) for offset, length in ranges]


def coalesce(
    starts: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
    *,
    gap_bytes: int = GAP_BYTES,
    run_bytes: int = RUN_BYTES,
) -> npt.NDArray[np.int64]:
    """Group ranges that are read together; return where each group begins, and at last their count.

    Args:
        starts: (N,) where each range starts, ascending.
        ends: (N,) where each ends.
        gap_bytes: ranges further apart than this are read apart.
        run_bytes: a group ends before it grows beyond this; a range longer than that stands alone.
    """
    count = len(starts)
    if count == 0:
        return np.zeros(1, dtype=np.int64)
    reach = np.maximum.accumulate(ends)
    apart = np.flatnonzero(starts[1:] > reach[:-1] + gap_bytes) + 1
    cuts = [0]
    for stop in [*apart.tolist(), count]:
        while (first := cuts[-1]) < stop:
            fits = int(np.searchsorted(reach[first:stop], int(starts[first]) + run_bytes, side="right"))
            cuts.append(first + max(1, fits))
    return np.array(cuts, dtype=np.int64)
