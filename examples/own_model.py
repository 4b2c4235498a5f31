"""Serve a torchvision ResNet of one's own on colour pictures; needs torch, torchvision, onnxscript and Pillow.

The weights are random here, so the answers mean nothing; load your own where `a_network` says so. Run it on the
machine of the service, which takes the new model up without a restart.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from PIL import Image
from torch import nn

from inkqueue import Client
from training.torchvision_ops import declare_missing_operators

declare_missing_operators()  # beside a CPU build of torch, torchvision does not load without
from torchvision.models import resnet18  # noqa: E402

LABELS = ("cup", "fork", "knife", "plate", "spoon")
INPUT = {
    "name": "tableware",
    "version": "1.0.0",
    "description": "What lies on the table.",
    "channels": 3,
    "mean": [0.485, 0.456, 0.406],
    "std": [0.229, 0.224, 0.225],
    "preparation": "plain",
}


def a_network() -> nn.Module:
    """Make the network; `network.load_state_dict(torch.load("mine.pth", weights_only=True))` comes here."""
    torch.manual_seed(1)
    network: nn.Module = resnet18(num_classes=len(LABELS))
    return network


def write_model(network: nn.Module, side: int, folder: Path) -> None:
    """Write what `inkqueue model add` takes: the network, its labels, and what it wants to be fed."""
    network.eval()  # without it batch normalisation and dropout would be exported as they are in training
    example = torch.zeros(2, 3, side, side)
    any_number = ({0: torch.export.Dim("batch", min=1)},)
    torch.onnx.export(
        network, (example,), str(folder / "model.onnx"), dynamic_shapes=any_number, dynamo=True, verbose=False
    )
    (folder / "labels.txt").write_text("\n".join(LABELS) + "\n", encoding="utf-8")
    (folder / "input.json").write_text(json.dumps(INPUT | {"size": side}), encoding="utf-8")


def a_picture(path: Path, colour: tuple[int, int, int]) -> Path:
    """Write a photograph of one colour."""
    Image.new("RGB", (640, 480), colour).save(path)
    return path


def main(network: nn.Module, side: int) -> None:
    """Export, install, submit, print."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_model(network, side, folder)
        subprocess.run([sys.executable, "-m", "inkqueue", "model", "add", str(folder)], check=True)
        pictures = [
            a_picture(folder / "red.jpg", (200, 30, 30)),
            a_picture(folder / "blue.jpg", (30, 30, 200)),
        ]
        with Client() as client:
            for item in client.submit(pictures, model="tableware").wait().results():
                print(item.name, item.prediction, item.confidence, item.decision)


if __name__ == "__main__":
    main(a_network(), side=224)
