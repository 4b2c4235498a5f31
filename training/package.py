"""Make a model package: both exports, and the card that says what they are and what was measured."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from shared.packages import CARD, InputCard, Metric, ModelCard, PreparationCard, TrainingCard
from shared.vision.prepare import DIGITS
from shared.vision.readings import softmax
from training.calibrate import fit_temperature
from training.data import Set
from training.export import ONNX, PT2, export
from training.network import DigitNet, count_parameters, fold
from training.thresholds import threshold_table
from training.train import Recipe, infer

LABELS = tuple("0123456789")
DATA = "MNIST (LeCun, Cortes, Burges)"


@dataclass(frozen=True)
class Origin:
    """Where a network comes from: what its card tells."""

    version: str
    recipe: Recipe
    command: str
    by_writer: bool


class AlreadyThereError(Exception):
    """The version has been packaged before; a version is never overwritten."""


def make_package(network: DigitNet, held_out: Set, folder: Path, origin: Origin) -> ModelCard:
    """Calibrate, export and describe a trained network in `<folder>/digits/<version>/`.

    Raises:
        AlreadyThereError: the version exists.
    """
    target = folder / "digits" / origin.version
    if (target / CARD).exists():
        raise AlreadyThereError(f"{target} exists; give the new package a new version")
    folded = fold(network)
    export(folded, target)
    card = _card(folded, held_out, origin)
    card["files"] = {name: _sha256(target / name) for name in (ONNX, PT2)}
    write_card(card, target)
    return card


def write_card(card: ModelCard, target: Path) -> None:
    """Write the card as people and machines like it."""
    text = json.dumps(card, indent=2, ensure_ascii=False) + "\n"
    (target / CARD).write_text(text, encoding="utf-8")


def _card(network: nn.Module, held_out: Set, origin: Origin) -> ModelCard:
    """Fit temperature and thresholds, and write down everything else."""
    logits = infer(network, held_out.images)
    temperature = fit_temperature(logits, held_out.labels)
    chances = softmax(logits, temperature)
    right = chances.argmax(1) == held_out.labels
    people = "of writers that training never saw" if origin.by_writer else "that training never saw"
    slice_name = f"{len(right)} MNIST training images {people}"
    return ModelCard(
        name="digits",
        version=origin.version,
        description="One handwritten digit an image, prepared as MNIST's were.",
        labels=list(LABELS),
        outputs=list(LABELS),
        input=InputCard(shape=[1, 28, 28], scale=1 / 255, mean=[0.0], std=[1.0]),
        preparation=PreparationCard(name=DIGITS[0], version=DIGITS[1]),
        temperature=temperature,
        default_target_error=0.001,
        thresholds=threshold_table(chances.max(1), right),
        calibration=f"Temperature and thresholds fitted on {slice_name}, uncorrupted.",
        metrics=[
            Metric(name="accuracy", data=slice_name, value=round(float(right.mean()), 5), count=len(right))
        ],
        parameters=count_parameters(network),
        training=TrainingCard(
            command=origin.command,
            seed=origin.recipe.seed,
            data=f"{DATA}, training part without the calibration slice",
            protocol="Averaged weights of the last epoch; nothing was selected on the test images.",
        ),
        licence="Apache-2.0",
        data_licence=f"{DATA}: CC BY-SA 3.0",
        files={},
    )


def _sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
