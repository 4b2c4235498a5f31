"""Zips whose every field may lie, written from nothing (APPNOTE.TXT 6.3.10)."""

from __future__ import annotations

import struct
import zlib
from random import Random
from typing import NamedTuple

from benchmarks.fuzz.mutation import mutate, number

_NAMES = (
    b"a.png", b"dir/b.jpg", b"c.tif", b"d.pdf", b"dir/", b"../../e.png", b"/f.png", b"C:\\g.png", b"h.txt", b"i.zip",
    b"",     b".hidden", b"__MACOSX/._a.png", b"Thumbs.db",
    "ü/ñ.png".encode(), b"\x81\xff.png", b"\xff" * 40, b"j" * 3000 + b".png",
    b"a\x00.png", b"\xe2\x80\xae.png", b"..", b"./.", b"K.PNG", b"con.png", b"a" * 65535,
)  # fmt: skip
_METHODS = (0, 0, 8, 8, 8, 1, 6, 9, 12, 14, 93, 95, 99, 65535)
_WORDS = (
    b"PK\x03\x04",
    b"PK\x01\x02",
    b"PK\x05\x06",
    b"PK\x06\x06",
    b"PK\x06\x07",
    b"PK\x07\x08",
    b"\xff\xff\xff\xff",
)


class _Written(NamedTuple):
    """One member: its local header with the data, and its entry but for the offset."""

    local: bytes
    before: bytes
    after: bytes


class _Liar:
    """Says the truth, or with some chance another number that fits."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance
        self._rate = chance.choice((0.0, 0.0, 0.01, 0.03, 0.1))

    def say(self, value: int, width: int) -> int:
        if self._chance.random() < self._rate:
            return number(self._chance, width)
        return value & ((1 << 8 * width) - 1)


def make_zip(chance: Random) -> bytes:
    """Make a zip: some true, some with lies in their fields, some damaged afterwards."""
    lie = _Liar(chance)
    members = [_member(chance, lie) for _ in range(chance.choice((0, 1, 1, 2, 3, 5, 20)))]
    prefix = chance.choice((b"", b"", b"", b"#!/bin/sh\n", chance.randbytes(30)))
    body, directory = bytearray(prefix), bytearray()
    for member in members:
        directory += member.before + struct.pack("<I", lie.say(len(body), 4)) + member.after
        body += member.local
    start, size = len(body) - chance.choice((0, 0, 0, len(prefix))), len(directory)
    data = bytes(body + directory) + _end(chance, lie, len(members), start, size)
    return mutate(data, chance, words=_WORDS) if chance.random() < 0.4 else data


def _member(chance: Random, lie: _Liar) -> _Written:
    """Write one member."""
    name, method = chance.choice(_NAMES[: 24 if chance.random() < 0.98 else None]), chance.choice(_METHODS)
    data = chance.choice((b"", chance.randbytes(chance.randrange(300)), bytes(chance.randrange(5000))))
    stored = _packed(data) if method == 8 else data
    if chance.random() < 0.1:
        stored = mutate(stored, chance)
    flags = chance.choice((0, 0, 0, 0, 0x800, 0x8, 0x1, 0x2041, lie.say(0, 2)))
    extra, local_extra = _extra(chance), _extra(chance)
    fixed = (lie.say(20, 2), flags, lie.say(method, 2), lie.say(0, 4), lie.say(zlib.crc32(data), 4))
    sizes = (lie.say(len(stored), 4), lie.say(len(data), 4))
    local = struct.pack(
        "<4sHHHIIIIHH", b"PK\x03\x04", *fixed, *sizes, lie.say(len(name), 2), lie.say(len(local_extra), 2)
    )
    if chance.random() < 0.05:
        sizes = (0xFFFFFFFF, 0xFFFFFFFF)
        extra = struct.pack("<HHQQ", 1, lie.say(16, 2), lie.say(len(data), 8), lie.say(len(stored), 8))
    comment = chance.choice((b"", b"", b"note"))
    before = struct.pack(
        "<4sHHHHIIIIHHHHHI",
        b"PK\x01\x02", chance.choice((20, 0x314, 0x1314)), *fixed, *sizes,
        lie.say(len(name), 2), lie.say(len(extra), 2), lie.say(len(comment), 2), lie.say(0, 2), 0,
        chance.choice((0, 0, 0x10, 0o120777 << 16, 0o100644 << 16, 0o040755 << 16)),
    )  # fmt: skip
    return _Written(local + name + local_extra + stored, before, name + extra + comment)


def _packed(data: bytes) -> bytes:
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def _extra(chance: Random) -> bytes:
    """Write an extra field: none, a known one, or one that ends too soon."""
    kind = chance.choice((None, None, None, 1, 0x5455, 0x7075, 0x9901))
    if kind is None:
        return b""
    body = chance.randbytes(chance.choice((0, 4, 5, 8, 16, 28)))
    return struct.pack("<HH", kind, chance.choice((len(body), len(body), 0, 65535))) + body


def _end(chance: Random, lie: _Liar, count: int, start: int, size: int) -> bytes:
    """Write the end of the directory, the one of ZIP64 with it or not."""
    comment = chance.choice((b"", b"", b"", b"a comment", b"PK\x05\x06" + bytes(18)))
    plain = struct.pack(
        "<4sHHHHIIH", b"PK\x05\x06", lie.say(0, 2), 0, lie.say(count, 2), lie.say(count, 2), lie.say(size, 4),
        lie.say(start, 4), lie.say(len(comment), 2),
    )  # fmt: skip
    if chance.random() < 0.8:
        return plain + comment
    at = start + size
    wide = struct.pack(
        "<4sQHHIIQQQQ", b"PK\x06\x06", lie.say(44, 8), 45, 45, 0, 0, lie.say(count, 8), lie.say(count, 8),
        lie.say(size, 8), lie.say(start, 8),
    )  # fmt: skip
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, lie.say(at, 8), lie.say(1, 4))
    full = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 65535, 65535, 2**32 - 1, 2**32 - 1, len(comment))
    return wide + locator + full + comment
