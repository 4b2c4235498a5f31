"""The package as it is served: ONNX Runtime, its own scaling and labels; nothing is trained."""

from __future__ import annotations

import numpy as np

from shared.packages import ModelPackage, verify
from shared.vision import Prepared
from shared.vision.readings import read
from training.compare.entrant import Progress
from training.data import Images, Labels
from training.export import ONNX
from training.suites import from_card
from training.suites.engines import onnx_runtime


class Shipped:
    """A reader that has learned already."""

    def __init__(self, package: ModelPackage, threads: int) -> None:
        verify(package)
        self.package, self.infer = package, onnx_runtime(package.path / ONNX, threads)
        self.names = np.array([int(label) for label in package.labels], np.int64)

    def read(self, images: Images) -> Labels:
        """Return the answer of each prepared image, −1 where the package gives none."""
        prediction = read(self.package, self.infer, [Prepared(image) for image in images]).prediction
        return np.where(prediction < 0, np.int64(-1), self.names[prediction])

    def learn(self, images: Images, labels: Labels, progress: Progress) -> None:
        """Learn nothing: the package is finished."""

    def size(self) -> int:
        """Return the bytes of the ONNX file."""
        return (self.package.path / ONNX).stat().st_size


def training_seconds(package: ModelPackage) -> float | None:
    """Return how long the card says that training took, None where it does not."""
    told = [figure for figure in from_card.figures(package.card) if figure.name == from_card.TRAINING_MINUTES]
    return told[0].value * 60 if told else None
