"""Read the files of a slice of a manifest: coalesced, in the order of their offsets, inflated and checked."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from shared.errors import CorruptArchiveMember, ItemError, MemberTooLarge
from shared.manifest import ManifestSlice
from shared.records import Method, Outcome, Records
from shared.sources import GAP_BYTES, RUN_BYTES, ByteSource, coalesce

HEAD_SLACK_BYTES = 96
"""What the extra field of a local header takes at most as a rule; longer ones cost a further read."""
LOCAL = np.dtype(
    [
        ("mark", "S4"),
        ("needs", "<u2"),
        ("flags", "<u2"),
        ("method", "<u2"),
        ("time", "<u4"),
        ("crc", "<u4"),
        ("comp_size", "<u4"),
        ("size", "<u4"),
        ("name_len", "<u2"),
        ("extra_len", "<u2"),
    ]
)
"""The 30 fixed bytes of a local header."""
SAFE_INFLATE_BYTES = 2048
"""Deflated data up to this length cannot inflate beyond 2 MB, so the faster unbounded call is safe."""
Read = tuple[int, bytes | ItemError]


class MemberSettings(Protocol):
    """The setting that limits one file."""

    @property
    def max_member_bytes(self) -> int: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Run:
    """Neighbouring files of one input that are read at once.

    Attributes:
        items: (N,) their indices in the slice, ascending by offset.
        start, length: the range of bytes.
    """

    input: int
    items: npt.NDArray[np.int64]
    start: int
    length: int


def read_members(
    sources: Mapping[int, ByteSource], part: ManifestSlice, settings: MemberSettings
) -> Iterator[tuple[int, bytes | ItemError | None]]:
    """Yield `(index in the slice, bytes)` of every item, each once.

    Instead of the bytes comes an `ItemError` for an item that fails, None for one that is skipped. First come
    the items that nobody reads, then the others by input and offset. The pages of one file share its bytes.
    Sizes and checksums are checked; no more than the declared size is ever inflated. Memory: one run of about
    8 MiB beside the file in hand.

    Raises:
        BlobMissing, Unavailable: the storage fails.
    """
    for i in np.flatnonzero(part.records["outcome"] != Outcome.OPEN).tolist():
        yield i, part.error(i)
    for run in plan_runs(part.records, settings.max_member_bytes):
        yield from read_run(run, sources[run.input], part.records, settings.max_member_bytes)


def plan_runs(
    records: Records, max_member_bytes: int, *, gap_bytes: int = GAP_BYTES, run_bytes: int = RUN_BYTES
) -> list[Run]:
    """Group the items that are to be read into runs, by input and offset.

    Files near each other share a run; whole files, and what is over the limit, stand alone.
    """
    runs: list[Run] = []
    is_open = np.flatnonzero(records["outcome"] == Outcome.OPEN)
    chosen = records[is_open]
    order = np.lexsort((chosen["offset"], chosen["method"] == Method.WHOLE, chosen["input"]))
    items, chosen = is_open[order], chosen[order]
    whole = chosen["method"] == Method.WHOLE
    is_new = (chosen["input"][1:] != chosen["input"][:-1]) | (whole[1:] != whole[:-1])
    cuts = [0, *(np.flatnonzero(is_new) + 1).tolist(), len(items)] if len(items) else []
    for first, end in itertools.pairwise(cuts):
        ordinal = int(chosen["input"][first])
        if whole[first]:
            runs.append(Run(ordinal, items[first:end], 0, int(chosen["comp_size"][first])))
        else:
            spans = _spans(chosen[first:end], max_member_bytes)
            runs += _member_runs(ordinal, items[first:end], *spans, gap_bytes, run_bytes)
    return runs


def read_run(run: Run, source: ByteSource, records: Records, max_member_bytes: int) -> Iterator[Read]:
    """Read one run and yield its items; safe to call from several threads for different runs."""
    if records["method"][run.items[0]] == Method.WHOLE:
        yield from _read_whole(run, source, max_member_bytes)
        return
    block = source.read(run.start, run.length)
    data = _locate(records[run.items], block, run.start)
    last: tuple[int, bytes | ItemError] | None = None
    for row in zip(run.items.tolist(), *data, strict=True):
        index, offset = row[0], row[1]
        if last is None or last[0] != offset:
            last = offset, _extract(source, block, run.start, row[1:], max_member_bytes)
        yield index, last[1]


def _member_runs(
    ordinal: int,
    items: npt.NDArray[np.int64],
    starts: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
    gap_bytes: int,
    run_bytes: int,
) -> Iterator[Run]:
    """Group the members of one input."""
    cuts = coalesce(starts, ends, gap_bytes=gap_bytes, run_bytes=run_bytes).tolist()
    for first, end in itertools.pairwise(cuts):
        start = int(starts[first])
        yield Run(ordinal, items[first:end], start, int(ends[first:end].max()) - start)


def _spans(chosen: Records, max_member_bytes: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return where the bytes of each member begin and where they end at the latest, as a rule."""
    starts = chosen["offset"].astype(np.int64)
    head = np.where(chosen["method"] == Method.RANGE, 0, 30 + HEAD_SLACK_BYTES + chosen["zip_name_len"])
    stored = chosen["comp_size"].astype(np.int64)
    fits = (chosen["size"] <= max_member_bytes) & (stored <= _most_stored(max_member_bytes))
    return starts, starts + head + np.where(fits, stored, 0)


def _most_stored(max_member_bytes: int) -> int:
    """Return how many deflated bytes a member of the largest size may take."""
    return max_member_bytes * 17 // 16 + 65536


def _locate(chosen: Records, block: bytes, start: int) -> list[list[int]]:
    """Return a member's offset, begin in the block (−1: no header there), stored bytes, size, crc, method."""
    at = chosen["offset"].astype(np.int64) - start
    begin = at.copy()
    zipped = np.flatnonzero(chosen["method"] != Method.RANGE)
    inside = zipped[at[zipped] + LOCAL.itemsize <= len(block)]
    begin[zipped] = -1
    if len(inside):
        windows = np.lib.stride_tricks.sliding_window_view(
            np.frombuffer(block, dtype=np.uint8), LOCAL.itemsize
        )
        local = np.ascontiguousarray(windows[at[inside]]).view(LOCAL).reshape(-1)
        data = at[inside] + LOCAL.itemsize + local["name_len"] + local["extra_len"]
        begin[inside] = np.where(local["mark"] == b"PK\x03\x04", data, -1)
    columns = (chosen["comp_size"], chosen["size"], chosen["crc"], chosen["method"])
    return [at.tolist(), begin.tolist(), *(column.tolist() for column in columns)]


def _extract(
    source: ByteSource, block: bytes, start: int, row: tuple[int, ...], max_member_bytes: int
) -> bytes | ItemError:
    """Take one member out of a block, inflate and check it."""
    _, begin, stored, size, crc, method = row
    if size > max_member_bytes or stored > _most_stored(max_member_bytes):
        return MemberTooLarge()
    if begin < 0:
        return CorruptArchiveMember("Its header inside the zip is not where the zip's directory says.")
    raw = block[begin : begin + stored]
    if len(raw) < stored:
        raw = source.read(start + begin, stored)
    if len(raw) < stored:
        return CorruptArchiveMember("It is cut off inside its zip.")
    if method == Method.RANGE:
        return raw
    data = raw if method == Method.STORED else _inflate(raw, size)
    if data is None or len(data) != size:
        return CorruptArchiveMember("Its size inside the zip is not what the zip's directory says.")
    if zlib.crc32(data) != crc:
        return CorruptArchiveMember(
            "Its checksum is wrong: the file was damaged on its way into the zip or after."
        )
    return data


def _inflate(raw: bytes, size: int) -> bytes | None:
    """Inflate to the declared size and one byte more at most; None when the data are broken or go on."""
    try:
        if len(raw) <= SAFE_INFLATE_BYTES:
            return zlib.decompress(raw, -15, size or 1)
        inflater = zlib.decompressobj(-15)
        data = inflater.decompress(raw, size + 1)
    except zlib.error:
        return None
    return data if inflater.eof else None


def _read_whole(run: Run, source: ByteSource, max_member_bytes: int) -> Iterator[Read]:
    """Read a file that is one item, or one a page."""
    found: bytes | ItemError
    if run.length > max_member_bytes:
        found = MemberTooLarge()
    else:
        found = source.read(0, run.length)
        if len(found) < run.length:
            found = CorruptArchiveMember("The stored file is shorter than the upload was.")
    for index in run.items.tolist():
        yield index, found
