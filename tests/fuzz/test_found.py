"""What fuzzing has found stays repaired."""

from __future__ import annotations

import logging
import struct

import numpy as np
import pytest
from PIL import Image

from shared.errors import ImageTooLarge, Internal, UndecodableImage
from shared.logs import configure_logs
from shared.manifest import RECORD, Outcome, pack, read_all
from shared.vision import count_pages, decode
from tests.shared.pictures import encode


@pytest.mark.parametrize("count", [2**59, 2**62, 2**63, 2**64 - 1])
def test_a_bigtiff_with_more_tags_than_an_index_can_count_is_undecodable(count: int) -> None:
    """The place behind so many tags is no offset of any machine; that is an answer, not a crash."""
    data = b"II+\0" + struct.pack("<HHQQ", 8, 0, 16, count) + bytes(64)
    with pytest.raises(UndecodableImage):
        count_pages(data, max_pages=10)
    with pytest.raises(UndecodableImage):
        decode(data, page=1, max_pixels=1000)


def test_a_jpeg_in_a_pdf_is_as_large_as_it_says_itself() -> None:
    """PDFium's bitmap follows the JPEG's header, so a small size in the PDF around it helps nobody."""
    data = bytearray(encode(Image.new("L", (40, 50), 255), "PDF"))
    frame = data.index(b"\xff\xc0")
    assert struct.unpack_from(">HH", data, frame + 5) == (50, 40)
    struct.pack_into(">HH", data, frame + 5, 12_000, 12_000)

    with pytest.raises(ImageTooLarge, match="12000 × 12000"):
        decode(bytes(data), page=1, max_pixels=100_000_000)


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.SKIPPED])
def test_a_reason_that_nobody_gave_is_a_damaged_manifest(outcome: Outcome) -> None:
    """A record that a disk has damaged is told as such, whatever number stands in it."""
    records = np.zeros(1, RECORD)
    records["outcome"], records["reason"] = outcome, 255
    part = read_all(pack(records, b""))
    with pytest.raises(Internal, match="damaged"):
        part.error(0) if outcome is Outcome.FAILED else part.skip_reason(0)


def test_a_broken_form_writes_no_lines_into_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """The parser's warnings of single bytes stay out: strangers do not fill the disk."""
    root, parser = logging.getLogger(), logging.getLogger("python_multipart")
    monkeypatch.setattr(root, "handlers", list(root.handlers))
    level, parser_level = root.level, parser.level
    try:
        configure_logs("INFO")
        assert not logging.getLogger("python_multipart.multipart").isEnabledFor(logging.WARNING)
    finally:
        root.setLevel(level)
        parser.setLevel(parser_level)
