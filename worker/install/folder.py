"""Find the parts of a model in the folder that somebody hands over: network, labels, description."""

from __future__ import annotations

import json
import stat
import tomllib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from worker.install.refusal import Refused

ONNX, PT2 = "model.onnx", "model.pt2"
MOST_TEXT_BYTES = 4 * 1024 * 1024
MOST_NETWORK_BYTES = 4 * 1024**3
_EXPORT = (
    "Export it: torch.export.save(torch.export.export(model.eval(), (example,)), 'model.pt2'), or "
    "torch.onnx.export(model.eval(), (example,), 'model.onnx', dynamo=True)."
)
_OTHERS = {
    ".pt": f"A file of torch.save is a Python pickle, which may run any code when it is loaded. {_EXPORT}",
    ".h5": "Convert it: python -m tf2onnx.convert --inputs-as-nchw ….",
    ".keras": "Convert it: python -m tf2onnx.convert --inputs-as-nchw ….",
    ".tflite": "Convert it: python -m tf2onnx.convert --tflite ….",
    ".safetensors": f"It holds weights without the network. {_EXPORT}",
}
_OTHERS |= dict.fromkeys((".pth", ".pkl", ".ckpt", ".pickle", ".joblib"), _OTHERS[".pt"])


@dataclass(frozen=True)
class Parts:
    """What a folder holds: files by the name that they get in the package, labels, and the description's keys."""

    files: Mapping[str, Path]
    labels: list[str]
    description: Mapping[str, Any]


def find_parts(folder: Path) -> Parts:
    """Find network, labels and description in a folder.

    Raises:
        Refused: something is missing, there twice, unreadable, or of a kind that is not taken.
    """
    files = _networks(folder)
    return Parts(files, _labels(folder), _description(folder))


def _networks(folder: Path) -> dict[str, Path]:
    """Return the networks, and what an ONNX file keeps beside itself."""
    found: dict[str, Path] = {}
    for suffix, name in ((".onnx", ONNX), (".pt2", PT2)):
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() == suffix)
        if len(paths) > 1:
            names = ", ".join(path.name for path in paths)
            raise Refused(f"There are several {suffix} files: {names}.", "Leave one of them in the folder.")
        if paths:
            found[name] = regular(paths[0], MOST_NETWORK_BYTES)
    if not found:
        raise Refused(f"There is no .onnx and no .pt2 file in {folder}.", _advice(folder))
    return found | (_beside(found[ONNX]) if ONNX in found else {})


def _beside(network: Path) -> dict[str, Path]:
    """Return the files that an ONNX file names as places of its weights."""
    content = network.read_bytes()
    others = (path for path in network.parent.iterdir() if path != network and path.is_file())
    named = (path for path in others if path.name.encode() in content and path.suffix != ".pt2")
    return {path.name: regular(path, MOST_NETWORK_BYTES) for path in named}


def _advice(folder: Path) -> str:
    """Say what to do with the files that are there instead."""
    suffixes = {path.suffix.lower() for path in folder.iterdir()}
    return next((advice for suffix, advice in _OTHERS.items() if suffix in suffixes), _EXPORT)


def _labels(folder: Path) -> list[str]:
    """Read `labels.txt`, one a line, or `labels.json`, a list or an object from number to label."""
    path = _only(folder, "labels.txt", "labels.json")
    if path is None:
        raise Refused(
            f"There are no labels in {folder}.", "Write labels.txt: one label a line, in the outputs' order."
        )
    text = read_text(path)
    labels = text.rstrip().split("\n") if path.suffix == ".txt" else _from_json(json_of(text, path), path)
    return checked_labels([label.strip() for label in labels])


def _from_json(content: Any, path: Path) -> list[str]:
    """Return the labels of a list, or of an object from number to label."""
    if isinstance(content, dict):
        content = [content.get(str(number)) for number in range(len(content))]
    if not isinstance(content, list) or not all(isinstance(label, str) for label in content):
        raise Refused(f'{path.name} is neither ["a", "b", …] nor {{"0": "a", "1": "b", …}}.')
    return content


def checked_labels(labels: list[str]) -> list[str]:
    """Refuse labels that nobody could tell apart or store."""
    wrong = [number for number, label in enumerate(labels, 1) if not label.isprintable() or not label]
    if not labels or wrong:
        place = f"Label {wrong[0]} is empty or cannot be printed." if wrong else "There is no label."
        raise Refused(place, "Give one label for each output, in the outputs' order.")
    twice = [label for label, count in Counter(labels).items() if count > 1]
    if twice:
        raise Refused(f"Labels occur twice: {', '.join(twice[:5])}.", "Give each output a label of its own.")
    return labels


def _description(folder: Path) -> Mapping[str, Any]:
    """Read `input.json` or `model.toml`; neither is fine, options may say everything."""
    path = _only(folder, "input.json", "model.toml")
    if path is None:
        return {}
    text = read_text(path)
    content = _toml_of(text, path) if path.suffix == ".toml" else json_of(text, path)
    if not isinstance(content, dict):
        raise Refused(f"{path.name} holds no keys with values.")
    return content


def _only(folder: Path, *names: str) -> Path | None:
    """Return the one file of several possible names."""
    found = [folder / name for name in names if (folder / name).exists()]
    if len(found) > 1:
        raise Refused(f"There are both {names[0]} and {names[1]}.", "Leave one of them in the folder.")
    return regular(found[0], MOST_TEXT_BYTES) if found else None


def regular(path: Path, most: int) -> Path:
    """Return the path of a file that can be read and is not too large; links are followed."""
    try:
        status = path.stat()
    except OSError as error:
        raise Refused(f"{path.name} cannot be read: {error.strerror}.") from error
    if not stat.S_ISREG(status.st_mode):
        raise Refused(f"{path.name} is no file.")
    if status.st_size > most:
        raise Refused(f"{path.name} has {status.st_size:,} bytes; at most {most:,} are taken.")
    return path


def read_text(path: Path) -> str:
    """Read UTF-8, with or without a byte order mark."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refused(f"{path.name} is not UTF-8.", "Save it as UTF-8.") from error


def json_of(text: str, path: Path) -> Any:
    """Parse JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Refused(f"{path.name} is not JSON: {error}.") from error


def _toml_of(text: str, path: Path) -> Any:
    """Parse TOML."""
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise Refused(f"{path.name} is not TOML: {error}.") from error
