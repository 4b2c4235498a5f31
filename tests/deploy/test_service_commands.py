"""Each service's very command line on a real PostgreSQL and Redis, judged by its own health check."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from inkqueue.local.redis import free_port
from tests.deploy.files import filled, stages
from tests.deploy.test_compose import BUILT, dockerfile
from tests.migrations import catalog
from tests.processes import Process
from tests.services import Services, wait_for

SERVICES = ("api", "worker", "worker-interactive", "steward", "flower")
READY_S = 50.0
HEALTH_S = 20.0


class Container:
    """A service of the compose file without its container: same command, variables and health check."""

    def __init__(self, name: str, services: Services, database_url: str, folder: Path) -> None:
        """Replace the addresses that only exist among containers; everything else is as it is written."""
        image = stages(dockerfile(BUILT[name]))[-1]
        written = {key: filled(value or "") for key, value in BUILT[name].get("environment", {}).items()}
        redis_url = services.empty_redis()
        (folder / name).mkdir()
        self.ports = {str(port): str(free_port()) for port in image.ports}
        here = {
            "INKQUEUE_DATABASE_URL": database_url,
            "INKQUEUE_REDIS_URL": redis_url,
            "INKQUEUE_STORAGE_URL": f"file://{folder / name}",
            "INKQUEUE_HOST": "127.0.0.1",
            "INKQUEUE_PORT": self.ports.get("8000", "8000"),
            "CELERY_BROKER_URL": redis_url,
        }
        own = {**image.environment, **{key: value for key, value in written.items() if value}}
        self.environment = {
            **os.environ,
            **{key: here.get(key, value) for key, value in own.items()},
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        self.name, self.folder = name, folder
        self.command = self._with_ports(BUILT[name].get("command") or image.command)
        self.health_command = self._with_ports(image.health)
        if name == "flower":
            self.command.append("--address=127.0.0.1")  # in its container it listens everywhere

    def start(self) -> Process:
        """Start the command, from a folder that is not the checkout."""
        log = self.folder / f"{self.name}.log"
        return Process(self.command, self.environment, log, cwd=self.folder / self.name)

    def health(self) -> int:
        """Run the image's own health check once."""
        return subprocess.run(
            self.health_command,
            env=self.environment,
            cwd=self.folder / self.name,
            capture_output=True,
            timeout=HEALTH_S,
            check=False,
        ).returncode

    def _with_ports(self, command: list[str]) -> list[str]:
        for inside, free in self.ports.items():
            command = [re.sub(rf"(?<=[:=]){inside}\b", free, part) for part in command]
        return list(command)


@pytest.fixture(scope="module")
def running(
    services: Services, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, tuple[Container, Process]]]:
    """Start all services at once, each on a database of its own, so that none is well by another's signs."""
    folder = tmp_path_factory.mktemp("services")
    with ExitStack() as stack:
        containers = [
            Container(name, services, stack.enter_context(services.database()), folder) for name in SERVICES
        ]
        started = {}
        for container in containers:
            process = container.start()
            stack.callback(process.stop)
            started[container.name] = (container, process)
        yield started


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_becomes_healthy_and_stops_when_asked(
    name: str, running: dict[str, tuple[Container, Process]]
) -> None:
    """The command starts, the health check turns to 0, SIGTERM ends it in peace."""
    container, process = running[name]

    wait_for(
        lambda: process.popen.poll() is not None or container.health() == 0,
        f"{name} to be healthy",
        READY_S,
        0.5,
    )
    assert process.popen.poll() is None, process.output()
    assert process.stop() in {0, -15}, process.output()
    assert "Traceback" not in process.output()


@pytest.mark.parametrize("name", [name for name in SERVICES if name != "flower"])
def test_a_service_that_does_not_run_is_not_healthy(
    name: str, services: Services, db_url: str, tmp_path: Path
) -> None:
    """The health check says so by exit code 1."""
    assert Container(name, services, db_url, tmp_path).health() == 1


def test_the_migrate_service_makes_the_schema(
    services: Services, empty_db_url: str, db_url: str, tmp_path: Path
) -> None:
    """The one-shot service ends with 0 and leaves the newest schema; a second run ends with 0 too."""
    migrate = Container("migrate", services, empty_db_url, tmp_path)
    for _ in range(2):
        process = migrate.start()
        assert process.popen.wait(30) == 0, process.output()
        process.stop()

    assert catalog.everything(empty_db_url) == catalog.everything(db_url)
