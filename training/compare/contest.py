"""What all entrants of a comparison share."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from shared.packages import ModelPackage
from training.compare.entrant import Entrant
from training.compare.entrants import SHIPPED, find_entrant
from training.compare.rows import Terms
from training.data import FILES, Set, find_idx, read_idx
from training.suites.mnist import spread
from training.suites.suite import preparer


@dataclass(frozen=True)
class Contest:
    """What all entrants share: images, seed, threads; `most` images are learned from, None for each one's own."""

    train: Set
    test: Set
    package: ModelPackage
    seed: int = 1
    threads: int = 1
    most: int | None = None

    def terms(self, key: str) -> Terms:
        """Return what a row of this entrant is measured under."""
        images = None if key == SHIPPED else self.share(find_entrant(key))
        package = self.package.sha256 if key == SHIPPED else None
        return Terms(key, images, len(self.test.labels), self.seed, self.threads, self.checksum, package)

    def share(self, entrant: Entrant) -> int:
        """Return how many images an entrant learns from: as many as asked for, or as it can in minutes."""
        return min(len(self.train.labels), self.most or entrant.most or len(self.train.labels))

    @cached_property
    def checksum(self) -> str:
        """Return a checksum of all images and labels."""
        digest = hashlib.sha256()
        for array in (*self.train, *self.test):
            digest.update(array.tobytes())
        return digest.hexdigest()


def load_contest(
    data_dir: Path, package: ModelPackage, *, seed: int, threads: int, most: int | None, tested: int | None
) -> Contest:
    """Read MNIST and prepare it as the package's card says, for everybody alike.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: the package does not read digits from 28×28 grey pictures, as the others do.
    """
    if package.shape != (1, 28, 28) or not set(package.labels) <= set("0123456789"):
        raise ValueError(f"{package.ref} reads no digits from 28×28 grey pictures, as those beside it do")
    train, test = (_load(data_dir, part, package) for part in ("train", "test"))
    kept = spread(len(test.labels), tested)
    return Contest(train, Set(test.images[kept], test.labels[kept]), package, seed, threads, most)


def _load(data_dir: Path, part: str, package: ModelPackage) -> Set:
    """Read and prepare one part."""
    images, labels = (read_idx(find_idx(data_dir, name)) for name in FILES[part])
    prepared = preparer(package)(images)
    return Set(np.stack([item.image for item in prepared]), labels.astype(np.int64))
