"""Root's places that PostgreSQL's own user can reach, for homes and programs that it cannot.

Everything is below one folder whose content nobody but root can list; no folder of anybody else is opened.
"""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path

ROOT = Path("/var/lib/inkqueue")


def folder_for(home: Path) -> Path:
    """Return where the database of a closed home lies; nothing is made.

    The name is drawn once a home, so that a new folder at an old path does not meet an old database.
    """
    path = home / "id"
    if not path.exists():
        path.write_text(secrets.token_hex(8))
    return ROOT / "homes" / path.read_text().strip()


def make(folder: Path) -> None:
    """Make a folder below `ROOT` that everybody may pass through and nobody may list."""
    for path in (*reversed(folder.parents), folder):
        if path.is_relative_to(ROOT) and not path.exists():
            path.mkdir()
            path.chmod(0o711)


def copy_programs(programs: Path, label: str) -> Path:
    """Copy PostgreSQL, libraries included, to where everybody can execute it; return its new `bin`.

    Args:
        programs: its `bin` folder.
        label: name of the copy; one that exists is used as it is.
    """
    package = programs.parents[1]
    target = ROOT / "programs" / label
    place = Path(package.name, programs.parent.name)  # the programs look for their libraries from here
    if not target.exists():
        make(target.parent)
        unfinished = target.with_name(f"{label}.{secrets.token_hex(4)}")
        without = shutil.ignore_patterns("include")
        shutil.copytree(programs.parent, unfinished / place, symlinks=True, ignore=without)
        libraries = package.with_suffix(".libs")
        if libraries.is_dir():
            shutil.copytree(libraries, unfinished / libraries.name, symlinks=True)
        _open_to_all(unfinished)
        try:
            unfinished.rename(target)
        except OSError:  # another start was faster
            shutil.rmtree(unfinished)
    return target / place / "bin"


def _open_to_all(root: Path) -> None:
    """Let everybody read our copy, whatever the umask was."""
    for path in (root, *root.rglob("*")):
        if not path.is_symlink():
            executable = path.is_dir() or path.parent.name == "bin"
            path.chmod(path.stat().st_mode | (0o555 if executable else 0o444))
