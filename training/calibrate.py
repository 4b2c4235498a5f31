"""Make probabilities honest, and bound an error rate by what was seen."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

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
        low, high = (middle, high) if at_most(errors, count, middle) > 1 - level else (low, middle)
    return high


def at_most(errors: int, count: int, rate: float) -> float:
    """Return the binomial probability of at most so many errors."""
    if not 0 < rate < 1:
        return float(rate <= 0 or errors >= count)
    k = np.arange(1, errors + 1)
    steps = np.log((count - k + 1) / k) + math.log(rate) - math.log1p(-rate)
    terms = count * math.log1p(-rate) + np.cumsum(np.append(0.0, steps))
    return min(float(np.exp(terms).sum()), 1.0)
