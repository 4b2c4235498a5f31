"""Write a zip while it is sent: members as they are, the directory in a temporary file, any length.

Source: PKWARE, APPNOTE 6.3.10, 4.3 and 4.5.3. Times are fixed, so the same members are the same bytes.
"""

from __future__ import annotations

import struct
import tempfile
import zlib
from collections.abc import Iterator
from typing import Self

_LOCAL = struct.Struct("<IHHHHHIIIHH")
_ENTRY = struct.Struct("<IHHHHHHIIIHHHHHII")
_END64 = struct.Struct("<IQHHIIQQQQ")
_LOCATOR64 = struct.Struct("<IIQI")
_END = struct.Struct("<IHHHHIIH")
_UTF8, _DAY_ONE = 0x800, 0x21
_MOST32, _MOST16 = 0xFFFFFFFF, 0xFFFF
_BLOCK = 256 * 1024


class ZipStream:
    """Returns the bytes to send next; a context manager that removes its temporary file."""

    def __init__(self) -> None:
        self._directory = tempfile.TemporaryFile()  # noqa: SIM115  # closed by __exit__
        self._offset = 0
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._directory.close()

    def member(self, name: str, data: bytes) -> bytes:
        """Return a stored member of less than 4 GiB."""
        return self.head(name, zlib.crc32(data), len(data)) + data

    def head(self, name: str, crc: int, size: int) -> bytes:
        """Return what precedes a member whose bytes follow by another way."""
        raw = name.encode()
        extra = b"" if self._offset < _MOST32 else struct.pack("<HHQ", 1, 8, self._offset)
        needs = 45 if extra else 20
        local = _LOCAL.pack(0x04034B50, 20, _UTF8, 0, 0, _DAY_ONE, crc, size, size, len(raw), 0)
        self._directory.write(
            _ENTRY.pack(
                0x02014B50, needs, needs, _UTF8, 0, 0, _DAY_ONE, crc, size, size, len(raw), len(extra), 0, 0, 0, 0,
                min(self._offset, _MOST32),
            ) + raw + extra
        )  # fmt: skip
        self._count += 1
        self._offset += len(local) + len(raw) + size
        return local + raw

    def end(self) -> Iterator[bytes]:
        """Yield the directory and what follows it; nothing may be added any more."""
        size, start = self._directory.tell(), self._offset
        self._directory.seek(0)
        while block := self._directory.read(_BLOCK):
            yield block
        if self._count >= _MOST16 or start + size >= _MOST32:
            yield _END64.pack(0x06064B50, 44, 45, 45, 0, 0, self._count, self._count, size, start)
            yield _LOCATOR64.pack(0x07064B50, 0, start + size, 1)
        count = min(self._count, _MOST16)
        yield _END.pack(0x06054B50, 0, 0, count, count, min(size, _MOST32), min(start, _MOST32), 0)
