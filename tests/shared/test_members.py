"""Members are read together, inflated to their declared size and no further, and checked one by one."""

from __future__ import annotations

import io
import os
import time
import tracemalloc
import zipfile
from collections.abc import Sequence

import numpy as np
import pytest

from shared.archive import ArchiveLimits, read_directory
from shared.errors import CorruptArchiveMember, ItemError, MemberTooLarge, UnsupportedFormat
from shared.manifest import ManifestBuilder, ManifestSlice, expand, read_all, read_slice
from shared.members import plan_runs, read_members
from shared.settings import Settings
from shared.sources import BytesSource
from tests.shared.zips import Member, raw_zip, zip_bytes

SETTINGS = Settings()


class Watched(BytesSource):
    """A source that notes each read."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.reads: list[tuple[int, int]] = []

    def read(self, offset: int, length: int) -> bytes:
        """Read and note."""
        self.reads.append((offset, length))
        return super().read(offset, length)


def manifest_of(*zips: bytes) -> ManifestSlice:
    """Return the manifest of a submission of zips."""
    builder = ManifestBuilder()
    for n, data in enumerate(zips):
        builder.extend_directory(n, read_directory(BytesSource(data)))
    return read_all(builder.build())


def read(data: bytes) -> list[bytes | ItemError | None]:
    """Return what becomes of every member of a zip, in order."""
    found = dict(read_members({0: BytesSource(data)}, manifest_of(data), SETTINGS))
    return [found[i] for i in range(len(found))]


def codes(found: Sequence[bytes | ItemError | None]) -> list[str]:
    """Name each outcome by its code; bytes by nothing."""
    return [item.code if isinstance(item, ItemError) else "" for item in found]


@pytest.mark.parametrize("deflate", [True, False])
def test_members_come_back_byte_for_byte(deflate: bool) -> None:
    """Small and large, stored and deflated."""
    contents = [os.urandom(n) + bytes(n * 3) for n in (1, 10, 500, 5000, 300_000)]
    data = zip_bytes([(f"{n}.png", content) for n, content in enumerate(contents)], deflate=deflate)
    assert read(data) == contents


def test_one_bad_member_never_fails_its_neighbours() -> None:
    """A broken stream, a wrong checksum and wrong sizes each fail alone."""
    broken = Member(b"3.png", b"content" * 50, method=8)
    broken.stored = b"\xff" * len(broken.stored)
    cut = Member(b"4.png", os.urandom(5000), method=8)
    cut.stored = cut.stored[:-9]
    members = [
        Member(b"0.png", b"good"),
        Member(b"1.png", crc=7),
        Member(b"2.png", crc=7, method=8),
        broken,
        cut,
        Member(b"5.png", b"x" * 100, size=99, method=8),
        Member(b"6.png", b"x" * 100, size=101, method=8),
        Member(b"7.png", b"x" * 100, size=99),
        Member(b"8.png", b"y" * 9000 + os.urandom(3000), size=11_999, method=8),
        Member(b"9.png", b"good"),
    ]
    found = read(raw_zip(members))
    assert codes(found) == ["", *["corrupt_archive_member"] * 8, ""]
    assert found[0] == found[9] == b"good"


def test_a_lying_local_header_fails_alone() -> None:
    """Where the directory points there has to be a header."""
    data = bytearray(raw_zip([Member(b"a.png", b"1"), Member(b"b.png", b"2"), Member(b"c.png", b"3")]))
    data[data.index(b"PK\x03\x04", 10)] = 0
    assert codes(read(bytes(data))) == ["", "corrupt_archive_member", ""]


def test_a_local_header_that_reaches_beyond_the_file_fails_alone() -> None:
    """Hostile lengths of name and extra field lead nowhere."""
    data = bytearray(raw_zip([Member(b"a.png", b"1"), Member(b"b.png", b"2")]))
    at = data.index(b"PK\x03\x04", 10)
    data[at + 28 : at + 30] = b"\xff\xff"
    assert codes(read(bytes(data))) == ["", "corrupt_archive_member"]


def test_a_lying_size_never_inflates_to_what_it_hides() -> None:
    """A gigabyte behind a declared kilobyte costs no memory and little time."""
    bomb = Member(b"bomb.png", bytes(200_000_000), method=8, size=1000)
    data = raw_zip([Member(b"a.png", b"1"), bomb])
    bomb.data = b""
    part = manifest_of(data)
    tracemalloc.start()
    began = time.process_time()
    found = dict(read_members({0: BytesSource(data)}, part, SETTINGS))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert codes([found[0], found[1]]) == ["", "corrupt_archive_member"]
    assert peak < 4_000_000
    assert time.process_time() - began < 1


def test_what_is_known_beforehand_is_not_read() -> None:
    """Skipped members are None, failed ones their error; nobody reads their bytes."""
    data = raw_zip(
        [Member(b"a.txt"), Member(b"b.png", flags=1), Member(b"c.png", method=9), Member(b"d.png")]
    )
    source = Watched(data)
    found = dict(read_members({0: source}, manifest_of(data), SETTINGS))
    assert found[0] is None
    assert codes([found[1]]) == ["encrypted"]
    assert isinstance(found[2], UnsupportedFormat)
    assert "deflate64" in found[2].detail
    assert found[3] == b"content"
    assert len(source.reads) == 1


def test_a_limit_that_was_lowered_holds() -> None:
    """What the manifest lets pass is still not read beyond the present limit."""
    data = zip_bytes([("a.png", b"x" * 10), ("b.png", os.urandom(200_000)), ("c.png", b"x" * 10)])
    source = Watched(data)
    found = dict(read_members({0: source}, manifest_of(data), Settings(max_member_bytes=1000)))
    assert codes([found[n] for n in range(3)]) == ["", "member_too_large", ""]
    assert sum(length for _, length in source.reads) < 2000


def test_neighbours_share_a_read() -> None:
    """A slice in the middle of a zip is one read of hardly more than its bytes."""
    data = zip_bytes([(f"{n:05d}.png", os.urandom(300)) for n in range(3000)])
    builder = ManifestBuilder()
    builder.extend_directory(0, read_directory(BytesSource(data)))
    part = read_slice(builder.build(), 1000, 2000)
    source = Watched(data)
    assert len(list(read_members({0: source}, part, SETTINGS))) == 1000
    assert len(source.reads) == 1
    assert source.reads[0][1] < len(data) // 2


def test_a_run_has_a_limit() -> None:
    """No read is larger than asked, unless one member is; all members are in exactly one run."""
    data = zip_bytes([(f"{n}.png", bytes(size)) for n, size in enumerate([400] * 50 + [9000] + [400] * 50)])
    records = manifest_of(data).records
    runs = plan_runs(records, 10_000, run_bytes=5000)
    assert [run.length > 5000 for run in runs].count(True) == 1
    assert sorted(np.concatenate([run.items for run in runs]).tolist()) == list(range(101))


def test_long_local_extras_cost_a_further_read_only() -> None:
    """A header longer than foreseen does not make its member corrupt."""
    data = raw_zip([Member(b"a.png", b"one"), Member(b"b.png", b"two", local_extra=bytes(5000))])
    assert read(data) == [b"one", b"two"]


def test_members_of_any_order_are_found() -> None:
    """The directory's order need not be that of the bytes."""
    data = bytearray(zip_bytes([("a.png", b"first"), ("b.png", b"second")]))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        start = archive.start_dir
    entry = data.index(b"PK\x01\x02", start + 1)
    end = data.index(b"PK\x05\x06")
    data[start:end] = data[entry:end] + data[start:entry]
    assert read(bytes(data)) == [b"second", b"first"]


def test_files_of_several_inputs_are_kept_apart() -> None:
    """Zips and whole files of one submission are each read from their own source."""
    one, two = zip_bytes([("a.png", b"1")]), zip_bytes([("a.png", b"2"), ("b.png", b"3")])
    builder = ManifestBuilder()
    builder.add_whole(0, "whole.png", 5)
    builder.extend_directory(1, read_directory(BytesSource(one)))
    builder.extend_directory(2, read_directory(BytesSource(two)))
    builder.add_whole(3, "gone.png", 0)
    sources = {0: BytesSource(b"whole"), 1: BytesSource(one), 2: BytesSource(two)}
    found = dict(read_members(sources, read_all(builder.build()), SETTINGS))
    assert [found[n] for n in range(4)] == [b"whole", b"1", b"2", b"3"]
    assert codes([found[4]]) == ["empty_file"]


def test_files_packed_into_one_input_are_told_apart() -> None:
    """Several small uploads may share an object; each is read from its own range, pages and all."""
    builder = ManifestBuilder()
    pack = b"firstII*\0third"
    builder.add_range(0, "a.png", 0, 5)
    builder.add_range(0, "b.tif", 5, 4, "two", may_have_pages=True)
    builder.add_range(0, "c.png", 9, 5)
    builder.add_range(0, "d.png", 14, 0)
    assert builder.may_have_pages()
    part = read_all(expand(builder.build(), {1: 2}))
    source = Watched(pack)
    found = dict(read_members({0: source}, part, SETTINGS))
    assert [found[n] for n in range(4)] == [b"first", b"II*\0", b"II*\0", b"third"]
    assert codes([found[4]]) == ["empty_file"]
    assert len(source.reads) == 1


def test_a_whole_file_over_the_limit_is_not_loaded() -> None:
    """A raw image of two gigabytes fails without being read."""
    builder = ManifestBuilder()
    builder.add_whole(0, "huge.bmp", 2**31)
    source = Watched(b"")
    found = dict(read_members({0: source}, read_all(builder.build()), SETTINGS))
    assert isinstance(found[0], MemberTooLarge)
    assert source.reads == []


def test_a_stored_file_that_shrank_is_corrupt() -> None:
    """An upload shorter than its manifest says is no image."""
    builder = ManifestBuilder()
    builder.add_whole(0, "a.png", 100)
    found = dict(read_members({0: BytesSource(b"short")}, read_all(builder.build()), SETTINGS))
    assert isinstance(found[0], CorruptArchiveMember)


def test_the_pages_of_a_file_share_its_bytes() -> None:
    """A document is read and inflated once, whatever its pages."""
    data = zip_bytes([("a.pdf", b"%PDF-" + bytes(900)), ("b.png", b"x")], deflate=True)
    whole = b"II*\0" + bytes(50)
    builder = ManifestBuilder()
    builder.extend_directory(0, read_directory(BytesSource(data)))
    builder.add_whole(1, "c.tif", len(whole))
    part = read_all(expand(builder.build(), {0: 3, 2: 2}))
    sources = {0: Watched(data), 1: Watched(whole)}
    found = dict(read_members(sources, part, SETTINGS))
    assert len(found) == 6
    assert found[0] is found[1] is found[2]
    assert found[3] == b"x"
    assert found[4] is found[5]
    assert [len(source.reads) for source in sources.values()] == [1, 1]


def test_small_members_are_read_fast() -> None:
    """Twenty thousand small members take a fraction of a second (300,000 a second on a quiet machine)."""
    data = zip_bytes([(f"{n:05d}.png", os.urandom(150) + bytes(150)) for n in range(20_000)], deflate=True)
    part = manifest_of(data)
    began = time.process_time()
    assert (
        sum(isinstance(item, bytes) for _, item in read_members({0: BytesSource(data)}, part, SETTINGS))
        == 20_000
    )
    assert time.process_time() - began < 0.5


def test_the_limits_follow_the_settings() -> None:
    """One place says how large things may be."""
    limits = ArchiveLimits.of(Settings(max_zip_members=5, max_member_bytes=6, bomb_ratio=7))
    assert (limits.max_members, limits.max_member_bytes, limits.bomb_ratio) == (5, 6, 7)
    assert ArchiveLimits.of(Settings()) == ArchiveLimits()
