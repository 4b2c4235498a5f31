"""What every engine does, whatever runs beneath."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from shared.errors import Unavailable

Floats = NDArray[np.float32]


class Engine(Protocol):
    """A network, loaded and ready.

    `name` is `onnxruntime`, `openvino` or `torch`; `device` is `cpu` or `cuda`; `engine_class` names device
    and arithmetic, such as `cpu-fp32`: engines of one class give the same decisions.
    """

    name: str
    device: str
    engine_class: str

    def infer(self, batch: Floats) -> Floats:
        """Return logits float32 (N, K) of a batch float32 (N, C, H, W), without temperature."""
        ...


class EngineMissing(Unavailable):
    """The engine asked for is not installed, or its device is not there."""

    default = "The inference engine that was asked for is not installed here."
