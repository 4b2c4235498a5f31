"""Fit confidence and its thresholds on a network's answers, none of them on the writers that they are fitted on.

The protocol: temperature on all pictures that give no reason to look; then a logistic regression from the features of
`shared.vision.confidence` to "the answer is right". The writers are dealt into folds; each answer's confidence
comes from a regression that never saw its writer, and the thresholds are found on these confidences. The
regression that ships is fitted on all of them: eight numbers from thousands of answers move little by that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.cards import ConfidenceCard, FeatureCard, ThresholdRow
from shared.packages import ModelPackage
from shared.vision import Prepared
from shared.vision.confidence import confidence as believed
from shared.vision.confidence import raw_features, standardised
from training.calibrate import fit_temperature
from training.evidence import CLEAN, JUNK, Evidence
from training.logistic import fit_signed
from training.thresholds import TARGETS, threshold_table

FOLDS = 5
FEATURES = ("certainty", "margin", "no_junk", "usual_stroke", "few_pieces", "clear_border", "little_dropped")
"""Not `usual_ink`: how much of its picture a digit fills tells how it was cut out, not how it is written.
Not `energy`: on held-out writers it ranks clean answers worse than certainty and margin without it."""
Logits = NDArray[np.float32]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Outputs:
    """The network's outputs and which of them are labels, in the card's order."""

    outputs: Sequence[str]
    labels: Sequence[str]

    @property
    def public(self) -> Bools:
        """Say of each output whether it is a label."""
        return np.isin(self.outputs, self.labels)

    def predicted(self, logits: Logits) -> NDArray[np.int64]:
        """Return the label's index of each answer, −1 for junk."""
        places = [self.labels.index(name) if name in self.labels else JUNK for name in self.outputs]
        return np.asarray(np.array(places, np.int64)[logits.argmax(axis=1)], np.int64)

    def targets(self, labels: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the output that each label stands for; junk is the first output that is no label."""
        junk = np.flatnonzero(~self.public)
        places = [self.outputs.index(name) for name in self.labels]
        return np.array([*places, junk[0] if junk.size else JUNK], np.int64)[labels]


@dataclass(frozen=True)
class Calibration:
    """What goes onto the card."""

    temperature: float
    confidence: ConfidenceCard
    thresholds: list[ThresholdRow]
    note: str


def calibrate(
    package: ModelPackage | Outputs,
    logits: Logits,
    evidence: Evidence,
    *,
    features: Sequence[str] = FEATURES,
    targets: Sequence[float] = TARGETS,
    seed: int = 1,
) -> Calibration:
    """Fit temperature, regression and thresholds on the logits (N, K) of N calibration pictures."""
    outputs = Outputs(package.outputs, package.labels)
    chosen = outputs.targets(evidence.labels)
    known = (chosen >= 0) & np.array([not item.reasons for item in evidence.prepared], bool)
    temperature = fit_temperature(logits[known], chosen[known])
    right = outputs.predicted(logits) == evidence.labels
    right &= evidence.labels != JUNK
    open_ = _acceptable(outputs, logits, evidence.prepared)
    scaled = logits.astype(np.float64) / temperature
    judged = _Judged(scaled, outputs.public, evidence.prepared, right, open_)
    table = threshold_table(
        _cross_fitted(judged, evidence.groups, features, seed),
        right,
        targets,
        groups=evidence.groups,
        kinds=evidence.kinds,
    )
    return Calibration(temperature, judged.fit(open_, features), table, _note(evidence))


@dataclass(frozen=True)
class _Judged:
    """Answers with what is known of them; `open` ones could be accepted."""

    scaled: NDArray[np.float64]
    public: Bools
    prepared: Sequence[Prepared]
    right: Bools
    open: Bools

    def fit(self, chosen: Bools, features: Sequence[str]) -> ConfidenceCard:
        """Fit the regression on some answers."""
        pictures = [self.prepared[index] for index in np.flatnonzero(chosen).tolist()]
        return fit_combiner(self.scaled[chosen], self.public, pictures, self.right[chosen], features)

    def confidence(self, card: ConfidenceCard, chosen: Bools) -> NDArray[np.float32]:
        """Return the confidence of some answers."""
        pictures = [self.prepared[index] for index in np.flatnonzero(chosen).tolist()]
        return believed(card, self.scaled[chosen], self.public, pictures)


def fit_combiner(
    scaled: NDArray[np.float64],
    public: Bools,
    prepared: Sequence[Prepared],
    right: Bools,
    features: Sequence[str] = FEATURES,
) -> ConfidenceCard:
    """Fit the regression from features to being right; weights are never negative, useless ones left out.

    Arguments are those of `shared.vision.confidence.raw_features`. Each feature is centred on its median and
    scaled by its spread among the answers that tell it.
    """
    columns, cards = [], []
    for name, value in raw_features(features, scaled, public, prepared).items():
        centre, scale = _middle(value)
        columns.append(standardised(name, value, centre, scale))
        cards.append(FeatureCard(name=name, centre=centre, scale=scale, weight=0.0))  # type: ignore[typeddict-item]  # one of NAMES
    bias, weights = fit_signed(np.stack(columns, axis=1), right)
    for card, weight in zip(cards, weights, strict=True):
        card["weight"] = round(float(weight), 6)
    kept = [card for card in cards if card["weight"] > 0]
    return ConfidenceCard(bias=round(bias, 6), features=kept or cards[:1])


def _middle(value: NDArray[np.float64]) -> tuple[float, float]:
    """Return median and standard deviation of what is told, each within what a card may hold."""
    told = value[np.isfinite(value)]
    if not told.size:
        return 0.0, 1.0
    spread = float(told.std())
    return round(float(np.median(told)), 6), round(spread, 6) if spread >= 1e-3 else 1.0


def _acceptable(outputs: Outputs, logits: Logits, prepared: Sequence[Prepared]) -> Bools:
    """Say which answers a threshold could accept: a label, and no reason of the picture against it."""
    clear = np.array([not item.reasons for item in prepared], bool)
    return np.asarray((outputs.predicted(logits) >= 0) & clear, np.bool_)


def _cross_fitted(
    judged: _Judged, groups: NDArray[np.int64], features: Sequence[str], seed: int
) -> NDArray[np.float64]:
    """Return each answer's confidence from a regression that saw none of its group, NaN if not open."""
    folds = deal(groups, FOLDS, seed)
    found = np.full(len(groups), np.nan)
    for fold in range(FOLDS):
        rest, here = judged.open & (folds != fold), judged.open & (folds == fold)
        if here.any():
            found[here] = judged.confidence(judged.fit(rest, features), here)
    return found


def deal(groups: NDArray[np.int64], folds: int, seed: int) -> NDArray[np.int64]:
    """Deal whole groups into folds at random; return the fold of each member."""
    ids, places = np.unique(groups, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(ids))
    return np.asarray((order % folds)[places], np.int64)


def _note(evidence: Evidence) -> str:
    """Say on what it was fitted."""
    kinds = dict.fromkeys(evidence.kinds)
    counts = ", ".join(f"{evidence.kinds.count(kind)} {kind}" for kind in kinds)
    sources = len(np.unique(evidence.groups))
    origin = f"images by {sources} writers" if sources < evidence.kinds.count(CLEAN) else f"{sources} images"
    return (
        f"Temperature, confidence and thresholds fitted on {len(evidence.kinds)} pictures ({counts}) made of "
        f"{origin} that training never saw; thresholds on confidences cross-fitted over {FOLDS} folds."
    )
