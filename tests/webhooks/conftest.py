"""Fixtures of the webhooks' tests: a receiver, and the API with settings that allow it."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from shared.settings import Settings
from tests.api.conftest import serving
from tests.webhooks.driver import quick
from tests.webhooks.receiver import Receiver, receiving


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Lend a receiver."""
    with receiving() as running:
        yield running


@pytest.fixture
def swift(settings: Settings) -> Settings:
    """Return settings that allow loopback and try again soon."""
    return quick(settings)


@pytest.fixture
def api(swift: Settings) -> Iterator[httpx.Client]:
    """Lend a client of an API that allows loopback."""
    with serving(swift) as client:
        yield client
