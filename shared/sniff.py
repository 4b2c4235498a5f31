"""Tell what a file is by its first bytes; no decoder is involved, so the API may use it."""

from __future__ import annotations

import struct
from enum import StrEnum

HEAD_BYTES = 1024
"""As many first bytes as `sniff` wants to see; fewer are fine when the file is shorter."""


class Kind(StrEnum):
    """What a file is by its signature."""

    PNG = "png"
    JPEG = "jpeg"
    TIFF = "tiff"
    BMP = "bmp"
    WEBP = "webp"
    GIF = "gif"
    PDF = "pdf"
    HEIC = "heic"  # HEIF and AVIF too: ISO base media files of still images
    JPEG2000 = "jpeg2000"
    ZIP = "zip"
    SEVEN_ZIP = "7z"
    RAR = "rar"
    GZIP = "gz"
    BZIP2 = "bz2"
    XZ = "xz"
    TAR = "tar"
    UNKNOWN = "unknown"


IMAGES = frozenset(
    {
        Kind.PNG,
        Kind.JPEG,
        Kind.TIFF,
        Kind.BMP,
        Kind.WEBP,
        Kind.GIF,
        Kind.PDF,
        Kind.HEIC,
        Kind.JPEG2000,
    }
)
"""What a decoder may be asked to read."""
ARCHIVES = frozenset({Kind.ZIP, Kind.SEVEN_ZIP, Kind.RAR, Kind.GZIP, Kind.BZIP2, Kind.XZ, Kind.TAR})
"""What holds other files."""
MULTI_PAGE = frozenset({Kind.TIFF, Kind.PDF})
"""What may hold several pages."""

CONTENT_TYPES: dict[str, Kind] = {
    "image/png": Kind.PNG,
    "image/jpeg": Kind.JPEG,
    "image/tiff": Kind.TIFF,
    "image/bmp": Kind.BMP,
    "image/webp": Kind.WEBP,
    "image/gif": Kind.GIF,
    "application/pdf": Kind.PDF,
    "image/heic": Kind.HEIC,
    "image/jp2": Kind.JPEG2000,
    "application/zip": Kind.ZIP,
}
"""The media type by which each kind is sent and served."""

_SIGNATURES: tuple[tuple[bytes, Kind], ...] = (
    (b"\x89PNG\r\n\x1a\n", Kind.PNG),
    (b"\xff\xd8\xff", Kind.JPEG),
    (b"II*\0", Kind.TIFF),
    (b"MM\0*", Kind.TIFF),
    (b"II+\0", Kind.TIFF),  # BigTIFF
    (b"MM\0+", Kind.TIFF),
    (b"GIF87a", Kind.GIF),
    (b"GIF89a", Kind.GIF),
    (b"PK\x03\x04", Kind.ZIP),
    (b"PK\x05\x06", Kind.ZIP),  # an empty zip
    (b"PK\x07\x08", Kind.ZIP),  # a zip that was meant to be split
    (b"\0\0\0\x0cjP  \r\n\x87\n", Kind.JPEG2000),
    (b"\xff\x4f\xff\x51", Kind.JPEG2000),
    (b"7z\xbc\xaf\x27\x1c", Kind.SEVEN_ZIP),
    (b"Rar!\x1a\x07", Kind.RAR),
    (b"\x1f\x8b\x08", Kind.GZIP),
    (b"BZh", Kind.BZIP2),
    (b"\xfd7zXZ\0", Kind.XZ),
)
_DIB_HEADERS = frozenset({12, 16, 40, 52, 56, 64, 108, 124})
_HEIF_BRANDS = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"avif", b"avis"}
)


def sniff(head: bytes) -> Kind:
    """Return the kind of the file that begins with `head`: its first `HEAD_BYTES`, or all of it."""
    for signature, kind in _SIGNATURES:
        if head.startswith(signature):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return Kind.WEBP
    if _is_bmp(head):
        return Kind.BMP
    if head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS:
        return Kind.HEIC
    if head[257:262] == b"ustar":
        return Kind.TAR
    if b"%PDF-" in head[:HEAD_BYTES]:  # readers accept the mark anywhere in the first kilobyte
        return Kind.PDF
    return Kind.UNKNOWN


def content_type(kind: Kind) -> str:
    """Return the media type under which a file of this kind is served."""
    return next((name for name, known in CONTENT_TYPES.items() if known is kind), "application/octet-stream")


def _is_bmp(head: bytes) -> bool:
    """Tell a bitmap from a text that begins with BM by the length of its second header."""
    return head[:2] == b"BM" and len(head) >= 18 and struct.unpack_from("<I", head, 14)[0] in _DIB_HEADERS
