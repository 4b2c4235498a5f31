"""Make a model package: both exports, and the card that says what they are and what was measured."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from torch import nn

from shared.packages import CARD, InputCard, Metric, ModelCard, PreparationCard, TrainingCard
from training import bank
from training.confidence import Calibration, Outputs, calibrate
from training.course import JUNK_SHARE
from training.data import Split
from training.evidence import Evidence, collect, standard_mix
from training.export import ONNX, PT2, export
from training.narrow import certify
from training.network import DigitNet, count_parameters, fold
from training.train import Recipe, infer

LABELS = tuple("0123456789")
OUTPUTS = (*LABELS, "junk")
DATA = "MNIST (LeCun, Cortes, Burges)"
EVIDENCE_SEED = 77
SERVED_JUNK = 0.01
"""Share of pictures on forms that are taken to be no digit, blanks aside."""


@dataclass(frozen=True)
class Origin:
    """Where a network comes from: what its card tells."""

    version: str
    recipe: Recipe
    command: str
    protocol: str
    metrics: Sequence[Metric] = field(default=())


class AlreadyThereError(Exception):
    """The version has been packaged before; a version is never overwritten."""


def make_package(network: DigitNet, parts: Split, folder: Path, origin: Origin) -> ModelCard:
    """Calibrate, export and describe a trained network in `<folder>/digits/<version>/`.

    Raises:
        AlreadyThereError: the version exists.
    """
    target = folder / "digits" / origin.version
    if (target / CARD).exists():
        raise AlreadyThereError(f"{target} exists; give the new package a new version")
    folded = as_served(network)
    evidence = gather(parts)
    calibration = fit(folded, evidence)
    export(folded, target)
    card = _card(folded, parts, calibration, origin)
    if narrow := certify(card, target, evidence.prepared):
        card["narrow"] = narrow
    card["files"] = {name: _sha256(target / name) for name in (ONNX, PT2)}
    write_card(card, target)
    return card


def as_served(network: DigitNet) -> nn.Sequential:
    """Return a network as it is served: folded, and expecting far less junk than it was trained on."""
    return fold(network.cpu(), junk_odds=odds(JUNK_SHARE) / odds(SERVED_JUNK))


def odds(share: float) -> float:
    """Return the odds of a share."""
    return share / (1 - share)


def gather(parts: Split) -> Evidence:
    """Make the evidence for calibration from the writers that training never saw.

    The clean images, and what is made of them: scans of clean sheets; pages as bad photos show them and spoilt small
    pictures; and junk.
    """
    kinds = standard_mix(
        mild=bank.scanned,
        heavy=bank.worn,
        junk=lambda images, seed: bank.nothing(list(images), len(images), seed),
    )
    return collect(parts.held_out, parts.writers, kinds, seed=EVIDENCE_SEED)


def fit(network: nn.Module, evidence: Evidence) -> Calibration:
    """Fit temperature, confidence and thresholds."""
    images = bank.stacked(evidence.prepared)
    return calibrate(Outputs(OUTPUTS, LABELS), infer(network, images), evidence)


def write_card(card: ModelCard, target: Path) -> None:
    """Write the card as people and machines like it."""
    text = json.dumps(card, indent=2, ensure_ascii=False) + "\n"
    (target / CARD).write_text(text, encoding="utf-8")


def _card(network: nn.Module, parts: Split, calibration: Calibration, origin: Origin) -> ModelCard:
    """Write down everything that is known of a network."""
    held_out = parts.held_out
    right = infer(network, held_out.images).argmax(1) == held_out.labels
    people = "of writers that training never saw" if parts.by_writer else "that training never saw"
    slice_name = f"{len(right)} MNIST training images {people}"
    accuracy = Metric(name="accuracy", data=slice_name, value=round(float(right.mean()), 5), count=len(right))
    name, version = bank.PREPARATION
    return ModelCard(
        name="digits",
        version=origin.version,
        description="One handwritten digit an image, or the answer that it is none.",
        labels=list(LABELS),
        outputs=list(OUTPUTS),
        input=InputCard(shape=[1, 28, 28], scale=1 / 255, mean=[0.0], std=[1.0]),
        preparation=PreparationCard(name=name, version=version),
        temperature=calibration.temperature,
        default_target_error=0.001,
        thresholds=calibration.thresholds,
        confidence=calibration.confidence,
        calibration=calibration.note,
        metrics=[accuracy, *origin.metrics],
        parameters=count_parameters(network),
        training=TrainingCard(
            command=origin.command,
            seed=origin.recipe.seed,
            data=f"{DATA}, training part without the calibration slice; pages, damage and junk drawn by the project",
            protocol=origin.protocol,
        ),
        licence="Apache-2.0",
        data_licence=f"{DATA}: CC BY-SA 3.0",
        files={},
    )


def _sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
