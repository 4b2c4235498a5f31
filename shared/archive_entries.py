"""The entries of a central directory as columns: fixed fields by numpy, names by hand where they are odd."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shared import names
from shared.archive_tail import ENTRY_MARK, Place
from shared.errors import CorruptArchive
from shared.records import Records

FIXED = np.dtype(
    [
        ("mark", "S4"),
        ("made_by", "<u2"),
        ("needs", "<u2"),
        ("flags", "<u2"),
        ("method", "<u2"),
        ("time", "<u4"),
        ("crc", "<u4"),
        ("comp_size", "<u4"),
        ("size", "<u4"),
        ("name_len", "<u2"),
        ("extra_len", "<u2"),
        ("comment_len", "<u2"),
        ("disk", "<u2"),
        ("internal", "<u2"),
        ("external", "<u4"),
        ("offset", "<u4"),
    ]
)
"""The 46 fixed bytes of an entry."""
UTF8 = 0x800
GATHER = 16384
_SYSTEM_FILES = ("humbs.db", "ktop.ini")  # as much of their names as `ends_with` takes
_LENGTHS = struct.Struct("<HHH")
_EXTRA = struct.Struct("<HH")
_MAX32 = 0xFFFFFFFF
U64 = npt.NDArray[np.uint64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Entries:
    """Some entries of a directory; every array is (N,).

    Attributes:
        number: position in the directory, from 0.
        position: where the entry begins in the directory, in bytes.
        offset: of the local header in the file; bytes before the zip included.
    """

    number: npt.NDArray[np.int64]
    position: npt.NDArray[np.int64]
    fixed: Records
    offset: U64
    comp_size: U64
    size: U64

    def __len__(self) -> int:
        return len(self.position)

    def take(self, which: Bools) -> Entries:
        """Return some of them."""
        if which.all():
            return self
        return Entries(
            self.number[which],
            self.position[which],
            self.fixed[which],
            self.offset[which],
            self.comp_size[which],
            self.size[which],
        )


@dataclass(frozen=True, slots=True)
class Labels:
    """The cleaned names of entries: where each lies in `blob`, and whether a folder or hidden file has it."""

    blob: bytes
    starts: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]
    is_no_input: Bools

    def take(self, which: Bools) -> Labels:
        """Return some of them, with a blob of only those."""
        if which.all():
            return self
        starts, lengths = self.starts[which], self.lengths[which]
        blob = gather(self.blob, starts, lengths)
        return Labels(blob, np.cumsum(lengths) - lengths, lengths, self.is_no_input[which])

    def ends_with(self, endings: tuple[str, ...]) -> Bools:
        """Tell which names have one of the endings (at most 8 ASCII characters), in capitals or not."""
        tails = self._tails()
        found = np.zeros(len(self.starts), dtype=bool)
        for ending in endings:
            raw = np.frombuffer(ending.encode("ascii").rjust(8, b"\0"), dtype=">u8")[0]
            mask = np.uint64((1 << 8 * len(ending)) - 1)
            found |= (tails & mask) == raw
        return found

    def _tails(self) -> U64:
        """Return the last 8 bytes of each name in small letters, as one number."""
        data = np.frombuffer(b"\0" * 8 + self.blob, dtype=np.uint8)
        ends = self.starts + self.lengths + 8
        tails = np.lib.stride_tricks.sliding_window_view(data, 8)[ends - 8]
        tails = np.where((tails >= 65) & (tails <= 90), tails | 32, tails)
        tails[np.arange(8, 0, -1) > self.lengths[:, None]] = 0
        return np.ascontiguousarray(tails).view(">u8").reshape(-1).astype(np.uint64)


def walk(raw: bytes, place: Place, most: int) -> npt.NDArray[np.int64]:
    """Return where each entry begins, at most `most` of them.

    Raises:
        CorruptArchive: the entries do not fill the directory, or are not as many as the end record says.
    """
    positions: list[int] = []
    at, end = 0, len(raw) - 46
    unpack, append = _LENGTHS.unpack_from, positions.append
    while at <= end and raw[at : at + 4] == ENTRY_MARK and len(positions) < most:
        append(at)
        name, extra, comment = unpack(raw, at + 28)
        at += 46 + name + extra + comment
    if at > len(raw):
        raise CorruptArchive("The last entry of the zip's directory is cut off.")
    said = place.count if place.is_zip64 else place.count % 65536
    if len(positions) < most and said != (len(positions) if place.is_zip64 else len(positions) % 65536):
        raise CorruptArchive(f"The zip says that it has {place.count} members and lists {len(positions)}.")
    return np.array(positions, dtype=np.int64)


def read_entries(raw: bytes, positions: npt.NDArray[np.int64], prefix: int) -> Entries:
    """Read the fixed fields of all entries, and the 64-bit ones where they stand in for them."""
    if len(positions) == 0:
        none = np.zeros(0, dtype=np.uint64)
        return Entries(positions, positions, np.zeros(0, dtype=FIXED), none, none, none)
    windows = np.lib.stride_tricks.sliding_window_view(np.frombuffer(raw, dtype=np.uint8), 46)
    fixed = np.ascontiguousarray(windows[positions]).view(FIXED).reshape(-1)
    size, comp_size = fixed["size"].astype(np.uint64), fixed["comp_size"].astype(np.uint64)
    offset = fixed["offset"].astype(np.uint64)
    large = (fixed["size"] == _MAX32) | (fixed["comp_size"] == _MAX32) | (fixed["offset"] == _MAX32)
    for n in np.flatnonzero(large).tolist():
        size[n], comp_size[n], offset[n] = _zip64(raw, int(positions[n]), fixed[n])
    if (offset > np.uint64(2**62)).any():
        raise CorruptArchive("A member of the zip begins beyond the end of the file.")
    numbers = np.arange(len(positions), dtype=np.int64)
    return Entries(numbers, positions, fixed, offset + np.uint64(prefix), comp_size, size)


def label_entries(raw: bytes, entries: Entries) -> Labels:
    """Decode and clean the names of all entries; only those that are not plain take time."""
    lengths = entries.fixed["name_len"].astype(np.int64)
    begins = entries.position + 46
    blob = gather(raw, begins, lengths)
    starts = np.cumsum(lengths) - lengths
    stored = Labels(blob, starts, lengths, _is_folder(blob, starts, lengths))
    odd = _is_odd(blob, starts, lengths) | stored.ends_with(_SYSTEM_FILES)
    if b"up" in raw:
        odd |= entries.fixed["extra_len"] >= 9
    odd &= ~stored.is_no_input
    if not odd.any():
        return stored
    no_input = stored.is_no_input.copy()
    cleaned: dict[int, bytes] = {}
    for n in np.flatnonzero(odd).tolist():
        label = names.clean_name(_name(raw, entries, n)) or f"item-{n + 1}"
        no_input[n] = names.is_hidden(label)
        cleaned[n] = label.encode("utf-8", "replace")
    pairs = zip(starts.tolist(), lengths.tolist(), strict=True)
    parts = [cleaned[n] if n in cleaned else blob[a : a + length] for n, (a, length) in enumerate(pairs)]
    lengths = np.array([len(part) for part in parts], dtype=np.int64)
    return Labels(b"".join(parts), np.cumsum(lengths) - lengths, lengths, no_input)


def gather(data: bytes, starts: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]) -> bytes:
    """Return parts of `data` one after the other, put together block by block so that few objects live at once."""
    blocks: list[bytes] = []
    for first in range(0, len(starts), GATHER):
        begin, length = starts[first : first + GATHER], lengths[first : first + GATHER]
        pairs = zip(begin.tolist(), (begin + length).tolist(), strict=True)
        blocks.append(b"".join([data[a:b] for a, b in pairs]))
    return b"".join(blocks)


def _is_odd(blob: bytes, starts: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]) -> Bools:
    """Tell which names may be changed by cleaning, or may be hidden: all but plain ASCII paths."""
    data = np.frombuffer(blob + b"a", dtype=np.uint8)  # so that an empty last name begins within
    begins = np.zeros(len(data), dtype=bool)
    begins[starts] = True
    begins[1:] |= data[:-1] == ord("/")
    odd_byte = (data < 0x20) | (data > 0x7E) | (data == ord("\\")) | (data == ord(":"))
    # After a slash or at the start: what is removed, or may begin `__MACOSX`.
    for letter in b"./ ?_":
        odd_byte |= begins & (data == letter)
    odd_byte[:-1] |= (data[:-1] == ord(" ")) & (data[1:] == ord("/"))
    found: Bools = np.logical_or.reduceat(odd_byte, starts)
    found |= (lengths == 0) | (lengths > names.MAX_NAME_BYTES // 4)
    return found


def _is_folder(blob: bytes, starts: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]) -> Bools:
    """Tell which names end in a slash of either kind."""
    if not blob:
        return np.zeros(len(starts), dtype=bool)
    last = np.frombuffer(blob, dtype=np.uint8)[np.maximum(starts + lengths, 1) - 1]
    found: Bools = (lengths > 0) & ((last == ord("/")) | (last == ord("\\")))
    return found


def _name(raw: bytes, entries: Entries, n: int) -> str:
    """Decode the name of one entry; Info-ZIP's Unicode path goes before, when it is for this very name."""
    at, fixed = int(entries.position[n]) + 46, entries.fixed[n]
    stored = raw[at : at + int(fixed["name_len"])]
    extra = _extra(raw, int(entries.position[n]), fixed, 0x7075)
    if len(extra) > 5 and extra[0] == 1 and extra[1:5] == zlib.crc32(stored).to_bytes(4, "little"):
        return names.decode_name(extra[5:], True)
    return names.decode_name(stored, bool(fixed["flags"] & UTF8))


def _extra(raw: bytes, position: int, fixed: np.void, wanted: int) -> bytes:
    """Return the data of one extra field of an entry; empty when it is not there."""
    at = position + 46 + int(fixed["name_len"])
    end = at + int(fixed["extra_len"])
    while at + 4 <= end:
        kind, length = _EXTRA.unpack_from(raw, at)
        if kind == wanted:
            return raw[at + 4 : min(at + 4 + length, end)]
        at += 4 + length
    return b""


def _zip64(raw: bytes, position: int, fixed: np.void) -> tuple[int, int, int]:
    """Return size, compressed size and offset of an entry whose 32-bit fields are full."""
    extra = _extra(raw, position, fixed, 0x0001)
    values: list[int] = []
    for column in ("size", "comp_size", "offset"):
        value = int(fixed[column])
        if value == _MAX32 and extra:
            if len(extra) < 8:
                raise CorruptArchive("A zip64 field of the zip's directory is cut off.")
            value, extra = int.from_bytes(extra[:8], "little"), extra[8:]
        values.append(value)
    return values[0], values[1], values[2]
