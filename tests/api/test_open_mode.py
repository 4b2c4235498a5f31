"""An open service: this machine may do everything, and web pages that are shown on it may do nothing."""

from __future__ import annotations

import socket
import subprocess
import sys

import httpx
import pytest
from pydantic import SecretStr

from inkqueue.local.redis import free_port
from shared.db import Database
from shared.keys.text import new_key
from shared.settings import Settings
from tests.api.conftest import serving
from tests.api.files import PNG, problem
from tests.api.keyed import key_for

SITES = (
    "http://evil.example",
    "https://evil.example",
    "null",
    "http://localhost:1",
    "https://localhost",
    "file://",
)


def port_of(api: httpx.Client) -> int:
    """Return the port that the service listens on."""
    assert api.base_url.port is not None
    return api.base_url.port


@pytest.mark.parametrize("host", ["localhost:{}", "127.0.0.1:{}", "127.8.9.1:{}", "[::1]:{}", "LOCALHOST:{}"])
def test_names_of_this_machine(common: httpx.Client, host: str) -> None:
    """Every loopback name with the right port is known."""
    headers = {"Host": host.format(port_of(common))}
    assert common.get("/v1/jobs", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example:{}",
        "localhost",
        "localhost:1",
        "127.0.0.1",
        "localhost.evil.example:{}",
        "127.0.0.1.nip.io:{}",
        "localhost:{}@evil.example",
        "evil.example#localhost:{}",
        "0.0.0.0:{}",
        "0:{}",
        "2130706433:{}",
        "127.1:{}",
        "0x7f.0.0.1:{}",
        "[::]:{}",
        "[::ffff:10.0.0.1]:{}",
        "169.254.169.254:{}",
        "10.0.0.1:{}",
        "",
    ],
)
@pytest.mark.parametrize("path", ["/", "/v1/jobs", "/docs", "/metrics", "/v1/models"])
def test_a_name_that_points_here_by_trick_is_refused(common: httpx.Client, host: str, path: str) -> None:
    """DNS rebinding: the name in `Host` is another site's, so not even reading is allowed."""
    answer = common.get(path, headers={"Host": host.format(port_of(common))})
    assert answer.status_code == 403
    assert "INKQUEUE_ALLOWED_HOSTS" in answer.json()["detail"]


def test_several_names_or_none_are_refused(common: httpx.Client) -> None:
    """Two `Host` lines are refused, whichever of them is right, and so is a request without any."""
    right = f"Host: localhost:{port_of(common)}\r\n"
    for lines in (right + "Host: evil.example\r\n", "Host: evil.example\r\n" + right, right + right, ""):
        with socket.create_connection(("127.0.0.1", port_of(common)), 10) as connection:
            connection.sendall(f"GET /v1/jobs HTTP/1.1\r\n{lines}Connection: close\r\n\r\n".encode())
            assert connection.recv(100).split()[1] in (b"400", b"403")


@pytest.mark.parametrize("origin", SITES)
@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/v1/jobs"), ("POST", "/jobs"), ("POST", "/v1/predict"), ("DELETE", "/v1/jobs/job_1")],
)
def test_a_page_of_another_site_changes_nothing(
    common: httpx.Client, origin: str, method: str, path: str
) -> None:
    """A form or a simple request that a page sends to localhost is refused by its origin."""
    problem(common.request(method, path, content=PNG, headers={"Origin": origin}), 403, "forbidden")


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Content-Type": "text/plain"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "null"},
        {"Referer": "http://evil.example/page"},
        {"Referer": "http://localhost.evil.example/"},
        {"Referer": "about:blank"},
    ],
)
def test_what_the_browser_says_of_the_page_counts(common: httpx.Client, headers: dict[str, str]) -> None:
    """Without an origin the browser's own words decide, and of very old ones the referer."""
    problem(common.post("/v1/jobs", content=PNG, headers=headers), 403, "forbidden")


def test_the_own_page_may(common: httpx.Client) -> None:
    """A form of ours passes, and so does what is no browser."""
    own = str(common.base_url).rstrip("/")
    for headers in (
        {"Origin": own, "Sec-Fetch-Site": "same-origin"},
        {"Origin": own},
        {"Origin": "null", "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        {"Referer": f"{own}/"},
        {},
    ):
        answer = common.post("/v1/jobs", files={"files": ("a.png", PNG)}, headers=headers)
        assert answer.status_code == 202, headers


@pytest.mark.parametrize(
    "header",
    [
        "X-Forwarded-For",
        "X-Forwarded-Proto",
        "X-Forwarded-Port",
        "X-Forwarded",
        "X-Original-Host",
        "CF-Connecting-IP",
        "True-Client-IP",
        "X-Client-IP",
        "X-Cluster-Client-IP",
        "Via",
    ],
)
def test_a_proxy_in_front_is_told(common: httpx.Client, header: str) -> None:
    """A proxy on this machine makes everybody local, so an open service does not answer through one."""
    problem(common.get("/v1/jobs", headers={header: "203.0.113.9"}), 403, "forbidden")
    problem(common.get("/v1/jobs", headers={"Forwarded": "for=203.0.113.9"}), 403, "forbidden")


def test_an_allowed_name_is_none_for_a_proxy(settings: Settings) -> None:
    """A proxy that passes everybody's requests on under a name of the setting opens nothing."""
    with serving(settings.model_copy(update={"allowed_hosts": "ink.lan, *"})) as api:
        given = {"Host": "ink.lan"}
        assert api.get("/v1/jobs", headers=given).status_code == 200
        problem(api.get("/v1/jobs", headers={**given, "X-Forwarded-For": "203.0.113.9"}), 403, "forbidden")


def test_further_names_can_be_allowed(settings: Settings) -> None:
    """The setting adds names, with any port or with one; `*` is any name."""
    with serving(settings.model_copy(update={"allowed_hosts": "api, ink.lan:8080"})) as api:
        found = [
            api.get("/v1/jobs", headers={"Host": h}).status_code
            for h in ("api:1", "ink.lan:8080", "ink.lan", "x")
        ]
        assert found == [200, 200, 403, 403]
    with serving(settings.model_copy(update={"allowed_hosts": "*", "port": free_port()})) as api:
        assert api.get("/v1/jobs", headers={"Host": "anything"}).status_code == 200
        problem(api.post("/v1/jobs", headers={"Origin": "http://evil.example"}), 403, "forbidden")


def test_health_is_asked_under_any_name(common: httpx.Client) -> None:
    """Probes know an address, not a name; strange names learn no details."""
    assert common.get("/healthz", headers={"Host": "10.1.2.3:9"}).status_code == 200
    answer = common.get("/readyz", headers={"Host": "10.1.2.3:9"})
    assert answer.status_code in (200, 503)
    assert "checks" not in answer.json()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"INKQUEUE_HOST": "0.0.0.0"}, "inkqueue keys create"),
        ({"INKQUEUE_HOST": "::"}, "inkqueue keys create"),
        ({"INKQUEUE_BOOTSTRAP_KEY": "hunter2"}, "inkqueue keys generate"),
        ({"INKQUEUE_BOOTSTRAP_KEY": new_key().text[:-1] + "_"}, "inkqueue keys generate"),
    ],
)
def test_the_service_refuses_to_start_unsafely(
    settings_env: dict[str, str], more: dict[str, str], words: str
) -> None:
    """The message says what to type, and the secret is not in it."""
    done = subprocess.run(
        [sys.executable, "-m", "api"],
        env={**settings_env, **more},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert words in done.stderr
    assert "hunter2" not in done.stderr


def test_with_a_key_the_service_may_listen(settings: Settings, database: Database) -> None:
    """A key in the database is enough, and so is a first key."""
    from api.__main__ import refusal

    wide = settings.model_copy(update={"host": "0.0.0.0"})
    assert refusal(wide) is not None
    assert refusal(wide.model_copy(update={"bootstrap_key": SecretStr(new_key().text)})) is None
    key_for(database, "acme", "read")
    assert refusal(wide) is None
