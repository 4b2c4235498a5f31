"""What a file is, told by its first bytes."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from shared.sniff import ARCHIVES, CONTENT_TYPES, HEAD_BYTES, IMAGES, Kind, content_type, sniff


@pytest.mark.parametrize(
    ("encoder", "kind"),
    [
        ("PNG", Kind.PNG),
        ("JPEG", Kind.JPEG),
        ("TIFF", Kind.TIFF),
        ("BMP", Kind.BMP),
        ("WEBP", Kind.WEBP),
        ("GIF", Kind.GIF),
        ("PDF", Kind.PDF),
        ("JPEG2000", Kind.JPEG2000),
    ],
)
def test_what_an_encoder_writes_is_known(encoder: str, kind: Kind) -> None:
    """A real file of each format is told by its head."""
    buffer = io.BytesIO()
    Image.new("L", (8, 8)).save(buffer, encoder)
    assert sniff(buffer.getvalue()[:HEAD_BYTES]) is kind
    assert kind in IMAGES


def test_archives_are_known() -> None:
    """A real file of each kind of archive is told by its head."""
    zipped, tarred = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("a", b"x")
    with tarfile.open(fileobj=tarred, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("a"))
    empty = io.BytesIO()
    zipfile.ZipFile(empty, "w").close()
    found = {
        Kind.ZIP: [zipped.getvalue(), empty.getvalue()],
        Kind.TAR: [tarred.getvalue()],
        Kind.GZIP: [gzip.compress(b"x")],
        Kind.BZIP2: [bz2.compress(b"x")],
        Kind.XZ: [lzma.compress(b"x")],
        Kind.SEVEN_ZIP: [b"7z\xbc\xaf\x27\x1c\0\x04"],
        Kind.RAR: [b"Rar!\x1a\x07\x01\0"],
    }
    assert {kind: {sniff(data[:HEAD_BYTES]) for data in files} for kind, files in found.items()} == {
        kind: {kind} for kind in found
    }
    assert set(found) == ARCHIVES


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"MM\0*\0\0\0\x08", Kind.TIFF),
        (b"II+\0\x08\0\0\0", Kind.TIFF),
        (b"\0\0\0\x18ftypheic\0\0\0\0", Kind.HEIC),
        (b"\0\0\0\x18ftypmp42\0\0\0\0", Kind.UNKNOWN),
        (b"\xff\x4f\xff\x51\0", Kind.JPEG2000),
        (b"\r\n junk %PDF-1.7", Kind.PDF),
        (b"BM is no bitmap, only a text", Kind.UNKNOWN),
        (b"RIFF\0\0\0\0WAVEfmt ", Kind.UNKNOWN),
        (b"", Kind.UNKNOWN),
        (b"\x89PN", Kind.UNKNOWN),
        (b"hello", Kind.UNKNOWN),
    ],
)
def test_rare_and_misleading_heads(head: bytes, kind: Kind) -> None:
    """Other byte orders, brands and look-alikes are told apart."""
    assert sniff(head) is kind


@given(st.binary(max_size=300))
def test_any_bytes_have_a_kind(head: bytes) -> None:
    """No head makes the sniffer fail."""
    assert sniff(head) in Kind


def test_each_kind_is_served_under_its_type() -> None:
    """The media types that are accepted are those that are served."""
    assert {content_type(kind): kind for kind in CONTENT_TYPES.values()} == CONTENT_TYPES
    assert content_type(Kind.UNKNOWN) == "application/octet-stream"


def test_sniffing_needs_no_decoder() -> None:
    """The API may import it: it names no image library."""
    import shared.sniff

    text = Path(shared.sniff.__file__).read_text()
    assert not any(word in text for word in ("PIL", "cv2", "numpy"))
