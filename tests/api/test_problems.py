"""Every way to get an answer other than 2xx: a problem document, and a page only for a person at a page."""

from __future__ import annotations

import json
import re
import socket
from typing import Any

import httpx
import pytest

from api.main import create_app
from api.problems import STATUS, codes_of
from shared.settings import Settings
from tests.api.files import problem, submitted

JOB = "/v1/jobs/job_0198f6c2a1b47c3e8d9f0a1b2c3d4e5f"
BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1", 404),
        ("/v1/", 404),
        ("/v1//jobs", 404),
        ("/v1/jobs//", 404),
        ("/V1/jobs", 404),
        ("/v1/jobs%2f", 404),
        ("/v1/%2e%2e/v1/jobs", 404),
        ("/v1/jobs/%00", 404),
        ("/v1/jobs/%ff%fe", 404),
        ("/v1/jobs/job_0198F6C2A1B47C3E8D9F0A1B2C3D4E5F", 404),
        (f"{JOB}/items/-1", 404),
        (f"{JOB}/items/99999999999999999999", 404),
        (f"{JOB}/items/NaN", 404),
        ("/v1/models/" + "x" * 201, 404),
        ("/static/", 404),
        ("/static/%00", 404),
        ("/docs/", 404),
        ("/v1/jobs?limit=0", 422),
        ("/v1/jobs?limit=-1", 422),
        ("/v1/jobs?limit=1e3", 422),
        ("/v1/jobs?limit=" + "9" * 400, 422),
        ("/v1/jobs?limit=1&limit=2", 422),
        ("/v1/jobs?Limit=1", 422),
        ("/v1/jobs?statuss=failed", 422),
        ("/v1/jobs?name=a%00b", 422),
        ("/v1/jobs?name=%ff", 422),
        ("/v1/jobs?%ff=1", 422),
        ("/v1/jobs?name=" + "x" * 201, 422),
        ("/v1/jobs?cursor=", 422),
        ("/v1/jobs?cursor=AAAA", 422),
        ("/v1/jobs?cursor=" + "*" * 22, 422),
        ("/v1/jobs?created_after=yesterday", 422),
        ("/v1/jobs?kind=everything", 422),
        (f"{JOB}?wait=nan", 422),
        (f"{JOB}?wait=inf", 422),
        (f"{JOB}?wait=-1", 422),
        (f"{JOB}?_=1700000000", 422),
        (f"{JOB}/results?max_confidence=nan", 422),
        (f"{JOB}/results?format=parquet", 422),
        (f"{JOB}/summary?x", 422),
        ("/healthz?x=1", 422),
        ("/docs?%ff", 422),
        ("/jobs?search=a&search=b", 422),
    ],
)
def test_what_cannot_be_answered_is_a_problem_document(common: httpx.Client, path: str, status: int) -> None:
    """Odd addresses and values are told apart by status and code, and never a defect."""
    problem(common.get(path), status, "not_found" if status == 404 else "invalid_request")


def test_every_wrong_parameter_is_named(common: httpx.Client) -> None:
    """A typo and a repetition are both named, so that nobody believes in a filter that does nothing."""
    body = problem(common.get("/v1/jobs?statuss=failed&limit=1&limit=2&x"), 422, "invalid_request")
    assert [e["loc"] for e in body["errors"]] == ["query.statuss", "query.x", "query.limit"]
    assert common.get("/v1/jobs?status=failed&status=queued").status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", "/v1/jobs", "GET, HEAD, POST"),
        ("PATCH", JOB, "DELETE, GET, HEAD"),
        ("GET", "/v1/predict", "POST"),
        ("HEAD", "/v1/predict", "POST"),
        ("POST", f"{JOB}/events", "GET"),
        ("OPTIONS", "/v1/templates", "GET, HEAD, POST"),
        ("TRACE", "/v1/templates/x", "DELETE, GET, HEAD, PUT"),
        ("POST", "/static/css/page.css", "GET, HEAD"),
        ("DELETE", "/jobs", "GET, HEAD, POST"),
    ],
)
def test_allow_names_the_methods_of_all_routes(
    common: httpx.Client, method: str, path: str, allow: str
) -> None:
    """An address with several routes tells all of its methods (RFC 9110, 15.5.6)."""
    answer = common.request(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allow)
    if method != "HEAD":
        problem(answer, 405, "method_not_allowed")


@pytest.mark.parametrize(
    ("text", "status", "code"),
    [
        ('{"images": [{"pixels": [[0]]}], "images": []}', 422, "invalid_request"),
        ('{"images": [{"pixels": [[0]], "pixels": [[1]]}]}', 422, "invalid_request"),
        ('{"images": [{"pixels": [[0]]}], "metadata": {"a": "1", "\\u0061": "2"}}', 422, "invalid_request"),
        ('{"images": [{"pixels": [[NaN]]}]}', 400, "bad_request"),
        ('{"images": [{"pixels": [[1e999]]}]}', 400, "bad_request"),
        ('{"images": [{"pixels": [[Infinity]]}]}', 400, "bad_request"),
        ('{"images": [], "name": "\\ud800"}', 400, "bad_request"),
        ('{"images": ' + "[" * 900 + "]" * 900 + "}", 400, "bad_request"),
        ('{"images": ' + '{"a":' * 5000 + "1" + "}" * 5001, 400, "bad_request"),
        ('\ufeff{"images": []}', 400, "bad_request"),
        ('{"images": [{"pixels": [[' + "9" * 5000 + "]]}]}", 400, "bad_request"),
    ],
)
def test_doubtful_json_is_refused(common: httpx.Client, text: str, status: int, code: str) -> None:
    """What two readers could read in two ways is read in none, and nothing deep or endless is a defect."""
    answer = common.post("/v1/jobs", content=text.encode(), headers={"Content-Type": "application/json"})
    body = problem(answer, status, code)
    assert status == 400 or body["errors"][0]["msg"] == "is given more than once"


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (
            b'{"url": "https://a.example/", "url": "https://b.example/"}',
            "application/json",
            422,
            "invalid_request",
        ),
        (b'{"url": "https://a.example/"}', "text/plain", 415, "unsupported_media_type"),
        (
            b'{"url": "https://a.example/"}',
            "application/x-www-form-urlencoded",
            415,
            "unsupported_media_type",
        ),
        (b'{"url": NaN}', "application/json", 400, "bad_request"),
        (b"{", "application/json", 400, "bad_request"),
        (b"[" * 100_000, "application/json", 400, "bad_request"),
        (b'{"url": "\xff"}', "application/json", 400, "bad_request"),
        (b"", "application/json", 422, "invalid_request"),
        (b"[]", "application/json", 422, "invalid_request"),
        (b'{"url": 1}', "application/json", 422, "invalid_request"),
        (b'{"url": "https://a.example/", "more": 1}', "application/json", 422, "invalid_request"),
    ],
)
def test_small_json_bodies_are_read_as_strictly(
    common: httpx.Client, body: bytes, content_type: str, status: int, code: str
) -> None:
    """Calls that take a little JSON refuse the same doubtful bodies as a submission."""
    answer = common.post("/v1/webhooks/test", content=body, headers={"Content-Type": content_type})
    problem(answer, status, code)


@pytest.mark.parametrize(
    "headers",
    [
        {"Range": "bytes=0-1"},
        {"Range": "lines=9-1"},
        {"If-None-Match": '"'},
        {"If-None-Match": "W/"},
        {"If-Modified-Since": "yesterday"},
        {"Accept": ";;;q=x,,"},
        {"Accept": "image/png"},
        {"Accept-Encoding": "rot13"},
        {"Last-Event-ID": "x"},
        {"Prefer": "wait=, wait"},
        {"Expect": "200-ok"},
    ],
)
def test_headers_that_mean_nothing_here_are_no_errors(common: httpx.Client, headers: dict[str, str]) -> None:
    """Preferences that cannot be met and conditions that cannot be read are left aside (RFC 9110, 12 to 14)."""
    job = submitted(common, "a.png")
    answer = common.get(f"/v1/jobs/{job['id']}", headers=headers)
    assert (answer.status_code, answer.json()["id"]) == (200, job["id"])


def test_raw_bytes_in_the_request_line_are_answered(common: httpx.Client) -> None:
    """What no client library sends is answered with a problem document too, or the connection ends."""
    port = common.base_url.port
    for line in (
        b"GET /v1/jobs/\xff\xfe HTTP/1.1",
        b"GET /v1/jobs?name=\xff HTTP/1.1",
        b"\x16\x03\x01",
        b"GET",
    ):
        with socket.create_connection(("127.0.0.1", port or 80), timeout=10) as connection:
            connection.sendall(line + b"\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
            head, _, body = received(connection).partition(b"\r\n\r\n")
        assert re.match(rb"HTTP/1.1 4\d\d ", head), head
        assert b"application/problem+json" in head
        assert json.loads(body)["code"] in STATUS


def received(connection: socket.socket) -> bytes:
    """Read until the service closes."""
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts)


@pytest.mark.parametrize(("path", "status"), [("/nowhere", 404), ("/jobs/job_x", 404), ("/docs?%ff", 422)])
def test_a_person_gets_a_page(common: httpx.Client, path: str, status: int) -> None:
    """A browser shows what is wrong; a program at the same address gets the document."""
    page = common.get(path, headers=BROWSER)
    assert (page.status_code, page.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert page.headers["x-request-id"] in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    problem(common.get(path), status, "not_found" if status == 404 else "invalid_request")


def test_the_api_has_no_pages(common: httpx.Client) -> None:
    """Under /v1 an error is a problem document whatever is accepted."""
    problem(common.get("/v1/nowhere", headers=BROWSER), 404, "not_found")
    problem(common.post("/v1/predict", content=b"", headers=BROWSER), 422, "empty_submission")


def test_what_is_wrong_is_escaped(common: httpx.Client) -> None:
    """Nothing that a link carries becomes part of the page."""
    page = common.get("/healthz?<script>alert(1)</script>=1", headers=BROWSER)
    assert page.status_code == 422
    assert "<script>" not in page.text
    assert "&lt;script&gt;" in page.text


def test_pages_overlook_what_others_add_to_links(common: httpx.Client) -> None:
    """A link to a page that a mail program has tagged still leads there; what a page knows is checked."""
    for path in ("/", "/try", "/jobs", "/models", "/system", "/docs", "/docs/errors"):
        assert common.get(f"{path}?utm_source=mail&utm_source=x").status_code == 200, path
    # nobody has to sign in at an open service
    assert common.get("/sign-in?utm_source=mail&utm_source=x").status_code in {200, 303}
    problem(common.get("/jobs?search=a&search=b&utm_source=mail"), 422, "invalid_request")


def test_type_leads_to_the_explanation(common: httpx.Client) -> None:
    """`type` is an address of the service itself, where every code has its place, without the internet."""
    body = problem(common.get("/nowhere"), 404, "not_found")
    page, _, anchor = body["type"].partition("#")
    text = common.get(page).text
    assert f'id="{anchor}"' in text
    for status in {*STATUS.values()}:
        assert all(f'id="{code}"' in text for code in codes_of(status))


def test_the_reference_tells_every_code() -> None:
    """Each operation lists its statuses, and each status its codes."""
    document = create_app(Settings()).openapi()
    schemas = document["components"]["schemas"]
    everywhere = {"400", "408", "414", "422", "429", "431", "500", "503"}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            found = set(operation["responses"])
            assert everywhere <= found, (method, path)
            assert ("security" in operation) == ({"401", "403"} <= found), (method, path)
            assert "{" not in path or "404" in found, (method, path)
            assert "requestBody" not in operation or {"413", "415"} <= found, (method, path)
            for status in (s for s in found if int(s) >= 400):
                assert schemas[f"Problem{status}"]["allOf"][1]["properties"]["code"]["enum"] == codes_of(
                    int(status)
                )
                assert "Retry-After" in operation["responses"][status]["headers"] or status not in {
                    "429",
                    "503",
                }
    assert {code for status in set(STATUS.values()) for code in codes_of(status)} >= set(STATUS)


def test_examples_fit_their_schemas() -> None:
    """Every example of the reference is valid where it stands."""
    from jsonschema import Draft202012Validator

    document = create_app(Settings()).openapi()
    found = list(examples(document))
    assert len(found) > 10
    for schema, example in found:
        whole = {**schema, "components": document["components"]}
        Draft202012Validator(whole).validate(example)


def examples(node: Any) -> Any:
    """Yield each schema with each of its examples."""
    if isinstance(node, dict):
        if "schema" in node and "example" in node:
            yield node["schema"], node["example"]
        if isinstance(node.get("examples"), list):
            yield from ((node, one) for one in node["examples"])
        for value in node.values():
            yield from examples(value)
    elif isinstance(node, list):
        for value in node:
            yield from examples(value)
