"""MNIST: read from idx files or downloaded, and parted by writers so that calibration sees new hands."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared.vision import prepare_many

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]

FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
WRITERS = "train-writers.npy"
HELD_OUT = 0.1
"""Share of the training images whose writers are kept for calibration."""


class Set(NamedTuple):
    """Images uint8 (N, 28, 28), light on dark, as the preparation leaves them, and labels int64 (N,)."""

    images: Images
    labels: Labels


class Split(NamedTuple):
    """The training images in two parts; `by_writer` says that no writer is in both.

    `writers` int64 names the writer of each image held out, or where that is unknown the image itself.
    """

    train: Set
    held_out: Set
    by_writer: bool
    writers: Labels


def load(data_dir: Path, part: str) -> Set:
    """Read `train` or `test` from a folder of idx files, or from where `fetch` put them.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is no idx file of the announced size.
    """
    image_file, label_file = (find_idx(data_dir, name) for name in FILES[part])
    images = np.stack([item.image for item in prepare_many(read_idx(image_file))])
    return Set(images, read_idx(label_file).astype(np.int64))


def fetch(data_dir: Path) -> None:
    """Download MNIST by torchvision, which compares checksums."""
    from training.torchvision_ops import declare_missing_operators

    declare_missing_operators()
    from torchvision.datasets import MNIST

    MNIST(str(data_dir), train=True, download=True)


def find_idx(data_dir: Path, name: str) -> Path:
    """Find an idx file, packed or not, in the folder or where torchvision puts it."""
    for folder in (data_dir, data_dir / "MNIST" / "raw"):
        for path in (folder / name, folder / f"{name}.gz"):
            if path.is_file():
                return path
    raise FileNotFoundError(f"{name} is not in {data_dir}; --download fetches it")


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Read one idx file of bytes, gzipped or not (the format of yann.lecun.com/exdb/mnist)."""
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    zeros, kind, dimensions = struct.unpack_from(">HBB", raw)
    shape = struct.unpack_from(f">{dimensions}I", raw, 4)
    values = np.frombuffer(raw, np.uint8, offset=4 + 4 * dimensions)
    if zeros or kind != 0x08 or values.size != int(np.prod(shape)):
        raise ValueError(f"{path.name} is no idx file of unsigned bytes")
    return values.reshape(shape)


def split(data: Set, data_dir: Path, *, seed: int) -> Split:
    """Keep a tenth of the training images for calibration: whole writers where their ids are known."""
    path = data_dir / WRITERS
    writers = np.load(path) if path.is_file() else np.arange(len(data.labels))
    ids = np.random.default_rng(seed).permutation(np.unique(writers))
    counts = np.searchsorted(np.sort(writers), ids, side="right") - np.searchsorted(np.sort(writers), ids)
    kept = ids[: int(np.searchsorted(np.cumsum(counts), HELD_OUT * len(writers))) + 1]
    held = np.isin(writers, kept)
    return Split(
        Set(data.images[~held], data.labels[~held]),
        Set(data.images[held], data.labels[held]),
        path.is_file(),
        writers[held].astype(np.int64),
    )
