"""The 2,007 test digits of USPS: 16×16, tight, light on dark, of other writers and another scanner."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from shared.vision.signature import Pixels
from training.data import Labels
from training.suites.draw import reading
from training.suites.mnist import spread
from training.suites.suite import Figure, MissingDataError, Preparer, Result, Sources, Suite

NAME = "USPS test"
SIDE = 16


def build(sources: Sources, prepare: Preparer, *, seed: int, limit: int | None = None) -> Suite:
    """Prepare the digits as 16×16 pictures of 8 bits, as an image file would hold them.

    Raises:
        MissingDataError: the file is not there.
    """
    if not sources.usps.is_file():
        raise MissingDataError(sources.usps)
    images, labels = _load(sources.usps)
    chosen = spread(len(labels), limit)
    return Suite(NAME, prepare(images[chosen]), labels[chosen])


def _load(path: Path) -> tuple[Pixels, Labels]:
    """Read the test part of a file in HDF5."""
    try:
        import h5py  # an extra of the laboratory, which all other suites do without
    except ImportError as error:
        raise ImportError("USPS needs h5py; `pip install 'inkqueue[training]'` adds it") from error
    with h5py.File(path, "r") as file:
        data, labels = np.asarray(file["test/data"]), np.asarray(file["test/target"])
    images = (data.reshape(-1, SIDE, SIDE) * 255).round().clip(0, 255).astype(np.uint8)
    return images, labels.astype(np.int64)


def figures(result: Result) -> list[Figure]:
    """Return accuracy and trust."""
    return reading(result)
