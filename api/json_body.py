"""Read JSON submissions: images as data URLs, base64, or 2-D lists of grey values."""

from __future__ import annotations

import base64
import binascii
import re
import struct
import zlib
from typing import Any

import numpy as np

from api.json_text import load_json
from api.stash import Stash
from shared.errors import FieldError, InvalidRequest, TooManyItems

_DATA_URL = re.compile(r"data:(?P<type>[\w.+/-]*)(?:;[\w.+-]+=[\w.+-]*)*(?P<base64>;base64)?,", re.ASCII)
_KEYS = {"custom_id", "name", "data", "pixels"}
_MAX_ID = 500


def read_json(body: bytes, stash: Stash, most_images: int) -> dict[str, Any]:
    """Put the images of a JSON body into the stash; return its other keys, the options.

    Raises:
        BadRequest: it is no JSON.
        InvalidRequest: it has the wrong shape, or an image has, or a name stands twice in an object.
        TooManyItems: more images than one job may have.
    """
    document = load_json(body)
    if not isinstance(document, dict):
        raise InvalidRequest(errors=[{"loc": "body", "msg": "is to be a JSON object"}])
    images = document.pop("images", None)
    if not isinstance(images, list):
        raise InvalidRequest(errors=[{"loc": "body.images", "msg": "is to be a list of images"}])
    if len(images) > most_images:
        raise TooManyItems()
    _check_ids(images)
    for i, image in enumerate(images):
        _add(i, image, stash)
    return document


def _check_ids(images: list[Any]) -> None:
    """Refuse custom ids that stand for two images."""
    seen: set[str] = set()
    for i, image in enumerate(images):
        custom_id = image.get("custom_id") if isinstance(image, dict) else None
        if isinstance(custom_id, str):
            if custom_id in seen:
                raise InvalidRequest(errors=[_wrong(i, "custom_id", "is used by another image of this job")])
            seen.add(custom_id)


def _add(i: int, image: Any, stash: Stash) -> None:
    """Put one image into the stash."""
    if not isinstance(image, dict):
        raise InvalidRequest(errors=[{"loc": f"body.images.{i}", "msg": "is to be an object"}])
    for key in image.keys() - _KEYS:
        raise InvalidRequest(errors=[_wrong(i, key, "is unknown")])
    custom_id = _label(i, image, "custom_id")
    name = _label(i, image, "name") or custom_id or f"image-{i}"
    if ("data" in image) == ("pixels" in image):
        raise InvalidRequest(errors=[{"loc": f"body.images.{i}", "msg": "needs one of `data` and `pixels`"}])
    if "data" in image:
        content_type, data = _decode(i, image["data"])
    else:
        content_type, data = "image/png", _png(i, image["pixels"])
    stash.add(name, content_type, data, custom_id)


def _label(i: int, image: dict[str, Any], key: str) -> str | None:
    """Return a text of an image, if it is there and sound."""
    value = image.get(key)
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_ID or "\x00" in value:
        raise InvalidRequest(errors=[_wrong(i, key, f"is to be a text of 1 to {_MAX_ID} characters")])
    return value


def _decode(i: int, data: Any) -> tuple[str | None, bytes]:
    """Decode a data URL or plain base64."""
    if not isinstance(data, str):
        raise InvalidRequest(errors=[_wrong(i, "data", "is to be a data URL or base64 text")])
    content_type, text = None, data
    if data.startswith("data:"):
        match = _DATA_URL.match(data)
        if match is None or match["base64"] is None:
            raise InvalidRequest(errors=[_wrong(i, "data", "is no data URL in base64")])
        content_type, text = match["type"] or None, data[match.end() :]
    try:
        return content_type, base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidRequest(errors=[_wrong(i, "data", "is no valid base64")]) from error


def _png(i: int, pixels: Any) -> bytes:
    """Write a 2-D list of grey values as an 8-bit PNG."""
    shape = InvalidRequest(errors=[_wrong(i, "pixels", "is to be a 2-D list of rows of equal length")])
    rows = pixels if isinstance(pixels, list) else []
    if not rows or not all(isinstance(row, list) and row and len(row) == len(rows[0]) for row in rows):
        raise shape
    try:
        grey = np.asarray(rows)
    except ValueError as error:
        raise shape from error
    if grey.ndim != 2 or grey.dtype.kind not in "iuf":
        raise InvalidRequest(errors=[_wrong(i, "pixels", "is to hold numbers from 0 to 255")])
    if not bool(np.all((grey >= 0) & (grey <= 255))):
        raise InvalidRequest(errors=[_wrong(i, "pixels", "is to hold numbers from 0 to 255")])
    return encode_png(np.rint(grey).astype(np.uint8))


def encode_png(grey: np.ndarray[Any, np.dtype[np.uint8]]) -> bytes:
    """Return an 8-bit greyscale PNG of a `uint8[H, W]` array. Source: PNG specification, 3rd edition, 5 and 9."""
    height, width = grey.shape
    lines = np.zeros((height, width + 1), np.uint8)  # each line begins with its filter: 0, none
    lines[:, 1:] = grey
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes(), 1)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_png_chunk(kind, data) for kind, data in parts)


def _png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _wrong(i: int, key: str, msg: str) -> FieldError:
    return {"loc": f"body.images.{i}.{key}", "msg": msg}
