"""Read a batch of prepared pictures with an engine."""

from __future__ import annotations

from collections.abc import Sequence

from shared.packages import ModelPackage
from shared.vision import Prepared
from shared.vision.readings import BATCH, Readings, read
from worker.engines.narrow import NarrowEngine
from worker.engines.protocol import Engine


def classify(
    package: ModelPackage,
    engine: Engine,
    prepared: Sequence[Prepared],
    *,
    target_error: float | Sequence[float | None] | None = None,
    batch: int = BATCH,
) -> Readings:
    """Read pictures; `target_error` is one for all or one an image, None the card's default."""
    narrow = engine.narrow if isinstance(engine, NarrowEngine) else None
    return read(package, engine.infer, prepared, target_error=target_error, batch=batch, narrow=narrow)
