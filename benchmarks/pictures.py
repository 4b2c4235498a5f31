"""The load: a zip of handwritten digits as PNGs, drawn from the samples or from the MNIST test set."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from shared.bundled import bundled

Picture = npt.NDArray[np.uint8]
SIDE = 28
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # a sample is cut off on purpose
PNG_START = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x1c\x00\x00\x00\x1c"  # 28×28
IDX_HEADER_BYTES = {"images": 16, "labels": 8}


class Labelled(NamedTuple):
    """One 28×28 picture, light on dark, and its digit."""

    pixels: Picture
    label: str


def make_zip(count: int, data_dir: Path | None, seed: int = 1) -> bytes:
    """Return a deflated zip of `count` PNGs in random order, each named after its number and its label."""
    chance = np.random.default_rng(seed)
    found = list(mnist(data_dir)) if data_dir else list(samples())
    order = np.concatenate([chance.permutation(len(found)) for _ in range(-(-count // len(found)))])[:count]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, index in enumerate(order):
            picture = found[index].pixels if data_dir else noisy(found[index].pixels, chance)
            archive.writestr(f"{number:05}_{found[index].label}.png", png(picture))
    return buffer.getvalue()


def samples() -> Iterator[Labelled]:
    """Yield the 28×28 pictures of the sample zip."""
    with zipfile.ZipFile(bundled("samples") / "digits.zip") as archive:
        for name in archive.namelist():
            data = archive.read(name)
            if not data.startswith(PNG_START):
                continue
            pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
            if pixels is not None and pixels.shape == (SIDE, SIDE):
                yield Labelled(pixels.astype(np.uint8), name.rpartition("_")[2].partition(".")[0])


def mnist(folder: Path) -> Iterator[Labelled]:
    """Yield the 10,000 pictures of MNIST's test set from its two idx files."""
    pixels = idx(folder / "t10k-images-idx3-ubyte.gz", "images").reshape(-1, SIDE, SIDE)
    labels = idx(folder / "t10k-labels-idx1-ubyte.gz", "labels")
    for picture, label in zip(pixels, labels, strict=True):
        yield Labelled(picture, str(label))


def idx(path: Path, kind: str) -> npt.NDArray[np.uint8]:
    """Read the values of an idx file, flat."""
    return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=IDX_HEADER_BYTES[kind])


def noisy(pixels: Picture, chance: np.random.Generator) -> Picture:
    """Change the strokes a little, so that no two pictures are equal; the ground stays black."""
    change = chance.integers(-12, 13, pixels.shape)
    return np.where(pixels > 0, np.clip(pixels + change, 1, 255), 0).astype(np.uint8)


def png(pixels: Picture) -> bytes:
    """Encode a picture."""
    done, encoded = cv2.imencode(".png", pixels)
    assert done
    return encoded.tobytes()
