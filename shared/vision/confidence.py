"""How likely an answer is right: a logistic regression on what the network and the preparation tell.

Every feature is told so that more of it speaks for the answer and no weight is negative, so a network that is
surer is never less believed. What the picture does not tell counts as usual.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from shared.cards import ConfidenceCard
from shared.vision.prepare import Prepared

Values = NDArray[np.float64]
Feature = Callable[[Values, float], Values]

_LIMIT = 30.0
"""Log odds beyond this are certainty; infinities end here."""
_FARTHEST = 3.0
"""Scales from its centre beyond which a measure of the picture counts no further."""
NETWORK = ("certainty", "margin", "no_junk", "energy")
"""Features of the logits (N, K)."""
MEASURES = {
    "usual_ink": "ink_share",
    "usual_stroke": "stroke_width",
    "few_pieces": "components",
    "clear_border": "edge_contact",
    "little_dropped": "dropped",
}
"""Features of the picture, and the measure of its `quality` that each is drawn from."""
NAMES = (*NETWORK, *MEASURES)
_TWO_SIDED = ("usual_ink", "usual_stroke")


def confidence(
    card: ConfidenceCard, scaled: Values, public: NDArray[np.bool_], prepared: Sequence[Prepared]
) -> NDArray[np.float32]:
    """Return the probability in [0, 1] that each answer is right; see `raw_features` for the arguments."""
    return probability(log_odds(card, scaled, public, prepared))


def probability(odds: Values) -> NDArray[np.float32]:
    """Return the probability of log odds."""
    return np.asarray(1 / (1 + np.exp(-np.clip(odds, -60, 60))), np.float32)


def log_odds(
    card: ConfidenceCard, scaled: Values, public: NDArray[np.bool_], prepared: Sequence[Prepared]
) -> Values:
    """Return the log odds that each answer is right; see `raw_features` for the arguments."""
    names = [feature["name"] for feature in card["features"] if feature["weight"] > 0]
    values = raw_features(names, scaled, public, prepared)
    odds = np.full(len(prepared), card["bias"])
    for feature in card["features"]:
        if feature["weight"] > 0:
            value = standardised(
                feature["name"], values[feature["name"]], feature["centre"], feature["scale"]
            )
            odds += feature["weight"] * value
    return odds


def raw_features(
    names: Sequence[str], scaled: Values, public: NDArray[np.bool_], prepared: Sequence[Prepared]
) -> dict[str, Values]:
    """Return the named features of N answers before standardisation, NaN where the picture does not tell.

    `scaled`: float64 (N, K) logits divided by the temperature. `public` bool (K,): which outputs are labels.
    """
    found = {name: _of_network(name, scaled, public) for name in names if name in NETWORK}
    return found | _of_pictures([name for name in names if name in MEASURES], prepared)


def standardised(name: str, value: Values, centre: float, scale: float) -> Values:
    """Return a feature in units of its scale; one with a usual value falls off on both sides of it.

    Measures of the picture are bounded: strange material must not be judged by how strange it is.
    """
    distance = (value - centre) / scale
    told = -np.abs(distance) if name in _TWO_SIDED else distance
    bounded = np.clip(told, -_FARTHEST, _FARTHEST) if name in MEASURES else told
    return np.where(np.isfinite(value), bounded, 0.0)


def _of_network(name: str, scaled: Values, public: NDArray[np.bool_]) -> Values:
    """Return one feature of the logits."""
    best_first = -np.sort(-scaled[:, public], axis=1)
    top, others = best_first[:, 0], np.concatenate([best_first[:, 1:], scaled[:, ~public]], axis=1)
    match name:
        case "certainty":
            return _limited(top - log_sum(others))
        case "margin":
            return _limited(top - others.max(axis=1, initial=-np.inf))
        case "no_junk":
            return _limited(log_sum(scaled[:, public]) - log_sum(scaled[:, ~public]))
        case _:
            return _limited(log_sum(scaled))


def log_sum(values: Values) -> Values:
    """Return the logarithm of the sum of exponentials of each row, −∞ for a row of nothing."""
    greatest = values.max(axis=1, initial=-np.inf)
    pivot = np.where(np.isfinite(greatest), greatest, 0.0)
    with np.errstate(divide="ignore"):
        return np.asarray(pivot + np.log(np.exp(values - pivot[:, None]).sum(axis=1)), np.float64)


def _limited(odds: Values) -> Values:
    """Keep log odds within the limit."""
    return np.clip(odds, -_LIMIT, _LIMIT)


def _of_pictures(names: Sequence[str], prepared: Sequence[Prepared]) -> dict[str, Values]:
    """Return the measures of pictures; a picture that passed unchanged has none."""
    found = {name: np.full(len(prepared), np.nan) for name in names}
    told = [index for index, item in enumerate(prepared) if item.quality is not None]
    for name in names if told else ():
        measure = MEASURES[name]
        measured = [getattr(prepared[index].quality, measure, np.nan) for index in told]
        found[name][told] = _transformed(name, np.array(measured, np.float64))
    return found


def _transformed(name: str, measured: Values) -> Values:
    """Bring a measure to a scale on which its effect is about straight, more of it being better."""
    match name:
        case "few_pieces":
            return -np.log(np.maximum(measured, 1.0))
        case "clear_border" | "little_dropped":
            return -np.sqrt(np.maximum(measured, 0.0))
        case _:
            return np.log(np.maximum(measured, 1e-4))
