"""Fixtures of the client's tests: a running service and impatient clients of it."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from inkqueue import Client, RetryPolicy
from tests.inkqueue.memory import FakeService
from tests.inkqueue.service import running_service

IMPATIENT = RetryPolicy(max_retries=3, first_wait_s=0.01, longest_wait_s=0.05, max_wait_s=3.0)
PNG = b"\x89PNG\r\n\x1a\n" + b"picture"


@pytest.fixture
def service() -> Iterator[FakeService]:
    """Lend a running service."""
    with running_service() as service:
        yield service


@pytest.fixture
def client(service: FakeService) -> Iterator[Client]:
    """Lend a client of the service that loses patience quickly."""
    with Client(service.url, retry=IMPATIENT) as client:
        yield client


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """Return a zip of five images, one of them bad, and a text file."""
    path = tmp_path / "scans.zip"
    path.write_bytes(zip_of(["a.png", "b.png", "bad.png", "c.png", "d.png", "notes.txt"]))
    return path


def zip_of(names: Sequence[str]) -> bytes:
    """Make a zip of tiny files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, PNG)
    return buffer.getvalue()
