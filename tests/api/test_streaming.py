"""Uploads as they arrive: constant memory, a free event loop, and nothing left of those that stop half way."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from shared.blobs_root import MARKER
from shared.db import Database
from shared.jobs.sweep import collect_stale_uploads
from shared.settings import Settings
from tests.api.conftest import serving
from tests.processes import Process
from tests.queue_driver import row
from tests.services import wait_for

MIB = 1024 * 1024
SIZE = 300 * MIB
BLOCK = bytes(range(256)) * 4096


def states(database: Database) -> dict[str, int]:
    """Count inputs by state."""
    with database.transaction() as connection:
        rows = connection.exec_driver_sql("SELECT state, count(*) FROM inputs GROUP BY state")
        return {state: int(count) for state, count in rows}


def stored(settings: Settings) -> list[Path]:
    """List the files in the storage."""
    folder = Path(settings.storage_url.removeprefix("file://"))
    return [path for path in folder.rglob("*") if path.is_file() and path.name != MARKER]


def half_a_body(api: httpx.Client, announced: int, sent: bytes) -> socket.socket:
    """Begin an upload and stop in the middle."""
    connection = socket.create_connection((api.base_url.host, api.base_url.port))
    head = (
        f"POST /v1/jobs HTTP/1.1\r\nHost: localhost:{api.base_url.port}\r\nContent-Type: application/zip\r\n"
        f"Content-Length: {announced}\r\n\r\n"
    )
    connection.sendall(head.encode() + sent)
    return connection


def blocks() -> Iterator[bytes]:
    """Yield a large body."""
    for _ in range(SIZE // len(BLOCK)):
        yield BLOCK


@pytest.mark.parametrize("kind", ["raw", "multipart"])
@pytest.mark.timeout(120)
def test_a_large_upload_takes_constant_memory(
    settings: Settings, settings_env: dict[str, str], tmp_path: Path, kind: str
) -> None:
    """300 MB, raw or as a form, move the API process by less than 64 MiB, and others are answered meanwhile."""
    process = Process(
        [sys.executable, "-m", "api"], {**settings_env, "INKQUEUE_LOG_LEVEL": "WARNING"}, tmp_path / "log"
    )
    url = f"http://127.0.0.1:{settings.port}"
    try:
        wait_for(lambda: answers(url), "the API to answer")
        before = psutil.Process(process.pid).memory_info().rss
        peak, answered = [before], [0]
        done = threading.Event()

        def watch() -> None:
            while not done.wait(0.02):
                httpx.get(f"{url}/healthz", timeout=10)
                answered[0] += 1
                peak[0] = max(peak[0], psutil.Process(process.pid).memory_info().rss)

        watcher = threading.Thread(target=watch)
        watcher.start()
        answer = httpx.post(f"{url}/v1/jobs", timeout=100, **body_of(kind))
        done.set()
        watcher.join()
    finally:
        process.stop()

    assert answer.status_code == 202, answer.text
    assert answer.json()["inputs"][0]["bytes"] == SIZE
    assert peak[0] - before < 64 * MIB
    assert answered[0] > 3


def answers(url: str) -> bool:
    """Tell whether the API is up."""
    try:
        return httpx.get(f"{url}/healthz").status_code == 200
    except httpx.TransportError:
        return False


def body_of(kind: str) -> dict[str, object]:
    """Return a large body without holding it."""
    if kind == "raw":
        return {"content": blocks(), "headers": {"content-type": "application/octet-stream"}}

    def form() -> Iterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="files"; filename="x.bin"\r\n\r\n'
        yield from blocks()
        yield b"\r\n--b--\r\n"

    return {"content": form(), "headers": {"content-type": "multipart/form-data; boundary=b"}}


def test_a_body_cut_off_half_way_leaves_nothing(
    api: httpx.Client, database: Database, settings: Settings
) -> None:
    """A client that goes away half way leaves no job, no visible file and no input that stays."""
    connection = half_a_body(api, 10 * MIB, b"PK\x03\x04" + bytes(3 * MIB))
    wait_for(lambda: states(database) == {"receiving": 1}, "the input's row")
    connection.close()

    wait_for(lambda: states(database) == {"collecting": 1}, "the input to be given up")
    assert row(database, "SELECT count(*) FROM jobs")[0] == 0
    wait_for(lambda: not stored(settings), "the half file to vanish")


def test_an_upload_that_stands_still_is_given_up(settings: Settings, database: Database) -> None:
    """A body that stops arriving is answered with 408 after the idle time, and nothing of it is kept."""
    with serving(settings.model_copy(update={"upload_idle_s": 0.5})) as api:
        connection = half_a_body(api, 10 * MIB, b"PK\x03\x04" + bytes(2 * MIB))
        connection.settimeout(10)
        answer = connection.recv(65536)
        connection.close()

        assert answer.startswith(b"HTTP/1.1 408")
        assert b'"code":"request_timeout"' in answer
        wait_for(lambda: states(database) == {"collecting": 1}, "the input to be given up")


@pytest.mark.timeout(60)
def test_a_killed_api_leaves_only_what_the_steward_collects(
    settings: Settings, settings_env: dict[str, str], database: Database, tmp_path: Path
) -> None:
    """After a kill in the middle of an upload the row is there, and it is collected after the stale time."""
    process = Process([sys.executable, "-m", "api"], settings_env, tmp_path / "log")
    url = f"http://127.0.0.1:{settings.port}"
    wait_for(lambda: answers(url), "the API to answer")
    with httpx.Client(base_url=url) as api:
        connection = half_a_body(api, 10 * MIB, b"PK\x03\x04" + bytes(3 * MIB))
        wait_for(lambda: states(database) == {"receiving": 1}, "the input's row")
    process.kill()
    process.stop()
    connection.close()

    assert states(database) == {"receiving": 1}
    time.sleep(0.1)
    assert collect_stale_uploads(database, stale_s=0.05) == 1
    assert states(database) == {"collecting": 1}


def test_a_slow_upload_is_kept_alive(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While bytes trickle in, the row is touched, so that the steward leaves it alone."""
    monkeypatch.setattr("api.stash.TOUCH_S", 0.1)
    monkeypatch.setattr("api.intake.BLOCK_S", 0.05)
    with serving(settings) as api:
        connection = half_a_body(api, 10 * MIB, b"PK\x03\x04" + bytes(2 * MIB))
        wait_for(lambda: states(database) == {"receiving": 1}, "the input's row")
        first = row(database, "SELECT touched_at FROM inputs")[0]

        def moved() -> bool:
            connection.sendall(bytes(1000))
            return bool(row(database, "SELECT touched_at FROM inputs")[0] > first)

        wait_for(moved, "the row to be touched", every_s=0.06)
        connection.close()


def test_a_collected_upload_is_refused(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An upload whose row was collected meanwhile answers with an error that may be tried again."""
    monkeypatch.setattr("api.stash.TOUCH_S", 0.0)
    with serving(settings) as api:
        size = 2 * MIB
        connection = half_a_body(api, size, b"PK\x03\x04" + bytes(MIB))
        wait_for(lambda: states(database) == {"receiving": 1}, "the input's row")
        assert collect_stale_uploads(database, stale_s=-1) == 1
        connection.sendall(bytes(size - MIB - 4))
        connection.settimeout(10)
        answer = connection.recv(65536)
        connection.close()
    assert answer.startswith(b"HTTP/1.1 503")
    assert b'"retryable":true' in answer


def test_what_is_no_http_is_a_problem_document(common: httpx.Client) -> None:
    """Even garbage on the socket is answered in the documented shape."""
    with socket.create_connection((common.base_url.host, common.base_url.port)) as connection:
        connection.sendall(b"nonsense\r\n\r\n")
        connection.settimeout(5)
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"application/problem+json" in answer
