"""A folder of every set that is measured on, in small: drawn from the sample digits."""

from __future__ import annotations

import struct
from pathlib import Path

import cv2
import h5py
import numpy as np
from numpy.typing import NDArray

from shared.vision.signature import Pixels
from tests.shared.pictures import digits
from training.suites import Sources


def make_reference(folder: Path) -> Sources:
    """Write the folder and name its parts."""
    sources = Sources.under(folder)
    for part in (sources.mnist, sources.usps.parent, sources.real_digits, sources.not_digits):
        part.mkdir(parents=True)
    _write_mnist(sources.mnist)
    _write_usps(sources.usps)
    _write_real(sources.real_digits)
    np.savez(sources.not_digits / "fashion.npz", x=fashion())
    np.savez(sources.not_digits / "omniglot.npz", x=np.repeat(255 - fashion(), 2, axis=1))
    return sources


def fashion() -> Pixels:
    """Return pictures of clothes, near enough: filled ellipses."""
    sheet = np.zeros((6, 28, 28), np.uint8)
    for index, image in enumerate(sheet):
        cv2.ellipse(image, (14, 14), (6 + index, 12), 0, 0, 360, 200, -1)
    return sheet


def _write_mnist(folder: Path) -> None:
    """Write the sample digits as the test part."""
    images = np.stack([image for _, image in digits()])
    labels = np.array([label for label, _ in digits()], np.uint8)
    for name, values in (("t10k-images-idx3-ubyte", images), ("t10k-labels-idx1-ubyte", labels)):
        head = struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape)
        (folder / name).write_bytes(head + values.tobytes())


def _write_usps(path: Path) -> None:
    """Write the digits as shares of ink in 16×16."""
    small: NDArray[np.float64] = np.stack(
        [cv2.resize(image[4:24, 4:24], (16, 16), interpolation=cv2.INTER_AREA) for _, image in digits()]
    )
    shares = small / small.max(axis=(1, 2), keepdims=True)
    with h5py.File(path, "w") as file:
        file["test/data"] = shares.reshape(len(shares), -1)
        file["test/target"] = [label for label, _ in digits()]


def _write_real(folder: Path) -> None:
    """Write digits dark on light as files of two sources."""
    lines = ["file,label,kind,source"]
    for index, (label, image) in enumerate(digits()[:6]):
        cv2.imwrite(str(folder / f"{index}.png"), 255 - cv2.resize(image, (90, 90)))
        lines.append(f"{index}.png,{label},drawn,{'a' if index < 4 else 'b'}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
