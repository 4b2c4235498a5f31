"""Objects as files of a folder: written aside, flushed, renamed; the folder's entry flushed too."""

from __future__ import annotations

import errno
import os
import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from shared.blobs import check_key
from shared.blobs_root import Known, Root, flush_folder, make_folder, opened
from shared.errors import BlobMissing, InkqueueError, StorageFull, Unavailable
from shared.sources import ByteSource

PIECE_BYTES = 1024 * 1024
UNFINISHED = ".unfinished"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_PROBE_KEY = "probe"


class LocalBlobs:
    """A folder of objects; several processes may share it.

    The first writer makes the folder and its marker. One that is away or has no marker, as while a disk is not mounted,
    is an outage: it is never made anew, and nothing in it is called missing.

    Args:
        root: the folder.
        known: asked when there is no marker; gives the keys of some objects that are stored, none before the first.
    """

    def __init__(self, root: Path, known: Known = tuple) -> None:
        self._root, self._store = root, Root(root, known)

    def put(self, key: str, data: bytes) -> None:
        """Write an object durably."""
        with self.open_writer(key) as writer:
            writer.write(data)
            writer.commit()

    def open_writer(self, key: str) -> LocalWriter:
        """Begin an object of any length."""
        with _answering(key, missing=Unavailable):
            self._store.demand(make=True)
            return LocalWriter(self._store, check_key(key))

    def get(self, key: str) -> bytes:
        """Return a whole object."""
        with self._reading(key):
            return self._path(key).read_bytes()

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """Return `length` bytes from `start`; fewer only at the end."""
        return self.get_ranges(key, [(start, length)])[0]

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return the bytes of each `(start, length)`."""
        with self._reading(key), opened(self._path(key)) as fd:
            return [_read(fd, start, length) for start, length in ranges]

    def iter_bytes(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Yield an object, or a part of it, in pieces of a megabyte."""
        end = self.size(key) if length is None else start + length
        while start < end and (piece := self.get_range(key, start, min(PIECE_BYTES, end - start))):
            yield piece
            start += len(piece)

    def size(self, key: str) -> int:
        """Return the bytes of an object."""
        with self._reading(key):
            return self._path(key).stat().st_size

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects and what unfinished writers of the same keys have left."""
        asked = [check_key(key) for key in keys]
        if not asked:
            return
        with _answering("delete", missing=Unavailable):
            self._store.demand()
            for key in asked:
                self._path(key).unlink(missing_ok=True)
            wanted = {_escape(key) for key in asked}
            for path in self._unfinished():
                if path.name.rsplit("~", 1)[0] in wanted:
                    path.unlink(missing_ok=True)

    def source(self, key: str, size: int | None = None) -> ByteSource:
        """Give random access to an object; it is opened a read, so a thousand sources hold no descriptor."""
        return LocalSource(self, check_key(key), size)

    def sweep_unfinished(self, older_than_s: float) -> int:
        """Remove what writers that are gone have left, by the time of their last write."""
        limit = time.time() - older_than_s
        removed = 0
        with _answering("sweep", missing=Unavailable):
            for path in self._unfinished():
                with suppress(FileNotFoundError):
                    if path.stat().st_mtime < limit:
                        path.unlink()
                        removed += 1
        return removed

    def probe(self) -> None:
        """Write, read and remove a small file beside the objects, flushed as they are."""
        content = secrets.token_bytes(16)
        key = f"{_PROBE_KEY}-{content.hex()}"
        try:
            self.put(key, content)
            if self.get(key) != content:
                raise Unavailable("The storage does not return what was written.")
        finally:
            self.delete([key])

    @contextmanager
    def _reading(self, key: str) -> Iterator[None]:
        """Turn the errors of the system into ours; an object of a folder that is away is not missing."""
        try:
            with _answering(key):
                yield
        except BlobMissing:
            with _answering(key, missing=Unavailable):
                self._store.demand()
            raise

    def _path(self, key: str) -> Path:
        """Return the file of an object."""
        return self._root / check_key(key)

    def _unfinished(self) -> list[Path]:
        """List the files that are being written, or were when their writer died."""
        try:
            return list((self._root / UNFINISHED).iterdir())
        except FileNotFoundError:
            return []


class LocalSource:
    """Random access to one file."""

    def __init__(self, blobs: LocalBlobs, key: str, size: int | None) -> None:
        self._blobs, self._key, self._size = blobs, key, size

    @property
    def size(self) -> int:
        """Return the file's bytes."""
        if self._size is None:
            self._size = self._blobs.size(self._key)
        return self._size

    def read(self, offset: int, length: int) -> bytes:
        """Return `length` bytes from `offset`; fewer only at the end."""
        return self._blobs.get_range(self._key, offset, length)

    def read_many(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return the bytes of each `(offset, length)`."""
        return self._blobs.get_ranges(self._key, ranges)


class LocalWriter:
    """A file that is being written under a name that no key can have."""

    def __init__(self, store: Root, key: str) -> None:
        self._store, self._key = store, key
        folder = store.path / UNFINISHED
        make_folder(folder)
        self._path = folder / f"{_escape(key)}~{secrets.token_hex(4)}"
        self._fd: int | None = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)

    def write(self, data: bytes) -> None:
        """Append bytes."""
        if self._fd is None:
            raise ValueError("the writer is closed")
        with _answering(self._key):
            view = memoryview(data)
            while view:
                view = view[os.write(self._fd, view) :]

    def commit(self) -> None:
        """Flush the file, rename it to its key and flush the folder's entry."""
        if self._fd is None:
            raise ValueError("the writer is closed")
        with _answering(self._key):
            os.fsync(self._fd)
            target = self._store.path / self._key
            self._store.demand()
            make_folder(target.parent)
            os.rename(self._path, target)  # noqa: PTH104 - every call that needs room goes through one door
            self._close()
            flush_folder(target.parent)

    def abort(self) -> None:
        """Remove the file unless it has been committed."""
        if self._fd is not None:
            self._close()
            with suppress(OSError):
                self._path.unlink(missing_ok=True)

    def _close(self) -> None:
        """Close the file once."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.abort()

    def __del__(self) -> None:
        if getattr(self, "_fd", None) is not None:
            self.abort()


def _escape(key: str) -> str:
    """Return a key as one file name; `~` and `+` are no letters of a key."""
    return key.replace("/", "+")


def _read(fd: int, start: int, length: int) -> bytes:
    """Read until `length` bytes are there or the file ends."""
    data = os.pread(fd, max(0, length), start)
    if len(data) == length or not data:
        return data
    pieces, have = [data], len(data)
    while have < length and (piece := os.pread(fd, length - have, start + have)):
        pieces.append(piece)
        have += len(piece)
    return b"".join(pieces)


@contextmanager
def _answering(what: str, missing: type[InkqueueError] = BlobMissing) -> Iterator[None]:
    """Turn the errors of the system into ours; what is not found is `missing`."""
    try:
        yield
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise missing(f"There is no {what!r} in the storage.") from error
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFull from error
        raise Unavailable("The storage does not work at the moment.") from error
