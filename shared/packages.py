"""Model packages: directories `<name>/<version>/` with a card, found, chosen and checked."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import (
    Annotated,
    Any,
    NotRequired,  # pydantic wants this one before Python 3.12
    cast,
)

from pydantic import Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from shared.bundled import bundled
from shared.errors import ModelCorrupt, UnknownModel

log = logging.getLogger(__name__)

CARD = "model.json"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
SHIPPED = bundled("models")
"""The packages that come with the product."""


class InputCard(TypedDict):
    """What the network takes: `float32[N, *shape]`, of 8-bit values v: (v · scale − mean) / std a channel."""

    shape: Annotated[list[Annotated[int, Field(gt=0)]], Field(min_length=3, max_length=3)]
    scale: float
    mean: list[float]
    std: list[float]


class PreparationCard(TypedDict):
    """The function of `shared.vision` that makes the network's picture, and its version."""

    name: str
    version: str


class ThresholdRow(TypedDict):
    """One promise: from `threshold` on at most `target_error` of the accepted answers are wrong.

    `error_upper` is the one-sided 95 % Clopper–Pearson bound from `errors` among `accepted` calibration
    images; `certified` says whether it lies at or under the target.
    """

    target_error: float
    threshold: float
    coverage: float
    accepted: int
    errors: int
    error_upper: float
    certified: bool


class Metric(TypedDict):
    """One measured figure and the data that it was measured on."""

    name: str
    data: str
    value: float
    count: int
    note: NotRequired[str]


class TrainingCard(TypedDict):
    """How to make the same package again."""

    command: str
    seed: int
    data: str
    protocol: str


class ModelCard(TypedDict):
    """The content of `model.json`."""

    name: str
    version: str
    description: str
    labels: Annotated[list[str], Field(min_length=1)]
    outputs: list[str]
    input: InputCard
    preparation: PreparationCard
    temperature: Annotated[float, Field(gt=0)]
    default_target_error: Annotated[float, Field(gt=0, lt=1)]
    thresholds: list[ThresholdRow]
    calibration: str
    metrics: list[Metric]
    parameters: int
    training: TrainingCard
    licence: str
    data_licence: str
    files: dict[str, str]


_CARD_TYPE = TypeAdapter(ModelCard)


@dataclass(frozen=True)
class ModelPackage:
    """One package on disk: its card, and `sha256` over the card and, through it, over every file."""

    name: str
    version: str
    path: Path
    card: ModelCard
    sha256: str

    @property
    def ref(self) -> str:
        """Return `name@version`."""
        return f"{self.name}@{self.version}"

    @property
    def labels(self) -> tuple[str, ...]:
        """Return the public labels, in the order of `probabilities`."""
        return tuple(self.card["labels"])

    @property
    def outputs(self) -> tuple[str, ...]:
        """Return the network's outputs in order; those that are no public label are junk."""
        return tuple(self.card["outputs"])

    @property
    def shape(self) -> tuple[int, int, int]:
        """Return channels, height and width of the network's input."""
        channels, height, width = self.card["input"]["shape"]
        return channels, height, width

    @property
    def default_target_error(self) -> float:
        """Return the target error of a job that names none."""
        return self.card["default_target_error"]

    def threshold(self, target_error: float | None) -> float:
        """Return the least confidence that is accepted for a target error.

        The row with the largest target not above the wish counts; below all rows nothing can be promised, and
        the threshold is infinite: everything goes to review.
        """
        wish = self.default_target_error if target_error is None else target_error
        rows = [row for row in self.card["thresholds"] if row["target_error"] <= wish * (1 + 1e-9)]
        return min((row["threshold"] for row in rows), default=math.inf)


Packages = Mapping[tuple[str, str], ModelPackage]
"""Packages by name and version: names in order, the newest version of each first."""


def find_packages(dirs: Iterable[Path] = ()) -> Packages:
    """Read the cards of all packages: the shipped ones, then those of `dirs`; the first of a version counts.

    A directory without a readable card is left out with a warning, so that one bad package stops nobody.
    """
    found: dict[tuple[str, str], ModelPackage] = {}
    for root in (SHIPPED, *dirs):
        for path in sorted(root.glob(f"*/*/{CARD}")):
            try:
                package = load_package(path.parent)
            except ModelCorrupt as error:
                log.warning(
                    "package_ignored",
                    extra={"package": str(path.parent), "reason": error.detail},
                )
                continue
            found.setdefault((package.name, package.version), package)
    by_version = sorted(found, key=lambda key: version_key(key[1]), reverse=True)
    return {key: found[key] for key in sorted(by_version, key=lambda key: key[0])}


def load_package(path: Path) -> ModelPackage:
    """Read one package's card.

    Raises:
        ModelCorrupt: there is no card, it is no card, or it belongs to another name or version.
    """
    try:
        raw = (path / CARD).read_bytes()
        card = json.loads(raw)
    except (OSError, ValueError) as error:
        raise ModelCorrupt(f"The card of model package {path.name} cannot be read.") from error
    _check_card(card, path)
    return ModelPackage(
        name=card["name"],
        version=card["version"],
        path=path,
        card=cast("ModelCard", card),
        sha256=hashlib.sha256(raw).hexdigest(),
    )


def _check_card(card: Any, path: Path) -> None:
    """Refuse a card that the rest of the code would stumble over."""
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
    if not set(checked["labels"]) <= set(outputs) or len(set(outputs)) != len(outputs):
        raise ModelCorrupt(f"The labels of model {checked['name']} are not among its outputs.")
    if any(Path(file).name != file for file in checked["files"]):
        raise ModelCorrupt(f"A file of model {checked['name']} lies outside its package.")
    channels = checked["input"]["shape"][0]
    if len(checked["input"]["mean"]) != channels or len(checked["input"]["std"]) != channels:
        raise ModelCorrupt(
            f"Model {checked['name']} has means and deviations of other channels than its input."
        )


def version_key(version: str) -> tuple[tuple[int, int, str], ...]:
    """Order versions as people do: 1.10 after 1.9, a pre-release (1.0.0-rc1) before its release."""
    parts = re.findall(r"\d+|[A-Za-z]+", version)
    numbers = tuple((1, int(part), "") if part.isdigit() else (-1, 0, part) for part in parts)
    return (*numbers, (0, 0, ""))


def resolve(packages: Packages, ref: str) -> ModelPackage:
    """Choose a package by `name` (its newest version) or `name@version`.

    Raises:
        UnknownModel: no such package; the detail names those that there are.
    """
    name, _, version = ref.partition("@")
    for package in packages.values():
        if package.name == name and version in ("", package.version):
            return package
    known = ", ".join(package.ref for package in packages.values()) or "none"
    raise UnknownModel(f"No model {ref[:100]!r} is installed. Installed: {known}.")


def verify(package: ModelPackage, files: Sequence[str] | None = None) -> None:
    """Compare the package's files (all, or those named) and its card with their checksums.

    Raises:
        ModelCorrupt: a file is missing, unlisted or differs from the card.
    """
    if _digest(package.path / CARD) != package.sha256:
        raise ModelCorrupt(f"The card of model {package.ref} has changed since it was read.")
    for file in package.card["files"] if files is None else files:
        if package.card["files"].get(file) != _digest(package.path / file):
            raise ModelCorrupt(f"{file} of model {package.ref} differs from its checksum. Install it again.")


def _digest(path: Path) -> str | None:
    """Return the SHA-256 of a file in hex, None where there is none."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None
