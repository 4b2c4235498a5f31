"""The contract of the store, held by the folder and by S3 alike."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from shared.blobs import Blobs, check_key, open_blobs
from shared.blobs_local import LocalBlobs
from shared.blobs_root import MARKER
from shared.blobs_s3 import PART_BYTES, S3Blobs
from shared.errors import BlobMissing
from shared.settings import Settings
from tests.shared.s3_server import BUCKET, KEY_ID, SECRET, S3Server, running_s3

KEY = "inputs/0198f6aa"


@pytest.fixture(scope="module")
def s3_server() -> Iterator[S3Server]:
    """Run the S3 server for this file."""
    with running_s3() as server:
        yield server


@pytest.fixture(params=["folder", "s3"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    """Lend an empty store of each kind."""
    if request.param == "folder":
        (tmp_path / "storage").mkdir()
        return LocalBlobs(tmp_path / "storage")
    server: S3Server = request.getfixturevalue("s3_server")
    return S3Blobs(
        BUCKET,
        prefix=f"test/{tmp_path.name}",
        endpoint=server.endpoint,
        region="us-east-1",
        access_key_id=KEY_ID,
        secret_access_key=SECRET,
        timeout_s=10,
    )


def test_what_was_put_is_got(blobs: Blobs) -> None:
    """An object comes back byte for byte, with its size."""
    blobs.put(KEY, b"0123456789")
    assert blobs.get(KEY) == b"0123456789"
    assert blobs.size(KEY) == 10


def test_an_empty_object_is_an_object(blobs: Blobs) -> None:
    """Zero bytes are stored and read like others."""
    blobs.put(KEY, b"")
    assert blobs.get(KEY) == b""
    assert blobs.size(KEY) == 0
    assert list(blobs.iter_bytes(KEY)) == []
    assert blobs.get_range(KEY, 0, 10) == b""


def test_put_replaces(blobs: Blobs) -> None:
    """The later of two objects of one key stays."""
    blobs.put(KEY, b"old and longer")
    blobs.put(KEY, b"new")
    assert blobs.get(KEY) == b"new"


@pytest.mark.parametrize(
    ("start", "length", "expected"),
    [(0, 3, b"012"), (7, 3, b"789"), (7, 30, b"789"), (10, 5, b""), (99, 5, b""), (4, 0, b"")],
)
def test_a_range_is_short_only_at_the_end(blobs: Blobs, start: int, length: int, expected: bytes) -> None:
    """A range reaches as far as asked, or to the object's end."""
    blobs.put(KEY, b"0123456789")
    assert blobs.get_range(KEY, start, length) == expected


def test_many_ranges_keep_their_order(blobs: Blobs) -> None:
    """Ranges may come in any order, overlap, be empty and reach beyond the end."""
    data = bytes(range(256)) * 2048
    blobs.put(KEY, data)
    ranges = [(500_000, 10), (0, 5), (3, 5), (100, 0), (len(data) - 4, 50), (len(data) + 9, 3)]
    assert blobs.get_ranges(KEY, ranges) == [data[start : start + length] for start, length in ranges]
    assert blobs.get_ranges(KEY, []) == []


def test_a_source_reads_anywhere(blobs: Blobs) -> None:
    """Random access knows the size, asked or given."""
    blobs.put(KEY, b"0123456789")
    for source in (blobs.source(KEY), blobs.source(KEY, 10)):
        assert source.size == 10
        assert source.read(8, 5) == b"89"
        assert source.read_many([(5, 2), (0, 1)]) == [b"56", b"0"]


def test_pieces_make_the_whole(blobs: Blobs) -> None:
    """An object, or a part of it, is streamed in several pieces."""
    data = bytes(range(251)) * 40_000
    blobs.put(KEY, data)
    pieces = list(blobs.iter_bytes(KEY))
    assert b"".join(pieces) == data
    assert len(pieces) > 1
    assert b"".join(blobs.iter_bytes(KEY, 9_000_000, 500)) == data[9_000_000:9_000_500]
    assert b"".join(blobs.iter_bytes(KEY, 9_000_000)) == data[9_000_000:]


@pytest.mark.parametrize("size", [0, 1, PART_BYTES, 2 * PART_BYTES + 17])
def test_a_writer_commits_all_it_was_given(blobs: Blobs, size: int) -> None:
    """An object is written piece by piece and visible only after the commit."""
    data = bytes(range(256)) * (size // 256) + bytes(size % 256)
    with blobs.open_writer(KEY) as writer:
        for start in range(0, size, 1_000_003):
            writer.write(data[start : start + 1_000_003])
        with pytest.raises(BlobMissing):
            blobs.size(KEY)
        writer.commit()
    assert blobs.get(KEY) == data


@pytest.mark.parametrize("size", [10, 2 * PART_BYTES + 17])
def test_a_writer_that_is_not_committed_leaves_nothing(blobs: Blobs, size: int) -> None:
    """Leaving the block without a commit removes what was written; aborting twice is harmless."""
    with blobs.open_writer(KEY) as writer:
        writer.write(bytes(size))
    writer.abort()
    with pytest.raises(BlobMissing):
        blobs.get(KEY)
    with pytest.raises(ValueError):
        writer.write(b"more")
    with pytest.raises(ValueError):
        writer.commit()


def test_delete_is_idempotent(blobs: Blobs) -> None:
    """Deleting what is there, and what is not, gives the same."""
    blobs.put(KEY, b"x")
    blobs.put("inputs/other", b"y")
    blobs.delete([KEY, "inputs/never"])
    blobs.delete([KEY])
    blobs.delete([])
    with pytest.raises(BlobMissing):
        blobs.get(KEY)
    assert blobs.get("inputs/other") == b"y"


def test_a_missing_object_is_said_to_be_missing(blobs: Blobs) -> None:
    """Every way of reading raises `BlobMissing`."""
    source = blobs.source(KEY)
    for read in (
        lambda: blobs.get(KEY),
        lambda: blobs.get_range(KEY, 0, 1),
        lambda: blobs.get_ranges(KEY, [(0, 1), (500_000, 1)]),
        lambda: blobs.size(KEY),
        lambda: list(blobs.iter_bytes(KEY)),
        lambda: source.size,
        lambda: blobs.source(KEY, 100).read(0, 1),
    ):
        with pytest.raises(BlobMissing):
            read()


@pytest.mark.parametrize(
    "key",
    ["", "/etc/passwd", "../x", "a/../b", "a//b", "a/", ".hidden", "a/.b", "a b", "a\0", "ä", "a" * 201],
)
def test_a_key_cannot_leave_the_store(blobs: Blobs, key: str) -> None:
    """A key that could be a path elsewhere is refused by every method."""
    for use in (
        lambda: blobs.put(key, b"x"),
        lambda: blobs.get(key),
        lambda: blobs.delete([key]),
        lambda: blobs.open_writer(key),
        lambda: blobs.source(key),
    ):
        with pytest.raises(ValueError):
            use()


def test_threads_share_a_store(blobs: Blobs) -> None:
    """Writers and readers of several threads do not disturb each other."""

    def work(n: int) -> bool:
        data = str(n).encode() * 1000
        blobs.put(f"inputs/{n}", data)
        return blobs.get(f"inputs/{n}") == data

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(32)))
    assert [t.name for t in threading.enumerate() if t.name == "s3-upload"] == []


def test_a_probe_leaves_nothing(blobs: Blobs) -> None:
    """A healthy store passes its probe; the small object is gone afterwards."""
    blobs.probe()
    blobs.probe()
    if isinstance(blobs, LocalBlobs):
        assert [path for path in blobs._root.rglob("*") if path.is_file() and path.name != MARKER] == []


def test_the_address_chooses_the_store(tmp_path: Path) -> None:
    """A file address opens the folder, blanks and all; others are refused."""
    folder = tmp_path / "my data"
    opened = open_blobs(Settings(storage_url=f"file://{tmp_path}/my%20data"))
    opened.put("a/b", b"x")
    assert (folder / "a" / "b").read_bytes() == b"x"
    assert isinstance(open_blobs(Settings(storage_url="s3://bucket/a/b")), S3Blobs)
    for address in ("/var/data", "file://host/data", "s3:///key", "ftp://x/y", ""):
        with pytest.raises(ValueError):
            open_blobs(Settings(storage_url=address))


def test_a_good_key_passes() -> None:
    """Segments of letters, digits and some signs are a key."""
    assert check_key("inputs/inp_0198-f6.zip=1/_x") == "inputs/inp_0198-f6.zip=1/_x"
