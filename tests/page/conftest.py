"""Fixtures of the pages' tests: one Chromium, one service with a real worker, a visit a test."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser

from inkqueue.local.redis import free_port
from shared.blobs import open_blobs
from shared.db import Database
from shared.settings import Settings
from tests import processes
from tests.api.conftest import serving
from tests.fakes import FakeWorker
from tests.page import chromium
from tests.page.visit import WIDE, Visit
from tests.services import Services
from tests.webhooks.driver import quick

ROOT = Path(__file__).resolve().parents[2]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the first test with real workers the time that these take to start on a busy machine."""
    for item in items:
        if "live" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.timeout(240))


@dataclass(frozen=True)
class Site:
    """A running service: `client` talks to it, `fake` reads images without a model when it is told to."""

    settings: Settings
    client: httpx.Client
    database: Database
    fake: FakeWorker

    @property
    def origin(self) -> str:
        """Return the address that a browser uses."""
        return f"http://127.0.0.1:{self.settings.port}"

    def environment(self) -> dict[str, str]:
        """Return the environment of processes that work for this service."""
        return {
            **os.environ,
            "INKQUEUE_DATABASE_URL": self.settings.database_url,
            "INKQUEUE_REDIS_URL": self.settings.redis_url,
            "INKQUEUE_STORAGE_URL": self.settings.storage_url,
            "INKQUEUE_PORT": str(self.settings.port),
        }


@contextmanager
def site_on(services: Services, folder: Path) -> Iterator[Site]:
    """Serve the API on a database of its own."""
    (folder / "storage").mkdir()
    with services.database() as url:
        plain = Settings(
            database_url=url,
            redis_url=services.empty_redis(),
            storage_url=f"file://{folder / 'storage'}",
            port=free_port(),
            log_format="console",
            chunk_max_items=50,  # so that jobs of a hundred images advance in steps
        )
        settings = quick(plain)
        database = Database(settings.sqlalchemy_url, "tool", pool_size=8)
        with serving(settings) as client:
            yield Site(settings, client, database, FakeWorker(database, open_blobs(settings)))
        database.close()


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Run one Chromium for all tests of the pages."""
    with chromium.running() as running:
        yield running


@pytest.fixture(scope="package")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where pictures are kept: the folder PAGE_SHOTS, else a temporary one."""
    named = os.environ.get("PAGE_SHOTS")
    folder = Path(named) if named else tmp_path_factory.mktemp("shots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="package")
def live(services: Services, tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Site]:
    """Lend a service without keys, with a real worker on both lanes: it reads images as users know it."""
    folder = tmp_path_factory.mktemp("live")
    with ExitStack() as stack:
        site = stack.enter_context(site_on(services, folder))
        stack.enter_context(processes.worker(site.environment(), folder, "interactive,bulk", "both"))
        yield site


@pytest.fixture
def site(services: Services, tmp_path: Path, browser: Browser) -> Iterator[Site]:
    """Lend a service of this test alone, without workers: nothing is read until `site.fake.work()`."""
    with site_on(services, tmp_path) as running:
        yield running


@pytest.fixture
def visiting(browser: Browser, shots: Path) -> Iterator[Callable[[Site], Visit]]:
    """Lend a function that opens a fresh window on a service; every visit is checked at the end."""
    visits: list[Visit] = []

    def visit(site: Site) -> Visit:
        context = browser.new_context(
            viewport=WIDE,  # type: ignore[arg-type]  # a TypedDict in Playwright's stubs
            accept_downloads=True,
            reduced_motion="reduce",
            locale="en-GB",
            timezone_id="Europe/Berlin",
        )
        visits.append(Visit(context, site.origin, shots))
        return visits[-1]

    yield visit
    for one in visits:
        one.close()


@pytest.fixture
def visit(site: Site, visiting: Callable[[Site], Visit]) -> Visit:
    """Open a window on this test's own service."""
    return visiting(site)


@pytest.fixture
def live_visit(visiting: Callable[[Site], Visit], live: Site) -> Visit:
    """Open a window on the service with real workers."""
    return visiting(live)
