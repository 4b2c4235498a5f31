"""Fixtures of the whole suite: real services, a database a test, settings that point to them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings as hypothesis_settings

from inkqueue.local.redis import free_port
from shared.db import Database
from shared.settings import Settings, get_settings
from tests.services import Services, running_services

# how long an example takes is the machine's affair: speed is measured in benchmarks/, never in a test
hypothesis_settings.register_profile("inkqueue", deadline=None)
hypothesis_settings.load_profile("inkqueue")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave a module unread in `make check` when it marks nothing for it: importing all of them costs more."""
    if config.getoption("markexpr") != "check" or not collection_path.match("test_*.py"):
        return None
    return "mark.check" not in collection_path.read_text() or None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with the modules that take long, so that the processes of `make test` end together.

    Those of one folder stay together: Chromium and a worker with models start once for the folder.
    """
    if not hasattr(config, "workerinput"):
        return
    tests, slow = Counter(map(_module, items)), {_module(item) for item in items if _is_slow(item)}

    def place(item: pytest.Item) -> tuple[bool, str, int, str]:
        module = _module(item)
        folder = module.rpartition("/")[0] if module in slow else ""
        return module not in slow, folder, -tests[module], module

    items.sort(key=place)


def _module(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0]


def _is_slow(item: pytest.Item) -> bool:
    return item.get_closest_marker("slow") is not None or "browser" in getattr(item, "fixturenames", ())


@pytest.fixture(scope="session", autouse=True)
def _no_settings_of_the_shell() -> None:
    """Keep the developer's own INKQUEUE_… variables out of the tests."""
    for name in [name for name in os.environ if name.startswith("INKQUEUE_")]:
        del os.environ[name]
    get_settings.cache_clear()


@pytest.fixture(scope="session")
def services() -> Iterator[Services]:
    """Run PostgreSQL and Redis for the session."""
    with running_services() as running:
        yield running


@pytest.fixture
def db_url(services: Services) -> Iterator[str]:
    """Lend a fresh database with the newest schema, as a libpq address."""
    with services.database() as url:
        yield url


@pytest.fixture
def empty_db_url(services: Services) -> Iterator[str]:
    """Lend a fresh database without a schema, as a libpq address."""
    with services.database(template="template0") as url:
        yield url


@pytest.fixture
def redis_url(services: Services) -> str:
    """Lend an empty Redis database."""
    return services.empty_redis()


@pytest.fixture
def settings(db_url: str, redis_url: str, tmp_path: Path) -> Settings:
    """Return settings that point to this test's database, Redis and storage folder."""
    storage = tmp_path / "storage"
    storage.mkdir()
    return Settings(
        database_url=db_url,
        redis_url=redis_url,
        storage_url=f"file://{storage}",
        port=free_port(),
        log_format="console",
    )


@pytest.fixture
def settings_env(settings: Settings) -> dict[str, str]:
    """Return an environment for processes that shall use this test's settings."""
    return {
        **os.environ,
        "INKQUEUE_DATABASE_URL": settings.database_url,
        "INKQUEUE_REDIS_URL": settings.redis_url,
        "INKQUEUE_STORAGE_URL": settings.storage_url,
        "INKQUEUE_PORT": str(settings.port),
    }


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    """Lend the door to this test's database."""
    opened = Database(settings.sqlalchemy_url, "tool", pool_size=8)
    yield opened
    opened.close()
