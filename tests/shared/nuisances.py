"""What happens to a digit between the pen and the upload, drawn with a seed."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from tests.shared.pictures import Pixels, coloured, ink, paper

SIDE = 220
Scene = Callable[[Pixels, np.random.Generator], Pixels]


def bytes_of(values: np.ndarray) -> Pixels:
    """Round and clip to bytes."""
    return np.rint(values).clip(0, 255).astype(np.uint8)


def sheet(image: Pixels, *, pen: float = 30, ground: float = 235, digit: int = 120) -> np.ndarray:
    """Draw a digit on a square sheet, a little off its middle."""
    share = np.zeros((SIDE, SIDE), np.float32)
    top, left = (SIDE - digit) // 2 - 10, (SIDE - digit) // 2 + 10
    share[top : top + digit, left : left + digit] = ink(image, digit) / 255
    return share * pen + (1 - share) * ground


def grain(values: np.ndarray, rng: np.random.Generator, deviation: float = 3) -> Pixels:
    """Add a sensor's noise."""
    return bytes_of(values + rng.normal(0, deviation, values.shape))


def half(rng: np.random.Generator, shape: tuple[int, int], reach: float = 25) -> np.ndarray:
    """Return 1 on one side of a line near the middle at any angle, 0 on the other."""
    angle, height, width = rng.uniform(0, 6.28), *shape
    y, x = np.mgrid[:height, :width]
    side = np.cos(angle) * (x - width / 2) + np.sin(angle) * (y - height / 2) > rng.uniform(-reach, reach)
    return side.astype(np.float32)


def hard_shadow(image: Pixels, rng: np.random.Generator) -> Pixels:
    """Let a phone throw its shadow across."""
    shadow = cv2.GaussianBlur(half(rng, (SIDE, SIDE)), (0, 0), 2)
    return grain(sheet(image) * (1 - 0.5 * shadow), rng)


def vignette(image: Pixels, rng: np.random.Generator) -> Pixels:
    """Darken the corners as a lens does."""
    y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    return grain(sheet(image) * (1 - 0.35 * (x * x + y * y)), rng)


def gradient(image: Pixels, rng: np.random.Generator) -> Pixels:
    """Light the sheet from one side."""
    return grain(sheet(image) * np.linspace(1, 0.45, SIDE)[None], rng)


def table(image: Pixels, rng: np.random.Generator) -> Pixels:
    """Photograph a slip of paper that lies on a dark table."""
    scene = np.full((SIDE + 120, SIDE + 160), 60, np.float32) + rng.normal(0, 4, (SIDE + 120, SIDE + 160))
    scene[50 : 50 + SIDE, 90 : 90 + SIDE] = sheet(image)
    return grain(scene, rng)


def ruled(image: Pixels, rng: np.random.Generator, *, down: bool = False) -> Pixels:
    """Write on lined paper, across its lines, or on checked paper."""
    page = sheet(image)
    for at in range(int(rng.integers(5, 40)), SIDE, 40):
        cv2.line(page, (0, at), (SIDE, at + int(rng.integers(-1, 2))), 90, 1 if down else 2)
        if down:
            cv2.line(page, (at, 0), (at, SIDE), 90, 1)
    return grain(page, rng)


def framed(image: Pixels, _rng: np.random.Generator, *, inset: int = 12) -> Pixels:
    """Write into a printed box."""
    page = sheet(image)
    cv2.rectangle(page, (inset, inset), (SIDE - 1 - inset, SIDE - 1 - inset), 40, 3)
    return bytes_of(page)


def corner(image: Pixels, _rng: np.random.Generator) -> Pixels:
    """Leave the corner of a box at the edge of the crop."""
    page = sheet(image)
    page[4:8, :150] = 40
    page[:190, 5:9] = 40
    return bytes_of(page)


def scanner_edge(image: Pixels, rng: np.random.Generator) -> Pixels:
    """Leave the black edge of a scan."""
    page = sheet(image)
    page[:, :9] = 15
    return grain(page, rng)


def crossed(image: Pixels, _rng: np.random.Generator) -> Pixels:
    """Run a printed line through the digit from edge to edge."""
    page = sheet(image)
    cv2.line(page, (0, 105), (SIDE, 107), 60, 2)
    return bytes_of(page)


def specks(image: Pixels, rng: np.random.Generator) -> Pixels:
    """Scatter dust."""
    page = sheet(image)
    for x, y in rng.integers(0, SIDE, (12, 2)).tolist():
        cv2.circle(page, (x, y), 1, 30, -1)
    return bytes_of(page)


def jpeg(image: Pixels, rng: np.random.Generator) -> Pixels:
    """Compress as far as JPEG goes with grace."""
    packed = cv2.imencode(".jpg", grain(sheet(image), rng), [cv2.IMWRITE_JPEG_QUALITY, 10])[1]
    return np.asarray(cv2.imdecode(packed, cv2.IMREAD_GRAYSCALE), np.uint8)


def pencil(image: Pixels, rng: np.random.Generator) -> Pixels:
    """Write faintly."""
    return grain(sheet(image, pen=200, ground=230), rng)


def noisy(image: Pixels, rng: np.random.Generator) -> Pixels:
    """Photograph in the dark."""
    return grain(sheet(image, pen=60, ground=200), rng, 25)


def chalk(image: Pixels, rng: np.random.Generator) -> Pixels:
    """Write in white on a blackboard."""
    return grain(sheet(image, pen=225, ground=60), rng)


def tight(image: Pixels, _rng: np.random.Generator) -> Pixels:
    """Cut at the ink itself."""
    page = bytes_of(sheet(image))
    x, y, width, height = cv2.boundingRect((page < 128).astype(np.uint8))
    return page[y : y + height, x : x + width]


def dotted(image: Pixels, _rng: np.random.Generator) -> Pixels:
    """Print in dots."""
    page = sheet(image, digit=160)
    y, x = np.mgrid[:SIDE, :SIDE]
    return bytes_of(np.where((x % 7 - 3) ** 2 + (y % 7 - 3) ** 2 < 7.5, page, 235))


NUISANCES: dict[str, Scene] = {
    "hard shadow": hard_shadow,
    "vignette": vignette,
    "gradient": gradient,
    "table": table,
    "lined paper": ruled,
    "checked paper": lambda image, rng: ruled(image, rng, down=True),
    "box": framed,
    "box at the edge": lambda image, rng: framed(image, rng, inset=1),
    "corner of a box": corner,
    "scanner's edge": scanner_edge,
    "line through": crossed,
    "specks": specks,
    "jpeg": jpeg,
    "pencil": pencil,
    "noise": noisy,
    "chalk": chalk,
    "inverted": lambda image, _: 255 - bytes_of(sheet(image)),
    "cut tight": tight,
    "dots": dotted,
    "a tiny digit": lambda image, _: bytes_of(
        255 - 0.9 * cv2.resize(image, (17, 17), interpolation=cv2.INTER_AREA)
    ),
    "blue on yellow": lambda image, _: coloured(image, (40, 60, 190), (245, 235, 140)),
    "red on pink": lambda image, _: coloured(image, (200, 40, 60), (250, 200, 205)),
    "highlighter": lambda image, _: coloured(image, (250, 240, 90), (252, 252, 250)),
    "red on green, equally bright": lambda image, _: coloured(image, (200, 90, 90), (90, 146, 90)),
    "a strip": lambda image, _: np.hstack([paper(image, 60), np.full((90, 700), 255, np.uint8)]),
}
"""Each makes a picture of a digit's 28×28 ink and a seed."""


def _page(value: float = 235) -> np.ndarray:
    """Return an empty sheet."""
    return np.full((SIDE, SIDE), value, np.float32)


def _lines(rng: np.random.Generator, *, down: bool) -> Pixels:
    """Return ruled or checked paper with nothing on it."""
    return ruled(np.zeros((28, 28), np.uint8), rng, down=down)


EMPTY: dict[str, Callable[[np.random.Generator], Pixels]] = {
    "noise": lambda rng: grain(_page(), rng, 20),
    "coloured noise": lambda rng: grain(np.dstack([_page()] * 3), rng, 10),
    "jpeg": lambda rng: jpeg(np.zeros((28, 28), np.uint8), rng),
    "slope": lambda rng: grain(_page() * np.linspace(1, 0.45, SIDE)[None], rng),
    "vignette": lambda rng: vignette(np.zeros((28, 28), np.uint8), rng),
    "texture": lambda rng: grain(
        cv2.GaussianBlur(_page() + rng.normal(0, 40, (SIDE, SIDE)), (0, 0), 1.5), rng
    ),
    "hard shadow": lambda rng: hard_shadow(np.zeros((28, 28), np.uint8), rng),
    "a speck": lambda _: bytes_of(cv2.circle(_page(), (70, 150), 2, 30, -1)),
    "specks": lambda rng: specks(np.zeros((28, 28), np.uint8), rng),
    "box": lambda rng: framed(np.zeros((28, 28), np.uint8), rng),
    "corner of a box": lambda rng: corner(np.zeros((28, 28), np.uint8), rng),
    "lined paper": lambda rng: _lines(rng, down=False),
    "checked paper": lambda rng: _lines(rng, down=True),
    "scanner's edge": lambda rng: scanner_edge(np.zeros((28, 28), np.uint8), rng),
}
"""Sheets on which nobody has written."""
