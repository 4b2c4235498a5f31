"""Networks that were exported for one size of batch, or that end in a softmax, serve like all others."""

from __future__ import annotations

import numpy as np

from shared.packages import ModelPackage
from worker.engines.protocol import Engine, Floats

_LEAST = np.float32(1e-30)
_BATCH_BYTES = 16 * 1024 * 1024


class AdaptedEngine:
    """An engine whose network takes `size` pictures at once (None: any) and may give probabilities."""

    def __init__(self, engine: Engine, *, size: int | None, probabilities: bool) -> None:
        self._engine, self._size, self._probabilities = engine, size, probabilities
        self.name, self.device, self.engine_class = engine.name, engine.device, engine.engine_class

    def infer(self, batch: Floats) -> Floats:
        """Return logits; of probabilities their logarithms, whose softmax they are again."""
        answers = self._engine.infer(batch) if self._size is None else self._in_parts(batch, self._size)
        return np.log(np.maximum(answers, _LEAST)) if self._probabilities else answers

    def _in_parts(self, batch: Floats, size: int) -> Floats:
        """Run as many pictures at once as the network takes; the last batch is filled up with nothing."""
        lacking = -len(batch) % size
        filled = np.concatenate([batch, np.zeros((lacking, *batch.shape[1:]), np.float32)])
        parts = [self._engine.infer(filled[start : start + size]) for start in range(0, len(filled), size)]
        return np.concatenate(parts)[: len(batch)]


def adapt(package: ModelPackage, engine: Engine) -> Engine:
    """Return the engine as it is, or with what its card asks for."""
    size = package.card["input"].get("batch")
    probabilities = package.card.get("answers") == "probabilities"
    if size is None and not probabilities:
        return engine
    return AdaptedEngine(engine, size=size, probabilities=probabilities)


def most_at_once(package: ModelPackage, wish: int) -> int:
    """Return how many pictures may make a batch, so that large ones do not fill the memory."""
    channels, height, width = package.shape
    return max(1, min(wish, _BATCH_BYTES // (4 * channels * height * width)))
