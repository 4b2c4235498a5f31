"""Fetch model packages out of an MLflow model registry, every checksum kept."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from shared.errors import InkqueueError, ModelCorrupt, Unavailable, UnknownModel
from shared.logs import get_logger
from shared.mlflow_client import Store, open_store
from shared.packages import CARD, NAME, ModelPackage, load_package, verify

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.exceptions import MlflowException

log = get_logger(__name__)

TAG = "inkqueue.sha256"
"""The tag of a model version that holds `ModelPackage.sha256`."""
ARTEFACTS = "package"
"""The artefact folder of a run that holds the package's files."""
_PREFIX = "mlflow:"
_REFERENCE = re.compile(r"mlflow:(?P<name>[^@/:\s]{1,200})@(?P<which>[A-Za-z0-9_.-]{1,100})")
_FETCHED = ".mlflow"  # remembers which package a reference meant, for a start without the registry
_NOT_THERE = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "NOT_FOUND"}


class Reference(NamedTuple):
    """A registered model, and a number or an alias of one of its versions."""

    name: str
    which: str

    def __str__(self) -> str:
        """Return the form that people write."""
        return f"{_PREFIX}{self.name}@{self.which}"


def is_reference(text: str) -> bool:
    """Tell whether a model is named as one of a registry."""
    return text.startswith(_PREFIX)


def parse(text: str) -> Reference:
    """Read `mlflow:NAME@ALIAS` or `mlflow:NAME@NUMBER`.

    Raises:
        UnknownModel: it is written otherwise.
    """
    match = _REFERENCE.fullmatch(text)
    if match is None:
        raise UnknownModel(f"{text[:100]!r} names no registered model: write mlflow:NAME@ALIAS or @NUMBER.")
    return Reference(match["name"], match["which"])


def fetch(reference: str, into: Path) -> Path:
    """Lay the package that a reference means into `<into>/<name>/<version>/` and return that folder.

    A package that is there already is checked and not downloaded again. Where the registry cannot be reached,
    the package that the reference meant last time is served. Several processes may fetch at once.

    Raises:
        UnknownModel: the registry has no such model, alias or number.
        ModelCorrupt: tag, card and files do not agree, or other content has this name and version already.
        Unavailable: no registry can be reached and nothing was fetched before.
    """
    wanted = parse(reference)
    try:
        store = open_store()
        found = _find(store, wanted)
        checksum = _checksum(found, wanted)
        path = _installed(checksum, into) or _download(store, found, checksum, into)
    except Unavailable as error:
        return _remembered(wanted, into, error)
    _remember(wanted, checksum, into)
    return path


def _find(store: Store, wanted: Reference) -> ModelVersion:
    """Ask the registry which version a reference means."""
    from mlflow.exceptions import MlflowException

    try:
        if wanted.which.isdigit():
            return store.client.get_model_version(wanted.name, wanted.which)
        return store.client.get_model_version_by_alias(wanted.name, wanted.which)
    except MlflowException as error:
        _refuse(error, wanted)


def _refuse(error: MlflowException, wanted: Reference) -> NoReturn:
    """Tell a model that is not there from a registry that is not there."""
    if error.error_code in _NOT_THERE:
        raise UnknownModel(f"The registry has no {wanted}: {error.message}") from error
    raise Unavailable(f"The model registry does not answer: {error.message[:300]}") from error


def _checksum(found: ModelVersion, wanted: Reference) -> str:
    """Return the checksum that was registered with a version."""
    checksum = found.tags.get(TAG)
    if not checksum:
        raise ModelCorrupt(f"{wanted} has no tag {TAG}; `inkqueue-train register` sets it.")
    return str(checksum)


def _installed(checksum: str, into: Path) -> Path | None:
    """Return the folder of the package with this checksum, its files checked; None where it is not there."""
    for card in sorted(into.glob(f"*/*/{CARD}")):
        try:
            package = load_package(card.parent)
        except ModelCorrupt:
            continue
        if package.sha256 == checksum:
            verify(package)
            return package.path
    return None


def _download(store: Store, found: ModelVersion, checksum: str, into: Path) -> Path:
    """Download beside the other packages, check, and put in place by one rename."""
    into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetching-", dir=into) as temporary:
        raw = _pull(store, found, Path(temporary))
        return _place(_checked(raw, Path(temporary), checksum), into)


def _pull(store: Store, found: ModelVersion, folder: Path) -> Path:
    """Download a version's artefacts and return where they lie; storages of many kinds fail in as many ways."""
    from mlflow.artifacts import download_artifacts

    try:
        uri = store.client.get_model_version_download_uri(found.name, str(found.version))
        return Path(download_artifacts(uri, dst_path=str(folder), tracking_uri=store.tracking_uri))
    except Exception as error:
        what = f"{found.name} version {found.version}"
        raise Unavailable(f"{what} cannot be downloaded: {type(error).__name__}: {error}"[:300]) from error


def _checked(raw: Path, temporary: Path, checksum: str) -> ModelPackage:
    """Take card and listed files, nothing else, out of a download, and hold them against their checksums."""
    try:
        card = json.loads((raw / CARD).read_bytes())
        name, version, files = str(card["name"]), str(card["version"]), [str(file) for file in card["files"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelCorrupt(f"The registered model has no readable {CARD}.") from error
    if not all(NAME.fullmatch(part) for part in (name, version, *files)):
        raise ModelCorrupt("The registered model's card names what cannot be a name.")
    folder = temporary / "checked" / name / version
    folder.mkdir(parents=True)
    for file in (CARD, *files):
        if (raw / file).is_file():
            shutil.move(raw / file, folder / file)
    package = load_package(folder)
    if package.sha256 != checksum:
        raise ModelCorrupt(f"The card of {package.ref} differs from the checksum it was registered with.")
    verify(package)
    return package


def _place(package: ModelPackage, into: Path) -> Path:
    """Move a package to its place; a version that is there is never overwritten."""
    target = into / package.name / package.version
    target.parent.mkdir(exist_ok=True)
    try:
        package.path.rename(target)
    except OSError as error:
        if not (target / CARD).is_file():
            raise Unavailable(f"{package.ref} cannot be put into {into}: {error.strerror}.") from error
        if load_package(target).sha256 != package.sha256:
            raise ModelCorrupt(
                f"{into} holds another package {package.ref}; a version is never overwritten."
            ) from error
    return target


def _remember(wanted: Reference, checksum: str, into: Path) -> None:
    """Note what a reference meant."""
    notes = into / _FETCHED
    notes.mkdir(exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=notes, delete=False) as file:
        file.write(checksum)
    Path(file.name).replace(notes / f"{wanted.name}@{wanted.which}")


def _remembered(wanted: Reference, into: Path, reason: InkqueueError) -> Path:
    """Return what a reference meant when the registry last answered."""
    note = into / _FETCHED / f"{wanted.name}@{wanted.which}"
    path = _installed(note.read_text(), into) if note.is_file() else None
    if path is None:
        raise reason
    log.warning("registry_unreachable", reference=str(wanted), serving=str(path), reason=reason.detail)
    return path
