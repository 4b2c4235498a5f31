"""What a zip may be refused for, and what a member may fail for, before a byte is inflated."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from shared import names
from shared.archive_entries import Bools, Entries, Labels
from shared.errors import CorruptArchive, EncryptedArchive, ZipBomb
from shared.records import MAY_HAVE_PAGES, REASON_OF, Outcome, Records

if TYPE_CHECKING:
    from shared.archive import ArchiveLimits

_ENCRYPTED = 0x0001 | 0x0040 | 0x2000
_UNIX, _MACOS = 3, 19
_FORMAT, _REGULAR = 0o170000, 0o100000
_DOS_FOLDER = 0x10
LOCAL_HEADER_BYTES = 30


def is_regular(entries: Entries) -> Bools:
    """Tell which entries are files: no folders, no links, no devices."""
    system = entries.fixed["made_by"] >> 8
    kind = (entries.fixed["external"] >> 16) & _FORMAT
    other = ((system == _UNIX) | (system == _MACOS)) & (kind != 0) & (kind != _REGULAR)
    folder = (entries.fixed["external"] & _DOS_FOLDER != 0) & (entries.size == 0)
    regular: Bools = ~(other | folder)
    return regular


def is_encrypted(entries: Entries) -> Bools:
    """Tell which entries are encrypted, in whatever way."""
    found: Bools = (entries.fixed["flags"] & _ENCRYPTED != 0) | (entries.fixed["method"] == 99)
    return found


def refuse_overlaps(entries: Entries, directory_start: int) -> None:
    """Check that no two members share bytes and none reaches into the directory.

    A member takes at least its local header, its name and its data; its own extra field and data descriptor
    are not counted, so no honest zip is refused.

    Raises:
        CorruptArchive: a member lies beyond the directory's start.
        ZipBomb: two members overlap.
    """
    if len(entries) == 0:
        return
    start = np.uint64(directory_start)
    least = entries.fixed["name_len"].astype(np.uint64) + np.uint64(LOCAL_HEADER_BYTES)
    if (
        (entries.comp_size > start) | (entries.offset + least > start - np.minimum(entries.comp_size, start))
    ).any():
        raise CorruptArchive("A member of the zip does not lie within the file.")
    order = np.argsort(entries.offset, kind="stable")
    ends = (entries.offset + least + entries.comp_size)[order]
    if (entries.offset[order][1:] < ends[:-1]).any():
        raise ZipBomb("Members of the zip overlap each other.")


def refuse_encrypted(members: Entries) -> None:
    """Check that not every member that has content is encrypted.

    Raises:
        EncryptedArchive: every one is.
    """
    encrypted = is_encrypted(members)
    if encrypted.any() and (encrypted | (members.size == 0)).all():
        raise EncryptedArchive


def refuse_bombs(members: Entries, archive_bytes: int, limits: ArchiveLimits) -> None:
    """Check the sum of the sizes that the directory declares.

    Raises:
        ZipBomb: more than the limit, or out of all proportion to the archive.
    """
    total = float(members.size.astype(np.float64).sum())
    if total > limits.max_inflated_bytes:
        raise ZipBomb(f"The zip would unpack to more than {limits.max_inflated_bytes:,} bytes.")
    if total > limits.bomb_inflated_bytes and total > limits.bomb_ratio * archive_bytes:
        raise ZipBomb(f"The zip would unpack to more than {limits.bomb_ratio} times its size.")


def judge(records: Records, members: Entries, labels: Labels, max_member_bytes: int) -> None:
    """Set outcome and reason of each record; the first that holds counts."""
    skipped = labels.ends_with(names.SKIPPED)
    method = members.fixed["method"]
    # Deflate grows what it cannot press by 5 bytes a block; nothing honest is stored larger than this.
    too_large = (members.size > max_member_bytes) | (members.comp_size > max_member_bytes * 17 // 16 + 65536)
    failures = (
        ("encrypted", is_encrypted(members)),
        ("nested_archive", labels.ends_with(names.ARCHIVES)),
        ("empty_file", members.size == 0),
        ("unsupported_format", (method != 0) & (method != 8)),
        ("member_too_large", too_large),
    )
    for reason, which in reversed(failures):
        records["outcome"][which], records["reason"][which] = Outcome.FAILED, REASON_OF[reason]
    records["outcome"][skipped], records["reason"][skipped] = Outcome.SKIPPED, REASON_OF["not_an_image"]
    pages = labels.ends_with(names.MULTI_PAGE) & (records["outcome"] == Outcome.OPEN)
    records["flags"] = np.where(pages, MAY_HAVE_PAGES, 0)
