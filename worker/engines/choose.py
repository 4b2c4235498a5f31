"""Choose, check, load and warm the engine of a package."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np

from shared.errors import ModelCorrupt
from shared.logs import get_logger
from shared.packages import ModelPackage, verify
from shared.vision import PREPARATIONS
from worker.engines.adapt import adapt, most_at_once
from worker.engines.narrow import NarrowEngine, fits
from worker.engines.ort import FILE as ONNX_FILE
from worker.engines.ort import OnnxRuntimeEngine
from worker.engines.protocol import Engine, EngineMissing
from worker.engines.pt2 import FILE as TORCH_FILE
from worker.engines.pt2 import TorchEngine
from worker.engines.vino import OpenVinoEngine

log = get_logger(__name__)
EngineName = Literal["auto", "onnxruntime", "openvino", "torch"]
DeviceName = Literal["auto", "cpu", "cuda"]
WARM_BATCHES = (1, 128)


def load_engine(
    package: ModelPackage,
    *,
    engine: EngineName | str = "auto",
    device: DeviceName | str = "auto",
    threads: int = 1,
) -> Engine:
    """Check a package against its checksums, load it and run it once at each usual batch size.

    `auto` takes torch on a GPU where both are there, else OpenVINO in guarded bfloat16 where it is installed,
    the CPU computes that and the package was measured in it, else ONNX Runtime; all keep every decision. A
    package that has only one of the two files is run by what reads that one, whatever was asked for. Call it
    after the fork: neither torch nor ONNX Runtime survives one.

    Raises:
        ModelCorrupt: a file differs from its checksum, cannot be loaded or does not fit the card.
        EngineMissing: the engine or device asked for is not there.
        ValueError: no engine or device of that name.
    """
    verify(package)
    preparation = package.card["preparation"]
    if (preparation["name"], preparation["version"]) not in PREPARATIONS:
        raise ModelCorrupt(f"Model {package.ref} wants a preparation that this version does not have.")
    chosen, where = _choose(package, engine, device)
    narrow = _load_narrow(package, threads) if (engine, chosen) == ("auto", "onnxruntime") else None
    loaded = narrow or adapt(package, _load(package, chosen, where, threads))
    _warm(package, loaded)
    return loaded


def _choose(package: ModelPackage, engine: str, device: str) -> tuple[str, str]:
    """Settle `auto`."""
    if engine not in ("auto", "onnxruntime", "openvino", "torch"):
        raise ValueError(f"no engine {engine!r}: auto, onnxruntime, openvino or torch")
    if device not in ("auto", "cpu", "cuda"):
        raise ValueError(f"no device {device!r}: auto, cpu or cuda")
    if engine in ("onnxruntime", "openvino") and device == "cuda":
        raise EngineMissing(f"{engine} runs on the CPU only here; the engine for a GPU is torch.")
    files = package.card["files"]
    if TORCH_FILE not in files:
        return ("onnxruntime" if engine in ("auto", "torch") else engine), "cpu"
    if engine in ("onnxruntime", "openvino") and ONNX_FILE in files:
        return engine, "cpu"
    if device == "cuda" or (device == "auto" and engine in ("auto", "torch") and has_gpu()):
        return "torch", "cuda"
    return ("torch" if engine == "torch" or ONNX_FILE not in files else "onnxruntime"), "cpu"


def has_gpu() -> bool:
    """Say whether torch and a GPU are here; torch is imported only where a driver is."""
    if find_spec("torch") is None or not (Path("/dev/nvidiactl").exists() or shutil.which("nvidia-smi")):
        return False
    import torch

    return bool(torch.cuda.is_available())


def _load_narrow(package: ModelPackage, threads: int) -> NarrowEngine | None:
    """Load the narrow engine, or none where it does not serve this package on this machine."""
    if not fits(package):
        return None
    try:
        return NarrowEngine(package, threads=threads)
    except EngineMissing as error:
        log.warning("narrow_engine_left_out", package=package.ref, reason=error.detail)
        return None


def _load(package: ModelPackage, engine: str, device: str, threads: int) -> Engine:
    """Load one engine."""
    match engine:
        case "torch":
            return TorchEngine(package, device=device, threads=threads)
        case "openvino":
            return OpenVinoEngine(package, threads=threads)
        case _:
            return OnnxRuntimeEngine(package, threads=threads)


def _warm(package: ModelPackage, engine: Engine) -> None:
    """Run the network on nothing, so that no user waits for it, and hold its answer against the card."""
    for count in (most_at_once(package, wish) for wish in WARM_BATCHES):
        try:
            logits = engine.infer(np.zeros((count, *package.shape), np.float32))
        except Exception as error:  # each engine has its own classes for a shape that does not fit
            raise ModelCorrupt(
                f"Model {package.ref} does not take the input that its card describes."
            ) from error
        if logits.shape != (count, len(package.outputs)):
            found = "×".join(map(str, logits.shape[1:])) or "no"
            raise ModelCorrupt(
                f"Model {package.ref} has {found} outputs, its card names {len(package.outputs)}."
            )
