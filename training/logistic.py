"""Logistic regression whose weights have a known sign: projected Newton steps, regularised."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

RIDGE = 1.0
STEPS = 50
_SWEEPS = 300


def fit_signed(columns: Values, right: NDArray[np.bool_], *, ridge: float = RIDGE) -> tuple[float, Values]:
    """Return bias and weights ≥ 0 of least log loss plus `ridge`/2 times the squared weights.

    `columns` (N, P) are standardised features. The targets are Platt's, a little short of 0 and 1 ("Probabilistic
    outputs for support vector machines", 1999), so that data without a mistake give a finite answer. Each
    Newton step is the solution of a quadratic programme by coordinate descent, halved until the loss falls.
    """
    design = np.column_stack([np.ones(len(right)), columns])
    yes, no = int(right.sum()), int((~right).sum())
    target = np.where(right, (yes + 1) / (yes + 2), 1 / (no + 2))
    penalty = np.full(design.shape[1], ridge)
    penalty[0] = 0.0
    weights = np.zeros(design.shape[1])
    for _ in range(STEPS):
        step = _newton_step(design, target, penalty, weights)
        size = _step_size(design, target, penalty, weights, step)
        weights += size * step
        if size * np.abs(step).max(initial=0.0) < 1e-8:
            break
    return float(weights[0]), weights[1:]


def loss(design: Values, target: Values, penalty: Values, weights: Values) -> float:
    """Return the penalised log loss."""
    odds = design @ weights
    return float((np.logaddexp(0, odds) - target * odds).sum() + (penalty * weights**2).sum() / 2)


def _newton_step(design: Values, target: Values, penalty: Values, weights: Values) -> Values:
    """Return the step to the minimum of the quadratic model at which no weight but the bias is negative."""
    chance = 1 / (1 + np.exp(-np.clip(design @ weights, -500, 500)))
    slope = design.T @ (chance - target) + penalty * weights
    spread = np.maximum(chance * (1 - chance), 1e-9)
    curve = (design * spread[:, None]).T @ design + np.diag(penalty + 1e-9)
    step = np.zeros_like(weights)
    for _ in range(_SWEEPS):
        before = step.copy()
        for place in range(len(step)):
            moved = step[place] - (slope[place] + curve[place] @ step) / curve[place, place]
            step[place] = moved if place == 0 else max(moved, -weights[place])
        if np.abs(step - before).max() < 1e-10:
            break
    return step


def _step_size(design: Values, target: Values, penalty: Values, weights: Values, step: Values) -> float:
    """Halve the step until the loss does not rise; 0 when it never stops rising."""
    now, size = loss(design, target, penalty, weights), 1.0
    while size > 1e-6:
        if loss(design, target, penalty, weights + size * step) <= now:
            return size
        size /= 2
    return 0.0
