"""Where the bytes of one submission go while they arrive: to memory while few, else to the storage, hashed.

Everything here is synchronous and runs in a worker thread, one call at a time.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import time
from dataclasses import dataclass
from uuid import UUID, uuid4

from shared.blobs import Blobs, BlobWriter
from shared.db import Database
from shared.errors import InkqueueError
from shared.jobs.arrivals import abandon_inputs, begin_input
from shared.jobs.quotas import Admit
from shared.jobs.uploads import touch_inputs
from shared.logs import get_logger
from shared.names import clean_name
from shared.sniff import HEAD_BYTES

log = get_logger(__name__)

TOUCH_S = 5.0
PACK_NAME = "small files"
_MEDIA_TYPE = re.compile(r"[\w.+-]{1,60}/[\w.+-]{1,60}", re.ASCII)


@dataclass(frozen=True, slots=True)
class StoredAt:
    """An object in the storage and the input row that owns it."""

    id: UUID
    key: str


@dataclass(frozen=True, slots=True)
class StashedFile:
    """One file of a submission, all of it here.

    Its bytes are in `inline`, or an object of its own (`stored`), or stand at `pack_offset` of the pack.
    """

    name: str
    content_type: str | None
    size: int
    sha256: str
    head: bytes
    custom_id: str | None = None
    inline: bytes | None = None
    stored: StoredAt | None = None
    pack_offset: int | None = None


@dataclass(frozen=True, slots=True)
class Pack:
    """The object that many small files share."""

    stored: StoredAt
    size: int
    sha256: str


class _Object:
    """An object that is being written."""

    def __init__(self, stash: Stash, name: str, content_type: str | None) -> None:
        admit = stash.admit if not stash.ids else None
        input_id, key = begin_input(
            stash.db, stash.tenant, clean_name(name) or "file", content_type, stash.upload, admit
        )
        stash.ids.append(input_id)
        self.at = StoredAt(input_id, key)
        self.size = 0
        self.hash = hashlib.sha256()
        self.writer: BlobWriter = stash.blobs.open_writer(key)
        stash.writers.append(self.writer)

    def write(self, data: bytes | bytearray) -> None:
        self.hash.update(data)
        self.writer.write(bytes(data) if isinstance(data, bytearray) else data)
        self.size += len(data)


class Stash:
    """The files of one submission; leaves nothing behind once `abandon` was called.

    Args:
        inline_bytes: how many bytes the whole submission may keep in memory, and later in the database.
        admit: called in the transaction that begins the first object; raises when the tenant may not have it.
    """

    def __init__(
        self, db: Database, blobs: Blobs, tenant: str, inline_bytes: int, admit: Admit | None = None
    ) -> None:
        self.db = db
        self.blobs = blobs
        self.tenant = tenant
        self.upload = uuid4()
        self.admit = admit
        self.small = inline_bytes
        self.room = inline_bytes
        self.files: list[StashedFile] = []
        self.ids: list[UUID] = []
        self.writers: list[BlobWriter] = []
        self.pack: Pack | None = None
        self._pack: _Object | None = None
        self._touched = time.monotonic()

    def open(self, name: str, content_type: str | None, custom_id: str | None = None) -> Sink:
        """Begin a file."""
        return Sink(self, name, _media_type(content_type), custom_id)

    def add(self, name: str, content_type: str | None, data: bytes, custom_id: str | None = None) -> None:
        """Take in a whole file."""
        sink = self.open(name, content_type, custom_id)
        sink.write(data)
        sink.close()

    def touch(self) -> None:
        """Tell the steward every few seconds that bytes are arriving."""
        if self.ids and time.monotonic() - self._touched > TOUCH_S:
            touch_inputs(self.db, self.ids)
            self._touched = time.monotonic()

    def append_to_pack(self, data: bytes) -> int:
        """Put a small file behind the others; return where it begins."""
        if self._pack is None:
            self._pack = _Object(self, PACK_NAME, None)
        offset = self._pack.size
        self._pack.write(data)
        return offset

    def finish(self) -> None:
        """Make the last object durable."""
        if self._pack is not None:
            self._pack.writer.commit()
            self.pack = Pack(self._pack.at, self._pack.size, self._pack.hash.hexdigest())

    def abandon(self) -> None:
        """Give everything up; what cannot be noted now, the steward finds after the stale time."""
        for writer in self.writers:
            with contextlib.suppress(InkqueueError, OSError):
                writer.abort()
        self.writers.clear()
        try:
            abandon_inputs(self.db, self.ids)
        except InkqueueError as error:
            log.warning("inputs_not_abandoned", why=error.detail, inputs=len(self.ids))


def _media_type(given: str | None) -> str | None:
    """Keep a media type that looks like one."""
    return given if given and _MEDIA_TYPE.fullmatch(given) else None


class Sink:
    """One file that is arriving: up to 64 KiB in memory, beyond that in an object of its own."""

    def __init__(self, stash: Stash, name: str, content_type: str | None, custom_id: str | None) -> None:
        self._stash = stash
        self._name = name
        self._type = content_type
        self._custom_id = custom_id
        self._buffer = bytearray()
        self._object: _Object | None = None
        self._head = b""

    @property
    def size(self) -> int:
        """Return how many bytes have arrived."""
        return self._object.size if self._object else len(self._buffer)

    def keeps(self, data: bytes = b"") -> bool:
        """Tell whether the file stays in memory with these bytes too, so that no step of it blocks."""
        return self._object is None and self.size + len(data) <= min(self._stash.small, self._stash.room)

    def write(self, data: bytes | bytearray) -> None:
        """Take the next bytes."""
        if self._object is None and len(self._buffer) + len(data) > self._stash.small:
            self._spill()
        if self._object is None:
            self._buffer += data
        else:
            if len(self._head) < HEAD_BYTES:
                self._head += bytes(data[: HEAD_BYTES - len(self._head)])
            self._object.write(data)

    def close(self) -> None:
        """End the file; an object of its own is durable from here on."""
        stash = self._stash
        inline, offset = None, None
        if self._object is None and len(self._buffer) > stash.room and self._buffer.startswith(b"PK"):
            self._spill()  # a zip is read at random: it does not share its object
        if self._object is not None:
            self._object.writer.commit()
            stash.writers.remove(self._object.writer)
            sha256 = self._object.hash.hexdigest()
        else:
            data = bytes(self._buffer)
            sha256 = hashlib.sha256(data).hexdigest()
            self._head = data[:HEAD_BYTES]
            if len(data) <= stash.room:
                stash.room -= len(data)
                inline = data
            else:
                offset = stash.append_to_pack(data)
        stash.files.append(
            StashedFile(
                name=self._name,
                content_type=self._type,
                size=self.size,
                sha256=sha256,
                head=self._head,
                custom_id=self._custom_id,
                inline=inline,
                stored=self._object.at if self._object else None,
                pack_offset=offset,
            )
        )

    def _spill(self) -> None:
        """Move what has arrived into an object."""
        self._object = _Object(self._stash, self._name, self._type)
        if self._buffer:
            self._head = bytes(self._buffer[:HEAD_BYTES])
            self._object.write(bytes(self._buffer))
            self._buffer.clear()
