"""Decode by Pillow: every format but PDF, every odd mode, EXIF orientation, 16 bits."""

from __future__ import annotations

import io
import warnings
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, features

from shared.errors import ItemError, UndecodableImage, UnsupportedFormat
from shared.vision import tiff
from shared.vision.signature import DecodedImage, Pixels, check_size

try:
    import pillow_heif
except ImportError:
    _HAS_HEIF = False
else:
    pillow_heif.register_heif_opener()
    _HAS_HEIF = True

# `check_size` takes the place of Pillow's limit and its warning.
Image.MAX_IMAGE_PIXELS = None

_NAMES: dict[str, tuple[str, ...]] = {
    "JPEG": ("JPEG", "MPO"),
    "BMP": ("BMP", "DIB"),
    "HEIC": ("HEIF",),
}
_EXIF_ORIENTATION = 0x0112


def decode(data: bytes, kind: str, *, page: int = 1, max_pixels: int) -> DecodedImage:
    """Decode a file of a known kind; of animations the first frame, of a TIFF the page from 1.

    Raises:
        UnsupportedFormat: this installation has no decoder for the kind.
        UndecodableImage: the content is broken.
        ImageTooLarge: more than `max_pixels`, found before decoding.
    """
    if not _readable(kind):
        raise UnsupportedFormat(f"Pictures of the kind {kind} cannot be read here.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _decode(data, kind, page, max_pixels)
    except ItemError:
        raise
    except Exception as error:  # Pillow's plugins raise whatever their parsing stumbles over
        raise UndecodableImage from error


def header_size(data: bytes) -> tuple[int, int] | None:
    """Return width and height as a file's own header tells them, without decoding; None where it cannot be read."""
    with warnings.catch_warnings(), suppress(Exception):  # Pillow's plugins raise whatever they stumble over
        warnings.simplefilter("ignore")
        with Image.open(io.BytesIO(data)) as image:
            return image.size
    return None


def _readable(kind: str) -> bool:
    """Say whether a decoder for the kind is there."""
    match kind:
        case "HEIC":
            return _HAS_HEIF
        case "AVIF":
            return bool(features.check("avif"))
        case "JPEG2000":
            return bool(features.check("jpg_2000"))
        case _:
            return True


def _decode(data: bytes, kind: str, page: int, max_pixels: int) -> DecodedImage:
    """Open, choose the page, check the size, load, turn upright and reduce to 8 bits."""
    frames = tiff.pages(data, max_pages=page + 65536) if kind == "TIFF" else [0]
    if page > len(frames):
        raise UndecodableImage(f"The file has no page {page}.")
    with Image.open(io.BytesIO(data), formats=_NAMES.get(kind, (kind,))) as image:
        if frames[page - 1]:
            image.seek(frames[page - 1])
        check_size(*image.size, max_pixels)
        image.load()
        pixels = to_pixels(_upright(image))
    return DecodedImage(pixels, pixels.shape[1], pixels.shape[0])


def _upright(image: Image.Image) -> Image.Image:
    """Turn the image as its EXIF orientation says; a broken EXIF block turns nothing."""
    try:
        turned = image.getexif().get(_EXIF_ORIENTATION, 1) != 1
    except Exception:  # the picture itself is fine
        return image
    return ImageOps.exif_transpose(image) if turned else image


def to_pixels(image: Image.Image) -> Pixels:
    """Return grey, RGB or RGBA in 8 bits for any of Pillow's modes."""
    if image.mode == "L" and "transparency" not in image.info:
        return np.array(image)
    if image.mode == "1" and "transparency" not in image.info:
        return np.array(image.convert("L"))
    if image.mode.startswith(("I", "F")):
        return to_8_bits(np.array(image))
    alpha = image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info
    return np.array(image.convert("RGBA" if alpha else "RGB"))


def to_8_bits(values: NDArray[np.generic]) -> Pixels:
    """Scale integers or floats of any depth to 8 bits, by the bits that are in use: scaled, never clipped."""
    if values.dtype.kind == "f":
        finite = np.nan_to_num(values.astype(np.float32), posinf=0.0, neginf=0.0)
        low, high = float(finite.min()), float(finite.max())
        return np.asarray(np.rint((finite - low) * (255 / ((high - low) or 1.0))), np.uint8)
    wide = np.clip(values.astype(np.int64), 0, None)
    bits = max(int(wide.max()).bit_length(), 8)
    bits = bits if bits in (8, 10, 12, 14, 16) or bits > 16 else bits + 1
    return np.asarray(wide >> (bits - 8), np.uint8)
