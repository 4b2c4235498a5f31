"""torch on a GPU, or on the CPU when asked for."""

from __future__ import annotations

import numpy as np

from shared.errors import ModelCorrupt
from shared.packages import ModelPackage
from worker.engines.protocol import EngineMissing, Floats

FILE = "model.pt2"


class TorchEngine:
    """A package's `model.pt2` (torch.export) in float32 without TF32, so that it decides as the CPU does."""

    name = "torch"

    def __init__(self, package: ModelPackage, *, device: str = "cpu", threads: int = 1) -> None:
        try:
            import torch
            from torch.export.passes import move_to_device_pass
        except ImportError as error:
            raise EngineMissing("torch is not installed; `pip install 'inkqueue[gpu]'` adds it.") from error
        if device == "cuda" and not torch.cuda.is_available():
            raise EngineMissing("torch finds no CUDA device here.")
        self.device, self.engine_class = device, f"{device}-fp32"
        self._torch = torch
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
        if device == "cpu":
            torch.set_num_threads(threads)
        try:
            program = torch.export.load(str(package.path / FILE))
        except Exception as error:  # torch raises whatever the broken part of the file leads to
            raise ModelCorrupt(f"{FILE} of model {package.ref} cannot be loaded.") from error
        self._module = move_to_device_pass(program, device).module()

    def infer(self, batch: Floats) -> Floats:
        """Return logits."""
        torch = self._torch
        with torch.inference_mode():
            logits = self._module(torch.from_numpy(batch).to(self.device))
            return np.asarray(logits.float().cpu().numpy(), np.float32)
