"""Pages of a PDF by PDFium: the scan itself where the page is one, else rendered at a sane resolution.

PDFium is not thread-safe: one thread of a process may be in here.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np
import pypdfium2 as pdfium
from pypdfium2 import raw

from shared.errors import EncryptedItem, ItemError, TooManyPages, UndecodableImage
from shared.vision.pillow import header_size
from shared.vision.signature import DecodedImage, Pixels, check_size

RENDER_DPI = 200
RENDER_MAX_SIDE = 4000
_COVERS = 0.9
"""Share of the page that a single image must cover to count as the scan of it."""
_OWN_SIZE = {"DCTDecode", "JPXDecode"}
"""Ways to pack an image that keep its size within."""
_LOCK = threading.Lock()


def count_pages(data: bytes, *, max_pages: int) -> int:
    """Count a PDF's pages.

    Raises:
        TooManyPages, UndecodableImage, EncryptedItem
    """
    with _opened(data) as document:
        count = len(document)
    if count > max_pages:
        raise TooManyPages(f"The PDF has {count:,} pages; the limit is {max_pages:,}.")
    if not count:
        raise UndecodableImage("The PDF has no page.")
    return count


def decode(data: bytes, *, page: int, max_pixels: int) -> DecodedImage:
    """Return a page of a PDF, counted from 1, as an image.

    Raises:
        UndecodableImage, EncryptedItem, ImageTooLarge
    """
    with _opened(data) as document:
        if not 1 <= page <= len(document):
            raise UndecodableImage(f"The PDF has no page {page}.")
        sheet = document[page - 1]
        try:
            _check_images(sheet, max_pixels)
            pixels = _scan(sheet, max_pixels)
            if pixels is None:
                pixels = _render(sheet, max_pixels)
        finally:
            sheet.close()
    return DecodedImage(pixels, pixels.shape[1], pixels.shape[0])


@contextmanager
def _opened(data: bytes) -> Iterator[pdfium.PdfDocument]:
    """Open a document and tell PDFium's failures in our words."""
    with _LOCK:
        try:
            document = pdfium.PdfDocument(data)
        except pdfium.PdfiumError as error:
            if getattr(error, "err_code", None) == raw.FPDF_ERR_PASSWORD:
                raise EncryptedItem("The PDF is protected by a password.") from error
            raise UndecodableImage("The PDF is damaged.") from error
        try:
            yield document
        except ItemError:
            raise
        except Exception as error:  # PDFium and its bindings raise whatever a broken page leads to
            raise UndecodableImage("The page of the PDF is damaged.") from error
        finally:
            document.close()


def _check_images(page: pdfium.PdfPage, max_pixels: int) -> None:
    """Refuse a page with an image that is too large by what the page says or by what its file says itself.

    PDFium makes a JPEG's bitmap as large as the JPEG says, whatever stands in the PDF.
    """
    for item in page.get_objects(max_depth=8):
        if item.type == raw.FPDF_PAGEOBJ_IMAGE:
            width, height = item.get_px_size()
            check_size(width, height, max_pixels)
            told = None
            if set(item.get_filters()) & _OWN_SIZE:
                told = header_size(bytes(item.get_data(decode_simple=True)))
            if told is not None:
                check_size(told[0], told[1], max_pixels)


def _scan(page: pdfium.PdfPage, max_pixels: int) -> Pixels | None:
    """Return the one image that makes up the page, upright, or None where the page is anything else."""
    found: pdfium.PdfImage | None = None
    for item in page.get_objects(max_depth=8):
        if item.type == raw.FPDF_PAGEOBJ_IMAGE:
            if found is not None:
                return None
            found = item
        elif not _is_invisible(item):
            return None
    if found is None or found.container is not None or not _covers(page, found):
        return None
    pixels = _to_pixels(found.get_bitmap(render=False))
    turns = page.get_rotation() // 90
    return np.ascontiguousarray(np.rot90(pixels, -turns)) if turns else pixels


def _is_invisible(item: pdfium.PdfObject) -> bool:
    """Say whether a page object is the hidden text layer of a scan, or a mere form around it."""
    if item.type == raw.FPDF_PAGEOBJ_TEXT:
        mode: int = raw.FPDFTextObj_GetTextRenderMode(item.raw)
        return bool(mode == raw.FPDF_TEXTRENDERMODE_INVISIBLE)
    return False


def _covers(page: pdfium.PdfPage, image: pdfium.PdfImage) -> bool:
    """Say whether an image lies upright, unmirrored and without a mask over nearly the whole page."""
    matrix = image.get_matrix()
    if (
        abs(matrix.b) + abs(matrix.c) > 1e-3 * (abs(matrix.a) + abs(matrix.d))
        or matrix.a <= 0
        or matrix.d <= 0
    ):
        return False
    left, bottom, right, top = page.get_bbox()
    area = (right - left) * (top - bottom)
    return bool(area > 0 and matrix.a * matrix.d >= _COVERS * area)


def _render(page: pdfium.PdfPage, max_pixels: int) -> Pixels:
    """Draw the page at `RENDER_DPI`, less where the page is huge."""
    width, height = page.get_size()
    if not (width > 0 and height > 0 and math.isfinite(width * height)):
        raise UndecodableImage("The page of the PDF has no size.")
    scale = min(
        RENDER_DPI / 72,
        RENDER_MAX_SIDE / max(width, height),
        math.sqrt(max_pixels / (width * height)) * 0.99,
    )
    return _to_pixels(page.render(scale=scale))


def _to_pixels(bitmap: pdfium.PdfBitmap) -> Pixels:
    """Copy PDFium's bitmap into grey or RGB."""
    pixels = np.asarray(bitmap.to_numpy(), np.uint8)
    if pixels.ndim == 2 or pixels.shape[2] == 1:
        return np.array(pixels.reshape(pixels.shape[:2]))
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(pixels[..., :3]), cv2.COLOR_BGR2RGB), np.uint8)
