"""How many pictures a second one core reads with each engine, and whether all engines decide alike."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from shared.packages import ModelPackage
from shared.vision import Prepared
from shared.vision.readings import Floats, Readings, read, to_batch
from training.suites.engines import Infer, load_engines
from training.suites.suite import Figure

NAME = "speed"
BEST = "best_images_per_second"
BATCHES = (50, 100, 250)
_TIMED = 2000
_ROUNDS = 5
"""The fastest round counts: others on the same machine can only slow one down."""


def figures(package: ModelPackage, pictures: Sequence[Prepared]) -> list[Figure]:
    """Return images a second by engine and batch, and how its decisions differ from ONNX Runtime's.

    Only pictures without a reason for review are timed: a blank one never reaches the network.
    """
    found: list[Figure] = []
    best = Figure(BEST, NAME, 0.0, 0)
    reference: Readings | None = None
    for engine, infer in load_engines(package):
        readings = read(package, infer, pictures)
        reference = reference or readings
        differing = differing_decisions(readings, reference)
        speeds = [_speed(package, infer, pictures, engine, batch) for batch in BATCHES]
        found += [*speeds, *_differences(engine, readings, reference)]
        fastest = max(speeds, key=lambda figure: figure.value)
        if not differing and fastest.value > best.value:
            best = Figure(BEST, NAME, fastest.value, fastest.count, note=fastest.name)
    return [best, *found]


def differing_decisions(one: Readings, other: Readings) -> int:
    """Count the pictures that two engines answer or decide differently."""
    return int(((one.prediction != other.prediction) | (one.accept != other.accept)).sum())


def _differences(engine: str, readings: Readings, reference: Readings) -> list[Figure]:
    """Return how far an engine's answers lie from the reference's."""
    apart = float(np.abs(readings.probabilities - reference.probabilities).max(initial=0.0))
    count = len(readings)
    return [
        Figure(f"differing_decisions of {engine}", NAME, differing_decisions(readings, reference), count),
        Figure(f"greatest_probability_difference of {engine}", NAME, apart, count),
    ]


def _speed(
    package: ModelPackage, infer: Infer, pictures: Sequence[Prepared], engine: str, batch: int
) -> Figure:
    """Return images a second of the network alone, and in the note with stacking and deciding."""
    readable = [item for item in pictures if not item.reasons][:_TIMED]
    if not readable:
        return Figure(f"images_per_second of {engine} in batches of {batch}", NAME, 0.0, 0)
    batches = [to_batch(package, readable[at : at + batch]) for at in range(0, len(readable), batch)]
    alone = len(readable) / min(_time(batches, infer) for _ in range(_ROUNDS))
    started = time.perf_counter()
    read(package, infer, readable, batch=batch)
    whole = len(readable) / (time.perf_counter() - started)
    note = f"{whole:,.0f} with stacking and deciding"
    return Figure(
        f"images_per_second of {engine} in batches of {batch}", NAME, alone, len(readable), note=note
    )


def _time(batches: Sequence[Floats], infer: Infer) -> float:
    """Return the seconds that all batches take."""
    started = time.perf_counter()
    for batch in batches:
        infer(batch)
    return time.perf_counter() - started
