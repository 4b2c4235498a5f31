"""Make the sample zip that `make run` submits: real digits in guises, and a few members that are none."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from training.data import Set

Pixels = NDArray[np.uint8]
COUNT = 520
UPSCALED = 40
_DATE = (2025, 1, 1, 0, 0, 0)
_NOTE = "Digits of the MNIST test set. A text file is no image: it is skipped.\n"


def make_samples(data: Set, folder: Path, *, seed: int = 1) -> None:
    """Write `digits.zip` and three single pictures; the same bytes for the same seed."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    chosen = rng.choice(len(data.labels), COUNT, replace=False)
    large = set(rng.choice(COUNT, UPSCALED, replace=False).tolist())
    with zipfile.ZipFile(folder / "digits.zip", "w") as archive:
        for index, source in enumerate(chosen):
            image = data.images[source]
            content = png(dark_on_light(image, 3)) if index in large else png(image)
            _add(archive, f"digits/{index:04d}_{data.labels[source]}.png", content)
            if index == COUNT // 2:
                _add_bad_members(archive, png(image))
    first = {digit: data.images[np.flatnonzero(data.labels == digit)[0]] for digit in range(10)}
    (folder / "three.png").write_bytes(png(first[3]))
    Image.fromarray(dark_on_light(first[7], 12)).save(folder / "seven-on-white.jpg", quality=85)
    (folder / "blank.png").write_bytes(png(np.full((280, 280), 255, np.uint8)))


def _add_bad_members(archive: zipfile.ZipFile, whole: bytes) -> None:
    """Add what people's zips hold besides images."""
    _add(archive, "digits/readme.txt", _NOTE.encode())
    _add(archive, "digits/cut-off.png", whole[: len(whole) // 2])
    _add(archive, "digits/empty.png", b"")
    _add(archive, "digits/notes.dat", b"neither an image nor text that we know\n" * 3)


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    """Add a member with a fixed date."""
    member = zipfile.ZipInfo(name, _DATE)
    member.external_attr = 0o644 << 16
    archive.writestr(member, content)


def png(image: Pixels) -> bytes:
    """Encode a grey picture as PNG."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG", optimize=True)
    return file.getvalue()


def dark_on_light(image: Pixels, factor: int) -> Pixels:
    """Enlarge a light-on-dark digit and turn it into dark ink on white paper with a wide margin."""
    side = image.shape[0] * factor
    large = np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC))
    paper = np.full((side * 3 // 2, side * 5 // 3), 255, np.uint8)
    paper[side // 5 : side // 5 + side, side // 3 : side // 3 + side] = 255 - large
    return paper
