"""Objects in S3 or what speaks like it: multipart uploads in constant memory, coalesced ranged reads."""

from __future__ import annotations

import itertools
import queue
import secrets
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Self

import numpy as np
import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import S3Store

from shared.blobs import check_key
from shared.errors import BlobMissing, InkqueueError, StorageFull, Unavailable
from shared.sources import ByteSource, coalesce

if TYPE_CHECKING:  # obstore has these for type checkers only
    from obstore.store import ClientConfig, RetryConfig, S3Config

PART_BYTES = 5 * 1024 * 1024
"""A part of a multipart upload: at most 10,000 are allowed, and all but the last must have 5 MiB."""
PIECE_BYTES = 4 * 1024 * 1024
PARTS_IN_FLIGHT = 2
_PATIENT: RetryConfig = {"max_retries": 5, "retry_timeout": timedelta(seconds=60)}
_READING: RetryConfig = {"max_retries": 3, "retry_timeout": timedelta(seconds=15)}
_HASTY: RetryConfig = {"max_retries": 0, "retry_timeout": timedelta(seconds=3)}
_FULL = ("XMinioStorageFull", "507 Insufficient Storage", "QuotaExceeded", "InsufficientStorage")


class S3Blobs:
    """A bucket, or what lies under a prefix of it.

    Credentials come from the usual `AWS_…` variables, the instance or the web identity, as obstore finds
    them. An upload whose process dies leaves invisible parts: give the bucket a lifecycle rule that aborts
    incomplete multipart uploads after a day.

    Args:
        bucket: its name.
        prefix: of every key, without slashes around it.
        endpoint: address of a server that is not AWS; by default `AWS_ENDPOINT_URL`, else AWS.
        region: of the bucket.
        access_key_id, secret_access_key: instead of those of the environment.
        timeout_s: of one request.
    """

    def __init__(
        self,
        bucket: str,
        *,
        prefix: str = "",
        endpoint: str | None = None,
        region: str | None = None,
        access_key_id: str | None = None,
        secret_access_key: str | None = None,
        timeout_s: float = 30.0,
    ) -> None:
        config: S3Config = {"bucket": bucket}
        if endpoint:
            config["endpoint"] = endpoint
        if region:
            config["region"] = region
        if access_key_id and secret_access_key:
            config["access_key_id"], config["secret_access_key"] = access_key_id, secret_access_key

        def store(seconds: float, retries: RetryConfig) -> S3Store:
            options: ClientConfig = {
                "allow_http": True,
                "timeout": timedelta(seconds=seconds),
                "connect_timeout": timedelta(seconds=2),
            }
            return S3Store(prefix=prefix or None, config=config, client_options=options, retry_config=retries)

        self._store = store(timeout_s, _PATIENT)
        # a worker must learn of a store that hangs long before its lease is over
        self._reader = store(min(timeout_s, 8.0), _READING)
        self._hasty = store(min(timeout_s, 3.0), _HASTY)

    def put(self, key: str, data: bytes) -> None:
        """Write an object; S3 has it durably when this returns."""
        with _answering(key, missing=Unavailable):
            obstore.put(self._store, check_key(key), data, use_multipart=False)

    def open_writer(self, key: str) -> S3Writer:
        """Begin an object of any length."""
        return S3Writer(self._store, check_key(key))

    def get(self, key: str) -> bytes:
        """Return a whole object."""
        with _answering(key):
            return bytes(obstore.get(self._reader, check_key(key)).bytes())

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """Return `length` bytes from `start`; fewer only where the object ends."""
        return self.source(key).read(start, length)

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return the bytes of each `(start, length)`, near ones by one request."""
        return self.source(key).read_many(ranges)

    def iter_bytes(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Yield an object, or a part of it, by one request a piece: a slow reader holds no connection."""
        source = self.source(key)
        end = source.size if length is None else min(source.size, start + length)
        while start < end and (piece := source.read(start, min(PIECE_BYTES, end - start))):
            yield piece
            start += len(piece)

    def size(self, key: str) -> int:
        """Return the bytes of an object."""
        with _answering(key):
            return obstore.head(self._reader, check_key(key))["size"]

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects; missing ones are no error."""
        asked = [check_key(key) for key in keys]
        if asked:
            with _answering("delete"):
                obstore.delete(self._store, asked)

    def source(self, key: str, size: int | None = None) -> ByteSource:
        """Give random access to an object; its size is asked once, when it is needed."""
        return S3Source(self, self._reader, check_key(key), size)

    def sweep_unfinished(self, older_than_s: float) -> int:
        """Do nothing: the bucket's lifecycle rule removes incomplete uploads."""
        return 0

    def probe(self) -> None:
        """Write, read and remove a small object, without retries."""
        content = secrets.token_bytes(16)
        key = f"probe-{content.hex()}"
        with _answering(key, missing=Unavailable):
            obstore.put(self._hasty, key, content, use_multipart=False)
            back = bytes(obstore.get(self._hasty, key).bytes())
            obstore.delete(self._hasty, [key])
        if back != content:
            raise Unavailable("The storage does not return what was written.")


class S3Source:
    """Random access to one object."""

    def __init__(self, blobs: S3Blobs, store: S3Store, key: str, size: int | None) -> None:
        self._blobs, self._store, self._key, self._size = blobs, store, key, size

    @property
    def size(self) -> int:
        """Return the object's bytes."""
        if self._size is None:
            self._size = self._blobs.size(self._key)
        return self._size

    def read(self, offset: int, length: int) -> bytes:
        """Return `length` bytes from `offset`; fewer only at the end."""
        return self.read_many([(offset, length)])[0]

    def read_many(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return the bytes of each `(offset, length)`; near ones share a request, all run in parallel."""
        wanted = [(start, max(0, min(self.size - start, length))) for start, length in ranges]
        bounds = np.array(wanted, dtype=np.int64).reshape(-1, 2)
        order = np.flatnonzero(bounds[:, 1] > 0)
        order = order[np.argsort(bounds[order, 0], kind="stable")]
        starts, ends = bounds[order, 0], bounds[order].sum(axis=1)
        cuts = coalesce(starts, ends).tolist()
        groups = list(itertools.pairwise(cuts))
        blocks = self._fetch([(int(starts[a]), int(ends[a:b].max())) for a, b in groups])
        out = [b""] * len(wanted)
        for (first, end), block in zip(groups, blocks, strict=True):
            base = int(starts[first])
            for n in range(first, end):
                out[int(order[n])] = block[int(starts[n]) - base : int(ends[n]) - base]
        return out

    def _fetch(self, spans: Sequence[tuple[int, int]]) -> list[bytes]:
        """Get each `(start, end)` by one request."""
        if not spans:
            return []
        with _answering(self._key):
            if len(spans) == 1:
                start, end = spans[0]
                return [bytes(obstore.get_range(self._store, self._key, start=start, end=end))]
            starts, ends = zip(*spans, strict=True)
            found = obstore.get_ranges(self._store, self._key, starts=starts, ends=ends, coalesce=0)
            return [bytes(block) for block in found]


class S3Writer:
    """An upload in parts, by a thread that holds two of them; a small object is one request at `commit`."""

    def __init__(self, store: S3Store, key: str) -> None:
        self._store, self._key = store, key
        self._buffer = bytearray()
        self._parts: queue.Queue[bytes | None] = queue.Queue(1)
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None
        self._aborted = threading.Event()
        self._closed = False

    def write(self, data: bytes) -> None:
        """Append bytes; blocks while parts are on their way."""
        if self._closed:
            raise ValueError("the writer is closed")
        self._buffer += data
        while len(self._buffer) >= PART_BYTES:
            with memoryview(self._buffer) as view:
                part = bytes(view[:PART_BYTES])
            del self._buffer[:PART_BYTES]
            self._send(part)

    def commit(self) -> None:
        """Complete the upload."""
        if self._closed:
            raise ValueError("the writer is closed")
        if self._thread is None:
            self._closed = True
            with _answering(self._key, missing=Unavailable):
                obstore.put(self._store, self._key, bytes(self._buffer), use_multipart=False)
            return
        if self._buffer:
            self._send(bytes(self._buffer))
        self._send(None)
        self._closed = True
        self._thread.join()
        self._raise()

    def abort(self) -> None:
        """Give the upload up; the server forgets its parts."""
        if self._closed:
            return
        self._closed = True
        self._buffer.clear()
        self._aborted.set()
        if self._thread is not None:
            self._thread.join()

    def _send(self, part: bytes | None) -> None:
        """Hand a part to the thread, or what it failed with to the caller."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._upload, name="s3-upload", daemon=True)
            self._thread.start()
        while True:
            self._raise()
            try:
                self._parts.put(part, timeout=0.2)
            except queue.Full:
                continue
            return

    def _upload(self) -> None:
        """Upload part by part until the end or the abort."""
        try:
            with _answering(self._key, missing=Unavailable):
                parts = self._take()
                obstore.put(
                    self._store, self._key, parts, chunk_size=PART_BYTES, max_concurrency=PARTS_IN_FLIGHT
                )
        except BaseException as error:  # handed to the caller of `write` or `commit`
            self._error = error

    def _take(self) -> Iterator[bytes]:
        """Yield the parts; raising inside makes obstore abort the upload."""
        while True:
            if self._aborted.is_set():
                raise InterruptedError("the upload was given up")
            try:
                part = self._parts.get(timeout=0.2)
            except queue.Empty:
                continue
            if part is None:
                return
            yield part

    def _raise(self) -> None:
        """Raise what the thread has failed with."""
        if self._error is not None:
            self._closed = True
            raise self._error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.abort()


@contextmanager
def _answering(what: str, missing: type[InkqueueError] = BlobMissing) -> Iterator[None]:
    """Turn the errors of the storage into ours; what is not found is `missing`: for a writer, the bucket."""
    try:
        yield
    except (FileNotFoundError, NotFoundError) as error:
        raise missing(f"There is no {what!r} in the storage.") from error
    except (BaseError, OSError) as error:
        if any(mark in str(error) for mark in _FULL):
            raise StorageFull from error
        raise Unavailable("The storage does not answer at the moment.") from error
