"""What the folder store promises beyond the contract: durability, leftovers, and clear errors."""

from __future__ import annotations

import errno
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from shared.blobs_local import UNFINISHED, LocalBlobs
from shared.blobs_root import MARKER
from shared.errors import BlobMissing, StorageFull, Unavailable

KEY = "inputs/aa/file"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Name a folder that is not there yet."""
    return tmp_path / "storage"


def files(root: Path) -> list[str]:
    """List the files of the store."""
    found = (path for path in root.rglob("*") if path.is_file() and path.name != MARKER)
    return sorted(str(path.relative_to(root)) for path in found)


def test_commit_flushes_the_file_before_and_the_folders_after_the_rename(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut after the commit loses neither the bytes nor any folder on the way."""
    events: list[str] = []
    fsync, rename = os.fsync, os.rename

    def note_fsync(fd: int) -> None:
        events.append(str(Path(f"/proc/self/fd/{fd}").readlink()))
        fsync(fd)

    def note_rename(old: Path, new: Path) -> None:
        events.append("rename")
        rename(old, new)

    monkeypatch.setattr("os.fsync", note_fsync)
    monkeypatch.setattr("os.rename", note_rename)
    LocalBlobs(root).put(KEY, b"x")

    at = events.index("rename")
    assert Path(events[at - 3]).parent == root / UNFINISHED
    assert events[at - 2 :] == [str(root), str(root / "inputs"), "rename", str(root / "inputs/aa")]
    assert str(root.parent) in events


def test_an_unfinished_file_is_not_under_its_key(root: Path) -> None:
    """Whoever looks meanwhile sees no object, and after the commit nothing else."""
    with LocalBlobs(root).open_writer(KEY) as writer:
        writer.write(b"half")
        assert [Path(name).parts[0] for name in files(root)] == [UNFINISHED]
        writer.commit()
    assert files(root) == [KEY]


def test_delete_removes_what_a_dead_writer_left(root: Path) -> None:
    """A body cut off by a crash goes with its key; another writer's file stays."""
    blobs = LocalBlobs(root)
    mine, other = blobs.open_writer(KEY), blobs.open_writer("inputs/aa/file2")
    mine.write(b"half")
    other.write(b"half")
    blobs.delete([KEY])
    assert [name.split("~")[0] for name in files(root)] == [f"{UNFINISHED}/inputs+aa+file2"]
    with pytest.raises(BlobMissing):
        mine.commit()
    other.commit()
    assert files(root) == ["inputs/aa/file2"]


def test_old_leftovers_are_swept(root: Path) -> None:
    """Files that nobody has written to for a while go; young ones stay."""
    blobs = LocalBlobs(root)
    assert blobs.sweep_unfinished(0) == 0
    old, young = blobs.open_writer("a/old"), blobs.open_writer("a/young")
    long_ago = time.time() - 1000
    os.utime(next((root / UNFINISHED).glob("a+old*")), (long_ago, long_ago))
    assert blobs.sweep_unfinished(500) == 1
    assert [name.split("~")[0] for name in files(root)] == [f"{UNFINISHED}/a+young"]
    old.abort()
    young.abort()


def test_a_forgotten_writer_cleans_up(root: Path) -> None:
    """A writer that nobody holds any more removes its file."""
    writer = LocalBlobs(root).open_writer(KEY)
    writer.write(b"half")
    del writer
    assert files(root) == []


@pytest.mark.parametrize(
    ("number", "expected"),
    [(errno.ENOSPC, StorageFull), (errno.EDQUOT, StorageFull), (errno.EIO, Unavailable)],
)
def test_a_failing_disk_has_a_clear_answer(
    root: Path, monkeypatch: pytest.MonkeyPatch, number: int, expected: type[Exception]
) -> None:
    """A full disk is `storage_full`, a broken one `unavailable`; nothing is left behind."""
    blobs = LocalBlobs(root)
    blobs.put("warm", b"x")

    def fail(fd: int, data: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("os.write", fail)
    with pytest.raises(expected):
        blobs.put(KEY, b"x")
    with pytest.raises(expected):
        blobs.probe()
    assert files(root) == ["warm"]


def test_a_full_device_is_storage_full(root: Path) -> None:
    """The kernel's own answer to a full device is understood, not only a made-up one."""
    (root / UNFINISHED).mkdir(parents=True)
    writer = LocalBlobs(root).open_writer(KEY)
    with Path("/dev/full").open("wb") as full:
        os.dup2(full.fileno(), writer._fd or -1)
    with pytest.raises(StorageFull):
        writer.write(b"x")
    writer.abort()


def test_a_root_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    """A store whose folder is a file fails its probe."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Unavailable):
        LocalBlobs(tmp_path / "file" / "storage").probe()


def test_a_thousand_sources_hold_no_descriptor(root: Path) -> None:
    """A job of many single files does not run out of descriptors."""
    blobs = LocalBlobs(root)
    blobs.put(KEY, b"0123456789")
    before = len(list(Path("/proc/self/fd").iterdir()))
    sources = [blobs.source(KEY) for _ in range(1000)]
    assert {source.read(3, 2) for source in sources} == {b"34"}
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_process_that_starts_meanwhile_makes_the_folder_only_if_it_may(root: Path) -> None:
    """One that has never seen the folder asks; where something was stored before, it is an outage to it as well."""
    fresh = LocalBlobs(root, lambda: [KEY])

    for call in (lambda: fresh.put(KEY, b"x"), fresh.probe, lambda: fresh.get(KEY)):
        with pytest.raises(Unavailable):
            call()
    assert not root.exists()

    LocalBlobs(root, list).put(KEY, b"x")
    assert fresh.get(KEY) == b"x"


def test_a_folder_that_is_away_is_an_outage_and_not_made_anew(root: Path) -> None:
    """While a disk is not mounted nothing is missing, nothing is removed and nothing is stored beside it."""
    blobs = LocalBlobs(root)
    blobs.put(KEY, b"x")
    begun = blobs.open_writer("inputs/bb/begun")
    away = root.with_name("away")
    root.rename(away)

    calls = [
        lambda: blobs.put("inputs/cc/new", b"y"),
        lambda: blobs.get(KEY),
        lambda: LocalBlobs(root).size(KEY),
        lambda: LocalBlobs(root).delete([KEY]),
        blobs.probe,
        begun.commit,
    ]
    for call in calls:
        with pytest.raises(Unavailable):
            call()
    assert not root.exists()

    away.rename(root)
    assert blobs.get(KEY) == b"x"
    with pytest.raises(BlobMissing):
        blobs.get("inputs/cc/new")


@pytest.mark.parametrize("known", [[KEY], []], ids=["asked first", "seen before"])
def test_a_mount_point_without_its_disk_is_an_outage(root: Path, known: list[str]) -> None:
    """An empty folder in the place of the store is not the store: nothing is missing, removed or stored in it."""
    blobs = LocalBlobs(root, lambda: known)
    LocalBlobs(root).put(KEY, b"x")
    if not known:
        blobs.probe()
    begun = LocalBlobs(root).open_writer("inputs/bb/begun")
    disk = root.with_name("disk")
    root.rename(disk)
    root.mkdir()

    calls = [
        lambda: blobs.put("inputs/cc/new", b"y"),
        lambda: blobs.get(KEY),
        lambda: blobs.size(KEY),
        lambda: blobs.source(KEY).read(0, 1),
        lambda: blobs.delete([KEY]),
        blobs.probe,
        begun.commit,
    ]
    for call in calls:
        with pytest.raises(Unavailable):
            call()
    assert list(root.iterdir()) == []

    root.rmdir()
    disk.rename(root)
    assert blobs.get(KEY) == b"x"
    with pytest.raises(BlobMissing):
        blobs.get("inputs/cc/new")


def test_a_store_without_a_marker_gets_it_where_an_object_is_found(root: Path) -> None:
    """A store from before the marker is known by an object that the database knows; then that is not asked again."""
    LocalBlobs(root).put(KEY, b"x")
    (root / MARKER).unlink()
    asked: list[int] = []

    def known() -> list[str]:
        asked.append(1)
        return ["inputs/aa/lost", KEY]

    blobs = LocalBlobs(root, known)
    assert blobs.get(KEY) == b"x"
    assert asked == []
    with pytest.raises(BlobMissing):
        blobs.get("inputs/aa/lost")
    blobs.put("inputs/bb/new", b"y")
    assert (root / MARKER).is_file()
    assert asked == [1]


def test_two_first_writers_at_once_both_find_the_store(root: Path) -> None:
    """A marker that another thread makes between the look at the folder and the verdict is no outage."""

    def known() -> list[str]:
        if not (root / MARKER).exists():
            other.put("inputs/bb/quicker", b"y")
        return ["inputs/bb/lost"]

    root.mkdir(exist_ok=True)
    other, blobs = LocalBlobs(root), LocalBlobs(root, known)
    blobs.put(KEY, b"x")
    assert blobs.get(KEY) == b"x"


def test_two_threads_that_write_first_both_find_the_store(root: Path) -> None:
    """The same within one store: the marker that the quicker thread has just made is not one that went away."""
    turns: list[int] = []

    def known() -> list[str]:
        turns.append(1)
        if len(turns) == 1:
            with ThreadPoolExecutor(1) as pool:
                pool.submit(blobs.put, "inputs/bb/quicker", b"y").result(timeout=30)
        return []

    blobs = LocalBlobs(root, known)
    blobs.put(KEY, b"x")
    assert (blobs.get(KEY), blobs.get("inputs/bb/quicker")) == (b"x", b"y")
