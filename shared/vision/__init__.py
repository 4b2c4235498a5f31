"""From the bytes of an upload to the picture that a network sees: one way for training, serving and tests."""

from shared.vision.decode import count_pages, decode
from shared.vision.prepare import (
    PREPARATIONS,
    Prepared,
    Quality,
    prepare,
    prepare_many,
)
from shared.vision.signature import DecodedImage

__all__ = [
    "PREPARATIONS",
    "DecodedImage",
    "Prepared",
    "Quality",
    "count_pages",
    "decode",
    "prepare",
    "prepare_many",
]
