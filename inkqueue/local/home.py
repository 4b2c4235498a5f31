"""The one folder of an embedded stack: where it is, what lies in it, and who holds it."""

from __future__ import annotations

import fcntl
import json
import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

from inkqueue.local.errors import LocalStackError

ROOT_HOME = Path("/var/lib/inkqueue")
URLS = "urls.env"
PRIVATE = ("logs", "models", "run", "storage")


def default_home(environment: Mapping[str, str] = os.environ) -> Path:
    """Return `INKQUEUE_HOME`, else `/var/lib/inkqueue` for root and `.inkqueue` here for others."""
    given = environment.get("INKQUEUE_HOME")
    if given:
        return Path(given).expanduser().resolve()
    return ROOT_HOME if os.geteuid() == 0 else Path.cwd() / ".inkqueue"


def with_local_urls(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment that points to the stack of this folder or user, where it names no other one.

    What the environment says already counts; a home without a stack adds nothing.
    """
    try:
        text = (default_home(environment) / URLS).read_text()
    except OSError:
        return dict(environment)
    words = (word for word in shlex.split(text) if word != "export")
    found = dict(word.split("=", 1) for word in words)
    return {**found, **environment}


class Home:
    """The folder, held by this process until `release`."""

    def __init__(self, path: Path) -> None:
        """Name the folder; `hold` makes it."""
        self.path = path
        self.logs = path / "logs"
        self.run = path / "run"
        self.storage = path / "storage"
        self.models = path / "models"
        self._lock: TextIO | None = None

    def hold(self) -> None:
        """Make the folder and lock it.

        Raises:
            LocalStackError: it cannot be made, or another stack holds it.
        """
        try:
            # as root the database's own user passes through, and cannot look around
            if not self.path.exists():
                self.path.mkdir(parents=True)
                self.path.chmod(0o711 if os.geteuid() == 0 else 0o700)
            lock = (self.path / "lock").open("a+")
        except OSError as error:
            raise LocalStackError(
                f"{self.path} cannot be used: {error.strerror}. Set INKQUEUE_HOME to a folder of yours."
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip() or "another process"
            lock.close()
            raise LocalStackError(
                f"inkqueue already runs on {self.path} ({holder}). "
                "Stop it, or set another INKQUEUE_HOME and another port."
            ) from None
        self._lock = lock
        for name in PRIVATE:
            (self.path / name).mkdir(mode=0o700, exist_ok=True)

    def describe_holder(self, text: str) -> None:
        """Write into the lock who holds it, for the message that a second start prints."""
        if self._lock is not None:
            self._lock.truncate(0)
            self._lock.write(text)
            self._lock.flush()

    def release(self) -> None:
        """Let another stack use the folder."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def write_private(self, name: str, text: str) -> Path:
        """Replace a file that only its owner reads, in one step."""
        path = self.path / name
        unfinished = path.with_name(f"{path.name}.new")
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        unfinished.replace(path)
        return path

    def write_urls(self, values: Mapping[str, str]) -> Path:
        """Keep the addresses of this stack in a file that a shell can read."""
        lines = [f"export {name}={shlex.quote(value)}" for name, value in sorted(values.items())]
        return self.write_private(URLS, "\n".join(lines) + "\n")

    def record(self, processes: Mapping[str, tuple[int, str]]) -> None:
        """Remember which processes run, by name: pid and start time; only the holder of the folder may."""
        if self._lock is None:
            return
        self.write_private("run/processes.json", json.dumps(processes))

    def recorded(self) -> dict[str, tuple[int, str]]:
        """Return what the last stack on this folder remembered; empty when there is nothing to read."""
        try:
            found = json.loads((self.run / "processes.json").read_text())
            return {str(name): (int(pid), str(started)) for name, (pid, started) in found.items()}
        except (OSError, ValueError, TypeError):
            return {}
