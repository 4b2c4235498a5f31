"""Measure how far a packaged network strays in narrow arithmetic, for its card."""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from shared.cards import ModelCard, NarrowCard
from shared.packages import ModelPackage
from shared.vision import Prepared
from shared.vision.narrow import stray, trial_pictures
from shared.vision.readings import to_batch
from training.export import ONNX
from training.suites.engines import has_native_bf16, openvino

NOISE = 3000
"""Pictures of grain, dots and patches beside the given ones: what no preparation lets through strays most."""
_SEED = 2


def certify(card: ModelCard, target: Path, prepared: Sequence[Prepared]) -> NarrowCard | None:
    """Return the greatest error of a logit in bfloat16 on these pictures and on noise.

    None where OpenVINO or a CPU that computes bfloat16 is missing, or an answer is not finite: the package is
    then served in float32. `target` holds the exported network; `prepared` should hold 10,000 and more
    pictures, clean ones, worn ones and some that are no digit.
    """
    if not has_native_bf16():
        return None
    package = ModelPackage(card["name"], card["version"], target, card, sha256="")
    pictures = [*prepared, *trial_pictures(package.shape, NOISE, _SEED)]
    path = target / ONNX
    error = stray(openvino(path, "bf16"), openvino(path), to_batch(package, pictures))
    if not 0 < error < math.inf:
        return None
    return NarrowCard(
        arithmetic="bf16",
        logit_error=math.ceil(error * 1e4) / 1e4,
        images=len(pictures),
        note=f"greatest difference to float32, OpenVINO {version('openvino')}; {NOISE} of the images are noise",
    )
