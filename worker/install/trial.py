"""Run a package before anybody relies on it: with its own engines, on random pictures."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Literal

import numpy as np

from shared.errors import InkqueueError
from shared.packages import ModelPackage
from shared.vision import Prepared
from worker.engines import Engine, load_engine, to_batch
from worker.engines.protocol import Floats
from worker.install.folder import ONNX, PT2
from worker.install.refusal import Refused

Answers = Literal["logits", "probabilities"]
_PICTURES = 4
_NEAR = 1e-3


def try_package(package: ModelPackage, *, wished: Answers | None) -> Answers:
    """Run the network on random pictures and return what its outputs are.

    Raises:
        Refused: it cannot run, its outputs are no scores, or they depend on chance or on other pictures.
    """
    given = [_answers(package, engine) for engine in _engines(package)]
    for one in given[1:]:
        if not np.allclose(one, given[0], atol=_NEAR, rtol=_NEAR):
            raise Refused(f"{ONNX} and {PT2} give different answers.", "Export both from the same network.")
    found: Answers = "probabilities" if _are_probabilities(given[0]) else "logits"
    if wished == "probabilities" and found != wished:
        raise Refused(
            "The outputs are said to be probabilities, but they do not lie in 0…1 and add up to 1.",
            "Say that they are logits, or end the network with a softmax over the labels.",
        )
    return wished or found


def _engines(package: ModelPackage) -> list[Engine]:
    """Load what a worker would load, one engine for each of the two files."""
    names = {ONNX: "onnxruntime", PT2: "torch"}
    wanted = [engine for file, engine in names.items() if file in package.card["files"]]
    if not wanted:
        raise Refused(f"The package has neither {ONNX} nor {PT2}.")
    if "torch" in wanted and find_spec("torch") is None:
        raise Refused(
            f"{PT2} can be checked only where torch is.", "pip install 'inkqueue[gpu]', or leave it out."
        )
    try:
        return [load_engine(package, engine=engine, device="cpu") for engine in wanted]
    except InkqueueError as error:
        raise Refused(error.detail) from error


def _answers(package: ModelPackage, engine: Engine) -> Floats:
    """Return the answers to random pictures, each alone; together and again they must be the same."""
    channels, height, width = package.shape
    random = np.random.default_rng(1)
    pictures = random.integers(0, 256, (_PICTURES, height, width, channels)).astype(np.uint8)
    batch = to_batch(package, [Prepared(picture) for picture in pictures])
    alone = np.concatenate([engine.infer(batch[n : n + 1]) for n in range(_PICTURES)])
    again = np.concatenate([engine.infer(batch[n : n + 1]) for n in range(_PICTURES)])
    if not np.isfinite(alone).all():
        raise Refused("The network answers with infinite or undefined numbers.", "Check mean, std and scale.")
    if not all(np.allclose(other, alone, atol=_NEAR, rtol=_NEAR) for other in (again, engine.infer(batch))):
        raise Refused(
            "The same picture gets other answers when it comes again or among others.",
            "The network was exported as it is trained: call model.eval() before the export.",
        )
    return np.exp(alone) if package.card.get("answers") == "probabilities" else alone


def _are_probabilities(answers: Floats) -> bool:
    """Say whether each row lies in 0…1 and adds up to 1."""
    inside = bool((answers >= 0).all() and (answers <= 1).all())
    return inside and bool(np.allclose(answers.sum(axis=1), 1, atol=1e-3))
