"""The system user that PostgreSQL runs under when root starts the stack, since it refuses to run as root."""

from __future__ import annotations

import pwd
import shutil
import subprocess
from pathlib import Path

from inkqueue.local.errors import LocalStackError
from inkqueue.local.launch import ServerUser

NAME = "inkqueue"
FALLBACKS = ("postgres", "nobody")


def ensure() -> ServerUser:
    """Return the system user `inkqueue`, made when it is missing; where none can be made, an existing one.

    Raises:
        LocalStackError: there is no user to run under.
    """
    found = _lookup(NAME)
    if found is None and shutil.which("useradd"):
        command = ["useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
        subprocess.run([*command, "--shell", "/usr/sbin/nologin", NAME], capture_output=True, check=False)
        found = _lookup(NAME)
    for name in FALLBACKS:
        found = found or _lookup(name)
    if found is None:
        raise LocalStackError(
            "PostgreSQL refuses to run as root and no system user could be made. "
            f"Create one (useradd --system {NAME}) or start inkqueue as an ordinary user."
        )
    return found


def can_use(user: ServerUser, program: Path) -> bool:
    """Tell whether the user may execute this program and read its folder."""
    return _test(user, "-x", program) and _test(user, "-r", program.parent)


def can_enter(user: ServerUser, folder: Path) -> bool:
    """Tell whether the user may enter this folder, all its parents included."""
    return _test(user, "-x", folder)


def _test(user: ServerUser, question: str, path: Path) -> bool:
    done = subprocess.run(
        ["test", question, str(path)], user=user.uid, group=user.gid, extra_groups=[], cwd="/", check=False
    )
    return done.returncode == 0


def _lookup(name: str) -> ServerUser | None:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return ServerUser(name, entry.pw_uid, entry.pw_gid)
