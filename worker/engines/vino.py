"""OpenVINO on the CPU: the optional extra `fast`."""

from __future__ import annotations

import numpy as np

from shared.errors import ModelCorrupt
from shared.packages import ModelPackage
from worker.engines.ort import FILE
from worker.engines.protocol import EngineMissing, Floats


class OpenVinoEngine:
    """A package's `model.onnx`, in float32 unless another `precision` (`bf16`) is asked for, which moves decisions."""

    name = "openvino"
    device = "cpu"
    engine_class = "cpu-fp32"

    def __init__(self, package: ModelPackage, *, threads: int = 1, precision: str = "f32") -> None:
        try:
            import openvino
        except ImportError as error:
            raise EngineMissing(
                "OpenVINO is not installed; `pip install 'inkqueue[fast]'` adds it."
            ) from error
        core = openvino.Core()
        settings = {
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            # Pinned, all single-threaded workers of a machine share one core.
            "ENABLE_CPU_PINNING": False,
            "INFERENCE_PRECISION_HINT": precision,
        }
        try:
            model = core.compile_model(core.read_model(str(package.path / FILE)), "CPU", settings)
        except RuntimeError as error:
            raise ModelCorrupt(f"{FILE} of model {package.ref} cannot be loaded.") from error
        self._request = model.create_infer_request()

    def infer(self, batch: Floats) -> Floats:
        """Return logits."""
        return np.array(self._request.infer([batch])[0], np.float32)
