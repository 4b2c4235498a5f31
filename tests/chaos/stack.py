"""The whole service as processes of its own, every one of them behind links that can be broken.

`python -m tests.chaos.stack FILE` starts it and keeps it running, as `inkqueue up` would; FILE is a `Plan` in JSON.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType
from urllib.request import urlopen

import psutil

from inkqueue.local.home import Home
from inkqueue.local.launch import Launch, adopt_orphans
from inkqueue.local.postgres import PORT as SOCKET_PORT
from inkqueue.local.postgres import Postgres
from inkqueue.local.redis import Redis, free_port
from inkqueue.local.supervisor import Interrupted, Supervisor

ROOT = Path(__file__).resolve().parents[2]
READY_S = 180.0
FAKETIME = ("/usr/lib/x86_64-linux-gnu/faketime", "/usr/lib/aarch64-linux-gnu/faketime", "/usr/lib/faketime")


@dataclass(frozen=True)
class Plan:
    """What to start."""

    home: str
    apis: int = 2
    workers: int = 2
    stewards: int = 2
    faketime: str = ""
    durable: bool = True
    settings: dict[str, str] = field(default_factory=dict)

    def names(self) -> list[str]:
        """Return the processes that are ours."""
        bulk = [f"worker-{n}" for n in range(1, self.workers + 1)]
        apis = [f"api-{n}" for n in range(1, self.apis + 1)]
        return [*apis, *bulk, "worker-interactive", *(f"steward-{n}" for n in range(1, self.stewards + 1))]

    def write(self, path: Path) -> None:
        """Keep it in a file."""
        path.write_text(json.dumps(asdict(self)))


def find_faketime() -> str:
    """Return libfaketime's library for programs with threads; empty when it is not installed."""
    found = [Path(folder) / "libfaketimeMT.so.1" for folder in FAKETIME]
    return next((str(path) for path in found if path.exists()), "")


class ChaosStack:
    """Servers, links and processes under the supervisor of `inkqueue up`."""

    def __init__(self, plan: Plan) -> None:
        """Start nothing yet."""
        self.plan = plan
        self.home = Home(Path(plan.home))
        self.supervisor = Supervisor(self.home, lambda text: print(text, flush=True))
        self.postgres = Postgres(self.home.path, settings=self._server_settings())
        self.redis = Redis(self.home.path)
        self._shared = set(Path("/dev/shm").glob("*faketime_*"))
        self.ports = {name: free_port() for name in plan.names() if name.startswith("api")}

    def start(self) -> None:
        """Start everything, and write the addresses when the service is ready."""
        adopt_orphans()
        self.home.hold()
        for server in (self.redis, self.postgres):
            server.prepare()
            self.supervisor.add(server.launch(), before_start=server.recover)
        for server in (self.redis, self.postgres):
            self.supervisor.wait_until(type(server).__name__, server.is_ready, READY_S)
        self.postgres.create_database()
        links = self._start_links()
        direct = {"INKQUEUE_DATABASE_URL": self.postgres.url(), "INKQUEUE_REDIS_URL": self.redis.url()}
        self.supervisor.run_once(self._launch("migrate", ["shared.migrate"], direct), READY_S)
        for name in self.plan.names():
            self.supervisor.add(self._launch(name, self._module(name), self._own(name, links)))
        for port in self.ports.values():
            self.supervisor.wait_until("the API", lambda port=port: _ready(port), READY_S)
        self.supervisor.settled = True
        folders = [str(self.postgres.base), str(self.postgres.socket_dir)]
        addresses = {
            "folders": folders,
            "api": [f"http://127.0.0.1:{port}" for port in self.ports.values()],
            **direct,
        }
        self.home.write_private("stack.json", json.dumps(addresses))

    def keep(self) -> None:
        """Restart what dies until somebody asks to stop."""
        while True:
            self.supervisor.tick()
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop everything in order."""
        names = self.plan.names()
        apis = [name for name in names if name.startswith("api")]
        self.supervisor.stop(apis, [n for n in names if n not in apis], ["proxy"], ["redis"], ["postgres"])
        self.home.release()
        for left in set(Path("/dev/shm").glob("*faketime_*")) - self._shared:  # libfaketime's
            if not psutil.pid_exists(int(left.name.rpartition("_")[2])):
                left.unlink(missing_ok=True)

    def _server_settings(self) -> dict[str, str]:
        return {"max_connections": "150"} | ({} if self.plan.durable else {"fsync": "off"})

    def _start_links(self) -> dict[str, int]:
        """Give each of our processes its own way to each server."""
        servers = {
            "postgres": f"{self.postgres.socket_dir}/.s.PGSQL.{SOCKET_PORT}",
            "redis": f"127.0.0.1:{self.redis.port}",
        }
        links = [f"{name}/{server}={to}" for name in self.plan.names() for server, to in servers.items()]
        argv = [sys.executable, "-m", "tests.chaos.proxy", str(self.home.run), *links]
        self.supervisor.add(Launch("proxy", argv, ROOT))
        written = self.home.run / "links.json"
        self.supervisor.wait_until("the links", written.exists, READY_S)
        ports: dict[str, int] = json.loads(written.read_text())
        return ports

    def _own(self, name: str, links: dict[str, int]) -> dict[str, str]:
        """Return the environment of one process: its own links and its own clock."""
        environment = {
            "INKQUEUE_DATABASE_URL": f"postgresql://inkqueue@127.0.0.1:{links[name + '/postgres']}/inkqueue",
            "INKQUEUE_REDIS_URL": f"redis://:{self.redis.password}@127.0.0.1:{links[name + '/redis']}/0",
            "INKQUEUE_PORT": str(self.ports.get(name, 0)),
        }
        if self.plan.faketime:
            clock = self.home.run / f"clock-{name}"
            clock.write_text("+0\n")
            environment |= {
                "LD_PRELOAD": self.plan.faketime,
                "FAKETIME_TIMESTAMP_FILE": str(clock),
                "FAKETIME_CACHE_DURATION": "1",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                "NO_FAKE_STAT": "1",
                "PYTHONPATH": str(Path(__file__).parent / "clock"),
            }
        return environment

    def _module(self, name: str) -> list[str]:
        role = name.partition("-")[0]
        if role == "api":
            return ["api"]
        if role == "steward":
            return ["worker.steward"]
        lane = "interactive" if name == "worker-interactive" else "bulk"
        celery = ["-A", "worker.app", "worker", "-P", "prefork", "-c", "1", "-Q", lane, "-n", f"{name}@%h"]
        return ["celery", *celery, "--loglevel", "INFO"]

    def _launch(self, name: str, module: list[str], environment: dict[str, str]) -> Launch:
        general = {
            "INKQUEUE_HOME": str(self.home.path),
            "INKQUEUE_HOST": "127.0.0.1",
            "OMP_NUM_THREADS": "1",
            "PYTHONUNBUFFERED": "1",
        }
        return Launch(
            name,
            [sys.executable, "-m", *module],
            self.home.run,
            {**general, **self.plan.settings, **environment},
            grace_s=25.0,
        )


def _ready(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5.0) as answer:  # loopback
            return bool(answer.status == 200)
    except OSError:
        return False


def main() -> None:
    """Run until SIGTERM; die with the driver."""
    plan = Plan(**json.loads(Path(sys.argv[1]).read_text()))
    stack = ChaosStack(plan)

    def ask(_number: int, _frame: FrameType | None) -> None:
        stack.supervisor.requests_to_stop += 1

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ask)
    try:
        stack.start()
        stack.keep()
    except Interrupted:
        pass
    finally:
        stack.supervisor.requests_to_stop = 0
        stack.stop()
        print(f"stopped, pid {os.getpid()}", flush=True)


if __name__ == "__main__":
    main()
