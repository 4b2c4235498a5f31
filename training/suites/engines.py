"""Every engine that is installed here, on one thread of a CPU, as functions from batch to logits."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnxruntime as ort

from shared.packages import ModelPackage
from shared.vision.narrow import Infer, Narrow, allowed, computes_bf16
from shared.vision.readings import Floats
from training.export import PT2

REFERENCE = "onnxruntime"


class Runner(NamedTuple):
    """An engine by its name; `narrow` is what answers first where `infer` only settles doubts."""

    name: str
    infer: Infer
    narrow: Narrow | None = None


def load_engines(package: ModelPackage) -> Iterator[Runner]:
    """Load one engine after the other, ONNX Runtime on `model.onnx` first; others by what is installed."""
    files = sorted(file for file in package.card["files"] if file.endswith(".onnx"))
    for file in sorted(files, key=len):
        yield Runner(_named(REFERENCE, file), onnx_runtime(package.path / file))
    if find_spec("openvino"):
        for file in files:
            yield Runner(_named("openvino", file), openvino(package.path / file))
    if "narrow" in package.card and has_native_bf16():
        yield narrow_runner(package)
    if PT2 in package.card["files"]:
        yield Runner("torch", _torch(package.path / PT2))


def narrow_runner(package: ModelPackage) -> Runner:
    """Load OpenVINO in the arithmetic that the card tells the error of, and in float32 for what is doubtful."""
    card, path = package.card["narrow"], package.path / "model.onnx"
    rough = openvino(path, card["arithmetic"])
    return Runner("openvino bf16", openvino(path), Narrow(rough, allowed(card)))


def has_native_bf16() -> bool:
    """Say whether OpenVINO is installed and this CPU computes bfloat16 itself."""
    return find_spec("openvino") is not None and computes_bf16()


def _named(engine: str, file: str) -> str:
    """Return the engine's name, with the file's where it is not the usual one."""
    return engine if file == "model.onnx" else f"{engine} {file}"


def onnx_runtime(path: Path, threads: int = 1) -> Infer:
    """Load a file with ONNX Runtime."""
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda batch: np.asarray(session.run(None, {name: batch})[0], np.float32)


def openvino(path: Path, precision: str = "f32") -> Infer:
    """Load a file with OpenVINO in one arithmetic."""
    from openvino import Core  # the extra `fast`

    settings = {
        "INFERENCE_NUM_THREADS": 1,
        "NUM_STREAMS": 1,
        "ENABLE_CPU_PINNING": False,
        "INFERENCE_PRECISION_HINT": precision,
    }
    core = Core()
    request = core.compile_model(core.read_model(str(path)), "CPU", settings).create_infer_request()
    return lambda batch: np.array(request.infer([batch])[0], np.float32)


def _torch(path: Path) -> Infer:
    """Load a torch.export file; each call runs on one thread and leaves torch's setting as it was."""
    import torch

    module = torch.export.load(str(path)).module()

    def infer(batch: Floats) -> Floats:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            with torch.inference_mode():
                return np.asarray(module(torch.from_numpy(batch)).numpy(), np.float32)
        finally:
            torch.set_num_threads(threads)

    return infer
