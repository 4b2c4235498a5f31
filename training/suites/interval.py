"""How far a measured share may lie from the true one."""

from __future__ import annotations

import math
from collections.abc import Sequence

LEVEL = 0.95
_NORMAL = 1.959964
"""Half-width of a normal 95 % interval, in deviations."""
_STEPS = 60
_TERMS = 2000
_EXACT = 1e-12


def exact_interval(hits: int, count: int, level: float = LEVEL) -> tuple[float, float]:
    """Return the two-sided Clopper–Pearson interval of a share (Biometrika 26, 1934)."""
    if count == 0:
        return 0.0, 1.0
    tail = (1 - level) / 2
    low = 0.0 if hits == 0 else _solve(hits, count - hits + 1, tail)
    high = 1.0 if hits == count else _solve(hits + 1, count - hits, 1 - tail)
    return low, high


def mean_interval(shares: Sequence[tuple[int, int]]) -> tuple[float, float]:
    """Return a normal interval of the plain mean of several shares, given as (hits, count).

    Each share's variance is taken at (hits + 1) / (count + 2), so that a perfect small group is not certain.
    """
    mean = math.fsum(hits / count for hits, count in shares) / len(shares)
    smooth = [((hits + 1) / (count + 2), count) for hits, count in shares]
    variance = math.fsum(share * (1 - share) / count for share, count in smooth) / len(shares) ** 2
    half = _NORMAL * math.sqrt(variance)
    return max(mean - half, 0.0), min(mean + half, 1.0)


def _solve(a: float, b: float, chance: float) -> float:
    """Return x with beta(a, b)'s distribution function at `chance`, by bisection."""
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if _beta(a, b, middle) < chance else (low, middle)
    return (low + high) / 2


def _beta(a: float, b: float, x: float) -> float:
    """Return the regularised incomplete beta function (DLMF 8.17), by its continued fraction."""
    if x > (a + 1) / (a + b + 2):
        return 1 - _beta(b, a, 1 - x)
    if x <= 0:
        return 0.0
    scale = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    return math.exp(scale) * _fraction(a, b, x) / a


def _fraction(a: float, b: float, x: float) -> float:
    """Evaluate the continued fraction of DLMF 8.17.22 by Lentz's method."""
    value, c, d = 1.0, 1.0, 0.0
    for step in range(1, _TERMS):
        m = step // 2
        if step % 2:
            term = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            term = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d = 1 / (1 + term * d)
        c = 1 + term / c
        value *= c * d
        if abs(c * d - 1) < _EXACT:
            break
    return 1 / value
