"""Engines that run a model package, and the reading of their answers."""

from shared.vision.readings import LOW_CONFIDENCE, NOT_A_DIGIT, Readings, to_batch
from worker.engines.adapt import most_at_once
from worker.engines.choose import load_engine
from worker.engines.protocol import Engine, EngineMissing
from worker.engines.readings import classify

__all__ = [
    "LOW_CONFIDENCE",
    "NOT_A_DIGIT",
    "Engine",
    "EngineMissing",
    "Readings",
    "classify",
    "load_engine",
    "most_at_once",
    "to_batch",
]
