"""Model packages: directories `<name>/<version>/` with a card, found, chosen and checked."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from shared.bundled import bundled
from shared.cards import (
    CARD,
    NAME,
    InputCard,
    Metric,
    ModelCard,
    PreparationCard,
    ThresholdRow,
    TrainingCard,
    checked_card,
)
from shared.errors import ModelCorrupt, UnknownModel

__all__ = [
    "CARD",
    "NAME",
    "SHIPPED",
    "Fingerprint",
    "InputCard",
    "Metric",
    "ModelCard",
    "ModelPackage",
    "Packages",
    "PreparationCard",
    "Survey",
    "ThresholdRow",
    "TrainingCard",
    "find_packages",
    "fingerprint",
    "load_package",
    "resolve",
    "survey",
    "verify",
    "version_key",
]

log = logging.getLogger(__name__)

SHIPPED = bundled("models")
"""The packages that come with the product."""
MOST_CARD_BYTES = 4 * 1024 * 1024


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
Fingerprint = tuple[tuple[str, int, int], ...]
"""Path, time and size of every file of every package."""


@dataclass(frozen=True)
class Survey:
    """What lies in the folders: packages whose cards can be read, and why others (`name/version`) cannot."""

    packages: Packages
    broken: Mapping[str, str]


def survey(dirs: Iterable[Path] = ()) -> Survey:
    """Read the cards of all packages: the shipped ones, then those of `dirs`; the first of a version counts.

    A directory without a readable card is left out, so that one bad package stops nobody.
    """
    found: dict[tuple[str, str], ModelPackage] = {}
    broken: dict[str, str] = {}
    for path in (path for root in (SHIPPED, *dirs) for path in _directories(root)):
        try:
            package = load_package(path)
        except ModelCorrupt as error:
            broken[_printable(f"{path.parent.name}/{path.name}")] = _printable(error.detail)
            continue
        found.setdefault((package.name, package.version), package)
    by_version = sorted(found, key=lambda key: version_key(key[1]), reverse=True)
    return Survey({key: found[key] for key in sorted(by_version, key=lambda key: key[0])}, broken)


def _printable(text: str) -> str:
    """Replace what is not UTF-8 in a directory's name, so that it can be told to anybody."""
    return text.encode(errors="replace").decode()


def find_packages(dirs: Iterable[Path] = ()) -> Packages:
    """Return the packages that can be read, and warn of the others."""
    found = survey(dirs)
    for package, reason in found.broken.items():
        log.warning("package_ignored", extra={"package": package, "reason": reason})
    return found.packages


def fingerprint(dirs: Iterable[Path] = ()) -> Fingerprint:
    """Return what differs as soon as a package is added, removed or replaced; reads no content."""
    seen = []
    for directory in (path for root in (SHIPPED, *dirs) for path in _directories(root)):
        with contextlib.suppress(OSError):  # it is being removed just now
            for file in sorted(directory.iterdir()):
                status = file.stat()
                seen.append((str(file), status.st_mtime_ns, status.st_size))
    return tuple(seen)


def _directories(root: Path) -> list[Path]:
    """Return the directories that hold a card; those that begin with a dot are being made or removed."""
    found = (path.parent for path in root.glob(f"[!.]*/[!.]*/{CARD}"))
    return sorted(found)


def load_package(path: Path) -> ModelPackage:
    """Read one package's card.

    Raises:
        ModelCorrupt: there is no card, it is no card, or it belongs to another name or version.
    """
    try:
        with (path / CARD).open("rb") as file:
            raw = file.read(MOST_CARD_BYTES + 1)
        content = json.loads(raw) if len(raw) <= MOST_CARD_BYTES else None
    except (OSError, ValueError, RecursionError) as error:
        raise ModelCorrupt(f"The card of model package {path.name} cannot be read.") from error
    card = checked_card(content, path)
    return ModelPackage(card["name"], card["version"], path, card, hashlib.sha256(raw).hexdigest())


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
