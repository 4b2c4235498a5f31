"""The whole of inkqueue on one machine: which processes, in which order, with which addresses."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote

from inkqueue.local.home import Home, default_home
from inkqueue.local.launch import Launch, adopt_orphans
from inkqueue.local.leftovers import stop_leftovers
from inkqueue.local.listening import listen
from inkqueue.local.postgres import Postgres
from inkqueue.local.redis import Redis
from inkqueue.local.supervisor import Supervisor

SERVER_START_S = 60.0
MIGRATE_S = 120.0
READY_S = 120.0
MODELS = "INKQUEUE_MODELS_DIRS"
URL_NAMES = ("INKQUEUE_DATABASE_URL", "INKQUEUE_REDIS_URL", "INKQUEUE_STORAGE_URL")


def default_workers() -> int:
    """Return one bulk worker a core that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class StackOptions:
    """What a person may choose; everything else follows."""

    home: Path = field(default_factory=default_home)
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = field(default_factory=default_workers)


class Stack:
    """PostgreSQL, Redis, API, workers and steward under one supervisor."""

    def __init__(self, options: StackOptions, say: Callable[[str], None]) -> None:
        """Start nothing yet; `say` tells the person at the terminal what happens."""
        self.options = options
        self.say = say
        self.home = Home(options.home.expanduser().absolute())
        self.supervisor = Supervisor(self.home, say)
        self.urls: dict[str, str] = {}
        self.listeners: list[socket.socket] = []

    @property
    def url(self) -> str:
        """Return the address of the API on this machine."""
        host = f"[{self.options.host}]" if ":" in self.options.host else self.options.host
        return f"http://{host}:{self.options.port}"

    @property
    def public_url(self) -> str:
        """Return the address that people type: the public one where it is set, never one that is no address."""
        public = os.environ.get("INKQUEUE_PUBLIC_URL", "").rstrip("/")
        return public or self.url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")

    def start(self) -> None:
        """Start everything; return when the service answers that it is ready.

        Raises:
            LocalStackError: the folder or the port is taken, or something does not start.
        """
        adopt_orphans()
        self.home.hold()
        self.home.describe_holder(f"pid {os.getpid()}, {self.url}")
        for name in stop_leftovers(self.home):
            self.say(f"stopped {name}, left over from a stack that was killed")
        self.listeners = listen(self.options.host, self.options.port)
        self._start_services()
        self._migrate()
        self._start_own()
        self.supervisor.wait_until("The service is", self.is_ready, READY_S)
        self.supervisor.settled = True

    def is_ready(self) -> bool:
        """Ask the API whether it can work."""
        connection = http.client.HTTPConnection(self.options.host, self.options.port, timeout=5.0)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def stop(self) -> None:
        """Stop everything in order: no new work, finish what is in hand, then the services.

        A second request to stop ends all patience; nothing that was acknowledged is lost even then.
        """
        for listener in self.listeners:  # refuse, rather than keep callers waiting for nobody
            listener.close()
        workers = [name for name in self.supervisor.children if name.startswith("worker")]
        self.supervisor.stop(["api"], [*workers, "steward"], ["redis"], ["postgres"])
        self.home.release()

    def _start_services(self) -> None:
        """Start PostgreSQL and Redis together, unless the environment names running ones."""
        given = {name: os.environ[name] for name in URL_NAMES if os.environ.get(name)}
        began = time.monotonic()
        servers: list[Postgres | Redis] = []
        if "INKQUEUE_REDIS_URL" not in given:
            redis = Redis(self.home.path)
            self._serve(redis)
            servers.append(redis)
            self.urls["INKQUEUE_REDIS_URL"] = redis.url()
        if "INKQUEUE_DATABASE_URL" not in given:
            connections = max(100, 50 + 3 * self.options.workers)
            postgres = Postgres(self.home.path, settings={"max_connections": str(connections)})
            self._serve(postgres)
            servers.append(postgres)
            self.urls["INKQUEUE_DATABASE_URL"] = postgres.url()
        for server in servers:
            self.supervisor.wait_until(type(server).__name__, server.is_ready, SERVER_START_S)
            if isinstance(server, Postgres):
                server.create_database()
        self.urls["INKQUEUE_STORAGE_URL"] = f"file://{quote(str(self.home.storage))}"
        self.urls |= given
        for server in servers:
            if isinstance(server, Postgres) and server.base != self.home.path:
                self.say(f"PostgreSQL's files are in {server.base}: its user cannot enter {self.home.path}")
        names = " and ".join(sorted(type(server).__name__ for server in servers))
        if names:
            self.say(f"{names} {'is' if len(servers) == 1 else 'are'} up ({time.monotonic() - began:.1f} s)")

    def _serve(self, server: Postgres | Redis) -> None:
        server.prepare()
        self.supervisor.add(server.launch(), before_start=server.recover)

    def _migrate(self) -> None:
        began = time.monotonic()
        self.supervisor.run_once(self._python("migrate", "shared.migrate"), MIGRATE_S)
        self.say(f"Database schema is current ({time.monotonic() - began:.1f} s)")

    def _start_own(self) -> None:
        self.supervisor.add(self._api())
        for number in range(1, self.options.workers + 1):
            self.supervisor.add(self._worker(f"worker-{number}", "bulk"))
        self.supervisor.add(self._worker("worker-interactive", "interactive"))
        self.supervisor.add(self._python("steward", "worker.steward"))

    def _api(self) -> Launch:
        """Lend the API our sockets: while it is started anew, callers wait in line instead of being refused."""
        fds = [listener.fileno() for listener in self.listeners]
        launch = self._python("api", "api", grace_s=15.0)
        environment = {**launch.env, "INKQUEUE_LISTEN_FDS": ",".join(map(str, fds))}
        return replace(launch, env=environment, fds=fds)

    def _worker(self, name: str, lane: str) -> Launch:
        celery = ["-A", "worker.app", "worker", "-P", "prefork", "-c", "1", "-Q", lane, "-n", f"{name}@%h"]
        return self._python(name, "celery", *celery, "--loglevel", "INFO", grace_s=25.0)

    def _python(self, name: str, module: str, *arguments: str, grace_s: float = 10.0) -> Launch:
        return Launch(
            name=name,
            argv=[sys.executable, "-m", module, *arguments],
            cwd=self.home.run,  # `-m` looks into the current folder first: that must be ours
            env=self.environment(),
            stop_signal=signal.SIGTERM,
            grace_s=grace_s,
        )

    def models(self) -> Mapping[str, str]:
        """Return where our processes find models: in the folders that are named already, and in ours."""
        given = [part for part in os.environ.get(MODELS, "").split(os.pathsep) if part]
        own = str(self.home.models)
        return {MODELS: os.pathsep.join(given if own in given else [*given, own])}

    def environment(self) -> Mapping[str, str]:
        """Return what our processes find in their environment beside the caller's own."""
        return {
            **self.urls,
            **self.models(),
            "INKQUEUE_HOME": str(self.home.path),
            "INKQUEUE_HOST": self.options.host,
            "INKQUEUE_PORT": str(self.options.port),
            "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
            "PYTHONUNBUFFERED": "1",
        }
