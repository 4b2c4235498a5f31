"""A store that counts what fails in it, for the metrics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Self

from shared.blobs import Blobs, BlobWriter
from shared.errors import StorageFull, Unavailable
from shared.samples import Samples
from shared.sources import ByteSource

FULL = 'inkqueue_storage_errors_total{kind="full"}'
FAILED = 'inkqueue_storage_errors_total{kind="unavailable"}'


class CountedBlobs:
    """Hands everything on to another store; what is not there is no error of the storage."""

    def __init__(self, inner: Blobs, samples: Samples) -> None:
        self._inner, self._samples = inner, samples

    @contextmanager
    def _counting(self) -> Iterator[None]:
        try:
            yield
        except StorageFull:
            self._samples.add(FULL)
            raise
        except Unavailable:
            self._samples.add(FAILED)
            raise

    def put(self, key: str, data: bytes) -> None:
        """Write an object."""
        with self._counting():
            self._inner.put(key, data)

    def open_writer(self, key: str) -> BlobWriter:
        """Begin an object of any length."""
        with self._counting():
            return CountedWriter(self._inner.open_writer(key), self)

    def get(self, key: str) -> bytes:
        """Return a whole object."""
        with self._counting():
            return self._inner.get(key)

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """Return a part of an object."""
        with self._counting():
            return self._inner.get_range(key, start, length)

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return parts of an object."""
        with self._counting():
            return self._inner.get_ranges(key, ranges)

    def iter_bytes(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Yield an object in pieces."""
        with self._counting():
            yield from self._inner.iter_bytes(key, start, length)

    def size(self, key: str) -> int:
        """Return the bytes of an object."""
        with self._counting():
            return self._inner.size(key)

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects."""
        with self._counting():
            self._inner.delete(keys)

    def source(self, key: str, size: int | None = None) -> ByteSource:
        """Give random access to an object."""
        return self._inner.source(key, size)

    def sweep_unfinished(self, older_than_s: float) -> int:
        """Remove what writers that are gone have left."""
        with self._counting():
            return self._inner.sweep_unfinished(older_than_s)

    def probe(self) -> None:
        """Write, read and remove a small object; a probe that fails is told by itself."""
        self._inner.probe()


class CountedWriter:
    """Hands an object that is being written on."""

    def __init__(self, inner: BlobWriter, blobs: CountedBlobs) -> None:
        self._inner, self._blobs = inner, blobs

    def write(self, data: bytes) -> None:
        """Append bytes."""
        with self._blobs._counting():
            self._inner.write(data)

    def commit(self) -> None:
        """Make the object durable."""
        with self._blobs._counting():
            self._inner.commit()

    def abort(self) -> None:
        """Remove what was written."""
        self._inner.abort()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.abort()
