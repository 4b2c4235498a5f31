"""Find the central directory of a zip from its end; zip64, comments, and bytes before the zip."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from shared.errors import CorruptArchive
from shared.sources import ByteSource

TAIL_BYTES = 128 * 1024
"""The end record with the longest comment fits, and so does a small directory: one read then does it all."""

_END = struct.Struct("<4sHHHHIIH")
_LOCATOR = struct.Struct("<4sIQI")
_END64 = struct.Struct("<4sQHHIIQQQQ")
_END_MARK, _LOCATOR_MARK, _END64_MARK, ENTRY_MARK = b"PK\x05\x06", b"PK\x06\x07", b"PK\x06\x06", b"PK\x01\x02"
_PADDING = b"\0\r\n\x1a"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a central directory lies.

    Attributes:
        start: offset in the file, in bytes.
        size: bytes.
        count: entries, as the end record says; modulo 65,536 unless `is_zip64`.
        prefix: bytes before the zip, to be added to each member's offset.
        head: the directory's bytes, if they have been read already.
    """

    start: int
    size: int
    count: int
    prefix: int
    is_zip64: bool
    head: bytes | None


@dataclass(frozen=True, slots=True)
class _End:
    """What the end records say; `at` is where the directory ends at the latest."""

    at: int
    count: int
    size: int
    offset: int
    is_zip64: bool


def find_directory(source: ByteSource) -> Place:
    """Find the central directory.

    Raises:
        CorruptArchive: there is none, or it is not within the file.
    """
    tail_start = max(0, source.size - TAIL_BYTES)
    tail = source.read(tail_start, source.size - tail_start)
    end = _find_end(source, tail, tail_start)
    if end.size > end.at or end.offset > end.at:
        raise CorruptArchive("The zip's directory does not lie within the file.")
    start = _start(source, end, tail, tail_start)
    within = start - tail_start
    head = tail[within : within + end.size] if within >= 0 else None
    return Place(start, end.size, end.count, start - end.offset, end.is_zip64, head)


def _find_end(source: ByteSource, tail: bytes, tail_start: int) -> _End:
    """Find the end record: the last whose comment reaches to the end of the file, padding aside."""
    at = len(tail)
    lowest = max(0, len(tail) - _END.size - 0xFFFF - 1024)
    while (at := tail.rfind(_END_MARK, lowest, at)) >= 0:
        if at + _END.size > len(tail):
            continue
        _, disk, first_disk, here, count, size, offset, comment = _END.unpack_from(tail, at)
        rest = at + _END.size + comment
        if rest > len(tail) or tail[rest:].strip(_PADDING):
            continue
        zip64 = _find_end64(source, tail, tail_start, at)
        if zip64 is not None:
            return zip64
        if disk != first_disk or here != count or disk != 0:
            raise CorruptArchive("The zip is one part of several. Please send it in one piece.")
        return _End(tail_start + at, count, size, offset, False)
    raise CorruptArchive


def _find_end64(source: ByteSource, tail: bytes, tail_start: int, end_at: int) -> _End | None:
    """Read the zip64 end record, if its locator stands before the end record."""
    at = end_at - _LOCATOR.size
    if at < 0 or tail[at : at + 4] != _LOCATOR_MARK:
        return None
    _, disk, offset, disks = _LOCATOR.unpack_from(tail, at)
    if disk != 0 or disks > 1:
        raise CorruptArchive("The zip is one part of several. Please send it in one piece.")
    behind = tail_start + at - _END64.size
    for place in dict.fromkeys((behind, min(offset, behind))):
        raw = source.read(place, _END64.size) if place >= 0 else b""
        if len(raw) == _END64.size and raw.startswith(_END64_MARK):
            _, _, _, _, _, _, _, count, size, start = _END64.unpack(raw)
            return _End(place, count, size, start, True)
    raise CorruptArchive("The zip64 end record is missing.")


def _start(source: ByteSource, end: _End, tail: bytes, tail_start: int) -> int:
    """Say where the directory really starts: right before the end record, or where that says."""
    behind = end.at - end.size
    if end.size == 0 or behind == end.offset:
        return behind
    for start in (behind, end.offset):
        within = start - tail_start
        mark = tail[within : within + 4] if within >= 0 else source.read(start, 4)
        if start >= end.offset and start + end.size <= end.at and mark == ENTRY_MARK:
            return start
    raise CorruptArchive("The zip's directory is not where its end record says.")
