"""Small pictures as PNG."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def to_png(pixels: NDArray[np.uint8], enlarged: int = 1) -> bytes:
    """Write uint8 (height, width[, channels]) as PNG, each pixel drawn as a square of so many."""
    flat = pixels[..., 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels
    buffer = io.BytesIO()
    Image.fromarray(flat.repeat(enlarged, 0).repeat(enlarged, 1)).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
