"""Write a network in the two forms that workers serve: ONNX for CPUs, torch.export for GPUs."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch
from torch import Tensor, nn

from training.network import SIDE

ONNX = "model.onnx"
PT2 = "model.pt2"
OPSET = 18
TOLERANCE = 1e-4


class ExportDiffersError(Exception):
    """An exported file gives other answers than the network that it was made of."""


def export(network: nn.Module, folder: Path, *, shape: tuple[int, int, int] = (1, SIDE, SIDE)) -> None:
    """Write `model.onnx` and `model.pt2`, for any batch size, and hold both against the network.

    Raises:
        ExportDiffersError: an answer differs by more than `TOLERANCE` in probability.
    """
    folder.mkdir(parents=True, exist_ok=True)
    network = network.eval().to("cpu")
    example = torch.zeros(2, *shape)
    batch = torch.export.Dim("batch", min=1)
    program = torch.export.export(network, (example,), dynamic_shapes=({0: batch},))
    forget_traces(program)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about weights on several devices; ours are on one
        torch.export.save(program, folder / PT2)
    _write_onnx(network, example, folder / ONNX)
    strip_onnx(folder / ONNX)
    _compare(network, folder, shape)


def _write_onnx(network: nn.Module, example: Tensor, path: Path) -> None:
    """Write one self-contained ONNX file."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (example,),
            str(path),
            input_names=["images"],
            output_names=["logits"],
            dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )


def forget_traces(program: torch.export.ExportedProgram) -> None:
    """Remove the stack traces that a program carries: they name folders of the machine that exported it."""
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)


def strip_onnx(path: Path) -> None:
    """Remove all notes that are no part of the network from an ONNX file, for the same reason."""
    model = onnx.load(path)
    graph = model.graph
    for noted in (
        model,
        graph,
        *graph.node,
        *graph.value_info,
        *graph.input,
        *graph.output,
        *graph.initializer,
    ):
        del noted.metadata_props[:]
        noted.doc_string = ""
    onnx.checker.check_model(model)
    onnx.save(model, path)


def _compare(network: nn.Module, folder: Path, shape: tuple[int, int, int]) -> None:
    """Hold both files against the network on random pictures, at several batch sizes."""
    session = ort.InferenceSession(str(folder / ONNX), providers=["CPUExecutionProvider"])
    module = torch.export.load(folder / PT2).module()
    for count in (1, 3, 64):
        images = torch.rand(count, *shape, generator=torch.Generator().manual_seed(count))
        with torch.no_grad():
            expected = network(images).softmax(1).numpy()
            from_pt2 = module(images).softmax(1).numpy()
        logits = torch.from_numpy(np.asarray(session.run(None, {"images": images.numpy()})[0]))
        for name, answer in ((ONNX, logits.softmax(1).numpy()), (PT2, from_pt2)):
            if float(np.abs(answer - expected).max()) > TOLERANCE:
                raise ExportDiffersError(f"{name} differs from the network at batch size {count}")
