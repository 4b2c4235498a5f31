"""From prepared pictures to answers: probabilities, confidence, decision and reasons, a batch at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.errors import ModelError
from shared.packages import ModelPackage
from shared.vision.confidence import confidence as believed
from shared.vision.narrow import Infer, Narrow, guarded, public_outputs
from shared.vision.prepare import BLANK, Prepared

Floats = NDArray[np.float32]

LOW_CONFIDENCE = "low_confidence"
NOT_A_DIGIT = "not_a_digit"
NOT_CALIBRATED = "not_calibrated"
BATCH = 128
"""Images that the network sees at once; larger batches fall out of the cache."""


@dataclass(frozen=True)
class Readings:
    """Answers of N images in their order.

    `prediction` int32: index into the package's labels, −1 for none. `confidence` float32: the calibrated
    probability of being right, NaN where there is no prediction. `probabilities` float32 (N, labels): junk
    left out, not renormalised, zeros for a blank. `accept` bool. `reasons`: why a person should look, empty
    when accepted.
    """

    prediction: NDArray[np.int32]
    confidence: Floats
    probabilities: Floats
    accept: NDArray[np.bool_]
    reasons: list[tuple[str, ...]]

    def __len__(self) -> int:
        return len(self.prediction)


def to_batch(package: ModelPackage, prepared: Sequence[Prepared]) -> Floats:
    """Stack pictures into the network's input float32 (N, C, H, W), scaled as the card says."""
    card = package.card["input"]
    channels, height, width = package.shape
    pixels = np.array([item.image for item in prepared]).reshape(len(prepared), height, width, channels)
    mean, std = (np.asarray(card[key], np.float32) for key in ("mean", "std"))
    if channels == 1:
        scaled = pixels.reshape(-1, 1, height, width) * np.float32(card["scale"] / std[0])
        scaled -= np.float32(mean[0] / std[0])
        return np.asarray(scaled, np.float32)
    values = (pixels * np.float32(card["scale"]) - mean) / std
    return np.ascontiguousarray(values.transpose(0, 3, 1, 2), dtype=np.float32)


def read(
    package: ModelPackage,
    infer: Infer,
    prepared: Sequence[Prepared],
    *,
    target_error: float | Sequence[float | None] | None = None,
    batch: int = BATCH,
    narrow: Narrow | None = None,
) -> Readings:
    """Read pictures with a network's function from batch to logits, without temperature.

    `target_error` is one for all or one an image, None the card's default. Blank pictures never
    reach the network. An answer is accepted when its confidence reaches the threshold of its target error and
    the picture gives no reason to look. A doubtful answer that is rather no digit than another one says so.
    With `narrow` that function's answers count where they lead to the decision of `infer`'s.

    Raises:
        ModelError: the network's answer is not finite.
    """
    count, outputs = len(prepared), package.outputs
    thresholds = _thresholds(package, target_error, count)
    logits = np.zeros((count, len(outputs)), np.float32)
    readable = np.array([BLANK not in item.reasons for item in prepared], bool)
    chosen = np.flatnonzero(readable)
    for start in range(0, len(chosen), batch):
        part = chosen[start : start + batch]
        items = [prepared[index] for index in part]
        pixels = to_batch(package, items)
        if narrow is None:
            logits[part] = infer(pixels)
        else:
            logits[part] = guarded(package, narrow, infer, pixels, items, thresholds[part])
    probabilities = softmax(logits, package.card["temperature"])
    if not (np.isfinite(logits).all() and np.isfinite(probabilities).all()):
        raise ModelError("The model's answer is not a number.")
    probabilities[~readable] = 0
    place = {name: index for index, name in enumerate(outputs)}
    order = [place[name] for name in package.labels]
    prediction = np.where(readable, predict(package, logits), np.int32(-1)).astype(np.int32)
    confidence = believe(package, logits, probabilities, prepared)
    confidence[prediction < 0] = np.nan
    sure = confidence >= thresholds
    low = LOW_CONFIDENCE if package.card["thresholds"] else NOT_CALIBRATED
    reasons = _reasons(prepared, prediction, sure, _like_junk(package, logits), low)
    return Readings(
        prediction=prediction,
        confidence=confidence,
        probabilities=np.ascontiguousarray(probabilities[:, order]),
        accept=np.array([not why for why in reasons], bool),
        reasons=reasons,
    )


def predict(package: ModelPackage, logits: Floats) -> NDArray[np.int32]:
    """Return the label's index of each image's greatest logit, −1 where that output is no label."""
    place = {name: index for index, name in enumerate(package.labels)}
    label = np.array([place.get(name, -1) for name in package.outputs], np.int32)
    return np.asarray(label[logits.argmax(axis=1)], np.int32)


def believe(
    package: ModelPackage, logits: Floats, probabilities: Floats, prepared: Sequence[Prepared]
) -> Floats:
    """Return the probability of being right as the card makes it: by its regression, or the greatest one."""
    card = package.card.get("confidence")
    if card is None:
        return np.asarray(probabilities.max(axis=1, initial=0.0), np.float32)
    scaled = logits.astype(np.float64) / package.card["temperature"]
    return believed(card, scaled, public_outputs(package), prepared)


def _like_junk(package: ModelPackage, logits: Floats) -> NDArray[np.bool_]:
    """Say of each image whether, but for the best label, nothing is as likely as that it is none."""
    public = public_outputs(package)
    if public.all() or not len(logits):
        return np.zeros(len(logits), np.bool_)
    junk, labels = logits[:, ~public].max(axis=1), np.sort(logits[:, public], axis=1)
    second = labels[:, -2] if labels.shape[1] > 1 else np.full(len(logits), -np.inf)
    return np.asarray(junk > second, np.bool_)


def softmax(logits: Floats, temperature: float) -> Floats:
    """Return probabilities (N, K) of logits at a temperature (Guo et al., arXiv 1706.04599).

    Logits that float32 cannot hold at that temperature give NaN.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = logits / np.float32(temperature)
        raised = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        return np.asarray(raised / raised.sum(axis=1, keepdims=True), np.float32)


def _thresholds(
    package: ModelPackage, target_error: float | Sequence[float | None] | None, count: int
) -> NDArray[np.float64]:
    """Return each image's least accepted confidence."""
    if target_error is None or isinstance(target_error, float | int):
        return np.full(count, package.threshold(target_error))
    known = {wish: package.threshold(wish) for wish in set(target_error)}
    return np.array([known[wish] for wish in target_error], np.float64)


def _reasons(
    prepared: Sequence[Prepared],
    prediction: NDArray[np.int32],
    sure: NDArray[np.bool_],
    like_junk: NDArray[np.bool_],
    low: str,
) -> list[tuple[str, ...]]:
    """Join the picture's reasons with the network's (`low` is that of a confidence under the threshold)."""
    reasons = [item.reasons for item in prepared]
    for index in np.flatnonzero(~sure):
        if BLANK in reasons[index]:
            continue
        found = (low,) if prediction[index] >= 0 else ()
        doubt = (NOT_A_DIGIT,) if prediction[index] < 0 or like_junk[index] else ()
        reasons[index] = tuple(dict.fromkeys((*reasons[index], *found, *doubt)))
    return reasons
