"""Honest zips of every kind are read whole, in order, with clean names."""

from __future__ import annotations

import io
import os
import stat
import struct
import time
import zipfile
import zlib

import numpy as np
import pytest

from shared.archive import ArchiveLimits, Directory, read_directory
from shared.errors import TooManyItems
from shared.records import REASONS, Method, Outcome, item_error
from shared.sources import BytesSource
from tests.shared.zips import Member, raw_zip, zip_bytes

PNG = b"\x89PNG\r\n\x1a\n" + bytes(60)


def read(data: bytes, limits: ArchiveLimits | None = None) -> Directory:
    """Read a zip in memory."""
    return read_directory(BytesSource(data), limits)


def labels(data: bytes) -> list[str]:
    """Return the names of the inputs of a zip."""
    found = read(data)
    return [found.name(i) for i in range(len(found))]


def outcomes(data: bytes, limits: ArchiveLimits | None = None) -> dict[str, str]:
    """Return what becomes of each member before it is read."""
    found = read(data, limits)
    return {found.name(i): REASONS[int(found.records["reason"][i])] for i in range(len(found))}


def test_members_come_in_the_order_of_the_directory() -> None:
    """Names, sizes, checksums and methods are those that the directory lists."""
    data = zip_bytes([("b.png", PNG), ("a/c.png", b"x" * 500)], deflate=True)
    found = read(data)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        infos = archive.infolist()
    assert [found.name(i) for i in range(2)] == ["b.png", "a/c.png"]
    for column, attribute in (
        ("size", "file_size"),
        ("comp_size", "compress_size"),
        ("crc", "CRC"),
        ("offset", "header_offset"),
    ):
        assert found.records[column].tolist() == [getattr(info, attribute) for info in infos]
    assert found.records["method"].tolist() == [Method.DEFLATED] * 2
    assert found.records["outcome"].tolist() == [Outcome.OPEN] * 2


def test_an_empty_zip_has_no_inputs() -> None:
    """An honest zip without members is no corrupt one."""
    assert len(read(zip_bytes([]))) == 0
    assert len(read(zip_bytes([], comment=b"nothing in here"))) == 0
    assert len(read(zip_bytes([("folder/", b""), (".DS_Store", b"x")]))) == 0


def test_what_is_no_input_leaves_no_trace() -> None:
    """Folders, links, the system's own files and dot-files vanish."""
    link = zipfile.ZipInfo("link.png")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    members: list[tuple[str | zipfile.ZipInfo, bytes]] = [
        ("folder/", b""),
        ("folder/a.png", PNG),
        ("__MACOSX/folder/._a.png", b"x"),
        ("folder/.hidden.png", b"x"),
        (".git/config", b"x"),
        ("Thumbs.db", b"x"),
        ("folder/THUMBS.DB", b"x"),
        ("desktop.ini", b"x"),
        (link, b"folder/a.png"),
        ("thumb.png", PNG),
    ]
    assert labels(zip_bytes(members)) == ["folder/a.png", "thumb.png"]


def test_what_accompanies_images_is_skipped() -> None:
    """Texts and tables are items that nobody tries to read, empty ones too."""
    endings = ("txt", "CSV", "tsv", "json", "xml", "md", "html", "log", "ini", "yaml", "yml")
    found = outcomes(zip_bytes([(f"notes.{ending}", b"x") for ending in endings] + [("empty.txt", b"")]))
    assert set(found.values()) == {"not_an_image"}
    assert len(found) == len(endings) + 1


@pytest.mark.parametrize("ending", ["zip", "7z", "rar", "tar", "gz", "tgz", "bz2", "xz", "ZIP"])
def test_an_archive_within_fails_alone(ending: str) -> None:
    """A nested archive is one failed item beside its neighbours."""
    found = outcomes(zip_bytes([("a.png", PNG), (f"inner.{ending}", PNG)]))
    assert found == {"a.png": "", f"inner.{ending}": "nested_archive"}


def test_an_empty_member_fails_alone() -> None:
    """A file of no bytes is `empty_file`."""
    assert outcomes(zip_bytes([("a.png", PNG), ("empty.png", b"")])) == {
        "a.png": "",
        "empty.png": "empty_file",
    }


def test_a_large_member_fails_alone() -> None:
    """A member over the limit is refused by its declared size."""
    limits = ArchiveLimits(max_member_bytes=1000)
    found = outcomes(zip_bytes([("a.png", bytes(1000)), ("b.png", bytes(1001))]), limits)
    assert found == {"a.png": "", "b.png": "member_too_large"}


@pytest.mark.parametrize(
    ("method", "word"), [(9, "deflate64"), (12, "bzip2"), (14, "LZMA"), (77, "compression method 77")]
)
def test_another_compression_fails_alone(method: int, word: str) -> None:
    """A method that we do not inflate is named to the user."""
    found = read(raw_zip([Member(b"a.png"), Member(b"b.png", method=method)]))
    assert item_error(found.records[0]) is None
    error = item_error(found.records[1])
    assert error is not None
    assert error.code == "unsupported_format"
    assert word in error.detail


def test_some_encrypted_members_fail_alone() -> None:
    """The others are read."""
    data = raw_zip([Member(b"a.png"), Member(b"b.png", flags=1), Member(b"c.png", flags=1, method=99)])
    assert outcomes(data) == {"a.png": "", "b.png": "encrypted", "c.png": "encrypted"}


def test_only_tiffs_and_pdfs_may_have_pages() -> None:
    """They are told by their names, in capitals or not."""
    found = read(zip_bytes([(name, b"x") for name in ("a.TIF", "b.tiff", "c.Pdf", "d.png", "tiff")]))
    assert found.records["flags"].tolist() == [1, 1, 1, 0, 0]


@pytest.mark.parametrize(
    ("raw", "flags", "extra", "expected"),
    [
        (b"../../a.png", 0, b"", "a.png"),
        (b"/etc/a.png", 0, b"", "etc/a.png"),
        (b"C:\\x\\a.png", 0, b"", "x/a.png"),
        (b"caf\x82.png", 0, b"", "café.png"),
        ("字.png".encode(), 0x800, b"", "字.png"),
        (b"\xff\xfe.png", 0x800, b"", "��.png"),
        (b"a\x00b.png", 0, b"", "a_b.png"),
        (b"..", 0, b"", "item-2"),
        (b"", 0, b"", "item-2"),
        (b"./.", 0, b"", "item-2"),
        (
            b"?.png",
            0,
            b"\x75\x70\x0a\x00\x01" + zlib.crc32(b"?.png").to_bytes(4, "little") + "ü.p".encode(),
            "ü.p",
        ),
        (b"?.png", 0, b"\x75\x70\x0a\x00\x01" + b"\0\0\0\0" + "ü.p".encode()[:5], "?.png"),
        (b"?.png", 0, b"\x75\x70\xff\xff\x01", "?.png"),
    ],
)
def test_any_name_becomes_a_label(raw: bytes, flags: int, extra: bytes, expected: str) -> None:
    """Paths, code pages, Unicode path fields and nonsense end as a clean label."""
    data = raw_zip([Member(b"first.png"), Member(raw, flags=flags, extra=extra)])
    assert labels(data) == ["first.png", expected]


def test_a_nameless_last_member_hides_nothing() -> None:
    """An odd end of the name before it is still cleaned."""
    assert labels(raw_zip([Member(b"a\x01"), Member(b"")])) == ["a_", "item-2"]
    assert labels(raw_zip([Member(b""), Member(b""), Member(b"b\x01")])) == ["item-1", "item-2", "b_"]


def test_two_members_of_one_name_are_two_inputs() -> None:
    """Duplicates are allowed; each keeps its own bytes."""
    found = read(raw_zip([Member(b"a.png", b"one"), Member(b"a.png", b"three")]))
    assert found.records["size"].tolist() == [3, 5]


@pytest.mark.parametrize("comment", [b"", b"a comment", b"PK\x05\x06 in a comment", b"x" * 65535])
def test_a_comment_does_no_harm(comment: bytes) -> None:
    """The end record is found before any comment."""
    assert labels(zip_bytes([("a.png", PNG)], comment=comment)) == ["a.png"]


@pytest.mark.parametrize("padding", [b"\0" * 100, b"\r\n"])
def test_padding_behind_does_no_harm(padding: bytes) -> None:
    """What some transfers add to the end is overlooked."""
    assert labels(zip_bytes([("a.png", PNG)]) + padding) == ["a.png"]


def test_a_prefix_shifts_all_offsets() -> None:
    """A zip behind other bytes is read, its offsets corrected or not."""
    prefix = b"#!/bin/sh\n" + bytes(5000)
    bare = raw_zip([Member(b"a.png"), Member(b"b.png", b"x" * 99)])
    found = read(prefix + bare)
    assert found.records["offset"].tolist() == [
        len(prefix) + n for n in read(bare).records["offset"].tolist()
    ]
    buffer = io.BytesIO(prefix)
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("a.png", PNG)
    assert read(buffer.getvalue()).records["offset"].tolist() == [len(prefix)]


def test_data_descriptors_and_local_extras_do_no_harm() -> None:
    """A zip that was streamed is no overlapping one."""

    class Stream(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def seek(self, offset: int, whence: int = 0) -> int:
            raise OSError("a stream")

        def tell(self) -> int:
            raise OSError("a stream")

    stream = Stream()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for n in range(50):
            archive.writestr(f"{n}.png", os.urandom(n + 1))
    assert len(labels(stream.getvalue())) == 50
    padded = raw_zip(
        [Member(f"{n}.png".encode(), local_extra=bytes(400), descriptor=bytes(16)) for n in range(9)]
    )
    assert len(labels(padded)) == 9


def test_zip64_is_read() -> None:
    """64-bit end records and extra fields count, also where 32 bits would do."""
    extra = struct.pack("<HHQQQ", 1, 24, 7, 7, 0)
    member = Member(
        b"a.png", b"content", size=0xFFFFFFFF, comp_size=0xFFFFFFFF, offset=0xFFFFFFFF, extra=extra
    )
    found = read(raw_zip([member], zip64=True))
    assert [int(found.records[c][0]) for c in ("size", "comp_size", "offset")] == [7, 7, 0]
    assert len(labels(raw_zip([Member(b"a.png")], zip64=True, prefix=b"prefix"))) == 1


def test_more_members_than_16_bits_count() -> None:
    """Zips of 70,000 members are read, by zip64 or by a count that ran over."""
    members = [Member(b"%05d.png" % n, b"x") for n in range(70_000)]
    for zip64 in (True, False):
        found = read(raw_zip(members, zip64=zip64))
        assert len(found) == 70_000
        assert found.name(69_999) == "69999.png"


def test_a_blank_page_is_no_bomb() -> None:
    """An honest A4 scan of 25 MB deflates a thousandfold."""
    page = b"BM" + bytes(25_000_000)
    data = zip_bytes([("blank.bmp", page)], deflate=True)
    assert len(page) / len(data) > 900
    assert outcomes(data) == {"blank.bmp": ""}


def test_the_limit_counts_inputs() -> None:
    """As many members as the limit pass, folders besides; one more does not."""
    members = [(f"{n}.png", b"x") for n in range(10)]
    limits = ArchiveLimits(max_members=10)
    assert len(read(zip_bytes([("folder/", b""), *members]), limits)) == 10
    with pytest.raises(TooManyItems):
        read(zip_bytes([*members, ("more.png", b"x")]), limits)


def test_the_names_of_all_kinds_are_labelled_alike() -> None:
    """Among odd names the plain ones keep their own bytes."""
    names = ["a.png", "ü.png", "b/../c.png", "d.png", "__MACOSX/e.png", "f.png"]
    found = read(zip_bytes([(name, b"x") for name in names]))
    assert [found.name(i) for i in range(len(found))] == ["a.png", "ü.png", "b/c.png", "d.png", "f.png"]
    assert found.names == "a.pngü.pngb/c.pngd.pngf.png".encode()
    assert np.array_equal(found.records["name_off"][1:], np.cumsum(found.records["name_len"])[:-1])


def test_a_directory_of_200_000_members_takes_well_under_a_second() -> None:
    """The largest zip that is accepted does not hold up its submission."""
    data = raw_zip([Member(b"digits/%06d.png" % n, b"x") for n in range(200_000)])
    began = time.process_time()
    assert len(read(data)) == 200_000
    assert time.process_time() - began < 2.0
