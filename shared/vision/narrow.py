"""Narrow arithmetic, such as bfloat16, wherever it cannot lead to another decision than float32.

A decision is a comparison: of two logits, or of the log odds that the answer is right with a threshold's. The
card tells the greatest error that narrow arithmetic made in either; several times that is allowed for. A
comparison that is not closer than this falls out alike in both arithmetics, and an answer of which all are so
is settled. All others are computed again in float32.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared.cards import NarrowCard
from shared.packages import ModelPackage
from shared.vision.confidence import log_odds, log_sum, probability
from shared.vision.prepare import Prepared

Floats = NDArray[np.float32]
Values = NDArray[np.float64]
Bools = NDArray[np.bool_]
Infer = Callable[[Floats], Floats]

SAFETY = 4.0
"""How many times the greatest error ever measured is allowed for."""
_ROUNDING = 1e-6
"""What float32 may add to a probability."""
_FLAGS = {"avx512_bf16", "amx_bf16"}

log = logging.getLogger(__name__)


class Errors(NamedTuple):
    """Bounds on the error of a difference of any two logits, and on that of an answer's log odds."""

    difference: float
    odds: float

    def within(self, other: Errors) -> bool:
        """Say whether neither error is greater than another's; one that is no number is."""
        return self.difference <= other.difference and self.odds <= other.odds


@dataclass(frozen=True)
class Narrow:
    """A network in narrow arithmetic, and how far it may be off."""

    infer: Infer
    allowed: Errors


def allowed(card: NarrowCard, safety: float = SAFETY) -> Errors:
    """Return the errors to reckon with, given those that were measured."""
    return Errors(safety * card["difference_error"], safety * card["odds_error"])


def guarded(
    package: ModelPackage,
    narrow: Narrow,
    exact: Infer,
    batch: Floats,
    prepared: Sequence[Prepared],
    thresholds: Values,
) -> Floats:
    """Return logits (N, K) that lead to the predictions, decisions and reasons of `exact`.

    Where an answer computed twice strays farther than allowed for, the whole batch is computed exactly.
    """
    logits = narrow.infer(batch)
    again = np.flatnonzero(doubtful(package, logits, prepared, thresholds, narrow.allowed)).tolist()
    if not again:
        return logits
    rough, logits[again] = logits[again], exact(batch[again])
    found = errors(package, rough, logits[again], [prepared[index] for index in again])
    if found.within(narrow.allowed):
        return logits
    log.warning("narrow_arithmetic_strays", extra={"found": found, "allowed": narrow.allowed})
    return exact(batch)


def doubtful(
    package: ModelPackage,
    logits: Floats,
    prepared: Sequence[Prepared],
    thresholds: Values,
    bounds: Errors,
) -> Bools:
    """Say of each answer whether logits that are off by no more than the bounds could change it."""
    ordered = np.sort(logits, axis=1)
    tied = ordered[:, -1] - ordered[:, :-1].max(axis=1, initial=-np.inf) <= bounds.difference
    odds = _odds(package, logits, prepared)
    sure = probability(odds - bounds.odds) - _ROUNDING >= thresholds
    unsure = probability(odds + bounds.odds) + _ROUNDING < thresholds
    unsettled = ~sure & ~(unsure & ~_open_reason(package, logits, bounds.difference))
    digit = public_outputs(package)[logits.argmax(axis=1)]
    return np.asarray(tied | (digit & unsettled) | ~np.isfinite(logits).all(axis=1), np.bool_)


def errors(package: ModelPackage, narrow: Floats, exact: Floats, prepared: Sequence[Prepared]) -> Errors:
    """Return the greatest errors of narrow logits (N, K), not a number where an answer is not finite."""
    apart = narrow.astype(np.float64) - exact
    odds = _odds(package, narrow, prepared) - _odds(package, exact, prepared)
    return Errors(float(np.ptp(apart, axis=1).max()), float(np.abs(odds).max()))


def public_outputs(package: ModelPackage) -> Bools:
    """Say of each output of the network whether it is a label; the others are junk."""
    labels = set(package.labels)
    return np.array([name in labels for name in package.outputs], np.bool_)


def _odds(package: ModelPackage, logits: Floats, prepared: Sequence[Prepared]) -> Values:
    """Return the log odds of each answer, whose probability is the confidence."""
    card = package.card.get("confidence")
    scaled = logits.astype(np.float64) / package.card["temperature"]
    if card is not None:
        return log_odds(card, scaled, public_outputs(package), prepared)
    ordered = np.sort(scaled, axis=1)
    return ordered[:, -1] - log_sum(ordered[:, :-1])


def _open_reason(package: ModelPackage, logits: Floats, difference: float) -> Bools:
    """Say where it is open whether junk or a second label comes next: a doubtful answer names it."""
    public = public_outputs(package)
    if public.all() or public.sum() < 2:
        return np.zeros(len(logits), np.bool_)
    second = np.sort(logits[:, public], axis=1)[:, -2]
    return np.asarray(np.abs(logits[:, ~public].max(axis=1) - second) <= difference, np.bool_)


def trial_pictures(shape: tuple[int, int, int], count: int, seed: int = 1) -> list[Prepared]:
    """Draw pictures (C, H, W) of grain, dots of any density and patches, of any contrast: the same for a seed."""
    channels, height, width = shape
    rng = np.random.default_rng(seed)
    grain = rng.random((count, height, width, channels))
    density = rng.random((count, 1, 1, 1))
    coarse = rng.random((count, -(-height // 4), -(-width // 4), channels))
    patches = coarse.repeat(4, axis=1).repeat(4, axis=2)[:, :height, :width]
    kinds = np.stack([grain * density, grain < density, patches > density])
    pictures = kinds[np.arange(count) % 3, np.arange(count)] * 255
    return [
        Prepared(picture.squeeze(axis=2) if channels == 1 else picture)
        for picture in pictures.astype(np.uint8)
    ]


def computes_bf16(cpu: Path = Path("/proc/cpuinfo")) -> bool:
    """Say whether this CPU computes bfloat16 itself; emulated it is slower than float32."""
    try:
        return bool(_FLAGS & set(cpu.read_text(encoding="ascii", errors="replace").split()))
    except OSError:
        return False
