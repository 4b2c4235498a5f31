"""A webhook goes to the address that was checked, over TLS that proves the name, and nothing else comes along."""

from __future__ import annotations

import asyncio
import gzip
import itertools
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest

from shared.errors import WebhookUrlRefused
from shared.outbound import OutboundPolicy, Resolver, check_url, transport
from shared.outbound.policy import AllowedHost
from shared.outbound.sending import client, tls_context
from tests.shared.outbound_servers import OK, Authority, Receiver, receiving

PUBLIC = "93.184.215.14"
NAME = "hooks.example.org"


def to_loopback(name: str) -> list[str]:
    """Find every name on this machine."""
    return ["127.0.0.1"]


def allowing(*entries: str, ca_file: str = "") -> OutboundPolicy:
    """Return the policy of an operator who allows these hosts."""
    return OutboundPolicy(allowed=tuple(AllowedHost.parse(entry) for entry in entries), ca_file=ca_file)


def sender(policy: OutboundPolicy, resolve: Resolver = to_loopback) -> httpx.AsyncClient:
    """Return a client on the transport, as lax as httpx lets a client be."""
    return httpx.AsyncClient(transport=transport(policy, resolve=resolve), follow_redirects=True, timeout=5)


def run(story: Callable[[], Awaitable[None]]) -> None:
    """Run a test's story."""
    asyncio.run(story())  # type: ignore[arg-type]


def test_a_name_that_moves_inside_after_its_check_reaches_nothing() -> None:
    """DNS rebinding: public when the URL is given, 127.0.0.1 when it is called; the local server hears nothing."""

    async def story() -> None:
        async with receiving() as receiver:
            policy = OutboundPolicy(ports=frozenset({receiver.port}))
            answers = itertools.chain([[PUBLIC]], itertools.repeat(["127.0.0.1"]))
            url = check_url(
                f"https://{NAME}:{receiver.port}/", policy, resolve=lambda name: next(answers)
            ).url
            async with sender(policy, lambda name: next(answers)) as http:
                for _ in range(3):
                    with pytest.raises(httpx.ConnectError, match="may not be called"):
                        await http.post(url, content=b"{}")
            assert receiver.connections == 0

    run(story)


def test_tls_proves_the_name(tmp_path: Path) -> None:
    """The connection goes to an address; SNI, certificate and Host are the name's."""

    async def story() -> None:
        authority = Authority(tmp_path)
        async with receiving(context=authority.server_context(NAME)) as receiver:
            async with sender(allowing(NAME, ca_file=str(authority.file))) as http:
                answer = await http.post(
                    f"https://{NAME}:{receiver.port}/a?b=c",
                    content=b"{}",
                    headers={"Host": "evil.example.org"},
                    extensions={"sni_hostname": "evil.example.org"},
                )
            assert (answer.status_code, answer.content) == (200, b"ok")
            assert receiver.names == [NAME]
            assert receiver.requests[0].startswith(b"POST /a?b=c HTTP/1.1\r\n")
            assert _headers(receiver)["host"] == f"{NAME}:{receiver.port}"
            assert receiver.requests[0].lower().count(b"\r\nhost:") == 1

    run(story)


@pytest.mark.parametrize("certified", ["other.example.org", "127.0.0.1", "example.org"])
def test_a_certificate_of_another_name_is_refused(tmp_path: Path, certified: str) -> None:
    """Whoever holds the address but not the name gets no request."""

    async def story() -> None:
        authority = Authority(tmp_path)
        async with receiving(context=authority.server_context(certified)) as receiver:
            async with sender(allowing(NAME, ca_file=str(authority.file))) as http:
                with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
                    await http.post(f"https://{NAME}:{receiver.port}/", content=b"{}")
            assert receiver.requests == []

    run(story)


def test_a_certificate_of_an_unknown_authority_is_refused(tmp_path: Path) -> None:
    """Being on the allow-list does not make a receiver trusted."""

    async def story() -> None:
        strange = Authority(tmp_path)
        async with receiving(context=strange.server_context(NAME)) as receiver:
            for ca_file in ("", str(Authority(tmp_path).file)):
                async with sender(allowing(NAME, ca_file=ca_file)) as http:
                    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
                        await http.post(f"https://{NAME}:{receiver.port}/", content=b"{}")
            assert receiver.requests == []

    run(story)


def test_old_tls_is_not_spoken() -> None:
    """TLS 1.2 is the least, and names are checked."""
    context = tls_context(OutboundPolicy())
    assert context.minimum_version.name == "TLSv1_2"
    assert context.check_hostname
    assert context.cert_store_stats()["x509_ca"] > 50


def test_a_redirect_leads_nowhere() -> None:
    """A redirect is an answer; a client that follows it all the same meets the same check."""

    async def story() -> None:
        async with receiving() as inner:
            for target in (
                f"http://127.0.0.1:{inner.port}/",
                f"http://localhost:{inner.port}/",
                "file:///etc/passwd",
            ):
                moved = f"HTTP/1.1 307 Moved\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n".encode()
                async with receiving(moved) as receiver:
                    policy = allowing(f"receiver:{receiver.port}")
                    url = f"http://receiver:{receiver.port}/"
                    async with sender(policy) as http:
                        with pytest.raises((WebhookUrlRefused, httpx.UnsupportedProtocol)):
                            await http.post(url, content=b"{}")
                    async with httpx.AsyncClient(transport=transport(policy, resolve=to_loopback)) as http:
                        assert (await http.post(url, content=b"{}")).status_code == 307
            assert inner.connections == 0

    run(story)


def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy would resolve and dial by itself; the sender knows none."""

    async def story() -> None:
        async with receiving() as proxy, receiving() as receiver:
            for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
                monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
            async with client(allowing("127.0.0.1")) as http:
                assert (
                    await http.post(f"http://127.0.0.1:{receiver.port}/", content=b"{}")
                ).status_code == 200
                with pytest.raises(WebhookUrlRefused):
                    await http.post("http://127.0.0.2/", content=b"{}")
            assert (proxy.connections, receiver.connections) == (0, 1)

    run(story)


def test_nothing_of_an_answer_comes_back_with_the_next_request() -> None:
    """Cookies are neither kept nor sent: deliveries of two tenants to one host share nothing."""

    async def story() -> None:
        answer = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nset-cookie: c=d\r\nContent-Length: 0\r\n\r\n"
        async with receiving(answer) as receiver, sender(allowing("receiver")) as http:
            for _ in range(2):
                await http.post(f"http://receiver:{receiver.port}/", content=b"{}")
            assert "cookie" not in _headers(receiver)
            assert not http.cookies

    run(story)


def test_an_answer_is_never_unpacked() -> None:
    """A kilobyte of gzip stays a kilobyte, whatever it would become."""

    async def story() -> None:
        bomb = gzip.compress(bytes(50_000_000))
        head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(bomb)}\r\n\r\n"
        async with receiving(head.encode() + bomb) as receiver, sender(allowing("receiver")) as http:
            answer = await http.post(f"http://receiver:{receiver.port}/", headers={"Accept-Encoding": "gzip"})
            assert answer.content == bomb
            assert _headers(receiver)["accept-encoding"] == "identity"

    run(story)


def test_an_answer_can_be_left_half_read() -> None:
    """Reading stops where the caller stops; the connection is closed and not used again."""

    async def story() -> None:
        endless = b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n" + bytes(10_000)
        async with receiving(endless) as receiver, sender(allowing("receiver")) as http:
            for _ in range(2):
                async with http.stream("POST", f"http://receiver:{receiver.port}/") as answer:
                    assert len(await anext(answer.aiter_raw(1000))) == 1000
            assert receiver.connections == 2

    run(story)


@pytest.mark.parametrize(
    "answer",
    [b"HTTP/1.1 200 OK\r\n" + b"X: " + b"a" * 300_000 + b"\r\n\r\n", b"\x00" * 100, b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
     b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", b"HTTP/1.1 99999 \r\n\r\n"],
)  # fmt: skip
def test_an_answer_that_is_no_http_is_an_error_of_httpx(answer: bytes) -> None:
    """The sender has one family of errors to expect, whatever comes back."""

    async def story() -> None:
        async with receiving(answer) as receiver, sender(allowing("receiver")) as http:
            with pytest.raises(httpx.TransportError):
                await http.post(f"http://receiver:{receiver.port}/", content=b"{}")

    run(story)


def test_a_silent_receiver_ends_by_the_time_limit() -> None:
    """Without limits of the caller there are some all the same."""

    async def story() -> None:
        async with receiving(b"") as receiver, sender(allowing("receiver")) as http:
            with pytest.raises(httpx.ReadTimeout):
                await http.post(f"http://receiver:{receiver.port}/", timeout=httpx.Timeout(None, read=0.1))

    run(story)


def test_a_kept_connection_serves_its_own_origin_only() -> None:
    """The same origin may use it again; another name at the same address makes a connection of its own."""

    async def story() -> None:
        async with receiving(OK) as receiver, sender(allowing("one", "two")) as http:
            for name in ("one", "one", "two"):
                await http.post(f"http://{name}:{receiver.port}/", content=b"{}")
            assert receiver.connections == 2
            assert _headers(receiver)["host"] == f"two:{receiver.port}"

    run(story)


def test_an_allowed_literal_is_called_by_http() -> None:
    """The allow-list opens loopback to a developer, and only the very address."""

    async def story() -> None:
        async with receiving() as receiver, sender(allowing("127.0.0.1")) as http:
            url = f"http://127.0.0.1:{receiver.port}/hook"
            assert (await http.post(url, content=b"{}")).status_code == 200
            with pytest.raises(WebhookUrlRefused):
                await http.post(url.replace("127.0.0.1", "localhost"), content=b"{}")
            assert receiver.connections == 1

    run(story)


def _headers(receiver: Receiver) -> dict[str, str]:
    """Return the headers of the last request, names in lower case."""
    lines = receiver.requests[-1].partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
