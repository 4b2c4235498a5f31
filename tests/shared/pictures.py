"""Real digits from the shipped samples, written down in every way that people send them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
SAMPLES = Path(__file__).resolve().parents[2] / "samples"
PER_DIGIT = 2


@cache
def digits() -> tuple[tuple[int, Pixels], ...]:
    """Return two MNIST pictures of each digit, with their labels."""
    found: dict[int, list[Pixels]] = {digit: [] for digit in range(10)}
    with zipfile.ZipFile(SAMPLES / "digits.zip") as archive:
        for name in archive.namelist():
            if not name.endswith(".png") or "_" not in name:
                continue
            image = np.asarray(Image.open(io.BytesIO(archive.read(name))))
            same = found[int(name[-5])]
            if image.shape == (28, 28) and len(same) < PER_DIGIT:
                same.append(image)
    return tuple((digit, image) for digit, images in found.items() for image in images)


def ink(image: Pixels, side: int = 224) -> Pixels:
    """Draw a digit large: ink 0..255, smooth edges."""
    large = cv2.resize(image, (side, side), interpolation=cv2.INTER_CUBIC)
    return np.asarray(cv2.GaussianBlur(np.where(large > 100, 255, 0).astype(np.uint8), (0, 0), 1.2), np.uint8)


def paper(image: Pixels, side: int = 224) -> Pixels:
    """Draw a digit in black on a white sheet, off its centre."""
    sheet = np.full((side * 3 // 2, side * 2), 255, np.uint8)
    sheet[side // 10 : side // 10 + side, side // 5 : side // 5 + side] = 255 - ink(image, side)
    return sheet


def coloured(image: Pixels, pen: tuple[int, int, int], ground: tuple[int, int, int]) -> Pixels:
    """Draw with a coloured pen on coloured paper."""
    share = (1 - paper(image).astype(np.float32) / 255)[..., None]
    return np.rint(share * np.array(pen) + (1 - share) * np.array(ground)).astype(np.uint8)


def photo(image: Pixels) -> Pixels:
    """Photograph a sheet: a shadow across, warm light, grain."""
    sheet = coloured(image, (50, 45, 60), (225, 215, 200)).astype(np.float32)
    slope = np.linspace(1.0, 0.45, sheet.shape[1])[None, :, None]
    grain = np.random.default_rng(1).normal(0, 4, sheet.shape)
    return (sheet * slope + grain).clip(0, 255).astype(np.uint8)


def encode(image: Image.Image, kind: str, **options: object) -> bytes:
    """Encode by Pillow."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def _rgba(image: Pixels, colour: int) -> Image.Image:
    """Draw with one colour on nothing."""
    alpha = 255 - paper(image)
    plane = np.full_like(alpha, colour)
    return Image.fromarray(np.dstack((plane, plane, plane, alpha)))


def _turned(image: Pixels, orientation: int) -> bytes:
    """Store a photo turned, with the EXIF tag that turns it back."""
    turns = {3: 2, 6: 1, 8: 3}[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encode(Image.fromarray(np.rot90(photo(image), turns).copy()), "JPEG", exif=exif, quality=90)


def _bilevel(image: Pixels, photometric: int) -> bytes:
    """Store a G4 fax page with either meaning of its bits."""
    sheet = Image.fromarray(paper(image)).convert("1", dither=Image.Dither.NONE)
    return encode(sheet, "TIFF", compression="group4", tiffinfo={262: photometric})


def drawn_pdf(image: Pixels) -> bytes:
    """Make a PDF page that draws the ink as rectangles: nothing on it is an image."""
    rows = [f"{x * 5 + 150} {700 - y * 5} 5 5 re f" for y, x in np.argwhere(image > 100)]
    return pdf_of(("0 g\n" + "\n".join(rows)).encode())


def pdf_of(content: bytes, pages: int = 1) -> bytes:
    """Make a PDF of A4 pages that all show one content stream."""
    kids = " ".join(f"{4 + k} 0 R" for k in range(pages))
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 3 0 R >>"
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {pages} >>".encode(),
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
        *([page] * pages),
    ]
    out, offsets = bytearray(b"%PDF-1.4\n"), []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(out)


def _sixteen(image: Pixels) -> Image.Image:
    """Store grey in 16 bits."""
    return Image.fromarray(paper(image).astype(np.uint16) * 257)


FORMS: dict[str, Callable[[Pixels], bytes]] = {
    "mnist_png": lambda d: encode(Image.fromarray(d), "PNG"),
    "mnist_inverted_png": lambda d: encode(Image.fromarray(255 - d), "PNG"),
    "mnist_as_rgb_png": lambda d: encode(Image.fromarray(d).convert("RGB"), "PNG"),
    "paint_drawing": lambda d: encode(Image.fromarray(paper(d)).convert("RGB"), "PNG"),
    "white_on_black": lambda d: encode(Image.fromarray(255 - paper(d)), "PNG"),
    "black_on_transparent": lambda d: encode(_rgba(d, 0), "PNG"),
    "white_on_transparent": lambda d: encode(_rgba(d, 255), "PNG"),
    "grey_with_alpha": lambda d: encode(_rgba(d, 0).convert("LA"), "PNG"),
    "sixteen_bit_png": lambda d: encode(_sixteen(d), "PNG"),
    "sixteen_bit_tiff": lambda d: encode(_sixteen(d), "TIFF"),
    "grey_jpeg": lambda d: encode(Image.fromarray(paper(d)), "JPEG", quality=60),
    "cmyk_jpeg": lambda d: encode(Image.fromarray(paper(d)).convert("CMYK"), "JPEG"),
    "rotated_photo_3": lambda d: _turned(d, 3),
    "rotated_photo_6": lambda d: _turned(d, 6),
    "rotated_photo_8": lambda d: _turned(d, 8),
    "palette_png": lambda d: encode(
        Image.fromarray(coloured(d, (10, 20, 90), (250, 240, 220))).quantize(16), "PNG"
    ),
    "palette_gif": lambda d: encode(Image.fromarray(paper(d)).convert("P"), "GIF"),
    "bilevel_png": lambda d: encode(Image.fromarray(paper(d)).convert("1"), "PNG"),
    "fax_white_is_zero": lambda d: _bilevel(d, 0),
    "fax_black_is_zero": lambda d: _bilevel(d, 1),
    "scanned_pdf": lambda d: encode(Image.fromarray(paper(d)).convert("RGB"), "PDF"),
    "drawn_pdf": drawn_pdf,
    "webp": lambda d: encode(Image.fromarray(paper(d)).convert("RGB"), "WEBP"),
    "bmp": lambda d: encode(Image.fromarray(paper(d)), "BMP"),
    "pgm": lambda d: encode(Image.fromarray(paper(d)), "PPM"),
    "float_tiff": lambda d: encode(Image.fromarray(paper(d).astype(np.float32) / 255), "TIFF"),
    "blue_ink": lambda d: encode(Image.fromarray(coloured(d, (40, 60, 200), (255, 255, 255))), "PNG"),
    "yellow_ink": lambda d: encode(Image.fromarray(coloured(d, (250, 240, 60), (255, 255, 255))), "PNG"),
    "faint_pencil": lambda d: encode(Image.fromarray(coloured(d, (190, 190, 190), (235, 235, 235))), "PNG"),
    "small_thumbnail": lambda d: encode(
        Image.fromarray(255 - cv2.resize(d, (16, 16), interpolation=cv2.INTER_AREA)), "PNG"
    ),
    "poster": lambda d: encode(Image.fromarray(paper(d, 1400)), "PNG", compress_level=1),
}
"""Ways to send a digit: name and the bytes of the file."""
