"""The store of uploads and manifests: a local folder or S3 behind one small interface."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol, Self
from urllib.parse import unquote, urlsplit

from shared.settings import Settings
from shared.sources import ByteSource

MAX_KEY = 200
_KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._=-]*(?:/[A-Za-z0-9_][A-Za-z0-9._=-]*)*")


class BlobWriter(Protocol):
    """An object that is being written in constant memory; nobody sees it before `commit`.

    As a context manager it aborts unless committed. Used by one thread at a time.
    """

    def write(self, data: bytes) -> None:
        """Append bytes; may block while earlier ones are on their way.

        Raises:
            StorageFull, Unavailable: the storage does not take them.
        """

    def commit(self) -> None:
        """Make the object durable and visible under its key; an older one is replaced."""

    def abort(self) -> None:
        """Remove what was written; does nothing after `commit` or a second time."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exception: object) -> None: ...


class Blobs(Protocol):
    """A store of immutable objects under keys such as `inputs/0198f6`; thread-safe, blocking.

    Every method may raise `Unavailable` when the storage fails, every reading one `BlobMissing` when there is
    no such object, every writing one `StorageFull`; a key of a wrong form is a ValueError.
    """

    def put(self, key: str, data: bytes) -> None:
        """Write an object; when it returns, the object survives a power cut."""

    def open_writer(self, key: str) -> BlobWriter:
        """Begin an object of any length."""

    def get(self, key: str) -> bytes:
        """Return a whole object."""

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """Return `length` bytes from `start`; fewer only where the object ends."""

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return the bytes of each `(start, length)`, near ones read together."""

    def iter_bytes(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Yield an object, or a part of it, in pieces of some megabytes; nothing is held between two."""

    def size(self, key: str) -> int:
        """Return the bytes of an object."""

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects and what unfinished writers of them have left; missing ones are no error."""

    def source(self, key: str, size: int | None = None) -> ByteSource:
        """Give random access to an object; nothing is opened or asked until the first read.

        Args:
            key: the object's.
            size: the object's bytes, where they are known; saves a request.
        """

    def sweep_unfinished(self, older_than_s: float) -> int:
        """Remove what writers that are gone have left, by age; return how many. S3 has rules for that."""

    def probe(self) -> None:
        """Write, read and remove a small object, within a few seconds."""


def open_blobs(settings: Settings, known: Callable[[], Sequence[str]] = tuple) -> Blobs:
    """Open the store that `storage_url` names, `file:///folder` or `s3://bucket/prefix`; connect to nothing.

    Args:
        settings: where the store is.
        known: gives the keys of some objects that are stored; asked where a folder may be the store or may not.

    Raises:
        ValueError: the address is neither.
    """
    from shared.blobs_local import LocalBlobs
    from shared.blobs_s3 import S3Blobs

    address = urlsplit(settings.storage_url)
    if address.scheme == "file" and address.netloc in ("", "localhost"):
        return LocalBlobs(Path(unquote(address.path)), known)
    if address.scheme == "s3" and address.netloc:
        return S3Blobs(
            address.netloc,
            prefix=address.path.strip("/"),
            endpoint=settings.s3_endpoint or None,
            region=settings.s3_region,
        )
    raise ValueError(
        f"storage_url must be file:///folder or s3://bucket/prefix, not {settings.storage_url!r}"
    )


def check_key(key: str) -> str:
    """Return the key if it can be one: segments of letters, digits and `._=-`, none beginning with a dot.

    Raises:
        ValueError: it cannot.
    """
    if len(key) > MAX_KEY or _KEY.fullmatch(key) is None:
        raise ValueError(f"{key!r} is no key of an object")
    return key
