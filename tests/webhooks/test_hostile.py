"""Receivers that answer as no good one does: the sender lets go in time, and says what it was."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from shared.db import Database
from shared.settings import Settings
from tests.services import wait_for
from tests.webhooks.driver import deliveries, ended_job, quick, sending

Talk = Callable[[socket.socket, threading.Event], None]


@contextmanager
def talking(talk: Talk) -> Iterator[str]:
    """Run a server that does with every connection what a function says; lend its address."""
    stopping = threading.Event()
    server = socket.create_server(("127.0.0.1", 0), backlog=64)

    def one(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            talk(connection, stopping)

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = server.accept()
                threading.Thread(target=one, args=(connection,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/hook"
    finally:
        stopping.set()
        server.close()


def outcome(database: Database, settings: Settings, talk: Talk) -> tuple[str, int | None, int]:
    """Send one delivery with a limit of a second; return its state, status and milliseconds."""
    with talking(talk) as url:
        ended_job(database, url)
        with sending(quick(settings, webhook_timeout_s=1.0, webhook_schedule_s="0")):
            wait_for(lambda: deliveries(database)[0].attempt_count == 1, "the try")
    [told] = deliveries(database)
    return told.state, told.attempts[0]["status_code"], told.attempts[0]["duration_ms"]


def endless_interim(connection: socket.socket, stopping: threading.Event) -> None:
    """Send interim answers as fast as they go."""
    while not stopping.is_set():
        connection.sendall(b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n" * 100)


def seldom_interim(connection: socket.socket, stopping: threading.Event) -> None:
    """Send an interim answer ten times a second, for ever."""
    while not stopping.wait(0.1):
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")


def dripping_head(connection: socket.socket, stopping: threading.Event) -> None:
    """Send a head that never ends, byte by byte."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nx: ")
    while not stopping.wait(0.05):
        connection.sendall(b"x")


def giant_head(connection: socket.socket, stopping: threading.Event) -> None:
    """Send a head of megabytes."""
    while not stopping.is_set():
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + b"x: " + b"y" * 1_000_000 + b"\r\n")


@pytest.mark.parametrize("talk", [endless_interim, seldom_interim, dripping_head, giant_head])
def test_an_answer_that_never_comes_to_its_status_is_cut(
    database: Database, settings: Settings, talk: Talk
) -> None:
    """Within the time limit, as a failed try without a status."""
    state, status, took_ms = outcome(database, settings, talk)
    assert (state, status) == ("failed", None)
    assert took_ms < 9000


def giant_body(connection: socket.socket, stopping: threading.Event) -> None:
    """Announce a terabyte and send it."""
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000000\r\n\r\n")
    while not stopping.is_set():
        connection.sendall(b"x" * 100_000)


def early_answer(connection: socket.socket, stopping: threading.Event) -> None:
    """Answer before anything of the request was read."""
    connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
    stopping.wait(10)


@pytest.mark.parametrize("talk", [giant_body, early_answer])
def test_a_status_counts_whatever_else_the_receiver_does(
    database: Database, settings: Settings, talk: Talk
) -> None:
    """A 2xx is a success with a giant body behind it, and before the request was read."""
    state, status, took_ms = outcome(database, settings, talk)
    assert state == "delivered"
    assert status in {200, 204}
    assert took_ms < 9000


def rude_answer(connection: socket.socket, _stopping: threading.Event) -> None:
    """Answer early and break the connection with the request unread."""
    connection.sendall(b"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n")
    time.sleep(0.05)


def test_a_connection_broken_with_the_answer_is_a_failed_try(database: Database, settings: Settings) -> None:
    """Whether the status still comes through or not."""
    state, status, _ = outcome(database, settings, rude_answer)
    assert state == "failed"
    assert status in {None, 503}
