"""Fixtures of the worker's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.blobs import Blobs, open_blobs
from shared.settings import Settings
from shared.status import Lane
from worker.drain import Drainer
from worker.models import Models, load_models
from worker.runtime import build


@pytest.fixture(scope="session")
def models() -> Models:
    """Load the shipped packages once."""
    return load_models(Settings())


@pytest.fixture
def blobs(settings: Settings) -> Blobs:
    """Open this test's storage."""
    return open_blobs(settings)


@pytest.fixture
def drainer(settings: Settings, models: Models, blobs: Blobs) -> Iterator[Drainer]:
    """Make a worker that works when it is told to, in this very process."""
    made = build(settings, models, [Lane.BULK, Lane.INTERACTIVE], blobs=blobs)
    yield made
    made.heartbeat.close()
    made.db.close()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Name the folder of installed models."""
    return tmp_path / "models"
