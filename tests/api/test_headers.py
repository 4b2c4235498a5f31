"""What browsers are told: nothing runs, frames or sniffs our answers, and other origins read them only if listed."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest

from api.headers import Cors
from shared.db import Database
from shared.settings import Settings
from tests.api.conftest import serving
from tests.api.files import PNG, problem, submit_files
from tests.api.keyed import bearer, key_for

FRIEND = "https://forms.example.com"
STRANGER = "https://forms.example.com.evil.test"
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-api-key"}


@pytest.fixture
def friendly(settings: Settings, database: Database) -> Iterator[httpx.Client]:
    """Lend a client with a key of a service that lets one origin in."""
    key = key_for(database)
    with serving(settings.model_copy(update={"cors_origins": f"{FRIEND}, http://localhost:5173"})) as api:
        api.headers.update(bearer(key))
        yield api


PATHS = [
    "/",
    "/docs",
    "/v1/jobs",
    "/v1/nothing",
    "/healthz",
    "/static/css/page.css",
    "/openapi.json",
    "/jobs/job_x",
]


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "HEAD"])
@pytest.mark.parametrize("path", PATHS)
def test_every_answer_has_the_headers(common: httpx.Client, method: str, path: str) -> None:
    """Successes, redirects and refusals alike."""
    headers = common.request(method, path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["referrer-policy"] in ("no-referrer", "same-origin")
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    page = headers.get("content-type", "").startswith("text/html")
    assert f"camera=({'self' if page else ''})" in headers["permissions-policy"]
    assert "cache-control" in headers
    assert "strict-transport-security" not in headers
    assert not [name for name in headers if name.startswith("access-control")]


@pytest.mark.parametrize("path", ["/", "/jobs/job_x", "/docs/errors"])
def test_pages_run_nothing_inline(common: httpx.Client, path: str) -> None:
    """The policy of pages allows our own files alone, and they hold no inline style, script or handler."""
    answer = common.get(path, headers={"Accept": "text/html"})
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "require-trusted-types-for 'script'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\son\w+=|\sstyle=", answer.text)


@pytest.mark.parametrize("path", ["/docs", "/docs/console", "/docs/confidence"])
def test_the_reference_runs_only_our_files(common: httpx.Client, path: str) -> None:
    """Scripts come from here, the console's too, and nothing inline runs."""
    answer = common.get(path)
    assert answer.status_code == 200
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\son\w+=|\sstyle=", answer.text)
    assert all(one.startswith("/static/") for one in re.findall(r'src="([^"]+)"', answer.text))


def test_json_is_sandboxed(common: httpx.Client) -> None:
    """An answer that somebody makes a browser show has no origin and may do nothing."""
    policy = common.get("/v1/jobs").headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert policy.endswith("sandbox")


@pytest.mark.parametrize(
    ("name", "data", "shown"),
    [
        ("a.png", PNG, True),
        ("a.png", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", False),
        (
            "a.svg",
            b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>",
            False,
        ),
        ("a.jpg", b"<!doctype html><script>alert(document.domain)</script>", False),
        ('"; x=".png', b"<html>" + PNG, False),
        ("a.gif", b"%PDF-1.7\n<script>", False),
    ],
)
def test_an_upload_never_runs_as_ours(common: httpx.Client, name: str, data: bytes, shown: bool) -> None:
    """Originals come back under a type that cannot run, sandboxed, and downloaded unless they are plain pictures."""
    job = submit_files(common, [(name, data)]).json()
    answer = common.get(f"/v1/jobs/{job['id']}/items/0/image", params={"view": "original"})
    if answer.status_code == 404:
        return  # pages of a document are rendered, and nobody has
    assert answer.content == data
    assert answer.headers["content-type"] in ("image/png", "application/octet-stream", "application/pdf")
    assert answer.headers["content-disposition"].split(";")[0] == ("inline" if shown else "attachment")
    assert answer.headers["content-security-policy"].endswith("sandbox")
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_https_is_remembered_where_it_is_spoken(settings: Settings) -> None:
    """HSTS is sent when a trusted proxy says that the request came by https; nobody else can make us send it."""
    told = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "9.9.9.9"}
    with serving(settings.model_copy(update={"trusted_proxies": "127.0.0.1"})) as api:
        assert (
            api.get("/healthz", headers=told)
            .headers["strict-transport-security"]
            .startswith("max-age=31536000")
        )
        assert "strict-transport-security" not in api.get("/healthz").headers
    with serving(settings) as api:
        assert "strict-transport-security" not in api.get("/healthz", headers=told).headers


def test_a_listed_origin_reads_answers(friendly: httpx.Client) -> None:
    """It may read the answer and the headers that a client needs, errors included, and never with cookies."""
    for path, status in (("/v1/jobs", 200), ("/v1/jobs/job_x", 404)):
        answer = friendly.get(path, headers={"Origin": FRIEND})
        assert answer.status_code == status
        assert answer.headers["access-control-allow-origin"] == FRIEND
        assert "Origin" in answer.headers["vary"]
        exposed = {name.strip() for name in answer.headers["access-control-expose-headers"].split(",")}
        assert exposed >= {
            "Location",
            "Retry-After",
            "X-Request-Id",
            "RateLimit",
            "RateLimit-Policy",
            "ETag",
            "Idempotency-Replayed",
            "Preference-Applied",
        }
        assert "access-control-allow-credentials" not in answer.headers


def test_a_preflight_needs_no_key(friendly: httpx.Client) -> None:
    """Browsers ask without it; the answer says what may be sent."""
    answer = httpx.options(f"{friendly.base_url}/v1/jobs", headers={"Origin": FRIEND, **PREFLIGHT})
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == FRIEND
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert {"X-API-Key", "Authorization", "Idempotency-Key"} <= {
        name.strip() for name in answer.headers["access-control-allow-headers"].split(",")
    }
    assert "Origin" in answer.headers["vary"]


@pytest.mark.parametrize(
    "origin",
    [STRANGER, "null", "http://forms.example.com", FRIEND.upper(), f"{FRIEND}:444", f"{FRIEND}/", "*", ""],
)
def test_others_are_not_reflected(friendly: httpx.Client, origin: str) -> None:
    """Neither answers nor preflights tell another origin anything; caches keep them apart."""
    for answer in (
        friendly.get("/v1/jobs", headers={"Origin": origin}),
        httpx.options(f"{friendly.base_url}/v1/jobs", headers={"Origin": origin, **PREFLIGHT}),
    ):
        assert not [name for name in answer.headers if name.startswith("access-control")]
        assert "Origin" in answer.headers["vary"]


def test_pages_are_no_part_of_it(friendly: httpx.Client) -> None:
    """Pages and the sign-in stay closed to the listed origin's scripts."""
    for path in ("/", "/sign-in", "/jobs"):
        answer = friendly.get(path, headers={"Origin": FRIEND})
        assert "access-control-allow-origin" not in answer.headers


def test_a_session_does_not_work_from_another_origin(settings: Settings, database: Database) -> None:
    """A cookie that came along with a listed origin's request changes nothing, and its answer may not be read."""
    key = key_for(database)
    with serving(settings.model_copy(update={"cors_origins": FRIEND})) as api:
        assert api.post("/sign-in", data={"key": key.text}).status_code == 303
        problem(
            api.post("/v1/jobs", content=PNG, headers={"Origin": FRIEND, "Content-Type": "image/png"}),
            403,
            "forbidden",
        )
        answer = api.get("/v1/jobs", headers={"Origin": FRIEND})
        assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize(
    "origins", ["*", "https://*.example.com", "example.com", "https://a.b/path", "ftp://a.b"]
)
def test_only_exact_origins_can_be_listed(origins: str) -> None:
    """A pattern in the setting stops the start instead of opening more than was meant."""
    with pytest.raises(ValueError, match="no origin"):
        Cors(origins)


def test_it_is_off_by_default(common: httpx.Client) -> None:
    """Without the setting no answer speaks of origins, and a preflight is an ordinary refused method."""
    answer = common.options("/v1/jobs", headers={"Origin": FRIEND, **PREFLIGHT})
    assert answer.status_code == 405
    assert "vary" not in answer.headers
