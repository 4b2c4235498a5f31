"""Measure how far a packaged network strays in narrow arithmetic, for its card."""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np

from shared.cards import ModelCard, NarrowCard
from shared.packages import ModelPackage
from shared.vision import Prepared
from shared.vision.narrow import Errors, errors, trial_pictures
from shared.vision.readings import BATCH, to_batch
from training.export import ONNX
from training.suites.engines import has_native_bf16, openvino

NOISE = 3000
"""Pictures of grain, dots and patches beside the given ones: what no preparation lets through strays most."""
_SEED = 2


def certify(card: ModelCard, target: Path, prepared: Sequence[Prepared]) -> NarrowCard | None:
    """Return the greatest errors of answers in bfloat16 to these pictures and to noise.

    None where OpenVINO or a CPU that computes bfloat16 is missing, or an answer is not finite: the package is
    then served in float32. The card has all but this and the checksums; `target` holds the exported network.
    `prepared` should hold 10,000 and more pictures, clean ones, worn ones and some that are no digit.
    """
    if not has_native_bf16():
        return None
    package = ModelPackage(card["name"], card["version"], target, card, sha256="")
    pictures = [*prepared, *trial_pictures(package.shape, NOISE, _SEED)]
    found = _measure(package, pictures)
    if not (math.isfinite(found.difference) and math.isfinite(found.odds)):
        return None
    return NarrowCard(
        arithmetic="bf16",
        difference_error=_rounded_up(found.difference),
        odds_error=_rounded_up(found.odds),
        images=len(pictures),
        note=f"greatest errors against float32, OpenVINO {version('openvino')}; {NOISE} of the images are noise",
    )


def _measure(package: ModelPackage, pictures: Sequence[Prepared]) -> Errors:
    """Return how far apart the answers of the two arithmetics are."""
    path, batch = package.path / ONNX, to_batch(package, pictures)
    parts = [batch[start : start + BATCH] for start in range(0, len(batch), BATCH)]
    narrow, exact = (
        np.concatenate([infer(part) for part in parts]) for infer in (openvino(path, "bf16"), openvino(path))
    )
    return errors(package, narrow, exact, pictures)


def _rounded_up(error: float) -> float:
    """Round upwards to four digits, never to nothing."""
    return math.ceil(max(error, 1e-4) * 1e4) / 1e4
