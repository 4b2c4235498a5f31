"""Read the central directory of a zip: each member's place, sizes and name; nothing inflated or believed.

Source of the format: APPNOTE.TXT 6.3.10, sections 4.3 and 4.4.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from shared import archive_checks as checks
from shared.archive_entries import Entries, label_entries, read_entries, walk
from shared.archive_tail import find_directory
from shared.errors import CorruptArchive, TooManyItems
from shared.records import RECORD, Method, Records
from shared.sources import ByteSource

MIB = 1024 * 1024


class LimitSettings(Protocol):
    """The settings that limit a zip."""

    @property
    def max_zip_members(self) -> int: ...  # noqa: D102
    @property
    def max_member_bytes(self) -> int: ...  # noqa: D102
    @property
    def max_inflated_bytes(self) -> int: ...  # noqa: D102
    @property
    def bomb_inflated_bytes(self) -> int: ...  # noqa: D102
    @property
    def bomb_ratio(self) -> int: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """How large a zip may be in each respect; `API.md`, *Keys and limits*."""

    max_members: int = 200_000
    max_member_bytes: int = 64 * MIB
    max_inflated_bytes: int = 20 * 1024 * MIB
    bomb_inflated_bytes: int = 256 * MIB
    bomb_ratio: int = 200
    max_directory_bytes: int = 64 * MIB

    @classmethod
    def of(cls, settings: LimitSettings) -> ArchiveLimits:
        """Take the limits from the settings."""
        return cls(
            max_members=settings.max_zip_members,
            max_member_bytes=settings.max_member_bytes,
            max_inflated_bytes=settings.max_inflated_bytes,
            bomb_inflated_bytes=settings.bomb_inflated_bytes,
            bomb_ratio=settings.bomb_ratio,
        )

    @property
    def max_entries(self) -> int:
        """Return how many entries are looked at: folders and hidden files come on top of the members."""
        return 2 * self.max_members + 1000


@dataclass(frozen=True, slots=True)
class Directory:
    """The inputs that a zip holds, in the order of its central directory.

    Attributes:
        records: (N,) `RECORD`, `input` 0; `name_off` counts from the start of `names`.
        names: the cleaned names, UTF-8, one after the other.
    """

    records: Records = field(default_factory=lambda: np.zeros(0, dtype=RECORD))
    names: bytes = b""

    def __len__(self) -> int:
        return len(self.records)

    def name(self, i: int) -> str:
        """Return the cleaned name of input i."""
        start = int(self.records["name_off"][i])
        return self.names[start : start + int(self.records["name_len"][i])].decode("utf-8", "replace")


def read_directory(source: ByteSource, limits: ArchiveLimits | None = None) -> Directory:
    """Read and check the directory of a zip with a few ranged reads.

    Folders, links, `__MACOSX/`, dot-files, `Thumbs.db` and `desktop.ini` leave no trace. A zip without any
    input gives an empty directory.

    Raises:
        CorruptArchive: no directory, or one that contradicts itself or its file.
        TooManyItems: more members than the limit.
        ZipBomb: members overlap, or inflate beyond the limits.
        EncryptedArchive: every member is encrypted.
    """
    limits = limits or ArchiveLimits()
    place = find_directory(source)
    if place.size // 46 >= place.count > limits.max_entries:
        raise TooManyItems(
            f"The zip has {place.count:,} members; at most {limits.max_members:,} are accepted."
        )
    if place.size > limits.max_directory_bytes:
        raise CorruptArchive("The zip's directory is larger than any honest one.")
    raw = place.head if place.head is not None else source.read(place.start, place.size)
    if len(raw) < place.size:
        raise CorruptArchive("The zip ends within its directory.")
    positions = walk(raw, place, limits.max_entries + 1)
    if len(positions) > limits.max_entries:
        raise TooManyItems(f"The zip has more than {limits.max_members:,} members.")
    entries = read_entries(raw, positions, place.prefix)
    checks.refuse_overlaps(entries, place.start)
    return _directory(raw, entries, source.size, limits)


def _directory(raw: bytes, entries: Entries, archive_bytes: int, limits: ArchiveLimits) -> Directory:
    """Keep the inputs, check them as a whole and judge each."""
    labels = label_entries(raw, entries)
    kept = checks.is_regular(entries) & ~labels.is_no_input
    members, labels = entries.take(kept), labels.take(kept)
    if len(members) > limits.max_members:
        raise TooManyItems(
            f"The zip has {len(members):,} members; at most {limits.max_members:,} are accepted."
        )
    checks.refuse_encrypted(members)
    checks.refuse_bombs(members, archive_bytes, limits)
    records = _records(members)
    records["name_off"], records["name_len"] = labels.starts, labels.lengths
    checks.judge(records, members, labels, limits.max_member_bytes)
    return Directory(records, labels.blob)


def _records(members: Entries) -> Records:
    """Put what the directory says of each member into records."""
    records = np.zeros(len(members), dtype=RECORD)
    records["offset"], records["crc"] = members.offset, members.fixed["crc"]
    records["comp_size"], records["size"] = members.comp_size, members.size
    records["zip_method"], records["zip_name_len"] = members.fixed["method"], members.fixed["name_len"]
    records["method"] = np.where(members.fixed["method"] == 0, Method.STORED, Method.DEFLATED)
    return records
