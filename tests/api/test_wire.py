"""Hostile and slow clients on the wire: bounded in time, connections, memory; and answered where that is possible."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import psycopg
import pytest

from inkqueue.local.redis import free_port
from shared.settings import Settings
from tests.api.conftest import serving
from tests.api.files import PNG
from tests.api.wire import GET, Wire
from tests.services import Services, wait_for

HEAD_S = 1.0
SEND_S = 1.0
POST = b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"


@pytest.fixture(scope="module")
def bounds(services: Services, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Serve with small bounds; lend the settings."""
    with services.database() as url:
        settings = Settings(
            database_url=url,
            redis_url=services.empty_redis(),
            storage_url=f"file://{tmp_path_factory.mktemp('wire')}",
            port=free_port(),
            header_timeout_s=HEAD_S,
            send_timeout_s=SEND_S,
            keep_alive_s=1.0,
            upload_idle_s=1.0,
            upload_max_s=3.0,
            upload_min_bytes_s=100,
            max_connections=40,
            max_connections_per_address=20,
        )
        with serving(settings):
            yield settings


@pytest.fixture
def wire(bounds: Settings) -> Iterator[Wire]:
    """Lend one connection."""
    with Wire(bounds.port) as connection:
        yield connection


def leftovers(settings: Settings) -> int:
    """Count uploads that nobody gave up and nobody has finished."""
    with psycopg.connect(settings.database_url) as connection:
        row = connection.execute("SELECT count(*) FROM inputs WHERE state = 'receiving'").fetchone()
    return int(row[0]) if row else -1


def test_a_connection_without_a_word_is_closed(wire: Wire) -> None:
    """Who connects and says nothing does not keep the connection."""
    assert wire.closed_within(HEAD_S + 15)


@pytest.mark.parametrize("lines", [b"GET /healthz HTTP/1.1\r\nX-A: b\r\n", b"\r\n", b"GET /" + b"a" * 99])
def test_a_head_that_drips_is_closed(wire: Wire, lines: bytes) -> None:
    """Byte by byte, by empty lines or by one endless line: the time for a head is not prolonged by its bytes."""
    took = wire.drip(lines, 0.05, 30)
    assert took < HEAD_S + 15


def test_a_late_head_is_told(wire: Wire) -> None:
    """A client that sent half a head gets a problem document before the end."""
    wire.send(GET[:20])
    reply = wire.reply()
    assert (reply.status, reply.problem()["code"]) == (408, "request_timeout")
    assert wire.closed_within(15)


def test_the_second_head_has_its_time_too(wire: Wire) -> None:
    """A kept connection cannot drip its next request."""
    wire.send(GET)
    assert wire.reply().status == 200
    assert wire.drip(b"GET / HTTP/1.1\r\nX: y\r\n", 0.05, 10) < HEAD_S + 4


def test_an_idle_connection_is_closed(wire: Wire) -> None:
    """After an answer the connection is kept for a while and no longer."""
    wire.send(GET)
    assert wire.reply().status == 200
    assert wire.closed_within(15)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 40_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X-Many: 1\r\n" * 200 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX-Endless: " + b"a" * 100_000, 431),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"NONSENSE\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\n folded: y\r\n\r\n", 400),
        (b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400),
        (
            b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        (b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nXYZ\r\nabc\r\n", 400),
        (
            b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + b"f" * 20 + b"\r\n",
            400,
        ),
        (b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\nabc", 400),
    ],
    ids=lambda value: str(value[:40]) if isinstance(value, bytes) else str(value),
)
def test_a_broken_head_is_a_problem_document(wire: Wire, head: bytes, status: int) -> None:
    """What is no HTTP, or too much of it, is told as a problem and ends the connection."""
    wire.send(head)
    reply = wire.reply()
    assert (reply.status, reply.problem()["status"], reply.headers["connection"]) == (status, status, "close")
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert wire.closed_within(15)


@pytest.mark.parametrize("announced", [b"Content-Length: 100000", b"Transfer-Encoding: chunked"])
def test_a_body_that_drips_is_408_and_leaves_nothing(wire: Wire, bounds: Settings, announced: bytes) -> None:
    """A body slower than the least rate is given up, although a byte comes all the time."""
    wire.send(POST + announced + b"\r\n\r\n")
    took = wire.drip(b"1\r\nx\r\n" if b"chunked" in announced else b"x", 0.05, 40)
    reply = wire.reply()
    assert took < 25
    assert (reply.status, reply.problem()["code"]) == (408, "request_timeout")
    wait_for(lambda: leftovers(bounds) == 0, "the upload to be given up")


def test_a_body_may_not_take_for_ever(wire: Wire) -> None:
    """Quick enough by the second, and still too long in all."""
    wire.send(POST + b"Content-Length: 100000000\r\n\r\n")
    began = time.monotonic()
    wire.socket.setblocking(False)
    while time.monotonic() - began < 30:
        try:
            wire.socket.send(b"x" * 500)
            if wire.socket.recv(12).startswith(b"HTTP/1.1 408"):
                break
        except BlockingIOError:
            time.sleep(0.05)
        except (BrokenPipeError, ConnectionResetError):
            break
    assert 2.5 < time.monotonic() - began < 25


def test_chunks_of_nothing_but_extensions_are_refused(wire: Wire) -> None:
    """A body of one byte in megabytes of chunk framing costs no more than its framing may."""
    wire.send(POST + b"Transfer-Encoding: chunked\r\n\r\n")
    for _ in range(100):
        wire.send(b"1;x=" + b"y" * 2000 + b"\r\nz\r\n")
    assert wire.reply().problem()["code"] == "bad_request"
    assert wire.closed_within(15)


def test_trailers_are_no_headers(wire: Wire) -> None:
    """A trailer cannot add a header to a request that is being served; its size is bounded too."""
    body = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n" % (len(PNG), PNG)
    wire.send(POST + body + b"X-Request-Id: smuggled\r\n\r\n")
    reply = wire.reply()
    assert reply.status == 202
    assert reply.headers["x-request-id"] != "smuggled"
    wire.send(POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-Big: " + b"a" * 300_000)
    assert wire.closed_within(15)


def test_a_length_that_lies_leaves_nothing(bounds: Settings) -> None:
    """A body that ends before its length is given up with the connection."""
    with Wire(bounds.port) as wire:
        wire.send(POST + b"Content-Length: 3000000\r\n\r\n" + b"x" * 2_000_000)
        wait_for(lambda: leftovers(bounds) == 1, "the upload to begin")
    wait_for(lambda: leftovers(bounds) == 0, "the upload to be given up")


def test_a_body_that_nobody_reads_ends_the_connection(wire: Wire) -> None:
    """A GET with an endless body is answered, and the connection is not kept for the rest."""
    wire.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n")
    assert wire.reply().status == 200
    assert wire.drip(b"x", 0.1, 20) < 12


def test_continue_is_said_only_to_what_will_be_read(wire: Wire, bounds: Settings) -> None:
    """`Expect: 100-continue` gets its word where the body is wanted, and the refusal at once where it is not."""
    wire.send(POST + b"Expect: 100-continue\r\nContent-Length: 99999999999999\r\n\r\n")
    assert wire.reply().status == 413
    with Wire(bounds.port) as second:
        second.send(POST + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(PNG))
        assert second.reply().status == 100
        second.send(PNG)
        assert second.reply().status == 202


def test_pipelined_requests_are_answered_in_order_and_bounded(wire: Wire, bounds: Settings) -> None:
    """A few requests ahead are served one after the other; thousands are not kept in memory."""
    wire.send(GET * 5)
    assert [wire.reply().status for _ in range(5)] == [200] * 5
    with Wire(bounds.port) as second:
        second.send(GET * 5000)
        assert second.closed_within(15)


def test_a_second_answer_is_never_written_into_the_first(wire: Wire) -> None:
    """Rubbish behind a good request does not put its refusal before the good request's answer."""
    wire.send(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\nRUBBISH\r\n\r\n")
    try:
        reply = wire.reply()
    except AssertionError:
        return  # closed without a word
    assert reply.status in (200, 503)


def test_a_reader_who_does_not_read_is_dropped(bounds: Settings) -> None:
    """Answers that nobody takes hold their memory for a short time only."""
    with Wire(bounds.port) as wire:
        wire.socket.setsockopt(1, 8, 4096)  # a small window: SOL_SOCKET, SO_RCVBUF
        request = b"GET /openapi.json HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % bounds.port
        end = time.monotonic() + 40
        dropped = False
        while not dropped and time.monotonic() < end:
            try:
                wire.socket.settimeout(1)
                wire.socket.sendall(request * 4)
            except TimeoutError:
                continue
            except (BrokenPipeError, ConnectionResetError):
                dropped = True
            time.sleep(0.1)
    assert dropped


def test_connections_are_bounded_by_address_and_in_all(bounds: Settings) -> None:
    """One address cannot have them all; who comes too late is told so, and others still get in."""
    open_now = [Wire(bounds.port) for _ in range(30)]
    try:
        for wire in open_now[:20]:
            wire.send(GET)
        refused = open_now[-1].reply()
        with Wire(bounds.port, source="127.0.0.9") as other:
            other.send(GET)
            assert other.reply().status == 200
    finally:
        for wire in open_now:
            wire.socket.close()
    assert (refused.status, refused.problem()["code"]) == (503, "unavailable")
    assert int(refused.headers["retry-after"]) >= 1


def test_the_service_is_well_after_all_this(bounds: Settings) -> None:
    """Nothing of it is left behind."""
    with httpx.Client(base_url=f"http://127.0.0.1:{bounds.port}") as client:
        wait_for(lambda: client.get("/healthz").status_code == 200, "the API to answer")
    assert leftovers(bounds) == 0
