"""How a manifest lies in its bytes, and how a slice of it is read.

Layout: header (64 bytes), `count` records of 64 bytes, names. The name of an item is followed by its custom
id, if that is another; names lie in the order of the records, so a slice of those needs one range of names.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

from shared.errors import Internal, ItemError
from shared.records import RECORD, Outcome, Records, item_error, reason_of
from shared.sources import ByteSource, BytesSource

MAGIC = b"INKQMAN1"
VERSION = 1
HEADER = struct.Struct("<8sIIQQ")  # magic, version, bytes of a record, count, where the names begin
HEADER_BYTES = 64


@dataclass(frozen=True, slots=True)
class ManifestSlice:
    """Records `first_seq` to `first_seq + len(records)` of a manifest, with their names.

    `names` is the part of the names blob that begins at `names_start`.
    """

    records: Records
    names: bytes
    names_start: int
    first_seq: int

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, part: slice) -> ManifestSlice:
        """Return a contiguous part, with its own `first_seq`."""
        first, _, step = part.indices(len(self.records))
        if step != 1:
            raise ValueError("a manifest slice is contiguous")
        return ManifestSlice(self.records[part], self.names, self.names_start, self.first_seq + first)

    def name(self, i: int) -> str:
        """Return the name of record i of this slice."""
        record = self.records[i]
        start = int(record["name_off"]) - self.names_start
        return self.names[start : start + int(record["name_len"])].decode("utf-8", "replace")

    def custom_id(self, i: int) -> str | None:
        """Return the custom id of record i; None when it is the name."""
        record = self.records[i]
        length = int(record["cid_len"])
        if length == 0:
            return None
        start = int(record["name_off"]) - self.names_start + int(record["name_len"])
        return self.names[start : start + length].decode("utf-8", "replace")

    def error(self, i: int) -> ItemError | None:
        """Return the error that record i has failed with before being read, if it has."""
        return item_error(self.records[i])

    def skip_reason(self, i: int) -> str | None:
        """Return why record i is skipped; None when it is not."""
        record = self.records[i]
        return reason_of(record) if record["outcome"] == Outcome.SKIPPED else None


def pack(records: Records, names: bytes) -> bytes:
    """Put a manifest together; `name_off` counts from the start of `names`."""
    ordered = np.ascontiguousarray(records, dtype=RECORD)
    head = HEADER.pack(MAGIC, VERSION, RECORD.itemsize, len(ordered), HEADER_BYTES + ordered.nbytes)
    return b"".join((head.ljust(HEADER_BYTES, b"\0"), ordered.view(np.uint8).data, names))


def count(source: ByteSource | bytes) -> int:
    """Return how many items a manifest has.

    Raises:
        Internal: this is no manifest.
    """
    return _parse_header(as_source(source).read(0, HEADER_BYTES))[0]


def read_slice(source: ByteSource | bytes, first_seq: int, end_seq: int) -> ManifestSlice:
    """Read the records `[first_seq, end_seq)` and their names, in two reads.

    Raises:
        Internal: this is no manifest, or it has no such records.
    """
    source = as_source(source)
    start = HEADER_BYTES + first_seq * RECORD.itemsize
    length = (end_seq - first_seq) * RECORD.itemsize
    head, body = source.read_many([(0, HEADER_BYTES), (start, length)])
    total, names_at = _parse_header(head)
    if not 0 <= first_seq <= end_seq <= total or len(body) != length:
        raise Internal(f"the manifest of {total} items has no items {first_seq} to {end_seq}")
    records = np.frombuffer(body, dtype=RECORD)
    low, high = _names_range(records)
    names = source.read(names_at + low, high - low)
    if len(names) != high - low:
        raise Internal("the manifest is cut off")
    return ManifestSlice(records, names, low, first_seq)


def read_all(source: ByteSource | bytes) -> ManifestSlice:
    """Read a whole manifest."""
    return read_slice(source, 0, count(source))


def _names_range(records: Records) -> tuple[int, int]:
    """Return the range of the names blob that these records need."""
    if len(records) == 0:
        return 0, 0
    last = records[-1]
    end = int(last["name_off"]) + int(last["name_len"]) + int(last["cid_len"])
    return int(records[0]["name_off"]), end


def _parse_header(head: bytes) -> tuple[int, int]:
    """Return the number of records and where the names begin."""
    if len(head) < HEADER_BYTES or not head.startswith(MAGIC):
        raise Internal("this is no manifest")
    _, version, width, total, names_at = HEADER.unpack_from(head)
    if version != VERSION or width != RECORD.itemsize:
        raise Internal(f"the manifest is of version {version} with records of {width} bytes")
    return total, names_at


def as_source(source: ByteSource | bytes) -> ByteSource:
    """Give bytes random access."""
    return BytesSource(source) if isinstance(source, bytes) else source
