"""The card of a model package: what its keys are, and what no reader should stumble over."""

from __future__ import annotations

import re
from pathlib import Path
from typing import (
    Annotated,
    Any,
    Literal,
    NotRequired,  # pydantic wants this one before Python 3.12
)

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from shared.errors import ModelCorrupt

CARD = "model.json"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


Finite = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Temperature = Annotated[float, Field(ge=1e-3, le=1e3)]
Count = Annotated[int, Field(ge=0, lt=2**53)]
"""A whole number that every reader of JSON holds exactly."""
Size = Annotated[int, Field(gt=0, lt=2**31)]
Share = Annotated[float, Field(ge=0, le=1)]
Label = Annotated[str, Field(min_length=1, max_length=200)]
"""What is written into every item that reads so, and into every cell of a spreadsheet."""


class InputCard(TypedDict):
    """What the network takes: `float32[N, *shape]`, of 8-bit values v: (v · scale − mean) / std a channel.

    `batch` is N where the network was exported for one size of batch only.
    """

    shape: Annotated[list[Size], Field(min_length=3, max_length=3)]
    scale: Positive
    mean: list[Finite]
    std: list[Positive]
    batch: NotRequired[Size]


class PreparationCard(TypedDict):
    """The function of `shared.vision` that makes the network's picture, and its version."""

    name: str
    version: str


class FeatureCard(TypedDict):
    """One thing that confidence is drawn from, by its name in `shared.vision.confidence`.

    Its value is standardised by `centre` and `scale`. `weight` is never negative: each feature is told so that
    more of it never makes an answer less sure.
    """

    name: Literal[
        "certainty",
        "margin",
        "no_junk",
        "energy",
        "usual_ink",
        "usual_stroke",
        "few_pieces",
        "clear_border",
        "little_dropped",
    ]
    centre: Annotated[float, Field(strict=True, ge=-1e3, le=1e3)]
    scale: Annotated[float, Field(strict=True, ge=1e-3, le=1e3)]
    weight: Annotated[float, Field(strict=True, ge=0, le=1e3)]


def _named_once(features: list[FeatureCard]) -> list[FeatureCard]:
    """Refuse a feature that is named twice."""
    if len({feature["name"] for feature in features}) != len(features):
        raise ValueError("a feature is named twice")
    return features


class ConfidenceCard(TypedDict):
    """A logistic regression from features of an answer to the probability that it is right."""

    bias: Annotated[float, Field(strict=True, ge=-1e3, le=1e3)]
    features: Annotated[list[FeatureCard], Field(min_length=1), AfterValidator(_named_once)]


class NarrowCard(TypedDict):
    """How far narrow arithmetic strays from float32: the greatest errors among so many pictures.

    `difference_error` is that of a difference of two logits, `odds_error` that of the log odds of an answer,
    whose probability is its confidence. `note` names the engine that was measured.
    """

    arithmetic: Literal["bf16"]
    difference_error: Positive
    odds_error: Positive
    images: Size
    note: str


class ThresholdRow(TypedDict):
    """One promise: from `threshold` on at most `target_error` of the accepted answers are wrong.

    `error_upper` is the one-sided 95 % Clopper–Pearson bound from `errors` among `accepted` calibration
    images; `certified` says whether it was proved to lie at or under the target. Where the writers are known,
    `design_effect` says by how much their number is divided first, because one hand's errors come together.
    `coverage_by_kind` tells the share accepted of clean pictures, worn ones and so on.
    """

    target_error: Share
    threshold: Share
    coverage: Share
    accepted: Count
    errors: Count
    error_upper: Share
    certified: bool
    design_effect: NotRequired[Finite]
    coverage_by_kind: NotRequired[dict[str, Finite]]


class Metric(TypedDict):
    """One measured figure and the data that it was measured on."""

    name: str
    data: str
    value: Finite
    count: Count
    note: NotRequired[str]


class TrainingCard(TypedDict):
    """How to make the same package again."""

    command: str
    seed: Count
    data: str
    protocol: str


class ModelCard(TypedDict):
    """The content of `model.json`; `answers` says what the network gives, logits unless it is there.

    Without `confidence` the greatest probability is the confidence; without `narrow` float32 serves.
    """

    name: str
    version: str
    description: str
    labels: Annotated[list[Label], Field(min_length=1)]
    outputs: list[str]
    input: InputCard
    preparation: PreparationCard
    answers: NotRequired[Literal["logits", "probabilities"]]
    temperature: Temperature
    confidence: NotRequired[ConfidenceCard]
    narrow: NotRequired[NarrowCard]
    default_target_error: Annotated[float, Field(gt=0, lt=1)]
    thresholds: list[ThresholdRow]
    calibration: str
    metrics: list[Metric]
    parameters: Count
    training: TrainingCard
    licence: str
    data_licence: str
    files: dict[str, str]


_CARD_TYPE = TypeAdapter(ModelCard)


def checked_card(card: Any, path: Path) -> ModelCard:
    """Return the card that lies at `<name>/<version>/`, without keys that nobody knows.

    Raises:
        ModelCorrupt: it is no card, or the rest of the code would stumble over it.
    """
    try:
        checked = _CARD_TYPE.validate_python(card)
    except ValidationError as error:
        places = sorted({".".join(map(str, part["loc"])) for part in error.errors()})
        raise ModelCorrupt(
            f"The card of model package {path.name} is wrong at {', '.join(places[:5])}."
        ) from error
    if (path.parent.name, path.name) != (checked["name"], checked["version"]):
        raise ModelCorrupt(f"Model package {path.name} lies in the directory of another name or version.")
    if not (NAME.fullmatch(checked["name"]) and NAME.fullmatch(checked["version"])):
        raise ModelCorrupt("A model's name and version are letters, digits, dots, dashes and underscores.")
    outputs = checked["outputs"]
    if not set(checked["labels"]) <= set(outputs):
        raise ModelCorrupt(f"The labels of model {checked['name']} are not among its outputs.")
    if len(set(outputs)) != len(outputs) or len(set(checked["labels"])) != len(checked["labels"]):
        raise ModelCorrupt(f"Model {checked['name']} has two outputs or two labels of the same name.")
    if any(Path(file).name != file for file in checked["files"]):
        raise ModelCorrupt(f"A file of model {checked['name']} lies outside its package.")
    channels = checked["input"]["shape"][0]
    if len(checked["input"]["mean"]) != channels or len(checked["input"]["std"]) != channels:
        raise ModelCorrupt(
            f"Model {checked['name']} has means and deviations of other channels than its input."
        )
    return checked
