"""What may be submitted: paths, folders, bytes, open files, pictures, arrays; all become parts."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import IO, Protocol, runtime_checkable

from inkqueue.client.bodies import PIECE_BYTES, Part
from inkqueue.client.png import png_of_pixels
from inkqueue.exceptions import SourceError

SPOOL_BYTES = 8 * 1024 * 1024


@runtime_checkable
class ArrayLike(Protocol):
    """An array of 8-bit pixels such as numpy's: H x W, H x W x 3 (RGB) or H x W x 4 (RGBA)."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the extent of each axis."""
        ...

    @property
    def dtype(self) -> object:
        """Return the type of the elements."""
        ...

    def tobytes(self) -> bytes:
        """Return the elements in row-major order."""
        ...


class Readable(Protocol):
    """A binary file that is open for reading; one that cannot seek is copied first."""

    def read(self, size: int = -1, /) -> bytes | None:
        """Read on, at most `size` bytes."""
        ...


@runtime_checkable
class PictureLike(Protocol):
    """A picture that can write itself, such as a PIL image."""

    def save(self, fp: IO[bytes], format: str, /) -> object:  # noqa: A002 - PIL's name
        """Write the picture."""
        ...


Content = str | os.PathLike[str] | bytes | Readable | PictureLike | ArrayLike
Source = Content | tuple[str, Content]
"""Something to submit; a tuple gives it a name."""

_SIGNATURES = (
    (b"PK\x03\x04", "application/zip"),
    (b"PK\x05\x06", "application/zip"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"BM", "image/bmp"),
)


def parts_of(source: Source | Iterable[Source]) -> list[Part]:
    """List what is to be uploaded; folders are walked, their files sorted by path.

    Raises:
        FileNotFoundError: a path leads nowhere.
        SourceError: there is nothing to send, or a value is no image, file or path.
    """
    if not _is_one(source) and not isinstance(source, Iterable):
        raise _unknown(source)
    sources = [source] if _is_one(source) else list(source)  # type: ignore[arg-type] # not one, so many
    parts = [part for number, one in enumerate(sources, 1) for part in _parts(one, f"image-{number}")]
    if not parts:
        raise SourceError("There is nothing to submit: no file was given, or the folder is empty.")
    return parts


def _is_one(source: object) -> bool:
    """Tell a single source from a collection of them."""
    kinds = (str, os.PathLike, bytes, bytearray, memoryview, PictureLike, ArrayLike)
    return isinstance(source, kinds) or hasattr(source, "read") or _is_named(source)


def _is_named(source: object) -> bool:
    return (
        isinstance(source, tuple)
        and len(source) == 2
        and isinstance(source[0], str)
        and not isinstance(source[1], str | os.PathLike)
    )


def _parts(source: object, default_name: str) -> Iterator[Part]:
    """Make the parts of one source."""
    name: str | None = None
    if isinstance(source, tuple) and len(source) == 2 and isinstance(source[0], str):
        name, source = source
    if isinstance(source, str | os.PathLike):
        yield from _path_parts(Path(source), name)
    elif isinstance(source, bytes | bytearray | memoryview):
        yield _bytes_part(bytes(source), name or default_name)
    elif hasattr(source, "read"):
        yield _stream_part(source, name or _name_of(source) or default_name)
    elif isinstance(source, PictureLike):
        yield _bytes_part(_saved(source), name or f"{default_name}.png")
    elif isinstance(source, ArrayLike):
        yield _bytes_part(_png(source), name or f"{default_name}.png")
    else:
        raise _unknown(source)


def _unknown(source: object) -> SourceError:
    """Say that a value is none that can be submitted."""
    return SourceError(f"A {type(source).__name__} cannot be submitted; give paths, bytes, files or images.")


def _path_parts(path: Path, name: str | None) -> Iterator[Part]:
    if path.is_dir():
        for file in sorted(file for file in path.rglob("*") if file.is_file()):
            inside = file.relative_to(path)
            if not _is_litter(inside):
                yield _file_part(file, f"{name or path.resolve().name}/{inside.as_posix()}")
    else:
        yield _file_part(path, name or path.name)


def _is_litter(path: Path) -> bool:
    """Tell whether a path in a folder is what the service leaves out of archives too."""
    return path.name in {"Thumbs.db", "desktop.ini"} or any(
        segment.startswith(".") or segment == "__MACOSX" for segment in path.parts
    )


def _file_part(path: Path, name: str) -> Part:
    with path.open("rb") as stream:
        head = stream.read(16)
        size = os.fstat(stream.fileno()).st_size
    return Part(_sendable(name), size, content_type(head, name), lambda: path.open("rb"))


def _bytes_part(data: bytes, name: str) -> Part:
    return Part(_sendable(name), len(data), content_type(data[:16], name), lambda: BytesIO(data))


def _name_of(stream: object) -> str | None:
    """Return the file name of an open file, if it has one."""
    name = getattr(stream, "name", None)
    return Path(name).name if isinstance(name, str) and not name.startswith("<") else None


def _stream_part(stream: object, name: str) -> Part:
    """Make a part of an open binary file, from where it stands; what cannot seek is spooled first."""
    seekable = _seekable(stream)
    start = seekable.tell()
    head = seekable.read(16)
    if not isinstance(head, bytes):
        raise SourceError(f"{name} is open as text; open it in binary mode ('rb').")
    size = seekable.seek(0, os.SEEK_END) - start
    seekable.seek(start)
    part = Part(_sendable(name), size, content_type(head, name), _reopener(seekable, start))
    return part if seekable is stream else replace(part, release=seekable.close)


def _seekable(stream: object) -> IO[bytes]:
    """Return the stream itself, or a copy of it if it cannot be read twice."""
    if getattr(stream, "seekable", lambda: False)():
        return stream  # type: ignore[return-value] # it reads and seeks, which is all that is asked of it
    spool: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES)  # noqa: SIM115 - lives as long as the part
    while piece := stream.read(PIECE_BYTES):  # type: ignore[attr-defined] # the caller has checked `read`
        if not isinstance(piece, bytes):
            spool.close()
            raise SourceError("The stream gives text; open it in binary mode ('rb').")
        spool.write(piece)
    spool.seek(0)
    return spool


def _reopener(stream: IO[bytes], start: int) -> Callable[[], AbstractContextManager[IO[bytes]]]:
    """Return what rewinds a caller's open file and leaves it open afterwards."""

    def reopened() -> AbstractContextManager[IO[bytes]]:
        stream.seek(start)
        return nullcontext(stream)

    return reopened


def _saved(picture: PictureLike) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def _png(array: ArrayLike) -> bytes:
    if str(array.dtype) != "uint8":
        raise SourceError(
            f"An array of {array.dtype} cannot be submitted; give 8-bit pixels (uint8, 0 to 255)."
        )
    return png_of_pixels(array.tobytes(), array.shape)


def content_type(head: bytes, name: str) -> str:
    """Tell the type of a file from its first 16 bytes; the service sniffs what is left open."""
    for signature, kind in _SIGNATURES:
        if head.startswith(signature):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    return "application/zip" if name.lower().endswith(".zip") else "application/octet-stream"


def _sendable(name: str) -> str:
    """Return a name that UTF-8 can carry, also if the file system gave bytes that are no UTF-8."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
