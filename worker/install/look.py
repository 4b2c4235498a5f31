"""Look at a network without running it: which input it takes and how many outputs it has."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import onnxruntime as ort

from worker.install.refusal import Refused

Dimension = int | None


@dataclass(frozen=True)
class Looked:
    """A network's own word: None stands for what any value may have; `parameters` is 0 where nobody counted."""

    batch: Dimension
    channels: Dimension
    height: Dimension
    width: Dimension
    outputs: Dimension
    parameters: int = 0


def look_at_onnx(path: Path) -> Looked:
    """Read the input and output of an ONNX file.

    Raises:
        Refused: it cannot be loaded, or is no classifier of pictures.
    """
    options = ort.SessionOptions()
    options.log_severity_level = 4
    try:
        session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime has an exception class for each kind of broken file
        raise _not_loaded(str(error)) from error
    inputs, outputs = session.get_inputs(), session.get_outputs()
    _check_counts([one.name for one in inputs], [one.name for one in outputs])
    if inputs[0].type != "tensor(float)" or outputs[0].type != "tensor(float)":
        _refuse_type(f"{inputs[0].type} to {outputs[0].type}")
    return _looked(_dimensions(inputs[0].shape), _dimensions(outputs[0].shape))


def _not_loaded(message: str) -> Refused:
    """Say why ONNX Runtime does not take a file."""
    if "xternal data" in message:
        return Refused(
            "The ONNX file keeps weights in other files that are not beside it.",
            "Put them into the folder, or export one file: torch.onnx.export(…, external_data=False).",
        )
    words = message.partition(" : ")[2].partition(" : ")[2] or message
    return Refused(
        f"ONNX Runtime {ort.__version__} cannot load the network: {' '.join(words.split())[:400]}",
        "Export it with an opset that ONNX Runtime knows, such as opset_version=18, and without own operators.",
    )


def look_at_pt2(path: Path) -> Looked:
    """Read the input and output of a torch.export file.

    Raises:
        Refused: torch is not here, the file cannot be loaded, or it is no classifier of pictures.
    """
    if find_spec("torch") is None:
        raise Refused(
            "A .pt2 file can be checked only where torch is.",
            "pip install 'inkqueue[gpu]', or hand over an ONNX file.",
        )
    import torch

    _refuse_objects(path)
    try:
        program = torch.export.load(path)
    except Exception as error:  # torch raises whatever the broken part of the file leads to
        words = " ".join(str(error).split())[:300]
        raise Refused(
            f"torch {torch.__version__} cannot load {path.name}: {words}",
            "Write it with torch.export.save(torch.export.export(model.eval(), (example,)), 'model.pt2').",
        ) from error
    signature = program.graph_signature
    _check_counts(signature.user_inputs, signature.user_outputs)
    values = {node.name: node.meta.get("val") for node in program.graph.nodes}
    taken, given = (values[str(names[0])] for names in (signature.user_inputs, signature.user_outputs))
    if taken.dtype != torch.float32 or given.dtype != torch.float32:
        _refuse_type(f"{taken.dtype} to {given.dtype}")
    count = sum(program.state_dict[name].numel() for name in signature.parameters)
    return _looked(_dimensions(taken.shape), _dimensions(given.shape), count)


def _refuse_objects(path: Path) -> None:
    """Refuse a file whose pickles hold more than tensors: torch would load them, and so run what they say."""
    import torch

    try:
        with zipfile.ZipFile(path) as archive:
            inner = [archive.read(name) for name in archive.namelist() if name.endswith((".pt", ".pkl"))]
            inner += [archive.read(name) for name in archive.namelist() if "custom_obj" in name]
        for content in inner:
            torch.load(io.BytesIO(content), weights_only=True)
    except Exception as error:  # whatever is wrong with it, it is not loaded
        raise Refused(
            f"{path.name} is no plain torch.export file of tensors.",
            "Write it with torch.export.save(torch.export.export(model.eval(), (example,)), 'model.pt2').",
        ) from error


def _check_counts(inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
    """Refuse a network that wants or gives more than one thing."""
    for what, names in (("inputs", inputs), ("outputs", outputs)):
        if len(names) != 1:
            raise Refused(
                f"The network has {len(names)} {what}: {', '.join(map(str, names))}.",
                "It must take one batch of pictures and give one row of scores a picture.",
            )


def _refuse_type(kinds: str) -> None:
    """Refuse anything but float32."""
    raise Refused(
        f"The network goes from {kinds}; only float32 is served.",
        "Export it with model.float() and a float32 example.",
    )


def _looked(taken: Sequence[Dimension], given: Sequence[Dimension], parameters: int = 0) -> Looked:
    """Check the shapes."""
    if len(taken) != 4:
        raise Refused(
            f"The network's input has {len(taken)} dimensions; pictures have four: batch, channels, height, width.",
            "Export it with an example of the shape (1, channels, height, width).",
        )
    batch, channels, height, width = taken
    if channels not in (1, 3, None):
        hint = "Export it with channels first; from Keras: python -m tf2onnx.convert --inputs-as-nchw …."
        where = "last" if width in (1, 3) else f"{channels}"
        raise Refused(
            f"The network takes channels {where} (input {_text(taken)}); 1 or 3 channels must come second.",
            hint,
        )
    if len(given) != 2:
        raise Refused(
            f"The network's output is {_text(given)}; it must be one score a label: (batch, labels).",
            "Flatten it before the export.",
        )
    return Looked(batch, channels, height, width, given[1], parameters)


def _dimensions(shape: Sequence[Any]) -> list[Dimension]:
    """Return numbers where a shape has numbers, None where it is free."""
    return [size if type(size) is int else None for size in shape]


def _text(shape: Sequence[Dimension]) -> str:
    """Return a shape as people write it."""
    return f"({', '.join('any' if size is None else str(size) for size in shape)})"
