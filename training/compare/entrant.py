"""What is compared: something that learns from digits, reads digits, and takes up room."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from training.data import Images, Labels

Progress = Callable[[float], None]
"""Told how much of the learning is done, 0 to 1."""


class Reader(Protocol):
    """A classifier of images uint8 (N, 28, 28)."""

    def learn(self, images: Images, labels: Labels, progress: Progress) -> None:
        """Learn from images and their labels."""

    def read(self, images: Images) -> Labels:
        """Return the label of each image, −1 for none."""

    def size(self) -> int:
        """Return the bytes that what was learned takes on disk."""


@dataclass(frozen=True)
class Entrant:
    """A reader to be made from a seed and a number of threads.

    `most` is how many images it learns from unless a number is given: the time of some grows with its square.
    """

    key: str
    title: str
    make: Callable[[int, int], Reader]
    most: int | None = None


def flat(images: Images) -> NDArray[np.float32]:
    """Return images as rows float32 (N, pixels) in 0..1."""
    return images.reshape(len(images), -1).astype(np.float32) / np.float32(255)


def bytes_on_disk(arrays: Iterable[NDArray[np.generic]]) -> int:
    """Return the size of arrays as one uncompressed .npz file."""
    buffer = io.BytesIO()
    np.savez(buffer, *arrays)
    return buffer.tell()
