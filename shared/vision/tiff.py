"""The page directory of a TIFF, walked by hand: loops and thumbnails are seen before any decoder."""

from __future__ import annotations

import struct

from shared.errors import TooManyPages, UndecodableImage

_NEW_SUBFILE_TYPE = 254
_NO_PAGE = 0b101
"""NewSubfileType bits: 0 a reduced copy of another page, 2 a transparency mask (TIFF 6.0, section 8)."""


def pages(data: bytes, *, max_pages: int) -> list[int]:
    """Return the index of the directory of each page, in order.

    Raises:
        UndecodableImage: the directory loops, is cut off or empty.
        TooManyPages: more than `max_pages`.
    """
    kinds = _walk(data, max_pages)
    real = [index for index, kind in enumerate(kinds) if not kind & _NO_PAGE]
    return real or list(range(len(kinds)))


def _walk(data: bytes, max_pages: int) -> list[int]:
    """Follow the chain of directories and return each one's NewSubfileType."""
    order = "<" if data[:2] == b"II" else ">"
    big = data[2:4] in (b"+\x00", b"\x00+")
    kinds: list[int] = []
    seen: set[int] = set()
    try:
        (offset,) = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)
        while offset:
            if offset in seen:
                raise UndecodableImage("The TIFF's page directory runs in a circle.")
            if len(seen) >= max_pages:
                raise TooManyPages(f"The TIFF has more than {max_pages:,} pages.")
            seen.add(offset)
            kind, offset = _directory(data, offset, order, big)
            kinds.append(kind)
    except (struct.error, OverflowError) as error:  # the latter for the 64-bit offsets of a BigTIFF
        raise UndecodableImage("The TIFF is cut off in its page directory.") from error
    if not kinds:
        raise UndecodableImage("The TIFF has no page.")
    return kinds


def _directory(data: bytes, offset: int, order: str, big: bool) -> tuple[int, int]:
    """Read one directory: its NewSubfileType and the offset of the next."""
    count_code, entry_size, offset_code = ("Q", 20, "Q") if big else ("H", 12, "I")
    (count,) = struct.unpack_from(order + count_code, data, offset)
    first = offset + struct.calcsize(order + count_code)
    (following,) = struct.unpack_from(order + offset_code, data, first + count * entry_size)
    for index in range(min(count, 16)):
        tag, _ = struct.unpack_from(order + "HH", data, first + index * entry_size)
        if tag == _NEW_SUBFILE_TYPE:
            (kind,) = struct.unpack_from(
                order + "I",
                data,
                first + index * entry_size + entry_size - (8 if big else 4),
            )
            return kind, following
    return 0, following
