"""Ranges near each other are read together, and nothing is read that lies far between."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shared.sources import BytesSource, coalesce

RANGES = st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 300)), max_size=40)


def test_memory_is_read_like_a_file() -> None:
    """Reads are short only at the end."""
    source = BytesSource(b"0123456789")
    assert source.size == 10
    assert source.read_many([(0, 2), (8, 5), (20, 1)]) == [b"01", b"89", b""]


def test_no_ranges_make_no_groups() -> None:
    """Nothing to read is no read."""
    none = np.zeros(0, dtype=np.int64)
    assert coalesce(none, none).tolist() == [0]


@given(RANGES, st.integers(0, 200), st.integers(1, 2000))
def test_groups_hold_every_range_once(ranges: list[tuple[int, int]], gap: int, run: int) -> None:
    """Groups are contiguous; within one no gap is too wide, and only one range may exceed the limit."""
    ranges.sort()
    starts = np.array([start for start, _ in ranges], dtype=np.int64)
    ends = np.array([start + length for start, length in ranges], dtype=np.int64)
    cuts = coalesce(starts, ends, gap_bytes=gap, run_bytes=run).tolist()
    assert cuts[0] == 0
    assert cuts[-1] == len(ranges)
    assert all(first < end for first, end in itertools.pairwise(cuts))
    for first, end in itertools.pairwise(cuts):
        if end - first > 1:
            assert ends[first:end].max() - starts[first] <= run
        for n in range(first + 1, end):
            assert starts[n] - ends[:n].max() <= gap
