"""Letters: printed in the fonts that come with matplotlib, and written as bent pen strokes.

Left out are those that nobody tells from a digit without context, O I l S Z B q g, and o s z, which become
O S Z once their size is evened out.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw, ImageFont

from shared.vision.signature import Pixels
from training.suites.no_digits.strokes import draw, smooth

PRINTED = "ACDEFGHJKLMNPQRTUVWXYabcdefhijkmnprtuvwxy"
FONTS = (
    "DejaVuSans",
    "DejaVuSans-Oblique",
    "DejaVuSerif",
    "DejaVuSerif-Italic",
    "DejaVuSansMono",
    "STIXGeneral",
    "STIXGeneralItalic",
)
WRITTEN = {
    "A": "06 20 46|14 34",
    "C": "41 30 10 01 05 16 36 45",
    "D": "00 06 26 45 41 20 00",
    "E": "40 00 06 46|03 33",
    "F": "40 00 06|03 33",
    "G": "41 30 10 01 05 16 36 45 43 23",
    "H": "00 06|40 46|03 43",
    "J": "10 40|30 35 26 16 05",
    "K": "00 06|40 03 46",
    "L": "00 06 46",
    "M": "06 00 23 40 46",
    "N": "06 00 46 40",
    "P": "06 00 30 41 42 33 03",
    "R": "06 00 30 41 42 33 03|13 46",
    "T": "00 40|20 26",
    "U": "00 05 16 36 45 40",
    "V": "00 26 40",
    "W": "00 16 23 36 40",
    "X": "00 46|40 06",
    "Y": "00 23 40|23 26",
    "a": "42 31 11 03 05 16 36 44|41 46",
    "d": "43 32 12 03 05 16 36 45|40 46",
    "e": "04 44 42 31 11 03 05 16 36 45",
    "f": "41 30 21 26|13 33",
    "h": "00 06|03 12 32 43 46",
    "k": "00 06|32 04 36",
    "m": "02 06|03 12 23 26|23 32 43 46",
    "n": "02 06|03 12 32 43 46",
    "p": "02 08|03 12 32 43 45 36 16 05",
    "r": "02 06|04 12 32",
    "t": "20 25 36 46|02 42",
    "u": "02 05 16 36 45|42 46",
    "y": "02 14 24|42 18",
}
"""Strokes as corners on a grid, each a column 0–4 and a row 0–8; capitals and ascenders stand in rows 0–6."""

_SIDE = 128


def printed(generator: Generator) -> Pixels:
    """Return a printed letter, slightly bent, dark on white."""
    sheet = Image.new("L", (_SIDE, _SIDE), 255)
    font = _font(str(generator.choice(FONTS)))
    letter = str(generator.choice(list(PRINTED)))
    ImageDraw.Draw(sheet).text((_SIDE // 2, _SIDE // 2), letter, 0, font, anchor="mm")
    return _bend(np.asarray(sheet, np.uint8), generator)


def written(generator: Generator) -> Pixels:
    """Return a letter of pen strokes whose corners are shaken and rounded, dark on white."""
    sheet = np.full((_SIDE, _SIDE), 255, np.uint8)
    strokes = WRITTEN[str(generator.choice(list(WRITTEN)))].split("|")
    thickness = int(generator.integers(4, 12))
    for stroke in strokes:
        corners = np.array([list(map(int, corner)) for corner in stroke.split()], np.float64)
        corners += generator.normal(0, 0.14, corners.shape)
        draw(sheet, smooth(corners, 2) * (12.0, 10.0) + (40.0, 28.0), thickness)
    return _bend(sheet, generator)


@cache
def _font(name: str) -> ImageFont.FreeTypeFont:
    """Load a font that comes with matplotlib, so that every machine draws the same."""
    import matplotlib  # an extra of the laboratory

    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{name}.ttf"), 88)


def _bend(sheet: Pixels, generator: Generator) -> Pixels:
    """Turn, slant and bend a drawing a little, as a hand would."""
    angle, slant = generator.normal(0, 0.09), generator.normal(0, 0.12)
    cos, sin = np.cos(angle), np.sin(angle)
    rows, columns = np.mgrid[0:_SIDE, 0:_SIDE].astype(np.float64) - _SIDE / 2
    field = generator.normal(0, 2.0, (2, 5, 5))
    down, right = (cv2.resize(part, (_SIDE, _SIDE), interpolation=cv2.INTER_CUBIC) for part in field)
    x = cos * columns + (slant - sin) * rows + right + _SIDE / 2
    y = sin * columns + cos * rows + down + _SIDE / 2
    bent = cv2.remap(sheet, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR, borderValue=255)
    return np.asarray(bent, np.uint8)
