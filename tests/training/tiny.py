"""A tiny MNIST made of the sample digits, and a course that is over in a second."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from tests.shared.pictures import digits
from training import data
from training.augment import Augmentation, augmentation
from training.bank import Stock
from training.course import Course, Finetune
from training.data import Set, split
from training.train import Recipe, to_tensor

RECIPE = Recipe(epochs=2, batch=32, bf16=False, widths=(4, 4, 4, 8, 8, 8))
COURSE = Course(
    student=RECIPE,
    teacher=Recipe(epochs=1, batch=32, bf16=False, widths=(4, 4, 4, 8, 8, 8)),
    teachers=2,
    passes=2,
    finetune=Finetune(epochs=1, passes=1),
    stock=Stock().scaled(0.0006),
)


def some_digits(count: int, *, seed: int = 0) -> Set:
    """Return the sample digits, each bent in its own way."""
    chosen = np.random.default_rng(seed).integers(0, len(digits()), count)
    torch.manual_seed(seed)
    bent = augmentation(Augmentation())(to_tensor(np.stack([digits()[k][1] for k in chosen])))
    labels = np.array([digits()[k][0] for k in chosen], np.int64)
    return Set((bent[:, 0].numpy() * 255).astype(np.uint8), labels)


def clean_digits(copies: int = 1) -> Set:
    """Return the twenty sample digits as they are, so many times."""
    images = np.stack([image for _, image in digits()])
    labels = np.array([label for label, _ in digits()], np.int64)
    return Set(np.tile(images, (copies, 1, 1)), np.tile(labels, copies))


def write_idx(path: Path, values: NDArray[Any]) -> None:
    """Write an idx file of bytes, packed when its name says so."""
    head = struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape)
    raw = head + values.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)


def lay_out(folder: Path) -> Path:
    """Write a small MNIST: 400 training images by 40 writers, 60 test images."""
    folder.mkdir()
    for part, count, seed in (("train", 400, 1), ("test", 60, 2)):
        made = some_digits(count, seed=seed)
        images, labels = data.FILES[part]
        write_idx(folder / f"{images}.gz", made.images)
        write_idx(folder / labels, made.labels)
    np.save(folder / data.WRITERS, np.repeat(np.arange(40), 10).astype(np.int32))
    return folder


def parts_of(data_dir: Path) -> data.Split:
    """Part the training images of a folder as a course does."""
    return split(data.load(data_dir, "train"), data_dir, seed=1)


def weights(network: nn.Module) -> torch.Tensor:
    """Return all parameters as one vector."""
    return torch.cat([p.detach().flatten() for p in network.parameters()])
