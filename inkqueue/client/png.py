"""Arrays as PNG files, without an image library (PNG specification, third edition)."""

from __future__ import annotations

import struct
import zlib

from inkqueue.exceptions import SourceError

_COLOUR_TYPES = {1: 0, 3: 2, 4: 6}  # channels: grey, RGB, RGBA


def png_of_pixels(pixels: bytes, shape: tuple[int, ...]) -> bytes:
    """Write 8-bit row-major pixels of shape (H, W) or (H, W, 1|3|4) as a PNG file.

    Raises:
        SourceError: the shape is none of a picture.
    """
    channels = 1 if len(shape) == 2 else shape[-1] if len(shape) == 3 else 0
    if channels not in _COLOUR_TYPES or 0 in shape:
        raise SourceError(f"An array of shape {shape} is no picture; give (H, W), (H, W, 3) or (H, W, 4).")
    height, width = shape[:2]
    row = width * channels
    scanlines = b"".join(b"\0" + pixels[at : at + row] for at in range(0, height * row, row))
    header = struct.pack(">IIBBBBB", width, height, 8, _COLOUR_TYPES[channels], 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(scanlines)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
