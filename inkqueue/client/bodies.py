"""Request bodies that are read in pieces, have a known length and can be sent again."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import IO, Protocol
from urllib.parse import quote

from inkqueue.exceptions import SourceError

PIECE_BYTES = 256 * 1024

Progress = Callable[[int, int], None]
"""Called with the bytes sent so far and the bytes in all."""


class Body(Protocol):
    """What a request carries."""

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers that describe the content."""
        ...

    @property
    def size(self) -> int:
        """Return the length in bytes."""
        ...

    def pieces(self) -> Iterator[bytes]:
        """Read the content from its beginning."""
        ...


@dataclass(frozen=True, slots=True)
class Part:
    """One file to upload; `open` gives it from its beginning each time."""

    name: str
    size: int
    content_type: str
    open: Callable[[], AbstractContextManager[IO[bytes]]]
    release: Callable[[], None] = lambda: None
    """Gives back what was set aside to read the content more than once."""

    def pieces(self) -> Iterator[bytes]:
        """Read exactly `size` bytes.

        Raises:
            SourceError: the file became shorter since it was looked at.
        """
        left = self.size
        with self.open() as stream:
            while left:
                piece = stream.read(min(PIECE_BYTES, left))
                if not piece:
                    raise SourceError(f"{self.name} changed while it was being uploaded: it became shorter.")
                left -= len(piece)
                yield piece


@dataclass(frozen=True, slots=True)
class JsonBody:
    """A JSON document."""

    document: object

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers that describe the content."""
        return {"Content-Type": "application/json"}

    @property
    def size(self) -> int:
        """Return the length in bytes."""
        return len(json.dumps(self.document).encode())

    def pieces(self) -> Iterator[bytes]:
        """Read the content."""
        yield json.dumps(self.document).encode()


@dataclass(frozen=True, slots=True)
class RawBody:
    """One file as it is."""

    part: Part

    @property
    def headers(self) -> dict[str, str]:
        """Return the type and, for its label in the results, the file's name (RFC 6266).

        The name goes percent-encoded in both parameters, since not every parser reads `filename*`.
        """
        name = quote(self.part.name, safe="/ ")
        disposition = f"attachment; filename=\"{name}\"; filename*=UTF-8''{quote(self.part.name, safe='')}"
        return {"Content-Type": self.part.content_type, "Content-Disposition": disposition}

    @property
    def size(self) -> int:
        """Return the length in bytes."""
        return self.part.size

    def pieces(self) -> Iterator[bytes]:
        """Read the file from its beginning."""
        return self.part.pieces()


@dataclass(frozen=True, slots=True)
class MultipartBody:
    """Files and form fields (RFC 7578), one open file at a time."""

    fields: Sequence[tuple[str, str]]
    parts: Sequence[Part]
    boundary: str = field(default_factory=lambda: f"inkqueue-{uuid.uuid4().hex}")

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers that describe the content."""
        return {"Content-Type": f"multipart/form-data; boundary={self.boundary}"}

    @property
    def size(self) -> int:
        """Return the length in bytes."""
        heads = sum(len(self._field(name, value)) for name, value in self.fields)
        files = sum(len(self._head(part)) + part.size + 2 for part in self.parts)
        return heads + files + len(self._end())

    def pieces(self) -> Iterator[bytes]:
        """Read the fields, then each file, opened only when its turn comes."""
        for name, value in self.fields:
            yield self._field(name, value)
        for part in self.parts:
            yield self._head(part)
            yield from part.pieces()
            yield b"\r\n"
        yield self._end()

    def _field(self, name: str, value: str) -> bytes:
        head = f'--{self.boundary}\r\nContent-Disposition: form-data; name="{_escaped(name)}"\r\n\r\n'
        return f"{head}{value}\r\n".encode()

    def _head(self, part: Part) -> bytes:
        disposition = f'form-data; name="files"; filename="{_escaped(part.name)}"'
        head = f"--{self.boundary}\r\nContent-Disposition: {disposition}\r\nContent-Type: {part.content_type}"
        return f"{head}\r\n\r\n".encode(errors="replace")

    def _end(self) -> bytes:
        return f"--{self.boundary}--\r\n".encode()


@dataclass(frozen=True, slots=True)
class CountedBody:
    """A body that tells how far its upload is; a repeated upload starts from 0 again."""

    body: Body
    progress: Progress

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers that describe the content."""
        return self.body.headers

    @property
    def size(self) -> int:
        """Return the length in bytes."""
        return self.body.size

    def pieces(self) -> Iterator[bytes]:
        """Read the content and tell how far it is."""
        return _counted(self.body.pieces(), self.body.size, self.progress)


def _counted(pieces: Iterable[bytes], size: int, progress: Progress) -> Iterator[bytes]:
    sent = 0
    progress(0, size)
    for piece in pieces:
        yield piece
        sent += len(piece)
        progress(sent, size)


def _escaped(text: str) -> str:
    """Escape a name for a quoted string in a header; line ends as browsers write them."""
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    return quoted.replace("\r", "%0D").replace("\n", "%0A")
