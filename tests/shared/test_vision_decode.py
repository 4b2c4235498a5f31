"""Decoding: formats agree on pixels, and whatever the bytes, only an item's error comes back."""

from __future__ import annotations

import gzip
import io
import struct
import subprocess
import sys
import time
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, features

from shared.errors import (
    EmptyFile,
    EncryptedItem,
    ImageTooLarge,
    ItemError,
    NestedArchive,
    TooManyPages,
    UndecodableImage,
    UnsupportedFormat,
)
from shared.vision import count_pages, decode
from tests.shared.pictures import FORMS, digits, encode, paper, pdf_of

LIMIT = 100_000_000
DIGIT = digits()[0][1]
FILES = {name: make(DIGIT) for name, make in FORMS.items() if name != "poster"}


def refused(data: bytes, *, page: int = 0, max_pixels: int = LIMIT) -> type[ItemError]:
    """Decode and return the class of the error."""
    with pytest.raises(ItemError) as caught:
        decode(data, page=page, max_pixels=max_pixels)
    return type(caught.value)


def tiff(*pages: Image.Image) -> bytes:
    """Store pages in one TIFF."""
    return encode(pages[0], "TIFF", save_all=True, append_images=list(pages[1:]))


def grey_pages(count: int) -> list[Image.Image]:
    """Make pages of different brightness."""
    return [Image.new("L", (8, 6), 10 * k) for k in range(count)]


def png_of_size(width: int, height: int) -> bytes:
    """Make a small PNG whose header announces any size."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\x00" * 100)), (b"IEND", b"")]
    parts = (struct.pack(">I", len(b)) + k + b + struct.pack(">I", zlib.crc32(k + b)) for k, b in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "P", "1"])
def test_png_comes_out_as_pillow_reads_it(mode: str) -> None:
    """The fast way and Pillow agree to the last bit."""
    image = Image.fromarray(paper(DIGIT)).convert(mode)
    got = decode(encode(image, "PNG"), max_pixels=LIMIT)
    wanted = image.convert({"1": "L", "LA": "RGBA", "P": "RGB"}.get(mode, mode))
    assert np.array_equal(got.pixels, np.asarray(wanted))
    assert (got.width, got.height) == image.size


def test_colours_keep_their_order() -> None:
    """Red stays red in PNG and JPEG."""
    image = Image.new("RGB", (16, 16), (250, 10, 20))
    for kind in ("PNG", "JPEG", "BMP", "WEBP"):
        red, _, blue = decode(encode(image, kind), max_pixels=LIMIT).pixels[8, 8].tolist()
        assert red > 200
        assert blue < 60


def test_jpeg_bytes_decide_and_not_the_name() -> None:
    """A JPEG that somebody named .png is a JPEG: the content is looked at."""
    got = decode(FILES["grey_jpeg"], max_pixels=LIMIT)
    assert got.pixels.shape == paper(DIGIT).shape


@pytest.mark.parametrize(("orientation", "turns"), [(3, 2), (6, 3), (8, 1)])
def test_exif_orientation_turns_the_picture_and_its_size(orientation: int, turns: int) -> None:
    """Width and height are those after turning."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    flat = np.zeros((40, 80), np.uint8)
    flat[:20, :40] = 255
    got = decode(encode(Image.fromarray(flat), "JPEG", exif=exif, quality=95), max_pixels=LIMIT)
    wanted = np.rot90(flat, turns)
    assert (got.height, got.width) == wanted.shape
    assert np.abs(got.pixels.astype(int) - wanted).max() < 60


@pytest.mark.parametrize("top", [255, 1023, 4095, 65535])
def test_deep_grey_is_scaled_and_not_clipped(top: int) -> None:
    """A ramp in 8, 10, 12 or 16 used bits of a 16-bit file comes out as a ramp of 8 bits."""
    ramp = np.linspace(0, top, 256).astype(np.uint16).reshape(16, 16)
    got = decode(encode(Image.fromarray(ramp), "PNG"), max_pixels=LIMIT).pixels.ravel().astype(int)
    assert np.abs(got - np.arange(256)).max() <= 1


def test_a_float_picture_with_holes_decodes() -> None:
    """NaN and infinity in a float TIFF harm nobody."""
    values = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    values[0, 0], values[0, 1] = np.nan, np.inf
    assert decode(encode(Image.fromarray(values), "TIFF"), max_pixels=LIMIT).pixels.max() == 255


def test_of_an_animation_the_first_frame_counts() -> None:
    """An animated GIF or WebP is its first frame, and one page."""
    for kind in ("GIF", "WEBP"):
        frames = [Image.new("RGB", (20, 20), (c, c, c)) for c in (250, 120, 0)]
        data = encode(frames[0], kind, save_all=True, append_images=frames[1:] * 100, duration=20)
        assert count_pages(data, max_pages=10) == 1
        assert decode(data, max_pixels=LIMIT).pixels[..., 0].min() > 240


def test_pages_of_a_tiff_are_counted_and_read_one_by_one() -> None:
    """Page 1 is the first; 0 means the first too; what lies beyond is an error."""
    data = tiff(*grey_pages(5))
    assert count_pages(data, max_pages=5) == 5
    assert [int(decode(data, page=k, max_pixels=LIMIT).pixels[0, 0]) for k in (0, 1, 3, 5)] == [0, 0, 20, 40]
    assert refused(data, page=6) is UndecodableImage


def test_too_many_pages_are_refused() -> None:
    """More pages than the limit are told apart from damage."""
    with pytest.raises(TooManyPages):
        count_pages(tiff(*grey_pages(4)), max_pages=3)
    with pytest.raises(TooManyPages):
        count_pages(pdf_of(b"", pages=10_000), max_pages=1000)


def test_a_tiff_whose_directory_loops_ends_at_once() -> None:
    """The last page points back to the first: an error at once, no endless walk."""
    data = bytearray(tiff(*grey_pages(3)))
    offsets = [struct.unpack_from("<I", data, 4)[0]]
    while offsets[-1]:
        (entries,) = struct.unpack_from("<H", data, offsets[-1])
        at = offsets[-1] + 2 + 12 * entries
        offsets.append(struct.unpack_from("<I", data, at)[0])
    struct.pack_into("<I", data, at, offsets[0])
    started = time.monotonic()
    assert refused(bytes(data)) is UndecodableImage
    with pytest.raises(UndecodableImage):
        count_pages(bytes(data), max_pages=1000)
    assert time.monotonic() - started < 30


def test_pages_of_a_pdf_are_counted_and_read() -> None:
    """A drawn page is rendered; a scanned one gives its scan, pixel for pixel."""
    assert count_pages(pdf_of(b"0 g 10 10 100 100 re f", pages=3), max_pages=3) == 3
    drawn = decode(pdf_of(b"0 g 0 0 595 421 re f"), page=1, max_pixels=LIMIT)
    assert drawn.height > 2000
    assert drawn.pixels[100].min() > 250
    assert drawn.pixels[-100].max() < 5
    sheet = Image.fromarray(paper(DIGIT))
    scan = decode(encode(sheet, "PDF", resolution=100), page=1, max_pixels=LIMIT)
    assert (scan.width, scan.height) == sheet.size


def test_a_protected_pdf_is_encrypted_and_a_torn_one_damaged() -> None:
    """A password is another matter than damage."""
    locked = pdf_of(b"").replace(
        b"/Root 1 0 R",
        b"/Root 1 0 R /ID [<0011> <0011>] /Encrypt << /Filter /Standard /V 1 /R 2 /P -4 /O <"
        + b"41" * 32
        + b"> /U <"
        + b"42" * 32
        + b"> >>",
    )
    assert refused(locked) is EncryptedItem
    with pytest.raises(EncryptedItem):
        count_pages(locked, max_pages=10)
    assert refused(b"%PDF-1.4\nnothing") is UndecodableImage


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", EmptyFile),
        (b"hello, I am no image", UnsupportedFormat),
        (b"\x00" * 1000, UnsupportedFormat),
        (b"BM is how this sentence begins, but no bitmap", UnsupportedFormat),
        (b"P5 ", UndecodableImage),
        (b"PK\x03\x04" + b"\x00" * 50, NestedArchive),
        (b"7z\xbc\xaf\x27\x1c" + b"\x00" * 50, NestedArchive),
        (b"Rar!\x1a\x07\x01\x00", NestedArchive),
        (gzip.compress(b"x" * 100, mtime=0), NestedArchive),
        (b"\x00" * 257 + b"ustar" + b"\x00" * 300, NestedArchive),
        (b"\x89PNG\r\n\x1a\n", UndecodableImage),
        (b"\xff\xd8\xff\xe0", UndecodableImage),
        (b"GIF89a", UndecodableImage),
        (b"II*\x00\x08\x00\x00\x00", UndecodableImage),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", UndecodableImage),
        (b"\x00\x00\x00\x0cjP  \r\n\x87\n", UndecodableImage),
    ],
)
def test_each_kind_of_bad_bytes_has_its_own_answer(data: bytes, error: type[ItemError]) -> None:
    """Empty, unknown, broken and archive are four different things to the user."""
    assert refused(data) is error


@pytest.mark.parametrize(
    "name", ["mnist_png", "paint_drawing", "grey_jpeg", "rotated_photo_6", "webp", "bmp"]
)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_truncated_image_is_damaged_and_not_half_read(name: str, share: float) -> None:
    """Half an image never gets an answer."""
    whole = FILES[name]
    assert refused(whole[: int(len(whole) * share)]) is UndecodableImage


def test_a_flipped_bit_in_a_png_never_changes_pixels_unnoticed() -> None:
    """Every single flipped bit of the body is refused, or leaves the picture as it was."""
    whole = FILES["mnist_png"]
    for at in range(33, len(whole)):
        torn = bytearray(whole)
        torn[at] ^= 1 << at % 8
        try:
            pixels = decode(bytes(torn), max_pixels=LIMIT).pixels
        except ItemError:
            continue
        assert np.array_equal(pixels, DIGIT)


def test_a_huge_picture_is_refused_by_its_header_alone() -> None:
    """30,000×30,000 is too large in every format, though the file holds next to nothing."""
    jpeg = bytearray(FILES["grey_jpeg"])
    frame = jpeg.index(b"\xff\xc0")
    struct.pack_into(">HH", jpeg, frame + 5, 30_000, 30_000)
    bmp = bytearray(FILES["bmp"])
    struct.pack_into("<ii", bmp, 18, 30_000, 30_000)
    gif = bytearray(FILES["palette_gif"])
    struct.pack_into("<HH", gif, 6, 30_000, 30_000)
    for data in (png_of_size(30_000, 30_000), bytes(jpeg), bytes(bmp), bytes(gif), b"P5 30000 30000 255\n"):
        assert refused(data) is ImageTooLarge
    assert refused(png_of_size(0, 5)) is UndecodableImage


def test_the_limit_itself_is_allowed() -> None:
    """A picture of exactly the limit decodes, one row more does not."""
    assert decode(encode(Image.new("L", (10, 10)), "PNG"), max_pixels=100).width == 10
    assert refused(encode(Image.new("L", (10, 11)), "PNG"), max_pixels=100) is ImageTooLarge


def test_jpeg_2000_and_avif_are_read_where_a_decoder_is() -> None:
    """With a decoder they are images; HEIC without one is an unsupported format."""
    image = Image.fromarray(paper(DIGIT))
    if features.check("jpg_2000"):
        assert decode(encode(image, "JPEG2000"), max_pixels=LIMIT).width == image.width
    if features.check("avif"):
        assert decode(encode(image.convert("RGB"), "AVIF"), max_pixels=LIMIT).width == image.width
    heic = b"\x00\x00\x00\x18ftypheic" + b"\x00" * 100
    assert refused(heic) in (UnsupportedFormat, UndecodableImage)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_mutated_files_never_crash(data: st.DataObject) -> None:
    """Cut, overwritten and spliced files decode or fail with an item's error, nothing else."""
    whole = bytearray(FILES[data.draw(st.sampled_from(sorted(FILES)))])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(whole)))
        whole[at : at + data.draw(st.integers(0, 8))] = data.draw(st.binary(max_size=8))
    cut = bytes(whole[: data.draw(st.integers(0, len(whole)))]) if data.draw(st.booleans()) else bytes(whole)
    try:
        count_pages(cut, max_pages=100)
        got = decode(cut, page=1, max_pixels=4_000_000)
    except ItemError:
        return
    assert got.pixels.dtype == np.uint8
    assert got.pixels.shape[:2] == (got.height, got.width)
    assert got.pixels.ndim == 2 or got.pixels.shape[2] in (3, 4)


@given(st.binary(max_size=200))
def test_random_bytes_never_crash(data: bytes) -> None:
    """Noise is refused in words."""
    try:
        decode(data, max_pixels=LIMIT)
    except ItemError:
        return


def test_the_pictures_code_imports_no_torch() -> None:
    """A worker without torch decodes and prepares."""
    code = "import sys, shared.vision; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_reading_a_file_leaves_it_alone() -> None:
    """The pixels are our own copy: writing to them changes no bytes and raises nothing."""
    data = FILES["mnist_png"]
    before = io.BytesIO(data).getvalue()
    decode(data, max_pixels=LIMIT).pixels[:] = 7
    assert data == before
