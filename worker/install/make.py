"""Make a model package of the parts that somebody hands over, and hold the network against its card."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from shared.cards import CARD, InputCard, ModelCard, PreparationCard, TrainingCard
from shared.errors import InkqueueError
from shared.packages import ModelPackage, load_package, verify
from shared.vision import PREPARATIONS
from worker.install.describe import Description, described, name_of
from worker.install.folder import ONNX, PT2, Parts, find_parts, regular
from worker.install.look import Looked, look_at_onnx, look_at_pt2
from worker.install.refusal import Refused
from worker.install.trial import try_package

MOST_FILE_BYTES = 4 * 1024**3


def make_package(folder: Path, stage: Path, options: Mapping[str, object]) -> ModelPackage:
    """Make `<stage>/<name>/<version>/` of a folder with parts, or of a whole package, and try it.

    Raises:
        Refused: something of it is wrong.
    """
    if not folder.is_dir():
        raise Refused(f"{folder} is no folder.", "Name the folder that holds network and labels.")
    if (folder / CARD).exists():
        return _copied(folder, stage, options)
    parts = find_parts(folder)
    default = {"name": name_of(folder.resolve().name)}
    description = described(default, parts.description, options)
    if description.name is None:
        raise Refused("The model needs a name.", "Give it with --name.")
    target = stage / description.name / description.version
    _copy(parts.files, target)
    looked = _look(target)
    card = _card(description, parts, looked)
    card["files"] = {name: _sha256(target / name) for name in sorted(parts.files)}
    _write(card, target)
    card["answers"] = try_package(load_package(target), wished=description.answers)
    _write(card, target)
    return load_package(target)


def _copied(folder: Path, stage: Path, options: Mapping[str, object]) -> ModelPackage:
    """Copy card and listed files of a whole package, and nothing else."""
    given = [key for key, value in options.items() if value is not None]
    if given:
        raise Refused(
            f"{folder.name} has a card already: {', '.join(given)} stand there.", "Change the card."
        )
    try:
        card = json.loads(regular(folder / CARD, 4 * 1024 * 1024).read_bytes())
        name, version, names = str(card["name"]), str(card["version"]), list(map(str, card["files"]))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Refused(f"{CARD} is no card.", "docs/models.md lists its keys.") from error
    safe = all(Path(part).name == part and part not in ("", "..") for part in (name, version, *names))
    if not safe:
        raise Refused(f"{CARD} names what cannot be a name.", "Name files that lie beside it.")
    target = stage / name / version
    _copy({one: regular(folder / one, MOST_FILE_BYTES) for one in (CARD, *names)}, target)
    try:
        package = load_package(target)
        verify(package)
    except InkqueueError as error:
        raise Refused(error.detail, "Hand over the package as it was made.") from error
    try_package(package, wished=package.card.get("answers", "logits"))
    return package


def _copy(files: Mapping[str, Path], target: Path) -> None:
    """Copy files under the names that they get."""
    target.mkdir(parents=True)
    for name, path in files.items():
        shutil.copyfile(path, target / name)


def _look(target: Path) -> Looked:
    """Look at the network; where there are two files they must want the same."""
    found = {ONNX: look_at_onnx, PT2: look_at_pt2}
    looked = [look(target / name) for name, look in found.items() if (target / name).exists()]
    for one in ("channels", "height", "width", "outputs"):
        if len({getattr(each, one) for each in looked} - {None}) > 1:
            raise Refused(f"{ONNX} and {PT2} differ in {one}.", "Export both from the same network.")
    first = looked[-1]
    batch = next((each.batch for each in looked if each.batch is not None), None)
    return Looked(batch, first.channels, first.height, first.width, first.outputs, first.parameters)


def _card(description: Description, parts: Parts, looked: Looked) -> ModelCard:
    """Write down what was said and found."""
    channels, height, width = _shape(description, looked)
    if looked.outputs not in (None, len(parts.labels)):
        raise Refused(
            f"The network has {looked.outputs} output{'s' * (looked.outputs != 1)}, "
            f"and there are {len(parts.labels)} labels.",
            "Give one label for each output, in the outputs' order; a net with two classes needs two outputs.",
        )
    unknown = [label for label in description.junk if label not in parts.labels]
    if unknown or len(set(description.junk)) == len(parts.labels):
        raise Refused(f"junk names labels that are not there, or all: {', '.join(description.junk[:5])}.")
    inputs = InputCard(
        shape=[channels, height, width],
        scale=description.scale,
        mean=_a_channel("mean", description.mean, channels),
        std=_a_channel("std", description.std, channels),
    )
    if looked.batch is not None:
        inputs["batch"] = looked.batch
    return ModelCard(
        name=str(description.name),
        version=description.version,
        description=description.description,
        labels=[label for label in parts.labels if label not in description.junk],
        outputs=parts.labels,
        input=inputs,
        preparation=_preparation(description.preparation, (channels, height, width)),
        answers=description.answers or "logits",
        temperature=description.temperature,
        default_target_error=description.default_target_error,
        thresholds=[],
        calibration="None: no threshold is known, so every answer goes to review.",
        metrics=[],
        parameters=looked.parameters,
        training=TrainingCard(command="", seed=0, data="not told", protocol="not told"),
        licence=description.licence,
        data_licence=description.data_licence,
        files={},
    )


def _shape(description: Description, looked: Looked) -> tuple[int, int, int]:
    """Settle channels, height and width between what was said and what the network says."""
    said = (description.channels, *(description.size or (None, None)))
    shape = []
    for what, wish, own in zip(
        ("channels", "size", "size"), said, (looked.channels, looked.height, looked.width), strict=True
    ):
        if wish is not None and own is not None and wish != own:
            raise Refused(f"The description says {what} {wish}, the network takes {own}.", f"Correct {what}.")
        settled = wish if own is None else own
        if settled is None:
            raise Refused(f"The network takes any {what}.", f"Say which with --{what} or in input.json.")
        shape.append(settled)
    channels, height, width = shape
    return channels, height, width


def _a_channel(what: Literal["mean", "std"], values: list[float], channels: int) -> list[float]:
    """Return one value a channel; a single one stands for all."""
    if len(values) == 1:
        return values * channels
    if len(values) != channels:
        raise Refused(
            f"{what} has {len(values)} values for {channels} channel{'s' * (channels > 1)}.",
            "Give one or all.",
        )
    return values


def _preparation(wish: str, shape: tuple[int, int, int]) -> PreparationCard:
    """Return the preparation that is meant; without a version its newest."""
    name, _, version = wish.partition("@")
    versions = sorted((known for kind, known in PREPARATIONS if kind == name), key=int)
    if version and version not in versions:
        raise Refused(f"There is no preparation {wish}.", f"There are {name}@{', '.join(versions)}.")
    if name == "digits" and shape != (1, 28, 28):
        raise Refused(
            f"The preparation `digits` makes pictures of 1×28×28, the network takes {'×'.join(map(str, shape))}.",
            "Use the preparation `plain`.",
        )
    return PreparationCard(name=name, version=version or versions[-1])


def _write(card: ModelCard, target: Path) -> None:
    """Write the card as people and machines like it."""
    text = json.dumps(card, indent=2, ensure_ascii=False) + "\n"
    (target / CARD).write_text(text, encoding="utf-8")


def _sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
