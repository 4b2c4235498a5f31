"""Narrow arithmetic, such as bfloat16, wherever it cannot lead to another decision than float32.

Let no narrow logit lie farther than `error` from its float32 value. A difference of two logits is then off by at
most twice that, and so is every feature that confidence is drawn from; being a regression with known weights,
the log odds stay within a known reach. An answer is settled if nothing in reach changes what is answered; all
others are computed again in float32.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared.packages import ModelPackage
from shared.vision.confidence import log_odds, log_sum, probability, steepness
from shared.vision.prepare import Prepared

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]
Infer = Callable[[Floats], Floats]

SAFETY = 4.0
"""How many times the greatest error ever measured is allowed for."""
TRIAL = 256
_ROUNDING = 1e-6
"""What float32 may add to a probability."""
_FLAGS = {"avx512_bf16", "amx_bf16"}

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Narrow:
    """A network in narrow arithmetic: no logit is farther than `error` from float32's."""

    infer: Infer
    error: float


def guarded(
    package: ModelPackage,
    narrow: Narrow,
    exact: Infer,
    batch: Floats,
    prepared: Sequence[Prepared],
    thresholds: NDArray[np.float64],
) -> Floats:
    """Return logits (N, K) that lead to the predictions, decisions and reasons of `exact`.

    Where an answer computed twice strays farther than allowed for, the whole batch is computed exactly.
    """
    logits = narrow.infer(batch)
    again = doubtful(package, logits, prepared, thresholds, narrow.error)
    if not again.any():
        return logits
    rough, logits[again] = logits[again], exact(batch[again])
    stray = float(np.abs(rough - logits[again]).max())
    if stray <= narrow.error:
        return logits
    log.warning("narrow_arithmetic_strays", extra={"stray": stray, "allowed": narrow.error})
    return exact(batch)


def doubtful(
    package: ModelPackage,
    logits: Floats,
    prepared: Sequence[Prepared],
    thresholds: NDArray[np.float64],
    error: float,
) -> Bools:
    """Say of each answer whether logits that are nowhere farther off than `error` could change it."""
    best_first = -np.sort(-logits, axis=1)
    tied = best_first[:, 0] - best_first[:, 1:].max(axis=1, initial=-np.inf) <= 2 * error
    least, most = _beliefs(package, logits, prepared, error)
    sure, unsure = least - _ROUNDING >= thresholds, most + _ROUNDING < thresholds
    unsettled = ~sure & ~(unsure & ~_open_reason(package, logits, error))
    digit = public_outputs(package)[logits.argmax(axis=1)]
    return np.asarray(tied | (digit & unsettled) | ~np.isfinite(logits).all(axis=1), np.bool_)


def public_outputs(package: ModelPackage) -> Bools:
    """Say of each output of the network whether it is a label; the others are junk."""
    return np.isin(package.outputs, package.labels)


def _beliefs(
    package: ModelPackage, logits: Floats, prepared: Sequence[Prepared], error: float
) -> tuple[Floats, Floats]:
    """Return the least and the greatest confidence that logits in reach can have."""
    card, temperature = package.card.get("confidence"), package.card["temperature"]
    scaled = logits.astype(np.float64) / temperature
    if card is None:
        ordered = np.sort(scaled, axis=1)
        odds, slope = ordered[:, -1] - log_sum(ordered[:, :-1]), 2.0
    else:
        odds, slope = log_odds(card, scaled, public_outputs(package), prepared), steepness(card)
    reach = slope * error / temperature
    return probability(odds - reach), probability(odds + reach)


def _open_reason(package: ModelPackage, logits: Floats, error: float) -> Bools:
    """Say where it is open whether junk or a second digit comes next: a doubtful answer names it."""
    public = public_outputs(package)
    if public.all() or public.sum() < 2:
        return np.zeros(len(logits), np.bool_)
    second = np.sort(logits[:, public], axis=1)[:, -2]
    return np.asarray(np.abs(logits[:, ~public].max(axis=1) - second) <= 2 * error, np.bool_)


def stray(narrow: Infer, exact: Infer, batch: Floats, size: int = 128) -> float:
    """Return the greatest difference of any logit between two ways to compute; infinite if one is not finite."""
    parts = [batch[start : start + size] for start in range(0, len(batch), size)]
    found = max(float(np.abs(narrow(part) - exact(part)).max()) for part in parts)
    return found if np.isfinite(found) else float("inf")


def trial_pictures(shape: tuple[int, int, int], count: int = TRIAL, seed: int = 1) -> list[Prepared]:
    """Draw pictures (C, H, W) of grain, dots of any density and patches, of any contrast: the same for a seed."""
    channels, height, width = shape
    rng = np.random.default_rng(seed)
    grain = rng.random((count, height, width, channels))
    density = rng.random((count, 1, 1, 1))
    coarse = rng.random((count, -(-height // 4), -(-width // 4), channels))
    patches = coarse.repeat(4, axis=1).repeat(4, axis=2)[:, :height, :width]
    kinds = np.stack([grain * density, grain < density, patches > density])
    pictures = kinds[np.arange(count) % 3, np.arange(count)] * 255
    return [Prepared(picture.squeeze().astype(np.uint8)) for picture in pictures]


def computes_bf16(cpu: Path = Path("/proc/cpuinfo")) -> bool:
    """Say whether this CPU computes bfloat16 itself; emulated it is slower than float32."""
    try:
        return bool(_FLAGS & set(cpu.read_text(encoding="ascii", errors="replace").split()))
    except OSError:
        return False
