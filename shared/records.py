"""One record an item: where its bytes are and whether they are worth reading. The row of a manifest."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from shared import errors
from shared.errors import ItemError

RECORD = np.dtype(
    [
        ("offset", "<u8"),  # of the local header in the zip, or of the raw range
        ("comp_size", "<u8"),  # bytes that are stored
        ("size", "<u8"),  # bytes that they are said to inflate to
        ("name_off", "<u8"),  # of the name in the names blob
        ("crc", "<u4"),
        ("input", "<u4"),  # ordinal among the job's inputs
        ("page", "<u4"),  # 0: a file of one picture; k: page k of a file that may have several
        ("pages", "<u4"),
        ("name_len", "<u4"),
        ("cid_len", "<u4"),  # of the custom id, right after the name; 0: it is the name
        ("zip_method", "<u2"),  # compression method as the zip names it
        ("zip_name_len", "<u2"),  # raw length of the name in the zip, to foresee where the data begin
        ("method", "u1"),
        ("outcome", "u1"),
        ("reason", "u1"),
        ("flags", "u1"),
    ]
)
"""64 bytes, little endian."""
Records = npt.NDArray[np.void]

MAY_HAVE_PAGES = 1
"""Flag: the file is a TIFF or PDF whose pages have to be counted."""


class Method(IntEnum):
    """How the bytes of an item are got."""

    WHOLE = 0
    STORED = 1
    DEFLATED = 2
    RANGE = 3


class Outcome(IntEnum):
    """What is known of an item before anybody reads it."""

    OPEN = 0
    SKIPPED = 1
    FAILED = 2


REASONS: tuple[str, ...] = (
    "",
    "not_an_image",
    "unsupported_format",
    "undecodable_image",
    "image_too_large",
    "empty_file",
    "encrypted",
    "member_too_large",
    "corrupt_archive_member",
    "nested_archive",
    "too_many_pages",
    "model_error",
    "template_not_matched",
)
"""What `reason` counts in: why an item is skipped, or the code it failed with. Append only."""
REASON_OF = {reason: number for number, reason in enumerate(REASONS)}

_ZIP_METHODS = {
    1: "shrink",
    6: "implode",
    9: "deflate64",
    10: "PKWARE implode",
    12: "bzip2",
    14: "LZMA",
    93: "Zstandard",
    94: "MP3",
    95: "xz",
    96: "JPEG",
    97: "WavPack",
    98: "PPMd",
}


class Refused(NamedTuple):
    """A file that fails before it is read."""

    name: str
    code: str
    detail: str


def reason_of(record: np.void) -> str:
    """Return the reason that a record was given.

    Raises:
        Internal: the record is damaged.
    """
    number = int(record["reason"])
    if number >= len(REASONS):
        raise errors.Internal("the manifest is damaged: no such reason")
    return REASONS[number]


def item_error(record: np.void) -> ItemError | None:
    """Return the error that an item has failed with beforehand, if it has.

    Raises:
        Internal: the record is damaged.
    """
    if record["outcome"] != Outcome.FAILED:
        return None
    kind = errors.ITEM_ERRORS.get(reason_of(record))
    if kind is None:
        raise errors.Internal("the manifest is damaged: an item failed for no known reason")
    number = int(record["zip_method"])
    if kind is errors.UnsupportedFormat and number not in (0, 8):
        return kind(
            f"It is packed with {_method_name(number)}; only stored and deflated members can be read."
        )
    return kind()


def _method_name(number: int) -> str:
    """Name a zip's compression method."""
    return _ZIP_METHODS.get(number) or f"compression method {number}"
