"""Make probabilities honest, and find for each target error the confidence above which it holds."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shared.packages import ThresholdRow

TARGETS = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)
LEVEL = 0.95

Logits = NDArray[np.float32]
Labels = NDArray[np.int64]


def fit_temperature(logits: Logits, labels: Labels) -> float:
    """Return the temperature of least log loss (Guo et al., arXiv 1706.04599), by golden-section search."""
    golden = (math.sqrt(5) - 1) / 2
    low, high = math.log(0.2), math.log(5.0)
    while high - low > 1e-4:
        left, right = high - golden * (high - low), low + golden * (high - low)
        if log_loss(logits, labels, math.exp(left)) < log_loss(logits, labels, math.exp(right)):
            high = right
        else:
            low = left
    return round(math.exp((low + high) / 2), 4)


def log_loss(logits: Logits, labels: Labels, temperature: float) -> float:
    """Return the mean negative log probability of the true labels."""
    scaled = logits.astype(np.float64) / temperature
    scaled -= scaled.max(axis=1, keepdims=True)
    chosen = scaled[np.arange(len(labels)), labels]
    return float(np.mean(np.log(np.exp(scaled).sum(axis=1)) - chosen))


def upper_bound(errors: int, count: int, level: float = LEVEL) -> float:
    """Return the one-sided Clopper–Pearson upper bound of an error rate (Biometrika 26, 1934)."""
    if errors >= count:
        return 1.0
    low, high = errors / count, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _at_most(errors, count, middle) > 1 - level else (low, middle)
    return high


def _at_most(errors: int, count: int, rate: float) -> float:
    """Return the binomial probability of at most so many errors."""
    terms = (
        math.lgamma(count + 1) - math.lgamma(k + 1) - math.lgamma(count - k + 1)
        + k * math.log(rate) + (count - k) * math.log1p(-rate)
        for k in range(errors + 1)
    )  # fmt: skip
    return math.fsum(math.exp(term) for term in terms) if 0 < rate < 1 else 0.0


def threshold_table(
    confidence: NDArray[np.float32], right: NDArray[np.bool_], targets: Sequence[float] = TARGETS
) -> list[ThresholdRow]:
    """Return for each target the least threshold whose bound keeps it.

    Where the images are too few to certify a target, the threshold lies half-way between the surest error and
    certainty, and the row says `certified: false` with the bound that does hold.
    """
    order = np.argsort(-confidence, kind="stable")
    sorted_confidence, errors = confidence[order], np.cumsum(~right[order], dtype=np.int64)
    ends = np.flatnonzero(np.diff(sorted_confidence, append=-1.0) < 0)
    bounds = _bounds(errors[ends], ends + 1)
    surest_error = float(confidence[~right].max(initial=0.0))
    rows: list[ThresholdRow] = []
    for target in targets:
        good = np.flatnonzero(bounds <= target)
        threshold = float(sorted_confidence[ends[good[-1]]]) if good.size else 1 - (1 - surest_error) / 2
        rows.append(_row(target, _round_up(threshold), confidence, right))
    return rows


def _bounds(errors: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Bound each prefix; those of many errors are far above every target and are spared the search."""
    rough = errors / counts
    return np.array(
        [
            1.0 if rate > TARGETS[-1] else upper_bound(int(e), int(n))
            for e, n, rate in zip(errors, counts, rough, strict=True)
        ]
    )


def _round_up(threshold: float) -> float:
    """Round to six digits, never down."""
    return min(math.ceil(threshold * 1e6) / 1e6, 1.0)


def _row(
    target: float, threshold: float, confidence: NDArray[np.float32], right: NDArray[np.bool_]
) -> ThresholdRow:
    """Measure one threshold."""
    accepted = confidence >= threshold
    count, errors = int(accepted.sum()), int((accepted & ~right).sum())
    bound = upper_bound(errors, count) if count else 1.0
    return ThresholdRow(
        target_error=target,
        threshold=threshold,
        coverage=round(count / len(confidence), 4),
        accepted=count,
        errors=errors,
        error_upper=float(f"{bound:.3g}"),
        certified=bound <= target,
    )
