"""Decode any upload: common kinds by OpenCV at once, everything else by Pillow and PDFium."""

from __future__ import annotations

import struct

import cv2
import numpy as np

from shared.errors import EmptyFile, NestedArchive, UndecodableImage, UnsupportedFormat
from shared.vision import pdf, pillow, tiff
from shared.vision.signature import (
    ARCHIVE,
    JPEG_END,
    PNG_START,
    DecodedImage,
    Pixels,
    check_size,
    identify,
    is_plain_png,
    jpeg_header,
    webp_size,
)

_PNG_PLAIN = frozenset((0, 2, 6))
_TO_RGB = {3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGBA}


def decode(data: bytes, *, page: int = 0, max_pixels: int) -> DecodedImage:
    """Decode one picture; `page` counts from 1 in a TIFF or PDF, 0 is the first page.

    Raises:
        ItemError: `EmptyFile`, `UnsupportedFormat` (no known signature), `UndecodableImage` (known but
            broken), `ImageTooLarge` (before anything is allocated), `NestedArchive`,
            `EncryptedItem`; nothing else.
    """
    if data.startswith(PNG_START):
        return _png(data, max_pixels)
    if data.startswith(b"\xff\xd8\xff"):
        return _jpeg(data, max_pixels)
    return _other(data, page, max_pixels)


def count_pages(data: bytes, *, max_pages: int) -> int:
    """Count the pages of a TIFF or PDF; 1 for everything else, which is not looked into.

    Raises:
        ItemError: `TooManyPages`, `UndecodableImage`, `EncryptedItem`.
    """
    kind = identify(data)
    if kind == "TIFF":
        return len(tiff.pages(data, max_pages=max_pages))
    return pdf.count_pages(data, max_pages=max_pages) if kind == "PDF" else 1


def _png(data: bytes, max_pixels: int) -> DecodedImage:
    """Decode a plain 8-bit PNG at once; all others by Pillow."""
    if len(data) < 33 or data[12:16] != b"IHDR":
        raise UndecodableImage("The PNG is cut off in its header.")
    width, height, depth, colour = struct.unpack_from(">IIBB", data, 16)
    check_size(width, height, max_pixels)
    if depth == 8 and colour in _PNG_PLAIN and is_plain_png(data):
        pixels = _opencv(data)
        if pixels is not None and pixels.shape[:2] == (height, width):
            return DecodedImage(pixels, width, height)
    return pillow.decode(data, "PNG", max_pixels=max_pixels)


def _jpeg(data: bytes, max_pixels: int) -> DecodedImage:
    """Decode a whole grey or RGB JPEG without EXIF at once; all others by Pillow."""
    header = jpeg_header(data)
    if header is None:
        raise UndecodableImage("The JPEG is cut off in its header.")
    check_size(header.width, header.height, max_pixels)
    if header.channels in (1, 3) and not header.exif and data.endswith(JPEG_END):
        pixels = _opencv(data)
        if pixels is not None and pixels.shape[:2] == (header.height, header.width):
            return DecodedImage(pixels, header.width, header.height)
    return pillow.decode(data, "JPEG", max_pixels=max_pixels)


def _opencv(data: bytes) -> Pixels | None:
    """Decode by OpenCV into grey, RGB or RGBA; None where it cannot."""
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
    if pixels is None or pixels.dtype != np.uint8:
        return None
    if pixels.ndim == 3:
        pixels = cv2.cvtColor(pixels, _TO_RGB[pixels.shape[2]])
    return pixels  # type: ignore[return-value]  # the dtype is checked above


def _other(data: bytes, page: int, max_pixels: int) -> DecodedImage:
    """Decode what is neither PNG nor JPEG, or say why not."""
    if not data:
        raise EmptyFile
    kind = identify(data)
    if kind is None:
        raise UnsupportedFormat
    if kind == ARCHIVE:
        raise NestedArchive
    if kind == "PDF":
        return pdf.decode(data, page=max(page, 1), max_pixels=max_pixels)
    if kind == "WEBP":
        check_size(*webp_size(data), max_pixels)
    return pillow.decode(data, kind, page=max(page, 1), max_pixels=max_pixels)
