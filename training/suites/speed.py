"""How many pictures a second one core reads with each engine, and whether all engines decide alike."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from shared.packages import ModelPackage
from shared.vision import Prepared
from shared.vision.narrow import guarded
from shared.vision.readings import Floats, Readings, read, to_batch
from training.suites.engines import Runner, load_engines
from training.suites.suite import Figure

NAME = "speed"
BEST = "best_images_per_second"
BATCHES = (50, 100, 250)
_TIMED = 2000
_ROUNDS = 5
"""The fastest round counts: others on the same machine can only slow one down."""


def figures(package: ModelPackage, pictures: Sequence[Prepared]) -> list[Figure]:
    """Return images a second by engine and batch, and how its decisions differ from ONNX Runtime's.

    Only pictures without a reason for review are timed: a blank one never reaches the network. An engine in
    narrow arithmetic is timed with its guard and with what it computes twice.
    """
    found: list[Figure] = []
    best = Figure(BEST, NAME, 0.0, 0)
    reference: Readings | None = None
    for runner in load_engines(package):
        readings, twice = _read_counting(package, runner, pictures)
        reference = reference or readings
        differing = differing_decisions(readings, reference)
        speeds = [_speed(package, runner, pictures, batch) for batch in BATCHES]
        found += [*speeds, *_differences(runner.name, readings, reference)]
        if runner.narrow:
            share = twice / max(1, len(pictures))
            found.append(Figure(f"computed_twice by {runner.name}", NAME, share, len(pictures)))
        fastest = max(speeds, key=lambda figure: figure.value)
        if not differing and fastest.value > best.value:
            best = Figure(BEST, NAME, fastest.value, fastest.count, note=fastest.name)
    return [best, *found]


def differing_decisions(one: Readings, other: Readings) -> int:
    """Count the pictures that two engines answer or decide differently."""
    return int(((one.prediction != other.prediction) | (one.accept != other.accept)).sum())


def _read_counting(
    package: ModelPackage, runner: Runner, pictures: Sequence[Prepared]
) -> tuple[Readings, int]:
    """Read pictures, and count those that the float32 network was asked for."""
    asked = 0

    def infer(batch: Floats) -> Floats:
        nonlocal asked
        asked += len(batch)
        return runner.infer(batch)

    return read(package, infer, pictures, narrow=runner.narrow), asked


def _differences(engine: str, readings: Readings, reference: Readings) -> list[Figure]:
    """Return how far an engine's answers lie from the reference's."""
    apart = float(np.abs(readings.probabilities - reference.probabilities).max(initial=0.0))
    count = len(readings)
    return [
        Figure(f"differing_decisions of {engine}", NAME, differing_decisions(readings, reference), count),
        Figure(f"greatest_probability_difference of {engine}", NAME, apart, count),
    ]


def _speed(package: ModelPackage, runner: Runner, pictures: Sequence[Prepared], batch: int) -> Figure:
    """Return images a second of the network alone, and in the note with stacking and deciding."""
    name = f"images_per_second of {runner.name} in batches of {batch}"
    readable = [item for item in pictures if not item.reasons][:_TIMED]
    if not readable:
        return Figure(name, NAME, 0.0, 0)
    parts = [readable[at : at + batch] for at in range(0, len(readable), batch)]
    batches = [to_batch(package, part) for part in parts]
    alone = len(readable) / min(_time(package, runner, parts, batches) for _ in range(_ROUNDS))
    started = time.perf_counter()
    read(package, runner.infer, readable, batch=batch, narrow=runner.narrow)
    whole = len(readable) / (time.perf_counter() - started)
    note = f"{whole:,.0f} with stacking and deciding"
    return Figure(name, NAME, alone, len(readable), note=note)


def _time(
    package: ModelPackage, runner: Runner, parts: Sequence[Sequence[Prepared]], batches: Sequence[Floats]
) -> float:
    """Return the seconds that all batches take, with the guard where there is one."""
    started = time.perf_counter()
    for part, batch in zip(parts, batches, strict=True):
        if runner.narrow is None:
            runner.infer(batch)
        else:
            thresholds = np.full(len(part), package.threshold(None))
            guarded(package, runner.narrow, runner.infer, batch, part, thresholds)
    return time.perf_counter() - started
