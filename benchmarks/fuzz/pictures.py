"""Damage to pictures that goes deep: within chunks whose sizes and checksums are right again afterwards."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable
from random import Random

from benchmarks.fuzz.mutation import mutate, number
from benchmarks.fuzz.seeds import whole
from benchmarks.fuzz.tiffs import make_tiff

Chunks = list[tuple[bytes, bytes]]

_PNG_KINDS = (
    b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"eXIf", b"acTL", b"fcTL", b"fdAT", b"iCCP", b"zTXt",
    b"iTXt", b"tEXt", b"gAMA", b"sRGB", b"cHRM", b"sBIT", b"bKGD", b"pHYs", b"caBX", b"ZZZZ",
)  # fmt: skip
_WEBP_KINDS = (b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"EXIF", b"ICCP", b"XMP ")
_NUMBER = re.compile(rb"\d+")
_PDF_WORDS = (
    b"/Image", b"/Form", b"/Page", b"/Pages", b"/Type", b"/Kids", b"/Filter", b"/FlateDecode", b"/DCTDecode",
    b"/CCITTFaxDecode", b"/JBIG2Decode", b"/JPXDecode", b"/LZWDecode", b"/ASCII85Decode", b"/RunLengthDecode",
    b"/Crypt", b"/Encrypt", b"/SMask", b"/ImageMask true", b"/Mask", b"/Indexed", b"/DeviceN", b"/Separation",
    b"/ICCBased", b"/Pattern", b"/Shading", b"/XObject", b"/MediaBox [0 0 1e9 1e9]", b"/MediaBox [0 0 0 0]",
    b"/Rotate 45", b"/UserUnit 1e30", b"1 0 R", b"2 0 R", b"3 0 R", b"null", b"<<", b">>", b"[", b"]",
    b"stream\n", b"endstream", b"endobj", b"xref", b"trailer", b"startxref", b"/Prev 0", b"/Do", b"Do", b"q ",
    b"Q ", b"1e38 0 0 1e38 0 0 cm", b"/JavaScript", b"/OpenAction", b"/ObjStm", b"/XRef", b"-1",
    b"99999999999999999999",
)  # fmt: skip


def make(kind: str, chance: Random) -> bytes:
    """Make a file of a kind; one in five is damaged at any place after all else."""
    data = _MAKERS[kind](chance)
    return mutate(data, chance) if chance.random() < 0.2 else data


def _png(chance: Random) -> bytes:
    data = chance.choice(whole("png"))
    chunks: Chunks = []
    at = 8
    while at + 12 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + size]))
        at += 12 + size
    _shuffle(chunks, chance, _PNG_KINDS)
    for i, (kind, body) in enumerate(chunks):
        if chance.random() < 0.3:
            chunks[i] = kind, _png_body(kind, body, chance)
    honest = chance.random() < 0.9
    out = bytearray(data[:8])
    for kind, body in chunks:
        size = len(body) if honest else number(chance, 4)
        check = zlib.crc32(kind + body) if honest or chance.random() < 0.5 else chance.randrange(2**32)
        out += struct.pack(">I", size) + kind + body + struct.pack(">I", check)
    return bytes(out)


def _png_body(kind: bytes, body: bytes, chance: Random) -> bytes:
    """Damage what a chunk holds; pixels are damaged before they are packed."""
    if kind == b"IHDR" and len(body) == 13:
        width, height, depth, colour, *rest = struct.unpack(">IIBBBBB", body)
        sides = [width, height]
        sides[chance.randrange(2)] = chance.choice((0, 1, 2, 7, 100, 3000, number(chance, 4)))
        depth, colour = chance.choice((depth, 1, 2, 4, 8, 16)), chance.choice((colour, 0, 2, 3, 4, 6))
        rest[2] = chance.choice((0, 0, 1, 2))
        return struct.pack(">IIBBBBB", *sides, depth, colour, *rest)
    if kind in {b"IDAT", b"fdAT"} and chance.random() < 0.7:
        try:
            return zlib.compress(mutate(zlib.decompress(body), chance), 1)
        except zlib.error:
            pass
    return mutate(body, chance)


def _shuffle(chunks: Chunks, chance: Random, kinds: tuple[bytes, ...]) -> None:
    """Drop, double, swap and add chunks."""
    for _ in range(chance.choice((0, 0, 1, 1, 2, 4))):
        i = chance.randrange(len(chunks) + 1)
        match chance.randrange(4):
            case 0:
                del chunks[i : i + 1]
            case 1:
                chunks[i:i] = chunks[i - 1 : i]
            case 2 if chunks:
                chunks[i % len(chunks)], chunks[0] = chunks[0], chunks[i % len(chunks)]
            case _:
                chunks.insert(
                    i, (chance.choice(kinds), chance.randbytes(chance.choice((0, 1, 4, 13, 26, 300))))
                )


def _jpeg(chance: Random) -> bytes:
    data = chance.choice(whole("jpeg"))
    parts: Chunks = []
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
        size = int.from_bytes(data[at + 2 : at + 4], "big")
        parts.append((data[at : at + 2], data[at + 4 : at + 2 + size]))
        at += 2 + size
    _shuffle(parts, chance, tuple(bytes((0xFF, mark)) for mark in range(0xC0, 0xFF)))
    for i, (mark, body) in enumerate(parts):
        if chance.random() < 0.25:
            parts[i] = mark, _jpeg_body(mark, body, chance)
    if chance.random() < 0.1:
        parts.insert(0, (b"\xff\xe1", b"Exif\0\0" + make_tiff(chance)[:60000]))
    segments = b"".join(mark + struct.pack(">H", min(len(body) + 2, 65535)) + body for mark, body in parts)
    scan = data[at:]
    if chance.random() < 0.4:
        scan = mutate(scan, chance, words=(b"\xff\xd9", b"\xff\xd0", b"\xff\xc4", b"\xff\xda", b"\xff\x00"))
    return data[:2] + segments + scan


def _jpeg_body(mark: bytes, body: bytes, chance: Random) -> bytes:
    """Damage a segment; of a frame header mostly its sides and factors."""
    if mark[1] in (0xC0, 0xC2) and len(body) >= 9 and chance.random() < 0.7:
        frame = bytearray(body)
        at = chance.choice((1, 3))
        frame[at : at + 2] = struct.pack(">H", chance.choice((0, 1, 8, 100, 2000, number(chance, 2))))
        at = chance.randrange(5, len(frame))
        frame[at] = chance.choice((frame[at], 0, 1, 3, 4, 0x11, 0x22, 0x44, 0xFF))
        return bytes(frame)
    return mutate(body, chance)


def _webp(chance: Random) -> bytes:
    data = chance.choice(whole("webp"))
    chunks: Chunks = []
    at = 12
    while at + 8 <= len(data):
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        chunks.append((data[at : at + 4], data[at + 8 : at + 8 + size]))
        at += 8 + size + size % 2
    _shuffle(chunks, chance, _WEBP_KINDS)
    chunks = [(kind, mutate(body, chance) if chance.random() < 0.4 else body) for kind, body in chunks]
    lie = chance.random() < 0.1
    body = b"".join(
        kind + struct.pack("<I", number(chance, 4) if lie else len(part)) + part + bytes(len(part) % 2)
        for kind, part in chunks
    )
    return b"RIFF" + struct.pack("<I", number(chance, 4) if lie else len(body) + 4) + b"WEBP" + body


def _gif(chance: Random) -> bytes:
    mutable = bytearray(chance.choice(whole("gif")))
    for mark in (5, *[i for i, byte in enumerate(mutable) if byte == 0x2C][:4]):
        if chance.random() < 0.3:
            at = mark + 1 + chance.randrange(9)
            mutable[at : at + 2] = struct.pack("<H", chance.choice((0, 1, 28, 1000, number(chance, 2))))
    return mutate(
        bytes(mutable), chance, most=3, words=(b"\x21\xf9\x04", b"\x21\xff\x0b", b"\x2c", b"\x3b", b"\x00")
    )


def _bmp(chance: Random) -> bytes:
    mutable = bytearray(chance.choice(whole("bmp")))
    for _ in range(chance.randint(1, 4)):
        at, width = chance.choice(
            ((2, 4), (10, 4), (14, 4), (18, 4), (22, 4), (26, 2), (28, 2), (30, 4), (34, 4), (46, 4))
        )
        value = chance.choice((0, 1, 2, 3, 4, 8, 12, 16, 24, 32, 40, 52, 108, 124, number(chance, width)))
        mutable[at : at + width] = value.to_bytes(width, "little")
    return bytes(mutable) if chance.random() < 0.6 else mutate(bytes(mutable), chance)


def _pdf(chance: Random) -> bytes:
    data = chance.choice(whole("pdf"))
    for _ in range(chance.randint(1, 4)):
        found = list(_NUMBER.finditer(data))
        if found and chance.random() < 0.6:
            match = chance.choice(found)
            data = (
                data[: match.start()]
                + b"%d" % number(chance, chance.choice((1, 1, 2, 4)))
                + data[match.end() :]
            )
        else:
            data = mutate(data, chance, most=2, words=_PDF_WORDS)
    return data


_MAKERS: dict[str, Callable[[Random], bytes]] = {
    "png": _png,
    "jpeg": _jpeg,
    "tiff": make_tiff,
    "gif": _gif,
    "bmp": _bmp,
    "webp": _webp,
    "pdf": _pdf,
}
KINDS = tuple(_MAKERS)
