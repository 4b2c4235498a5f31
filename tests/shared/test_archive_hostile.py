"""Zips that lie: each has its own clear answer, soon and in little memory."""

from __future__ import annotations

import struct
import tracemalloc

import pytest

from shared.archive import ArchiveLimits, read_directory
from shared.errors import CorruptArchive, EncryptedArchive, TooManyItems, ZipBomb
from shared.sources import BytesSource
from tests.shared.zips import END, Member, raw_zip, zip_bytes

HONEST = zip_bytes([(f"{n}.png", bytes([n]) * 300) for n in range(20)], deflate=True)


class Counting:
    """A source that counts what is read of it."""

    def __init__(self, data: bytes) -> None:
        self._data = BytesSource(data)
        self.bytes_read = 0

    @property
    def size(self) -> int:
        """Return the size in bytes."""
        return self._data.size

    def read(self, offset: int, length: int) -> bytes:
        """Read and count."""
        self.bytes_read += length
        return self._data.read(offset, length)

    def read_many(self, ranges: object) -> list[bytes]:
        """Refuse: the directory is read in one piece."""
        raise AssertionError(ranges)


def refused(data: bytes, error: type[Exception], limits: ArchiveLimits | None = None) -> str:
    """Return the words with which a zip is refused."""
    with pytest.raises(error) as caught:
        read_directory(BytesSource(data), limits)
    return str(caught.value)


@pytest.mark.parametrize("data", [b"", b"PK", b"PK\x03\x04", b"not a zip at all", bytes(200_000)])
def test_what_is_no_zip_is_corrupt(data: bytes) -> None:
    """Anything without a directory is `corrupt_archive`."""
    refused(data, CorruptArchive)


def test_a_truncated_zip_is_corrupt_wherever_it_ends() -> None:
    """No prefix of a zip is taken for a whole one."""
    for length in range(0, len(HONEST), 7):
        refused(HONEST[:length], CorruptArchive)
    refused(HONEST[:-1], CorruptArchive)


def test_a_zip_that_lost_its_middle_or_start_is_corrupt() -> None:
    """The end record alone is not believed."""
    refused(HONEST[100:], CorruptArchive)
    refused(HONEST[:200] + HONEST[300:], CorruptArchive)


def test_a_truncated_zip_around_a_whole_one_is_corrupt() -> None:
    """The end record of a member is not taken for that of the zip."""
    outer = zip_bytes([("a.png", b"x" * 100), ("inner.zip", HONEST), ("b.png", b"x" * 100)])
    inner_end = outer.index(HONEST) + len(HONEST)
    refused(outer[: inner_end + 60], CorruptArchive)


@pytest.mark.parametrize("zip64", [True, False])
@pytest.mark.parametrize("count", [0, 1, 3, 65_000])
def test_a_lying_count_is_corrupt(count: int, zip64: bool) -> None:
    """More or fewer members than the end record says."""
    refused(raw_zip([Member(), Member(b"b.png")], count=count, zip64=zip64), CorruptArchive)


def test_an_impossible_count_allocates_nothing() -> None:
    """A count of 2^60 costs no memory."""
    tracemalloc.start()
    refused(raw_zip([Member()], count=2**60, zip64=True), CorruptArchive)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000


@pytest.mark.parametrize(("size", "offset"), [(2**32 - 2, 0), (0xFFFF, 2**31), (46, 2**32 - 50), (0, 2**30)])
def test_a_directory_beyond_the_file_is_corrupt(size: int, offset: int) -> None:
    """Size and offset of the directory have to fit into the file."""
    refused(bytes(500) + struct.pack("<4sHHHHIIH", END, 0, 0, 1, 1, size, offset, 0), CorruptArchive)


def test_one_part_of_several_is_corrupt() -> None:
    """Split zips are refused with words that say so."""
    data = bytearray(HONEST)
    data[data.rindex(END) + 4] = 3
    assert "part" in refused(bytes(data), CorruptArchive)


@pytest.mark.parametrize(
    "member",
    [
        Member(offset=10_000_000),
        Member(comp_size=100_000),
        Member(comp_size=0xFFFFFFF0),
        Member(offset=0xFFFFFFF0),
        Member(
            comp_size=0xFFFFFFFF,
            extra=struct.pack("<HHQ", 1, 8, 2**63),
        ),
        Member(
            offset=0xFFFFFFFF,
            extra=struct.pack("<HHQ", 1, 8, 2**64 - 20),
        ),
        Member(size=0xFFFFFFFF, extra=struct.pack("<HHI", 1, 4, 7)),
    ],
)
def test_a_member_beyond_the_file_is_corrupt(member: Member) -> None:
    """No arithmetic of hostile offsets and sizes goes round."""
    refused(raw_zip([Member(b"first.png"), member]), CorruptArchive)


def test_overlapping_members_are_a_bomb() -> None:
    """Two entries that share bytes, in part or wholly, in any order."""
    whole = raw_zip([Member(b"a.png"), Member(b"b.png", offset=0)])
    part = raw_zip([Member(b"a.png", b"x" * 100), Member(b"b.png", b"y", offset=90)])
    long = raw_zip([Member(b"a.png", b"x", comp_size=2), Member(b"b.png", b"y" * 50), Member(b"c.png")])
    for data in (whole, part, long):
        refused(data, ZipBomb)


def test_a_hidden_member_may_not_overlap_either() -> None:
    """What leaves no trace is checked all the same."""
    refused(raw_zip([Member(b"a.png"), Member(b".hidden", offset=0)]), ZipBomb)


def test_a_bomb_by_ratio_needs_size_and_proportion() -> None:
    """Over 256 MiB at more than 200:1 is a bomb; either alone is none."""
    limits = ArchiveLimits(bomb_inflated_bytes=1_000_000, bomb_ratio=200)
    refused(zip_bytes([("a.bmp", bytes(1_500_000))], deflate=True), ZipBomb, limits)
    read_directory(BytesSource(zip_bytes([("a.bmp", bytes(900_000))], deflate=True)), limits)
    read_directory(BytesSource(zip_bytes([("a.bmp", bytes(1_500_000))])), limits)


def test_a_bomb_by_declared_sizes_is_refused_unread() -> None:
    """Sizes near 2^64 do not overflow their sum."""
    extra = struct.pack("<HHQ", 1, 8, 2**64 - 1)
    members = [Member(b"%d.png" % n, size=0xFFFFFFFF, extra=extra) for n in range(3)]
    refused(raw_zip(members), ZipBomb)


def test_a_total_over_the_limit_is_a_bomb() -> None:
    """However well proportioned."""
    refused(HONEST, ZipBomb, ArchiveLimits(max_inflated_bytes=5999))
    read_directory(BytesSource(HONEST), ArchiveLimits(max_inflated_bytes=6000))


def test_a_wholly_encrypted_zip_is_refused() -> None:
    """Every member with content is encrypted; folders and empty files are no exception."""
    members = [Member(b"folder/", b""), Member(b"a.png", flags=1), Member(b"b.png", flags=0x41)]
    assert "password" in refused(raw_zip([*members, Member(b"empty", b"")]), EncryptedArchive)


def test_a_million_tiny_members_are_refused_at_the_end_record() -> None:
    """The directory of too many members is not even read."""
    member = Member(b"a", b"").__class__
    one = raw_zip([member(b"a", b"")])
    entry = one[one.index(b"PK\x01\x02") : one.index(END)]
    directory = entry * 1_000_000
    end = struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, 10**6, 10**6, len(directory), 31)
    end += struct.pack("<4sIQI", b"PK\x06\x07", 0, 31 + len(directory), 1)
    end += struct.pack("<4sHHHHIIH", END, 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    source = Counting(one[: one.index(b"PK\x01\x02")] + directory + end)
    with pytest.raises(TooManyItems):
        read_directory(source)
    assert source.bytes_read < 500_000


def test_a_count_that_ran_over_does_not_hide_a_million_members() -> None:
    """With a 16-bit count the entries are counted, and no further than the limit."""
    limits = ArchiveLimits(max_members=1000)
    refused(raw_zip([Member(b"%d" % n, b"x") for n in range(5000)], count=5000 % 1000), TooManyItems, limits)


def test_a_huge_directory_of_few_members_is_not_read() -> None:
    """A gigabyte of comments is no directory that we load."""
    limits = ArchiveLimits(max_directory_bytes=10_000)
    source = Counting(raw_zip([Member(b"%d" % n, extra=bytes(60_000)) for n in range(10)]))
    with pytest.raises(CorruptArchive):
        read_directory(source, limits)
    assert source.bytes_read < 200_000
