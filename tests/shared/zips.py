"""Honest and dishonest zips for the tests of reading them."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field

END, ENTRY = b"PK\x05\x06", b"PK\x01\x02"


def zip_bytes(
    members: Sequence[tuple[str | zipfile.ZipInfo, bytes]], *, deflate: bool = False, comment: bytes = b""
) -> bytes:
    """Make an honest zip by the standard library."""
    buffer = io.BytesIO()
    method = zipfile.ZIP_DEFLATED if deflate else zipfile.ZIP_STORED
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data)
        archive.comment = comment
    return buffer.getvalue()


@dataclass
class Member:
    """One member, every field of which may lie; None means the truth."""

    name: bytes = b"a.png"
    data: bytes = b"content"
    method: int = 0
    flags: int = 0
    size: int | None = None
    comp_size: int | None = None
    crc: int | None = None
    offset: int | None = None
    extra: bytes = b""
    local_extra: bytes = b""
    descriptor: bytes = b""
    made_by: int = 0
    external: int = 0
    stored: bytes = field(init=False, default=b"")

    def __post_init__(self) -> None:
        """Pack the data as the method says."""
        self.stored = self.data
        if self.method == 8:
            packer = zlib.compressobj(9, zlib.DEFLATED, -15)
            self.stored = packer.compress(self.data) + packer.flush()

    def fields(self) -> tuple[int, int, int]:
        """Return checksum, stored and inflated size, as they are written down."""
        return (
            zlib.crc32(self.data) if self.crc is None else self.crc,
            len(self.stored) if self.comp_size is None else self.comp_size,
            len(self.data) if self.size is None else self.size,
        )


def raw_zip(
    members: Sequence[Member], *, prefix: bytes = b"", count: int | None = None, zip64: bool = False
) -> bytes:
    """Write a zip field by field; offsets count from after the prefix."""
    body, directory = bytearray(), bytearray()
    for m in members:
        crc, comp_size, size = m.fields()
        offset = len(body) if m.offset is None else m.offset
        small = [min(value, 0xFFFFFFFF) for value in (comp_size, size)]
        body += struct.pack(
            "<4sHHHIIIIHH",
            b"PK\x03\x04",
            20,
            m.flags,
            m.method,
            0,
            crc,
            *small,
            len(m.name),
            len(m.local_extra),
        )
        body += m.name + m.local_extra + m.stored + m.descriptor
        fixed = ("<4sHHHHIIIIHHHHHII", ENTRY, m.made_by << 8 | 20, 20, m.flags, m.method, 0, crc)
        rest = (len(m.name), len(m.extra), 0, 0, 0, m.external, offset)
        directory += struct.pack(*fixed, comp_size, size, *rest) + m.name + m.extra
    said = len(members) if count is None else count
    end = b""
    if zip64:
        at = len(prefix) + len(body) + len(directory)
        end += struct.pack(
            "<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, said, said, len(directory), len(body)
        )
        end += struct.pack("<4sIQI", b"PK\x06\x07", 0, at, 1)
        end += struct.pack("<4sHHHHIIH", END, 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    else:
        end += struct.pack(
            "<4sHHHHIIH", END, 0, 0, said & 0xFFFF, said & 0xFFFF, len(directory), len(body), 0
        )
    return prefix + bytes(body) + bytes(directory) + end
