"""ONNX Runtime on the CPU: the engine that every worker has."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort

from shared.errors import ModelCorrupt
from shared.packages import ModelPackage
from worker.engines.protocol import Floats

FILE = "model.onnx"
_ERRORS_ONLY = 3


class OnnxRuntimeEngine:
    """A package's `model.onnx` in float32."""

    name = "onnxruntime"
    device = "cpu"
    engine_class = "cpu-fp32"

    def __init__(self, package: ModelPackage, *, threads: int = 1) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = _ERRORS_ONLY
        # A waiting thread must not burn the core of the worker beside it.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = ort.InferenceSession(
                str(package.path / FILE), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime has an exception class for each kind of broken file
            raise ModelCorrupt(f"{FILE} of model {package.ref} cannot be loaded.") from error
        self._input = self._session.get_inputs()[0].name
        self._outputs = [self._session.get_outputs()[0].name]

    def infer(self, batch: Floats) -> Floats:
        """Return logits."""
        return np.asarray(self._session.run(self._outputs, {self._input: batch})[0], np.float32)
