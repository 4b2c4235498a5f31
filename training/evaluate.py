"""Measure a model package as it is served: its own preparation, ONNX Runtime, its own thresholds."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from shared.packages import ModelPackage, verify
from shared.vision import Prepared
from shared.vision.readings import Readings, read
from training.export import ONNX
from training.suites import from_card, mnist, pooled, speed
from training.suites.bars import Verdict, judge
from training.suites.catalogue import CATALOGUE
from training.suites.engines import onnx_runtime
from training.suites.suite import Figure, MissingDataError, Result, Sources, Suite, preparer

TARGET_ERROR = 0.001
"""What a job asks for where the figures are taken."""
SEED = 20_261
NOT_ASKED = "not asked for"
Watch = Callable[[str], None]


@dataclass(frozen=True)
class Evaluation:
    """What was measured of a package; `missing` tells by suite why it was not."""

    package: ModelPackage
    results: Mapping[str, Result]
    figures: Sequence[Figure]
    missing: Mapping[str, str]

    @property
    def verdicts(self) -> list[Verdict]:
        """Hold the figures against the bars."""
        return judge(self.figures, self.missing)


def serve(
    package: ModelPackage, prepared: Sequence[Prepared], *, target_error: float | None = None
) -> Readings:
    """Read pictures as a CPU worker does."""
    verify(package)
    return read(package, onnx_runtime(package.path / ONNX), prepared, target_error=target_error)


def evaluate_suite(
    package: ModelPackage, suite: Suite, *, target_error: float | None = TARGET_ERROR
) -> Result:
    """Read a suite as it is served; where it has pictures before preparation, ask the network alone too."""
    readings = serve(package, suite.pictures, target_error=target_error)
    if suite.raw is None:
        return Result(suite, readings)
    alone = [Prepared(image) for image in suite.raw]
    return Result(suite, readings, serve(package, alone, target_error=target_error))


def evaluate_all(
    package: ModelPackage,
    sources: Sources,
    *,
    seed: int = SEED,
    limit: int | None = None,
    only: Collection[str] = (),
    watch: Watch = lambda name: None,
) -> Evaluation:
    """Measure every suite, or those named, and hold engines against each other.

    Suites whose data is not there are told in `missing`. `watch` hears the name of each suite in turn.
    """
    results, figures, missing = {}, from_card.figures(package.card), {}
    for name, entry in CATALOGUE.items():
        if only and name not in only:
            missing[name] = NOT_ASKED
            continue
        watch(name)
        try:
            suite = entry.build(sources, preparer(package), seed=seed, limit=limit)
        except MissingDataError as error:
            missing[name] = str(error)
            continue
        results[name] = evaluate_suite(package, suite)
        figures += entry.figures(results[name])
    figures += pooled.figures(results)
    figures += _speed(package, results, only, missing, watch)
    return Evaluation(package, results, figures, missing)


def _speed(
    package: ModelPackage,
    results: Mapping[str, Result],
    only: Collection[str],
    missing: dict[str, str],
    watch: Watch,
) -> list[Figure]:
    """Time the engines on the MNIST test pictures; where they were not read, say why."""
    if only and speed.NAME not in only:
        missing[speed.NAME] = NOT_ASKED
    elif mnist.NAME not in results:
        missing[speed.NAME] = missing[mnist.NAME]
    else:
        watch(speed.NAME)
        return speed.figures(package, results[mnist.NAME].suite.pictures)
    return []
