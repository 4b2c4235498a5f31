"""What a file is by its first bytes, and how large its picture is before anything is decoded."""

from __future__ import annotations

import re
import struct
import zlib
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared.errors import ImageTooLarge, UndecodableImage

Pixels = NDArray[np.uint8]

PNG_START = b"\x89PNG\r\n\x1a\n"
_PNG_SPECIAL = frozenset((b"tRNS", b"eXIf", b"acTL"))
"""Chunks that change what is seen: transparency, orientation, animation."""
_PNG_CHECKED = frozenset((b"IHDR", b"IDAT"))
JPEG_END = b"\xff\xd9"

_IMAGES: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"II+\x00", "TIFF"),
    (b"MM\x00+", "TIFF"),
    (b"\x00\x00\x00\x0cjP  ", "JPEG2000"),
    (b"\xff\x4f\xff\x51", "JPEG2000"),
)
_ARCHIVES = (
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"7z\xbc\xaf\x27\x1c",
    b"Rar!\x1a\x07",
    b"\x1f\x8b\x08",
    b"BZh",
    b"\xfd7zXZ\x00",
    b"\x28\xb5\x2f\xfd",
)
_HEIC = frozenset((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"))
_AVIF = frozenset((b"avif", b"avis"))
_BMP_HEADERS = frozenset((12, 16, 40, 52, 56, 64, 108, 124))
_PNM = re.compile(rb"P[1-6](?:\s|#)")
ARCHIVE = "archive"


class DecodedImage(NamedTuple):
    """A decoded picture.

    `pixels` is uint8, (H, W) grey, (H, W, 3) RGB or (H, W, 4) RGBA, upright; `width` and `height` are
    those of the upload after its EXIF orientation.
    """

    pixels: Pixels
    width: int
    height: int


def identify(data: bytes) -> str | None:
    """Name the format by signature: Pillow's name, `PDF`, `HEIC`, `archive`, or None for an unknown one."""
    head = data[:32]
    for start, name in _IMAGES:
        if head.startswith(start):
            return name
    if head.startswith(_ARCHIVES) or data[257:262] == b"ustar":
        return ARCHIVE
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[4:8] == b"ftyp":
        return "AVIF" if head[8:12] in _AVIF else "HEIC" if head[8:12] in _HEIC else None
    if head[:2] == b"BM" and len(head) >= 18 and int.from_bytes(head[14:18], "little") in _BMP_HEADERS:
        return "BMP"
    if _PNM.match(head):
        return "PPM"
    return "PDF" if b"%PDF-" in data[:1024] else None


def check_size(width: int, height: int, max_pixels: int) -> None:
    """Refuse a picture without area or of too many pixels.

    Raises:
        UndecodableImage: a side is zero.
        ImageTooLarge: more than `max_pixels`.
    """
    if width <= 0 or height <= 0:
        raise UndecodableImage("The image has no pixels.")
    if width * height > max_pixels:
        raise ImageTooLarge(f"The image is {width} × {height} pixels; the limit is {max_pixels:,} pixels.")


def is_plain_png(data: bytes) -> bool:
    """Say whether a PNG is whole and has nothing but pixels that decoders agree on (RFC 2083, chunk layout).

    Raises:
        UndecodableImage: a checksum of the pixels is wrong.
    """
    at, end = 8, len(data)
    while at + 12 <= end:
        kind, following = data[at + 4 : at + 8], at + 12 + int.from_bytes(data[at : at + 4], "big")
        if kind == b"IEND":
            return True
        if following > end or kind in _PNG_SPECIAL or not (kind in _PNG_CHECKED or kind[:1].islower()):
            return False
        if kind in _PNG_CHECKED and zlib.crc32(data[at + 4 : following - 4]) != int.from_bytes(
            data[following - 4 : following], "big"
        ):
            raise UndecodableImage("A checksum of the PNG is wrong.")
        at = following
    return False


class JpegHeader(NamedTuple):
    """What stands in a JPEG before its first scan."""

    width: int
    height: int
    channels: int
    exif: bool


def jpeg_header(data: bytes) -> JpegHeader | None:
    """Read a JPEG's markers up to its frame header (ITU-T T.81, B.1); None where they make no sense."""
    at, end, exif = 2, len(data) - 9, False
    while at < end and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width, channels = struct.unpack_from(">HHB", data, at + 5)
            return JpegHeader(width, height, channels, exif)
        exif = exif or (marker == 0xE1 and data[at + 4 : at + 8] == b"Exif")
        at += (
            2
            if marker == 0x01 or 0xD0 <= marker <= 0xD8
            else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        )
    return None


def webp_size(data: bytes) -> tuple[int, int]:
    """Return width and height from a WebP's first chunk (RFC 9649), (0, 0) where it is cut off."""
    chunk, body = data[12:16], data[20:30]
    if len(body) < 10:
        return 0, 0
    if chunk == b"VP8X":
        return 1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little")
    if chunk == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = struct.unpack_from("<HH", body, 6)
    return width & 0x3FFF, height & 0x3FFF
