"""Whole pictures of every format, mode and packing that people send, small; drawn once a process."""

from __future__ import annotations

import io
from functools import cache
from random import Random

import numpy as np
from PIL import Image

_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16", "I", "F", "CMYK", "YCbCr", "LAB")
_ALL: dict[str, tuple[tuple[str, dict[str, object]], ...]] = {
    "png": (("PNG", {}), ("PNG", {"optimize": True}), ("PNG", {"transparency": 0}), ("PNG", {"bits": 4})),
    "jpeg": (("JPEG", {}), ("JPEG", {"progressive": True}), ("JPEG", {"subsampling": 2, "quality": 30})),
    "tiff": tuple(
        ("TIFF", {"compression": name})
        for name in ("raw", "packbits", "tiff_lzw", "tiff_adobe_deflate", "group3", "group4", "jpeg")
    ),
    "gif": (("GIF", {}), ("GIF", {"transparency": 0})),
    "bmp": (("BMP", {}),),
    "webp": (("WEBP", {"lossless": True}), ("WEBP", {"quality": 40})),
    "pdf": (("PDF", {}),),
}
KINDS = tuple(_ALL)
_MANY = 60
_SEVERAL = {"tiff", "gif", "webp", "pdf"}


@cache
def whole(kind: str) -> tuple[bytes, ...]:
    """Return about sixty whole files of a kind, the same ones in every process."""
    chance = Random(f"whole {kind}")
    found: list[bytes] = []
    for _ in range(20 * _MANY):
        data = _encoded(kind, chance)
        if data is not None:
            found.append(data)
        if len(found) == _MANY:
            break
    return tuple(found)


def _encoded(kind: str, chance: Random) -> bytes | None:
    """Write one file; None where Pillow cannot write this mode so."""
    image = picture(chance, chance.choice(_MODES))
    name, options = chance.choice(_ALL[kind])
    given = dict(options)
    if kind in _SEVERAL and chance.random() < 0.4:
        given |= {"save_all": True, "append_images": [picture(chance, image.mode) for _ in range(2)]}
    if kind in {"jpeg", "png", "webp", "tiff"} and chance.random() < 0.3:
        exif = Image.Exif()
        exif[0x0112] = chance.randrange(10)
        given["exif"] = exif
    file = io.BytesIO()
    try:
        image.save(file, name, **given)
    except (OSError, ValueError, KeyError, SystemError, RuntimeError):
        return None
    return file.getvalue()


def picture(chance: Random, mode: str) -> Image.Image:
    """Draw a small picture: noise, a stroke, or one colour."""
    width, height = chance.choice((1, 3, 8, 20, 28, 40)), chance.choice((1, 2, 8, 20, 28, 50))
    random = np.random.default_rng(chance.randrange(2**32))
    plane = np.full((height, width), chance.choice((0, 128, 255)), np.uint8)
    if chance.random() < 0.5:
        plane[height // 4 : height // 2 + 1] = 255 - plane[0, 0]
    if chance.random() < 0.4:
        plane = random.integers(0, 256, plane.shape, np.uint8)
    if mode == "I;16":
        return Image.fromarray(plane.astype(np.uint16) * 257)
    image = Image.fromarray(plane)
    return image.convert("RGB").convert("LAB") if mode == "LAB" else image.convert(mode)
