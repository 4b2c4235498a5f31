"""The folder of installed packages: put in by one rename, taken out only when no unfinished job needs it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from shared.packages import SHIPPED, ModelPackage, survey
from worker.install.refusal import Refused

_ADDING, _REMOVING, _GONE = ".adding-", ".removing-", ".gone-"
NOTICED_S = 2.5
"""Seconds after which API and workers, which look once a second, have noticed a change."""


@contextlib.contextmanager
def staging(root: Path) -> Iterator[Path]:
    """Lend a folder on the same disk, to one process at a time; what is left in it afterwards is removed.

    Raises:
        Refused: nothing can be written there.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        with (root / ".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            _clear(root)
            with tempfile.TemporaryDirectory(prefix=_ADDING, dir=root) as stage:
                Path(stage).chmod(0o755)
                yield Path(stage)
    except PermissionError as error:
        raise Refused(
            f"{root} cannot be written: {error.strerror}.", "Name another folder with --into."
        ) from error


def _clear(root: Path) -> None:
    """Finish what a killed process has left: halves go, what may still be needed comes back."""
    for path in [*root.glob(f"{_ADDING}*"), *root.glob(f"{_GONE}*")]:
        shutil.rmtree(path, ignore_errors=True)
    for path in root.glob(f"{_REMOVING}*@*"):
        name, _, version = path.name.removeprefix(_REMOVING).partition("@")
        (root / name).mkdir(exist_ok=True)
        path.rename(root / name / version)


def publish(package: ModelPackage, root: Path, others: tuple[Path, ...]) -> bool:
    """Move a staged package to its place; False when the very same is there already.

    Raises:
        Refused: this version exists with other content.
    """
    there = survey((root, *others)).packages.get((package.name, package.version))
    target = root / package.name / package.version
    if there is not None and there.sha256 == package.sha256:
        return False
    if there is not None or target.exists():
        raise Refused(
            f"{package.ref} exists with other content, and a version is never overwritten.",
            "Choose another with --version (or in the card).",
        )
    for path in [*package.path.iterdir(), package.path]:
        _sync(path)
    target.parent.mkdir(exist_ok=True)
    package.path.rename(target)
    _sync(target.parent)
    return True


def _sync(path: Path) -> None:
    """Have a file or folder written through to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(ref: str, root: Path, check: Callable[[str, str, bool], None], *, noticed_s: float) -> None:
    """Take a package out of a folder, unless `check` (name, version, whether it is the last) refuses.

    It is asked twice: the second time after everybody has noticed that the package is gone and begins nothing new
    with it. A refusal then puts the package back.

    Raises:
        Refused: it ships with the product, is not there, or is needed.
    """
    name, _, version = ref.partition("@")
    path = root / name / version
    found = survey((root,)).packages
    if (name, version) in found and found[name, version].path.is_relative_to(SHIPPED):
        raise Refused(f"{ref} ships with inkqueue and stays.")
    if not version or ((name, version) not in found and not _is_inside(path, root)):
        known = ", ".join(one.ref for one in found.values() if not one.path.is_relative_to(SHIPPED)) or "none"
        raise Refused(f"There is no {ref} in {root}.", f"Removable: {known}.")
    last = not any(one.name == name and one.version != version for one in found.values())
    check(name, version, last)
    with staging(root):
        aside = root / f"{_REMOVING}{name}@{version}"
        path.rename(aside)
        try:
            time.sleep(noticed_s)
            check(name, version, last)
        except BaseException:
            aside.rename(path)
            raise
        gone = root / f"{_GONE}{name}@{version}"
        aside.rename(gone)
        shutil.rmtree(gone)
        with contextlib.suppress(OSError):
            path.parent.rmdir()


def _is_inside(path: Path, root: Path) -> bool:
    """Say whether a path names a directory exactly two levels below the folder."""
    parts = path.relative_to(root).parts if path.is_relative_to(root) else ()
    return len(parts) == 2 and not any(part.startswith(".") for part in parts) and path.is_dir()
