"""The real PostgreSQL and Redis of the suite: started once, every test in a database of its own."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import redis
from psycopg import sql

from inkqueue.local.launch import Launch, start
from inkqueue.local.postgres import Postgres
from inkqueue.local.redis import Redis
from shared.migrate import migrate

TEMPLATE = "template_of_tests"
REDIS_DATABASES = 256
START_S = 60.0
# a test may kill the servers, never the machine: nothing waits for a disk
FAST = {"fsync": "off", "full_page_writes": "off", "max_wal_size": "128MB", "max_connections": "200"}


class Services:
    """A running PostgreSQL and a running Redis, with the schema in a template database."""

    def __init__(self, postgres: Postgres, redis_server: Redis) -> None:
        """Keep the two servers; `running_services` makes this."""
        self.postgres = postgres
        self.redis = redis_server
        self._names = itertools.count(1)
        self._databases = itertools.cycle(range(1, REDIS_DATABASES))

    def make_template(self) -> None:
        """Create the database with the newest schema that tests are cloned from."""
        self.postgres.create_database(TEMPLATE)
        migrate(sqlalchemy_url(self.postgres.url(TEMPLATE)))

    def create_database(self, template: str = TEMPLATE) -> str:
        """Clone a template; return the new database's name."""
        name = f"test_{next(self._names)}"
        self._administer("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY", name, template)
        return name

    def drop_database(self, name: str) -> None:
        """Drop a database and whoever is still connected to it."""
        self._administer("DROP DATABASE {} WITH (FORCE)", name)

    @contextmanager
    def database(self, template: str = TEMPLATE) -> Iterator[str]:
        """Lend the address of a fresh database; `template0` gives one without a schema."""
        name = self.create_database(template)
        try:
            yield self.postgres.url(name)
        finally:
            self.drop_database(name)

    def empty_redis(self) -> str:
        """Return the address of a Redis database that nobody else uses now."""
        url = self.redis.url(next(self._databases))
        with redis.Redis.from_url(url) as client:
            client.flushdb()
        return url

    def _administer(self, statement: str, *names: str) -> None:
        with psycopg.connect(self.postgres.url("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def sqlalchemy_url(database_url: str) -> str:
    """Name the driver in an address, as SQLAlchemy wants it."""
    return database_url.replace("postgresql://", "postgresql+psycopg://", 1)


@contextmanager
def running_services() -> Iterator[Services]:
    """Start both servers in a temporary folder; stop them at the end; they die with this process too."""
    home = Path(tempfile.mkdtemp(prefix="inkqueue-tests-", dir=_memory_folder()))
    home.chmod(0o711)  # as root the server's own user must reach its data
    postgres = Postgres(home, settings=FAST)
    redis_server = Redis(home, databases=REDIS_DATABASES)
    try:
        postgres.prepare()
        redis_server.prepare()
        with (
            _running(postgres.launch(), postgres.is_ready, home / "postgres.log"),
            _running(redis_server.launch(), redis_server.is_ready, home / "redis.log"),
        ):
            services = Services(postgres, redis_server)
            services.make_template()
            yield services
    finally:
        for folder in {home, postgres.base, postgres.socket_dir}:
            shutil.rmtree(folder, ignore_errors=True)


def _memory_folder() -> Path | None:
    """Return the machine's memory disk when it has room; None is the usual temporary folder."""
    folder = Path("/dev/shm")
    roomy = folder.is_dir() and shutil.disk_usage(folder).free > 2 << 30
    return folder if roomy and os.access(folder, os.W_OK) else None


@contextmanager
def _running(launch: Launch, is_ready: Callable[[], bool], log: Path) -> Iterator[None]:
    process = start(launch, log)
    try:
        wait_for(lambda: process.poll() is not None or is_ready(), f"{launch.name} to be ready", START_S)
        if process.poll() is not None:
            raise RuntimeError(f"{launch.name} did not start: {log.read_text()}")
        yield
    finally:
        process.send_signal(signal.SIGQUIT)  # PostgreSQL's immediate shutdown: the data is thrown away
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(
    condition: Callable[[], object], what: str, timeout_s: float = 30.0, every_s: float = 0.02
) -> None:
    """Poll until the condition holds.

    Raises:
        AssertionError: it did not within the time; the text names what was waited for.
    """
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"waited {timeout_s:g} s for {what}")
        time.sleep(every_s)
