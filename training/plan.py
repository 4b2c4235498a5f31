"""What a search may try: the numbers that are drawn, what they cost, and the recipe that they mean."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

from optuna.trial import Trial

from training.augment import Augmentation
from training.network import OUTPUTS, SIDE, STRIDES, DigitNet, count_parameters
from training.recipes import Way
from training.train import Recipe


@dataclass(frozen=True)
class Plan:
    """What a study looks for.

    `trials` networks are trained by `base` with what is searched for replaced; a trial's worth is its held-out
    error in percent, averaged over its `last` epochs. `parameters` and `products` (multiply–adds an image) bound
    the network.
    """

    trials: int
    base: Recipe
    last: int = 3
    parameters: int = 165_000
    products: int = 8_000_000

    def fixed(self) -> dict[str, object]:
        """Return what all trials of a study share."""
        return {**asdict(self), "trials": None}


def way_of(params: Mapping[str, float], plan: Plan) -> Way:
    """Return the recipe and the augmentation that a trial's numbers mean."""
    widths = fit(tuple(int(params[f"width{index}"]) for index in range(len(STRIDES))), plan)
    found = {name: float(params[name]) for name in ("dropout", "peak_rate")}
    recipe = replace(plan.base, widths=widths, dropout=found["dropout"], peak_rate=found["peak_rate"])
    return Way(recipe, Augmentation().scaled(float(params["strength"])))


def fit(widths: tuple[int, ...], plan: Plan) -> tuple[int, ...]:
    """Narrow a network until it is within the budget, each time where it is widest against the base.

    Raises:
        ValueError: even the narrowest is not.
    """
    while (
        count_parameters(DigitNet(widths=widths)) > plan.parameters or count_products(widths) > plan.products
    ):
        base = plan.base.widths
        room = [index for index, width in enumerate(widths) if width > _step(base[index])]
        if not room:
            raise ValueError(f"no network has {plan.parameters} parameters and {plan.products} products")
        widest = max(room, key=lambda index: widths[index] / base[index])
        narrower = widths[widest] - _step(base[widest])
        widths = (*widths[:widest], narrower, *widths[widest + 1 :])
    return widths


def _step(width: int) -> int:
    """Return in which steps a width is varied: engines like multiples of eight."""
    return 8 if width >= 16 else 1


def count_products(widths: tuple[int, ...]) -> int:
    """Count the multiply–adds of one image through a `DigitNet`."""
    total, channels, side = 0, 1, SIDE
    for width, stride in zip(widths, STRIDES, strict=True):
        side = -(-side // stride)
        total += 9 * channels * width * side * side
        channels = width
    return total + channels * side * side * OUTPUTS


def draw(trial: Trial, plan: Plan) -> dict[str, float]:
    """Draw a trial's numbers: widths from half to one and a half of the base's."""
    params: dict[str, float] = {}
    for index, width in enumerate(plan.base.widths):
        step, least = _step(width), max(1, width // 2)
        most = least + width // step * step
        params[f"width{index}"] = trial.suggest_int(f"width{index}", least, most, step=step)
    params["dropout"] = trial.suggest_float("dropout", 0.0, 0.5)
    params["peak_rate"] = trial.suggest_float("peak_rate", 1e-3, 2e-2, log=True)
    params["strength"] = trial.suggest_float("strength", 0.5, 1.6)
    return params


def name_of(way: Way) -> str:
    """Name a recipe shortly."""
    text = json.dumps([asdict(way.recipe), asdict(way.augmentation)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]
