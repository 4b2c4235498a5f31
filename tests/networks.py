"""Small networks whose answers are known: each label stands for one mix of the channels' means."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

COLOURS = ("red", "green", "blue")


def classifier(
    outputs: int = 3,
    *,
    shape: Sequence[int | str] = ("n", 3, 8, 8),
    kind: int = TensorProto.FLOAT,
    softmax: bool = False,
    inputs: Sequence[str] = ("images",),
    results: Sequence[str] = ("logits",),
    operator: str = "GlobalAveragePool",
    weights_in: str = "",
) -> onnx.ModelProto:
    """Make a network that is surest of the label of the brightest channel; labels beyond the channels never win."""
    channels = int(shape[1])
    weights = np.full((channels, outputs), -20, np.float32)
    weights[:, :channels] = 20 * np.eye(channels, outputs, dtype=np.float32)[:, :channels]
    last = "scores" if softmax else results[0]
    stored = numpy_helper.from_array(weights[:, :outputs], "weights")
    if weights_in:
        onnx.external_data_helper.set_external_data(stored, weights_in)
        stored.ClearField("raw_data")
        stored.data_location = TensorProto.EXTERNAL
    nodes = [
        helper.make_node(operator, [inputs[0]], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["means"]),
        helper.make_node("MatMul", ["means", "weights"], [last]),
        *([helper.make_node("Softmax", [last], [results[0]])] if softmax else []),
        *(helper.make_node("Identity", ["means"], [name]) for name in results[1:]),
    ]
    graph = helper.make_graph(
        nodes,
        "classifier",
        [helper.make_tensor_value_info(name, kind, list(shape)) for name in inputs],
        [helper.make_tensor_value_info(name, kind, [shape[0], None]) for name in results],
        [stored],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def folder_of(
    folder: Path,
    network: onnx.ModelProto | bytes | None = None,
    labels: Sequence[str] = COLOURS,
    **description: object,
) -> Path:
    """Write what a person hands over: network, labels and description."""
    folder.mkdir(parents=True, exist_ok=True)
    content = classifier(len(labels)) if network is None else network
    data = content if isinstance(content, bytes) else content.SerializeToString()
    (folder / "network.onnx").write_bytes(data)
    (folder / "labels.txt").write_text("\n".join(labels) + "\n", encoding="utf-8")
    if description:
        (folder / "input.json").write_text(json.dumps(description))
    return folder
