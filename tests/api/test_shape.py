"""What holds for every answer: errors, request ids, the reference page, what is imported."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from openapi_spec_validator import validate

from api import problems
from api.__main__ import refuse_open
from api.main import create_app
from api.outermost import Outermost
from shared.errors import ITEM_ERRORS, InkqueueError, ItemError, Unavailable
from shared.settings import Settings
from tests.api.files import problem, submitted

CONTRACT = {
    400: {"bad_request"}, 401: {"unauthorized"}, 403: {"forbidden"}, 404: {"not_found"}, 405: {"method_not_allowed"},
    406: {"not_acceptable"}, 408: {"request_timeout"}, 410: {"gone"},
    409: {"job_active", "nothing_to_retry", "not_reviewable"},
    413: {"payload_too_large", "too_many_items"}, 415: {"unsupported_media_type"},
    422: {
        "invalid_request", "corrupt_archive", "encrypted_archive", "zip_bomb", "empty_submission", "unknown_model",
        "unknown_template", "webhook_url_refused", "idempotency_key_reused",
    },
    429: {"rate_limited", "queue_full"}, 500: {"internal"}, 503: {"unavailable"}, 504: {"timeout"},
    507: {"storage_full"},
}  # fmt: skip


def all_errors(base: type[InkqueueError] = InkqueueError) -> set[type[InkqueueError]]:
    """Return every class of the error tree."""
    return {base}.union(*(all_errors(child) for child in base.__subclasses__()))


def test_every_error_is_mapped() -> None:
    """Each class of the error tree has the status that the contract gives to its code."""
    by_status: dict[int, set[str]] = {}
    for kind in all_errors():
        status = problems.status_of(kind())
        if issubclass(kind, ItemError):
            assert status == 422
            assert kind is ItemError or issubclass(kind, ITEM_ERRORS[kind.code])
        else:
            by_status.setdefault(status, set()).add(kind.code)
        assert kind.__doc__
        assert kind.title
        assert kind.default
    assert by_status == CONTRACT


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("GET", "/v1/jobs/", 404, "not_found"),
        ("GET", "/static/nothing.css", 404, "not_found"),
        ("GET", "/static/../main.py", 404, "not_found"),
        ("PUT", "/v1/jobs", 405, "method_not_allowed"),
        ("DELETE", "/healthz", 405, "method_not_allowed"),
        ("GET", "/v1/predict", 405, "method_not_allowed"),
        ("GET", "/v1/jobs?limit=x", 422, "invalid_request"),
    ],
)
def test_the_frameworks_errors_have_the_same_shape(
    common: httpx.Client, method: str, path: str, status: int, code: str
) -> None:
    """Wrong addresses, methods and parameters are answered like everything else."""
    answer = common.request(method, path)
    problem(answer, status, code)
    if status == 405:
        assert answer.headers["allow"]


def test_a_defect_tells_nothing_about_the_inside() -> None:
    """An unforeseen exception is a problem document without trace, path or SQL."""
    app = FastAPI()
    problems.install(app)

    @app.get("/boom")
    def boom() -> None:
        raise RuntimeError("SELECT secret FROM /etc/passwd")

    app.add_middleware(Outermost, settings=Settings())

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.get("/boom", headers={"x-request-id": "r1"})

    answer = asyncio.run(ask())

    assert problem(answer, 500, "internal")["request_id"] == "r1"
    assert "secret" not in answer.text
    assert "passwd" not in answer.text


@pytest.mark.parametrize("given", ["a b", "x" * 129, "<script>", ""])
def test_an_insane_request_id_is_replaced(common: httpx.Client, given: str) -> None:
    """Only a sane id of the client is kept."""
    answer = common.get("/healthz", headers={"x-request-id": given})
    assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["x-request-id"])


def test_every_answer_has_a_request_id(common: httpx.Client) -> None:
    """Pages, files and errors carry one too."""
    for path in ("/", "/docs", "/openapi.json", "/static/css/page.css", "/metrics", "/nowhere"):
        assert common.get(path).headers["x-request-id"]
    assert "server" not in common.get("/healthz").headers


@pytest.mark.parametrize("path", ["/docs", "/docs/console"])
def test_the_reference_page_loads_nothing_from_elsewhere(common: httpx.Client, path: str) -> None:
    """An air-gapped user reads the reference: every address on the page is ours and answers."""
    page = common.get(path)
    links = [link for link in re.findall(r'(?:src|href)="([^"]+)"', page.text) if link[0] != "#"]

    assert links
    assert all(link.startswith("/") and not link.startswith("//") for link in links)
    assert [common.get(link).status_code for link in links] == [200] * len(links)
    assert "default-src 'none'" in page.headers["content-security-policy"]
    styles = common.get("/static/swagger/swagger-ui.css").text
    assert not re.search(r"url\(\s*['\"]?(?:https?:)?//", styles)
    assert "@import" not in styles


@pytest.mark.parametrize("path", ["/", "/jobs/{id}"])
def test_the_pages_load_nothing_from_elsewhere(common: httpx.Client, path: str) -> None:
    """The pages have scripts of ours alone and no foreign address, and escape what users wrote."""
    job = submitted(common, "1.png", name="<script>alert(1)</script>")
    page = common.get(path.format(id=job["id"]))

    assert page.status_code == 200
    assert all(src.startswith("/static/") for src in re.findall(r'<script[^>]* src="([^"]+)"', page.text))
    assert "<script>" not in page.text
    assert "&lt;script&gt;" in page.text
    assert not re.search(r'(?:src|href|action)="(?:https?:)?//', page.text)


def test_the_form_of_the_page_submits(common: httpx.Client) -> None:
    """A person without any program chooses files and lands on the job's page."""
    answer = common.post("/jobs", files={"files": ("a.png", b"x")}, data={"name": ""})
    assert answer.status_code == 303
    assert common.get(answer.headers["location"]).status_code == 200
    refused = common.post("/jobs", files={"files": ("a.zip", b"x")})
    assert (refused.status_code, "damaged" in refused.text) == (422, True)
    assert common.get("/jobs/job_x").status_code == 404


def test_the_openapi_document_is_valid() -> None:
    """Generators can read the description, and every error in it is a problem document."""
    document = create_app(Settings()).openapi()
    validate(document)

    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"], (method, path)
            for code, response in operation["responses"].items():
                if int(code) >= 400:
                    assert list(response["content"]) == ["application/problem+json"]
    assert "HTTPValidationError" not in document["components"]["schemas"]


def test_an_answer_fits_its_schema(common: httpx.Client) -> None:
    """What the description promises of a job is what comes."""
    from api.schemas import Job, JobList

    job = submitted(common, "1.png")
    assert set(Job.model_validate(job).model_dump(exclude={"results"})) == set(job)
    JobList.model_validate(common.get("/v1/jobs").json())


def test_the_api_imports_no_engine() -> None:
    """The process that serves HTTP carries no network, no image library and no Celery."""
    heavy = [
        "torch",
        "onnxruntime",
        "openvino",
        "cv2",
        "PIL",
        "celery",
        "kombu",
        "shared.vision",
        "worker",
        "training",
    ]
    code = f"import sys, api.__main__; print([m for m in {heavy!r} if m in sys.modules])"
    out = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert out.stdout.strip() == "[]"


def test_nothing_connects_before_the_start() -> None:
    """An application can be made without any service."""
    assert create_app(Settings(database_url="postgresql://nobody@127.0.0.1:1/x")).title == "inkqueue"


@pytest.mark.parametrize(
    ("host", "allowed", "refused"),
    [
        ("127.0.0.1", False, False),
        ("localhost", False, False),
        ("::1", False, False),
        ("0.0.0.0", False, True),
        ("192.168.1.5", False, True),
        ("example.org", False, True),
        ("0.0.0.0", True, False),
    ],
)
def test_an_open_service_stays_on_this_machine(host: str, allowed: bool, refused: bool) -> None:
    """Without keys the service listens to others only when that was said."""
    assert starts_open(Settings(host=host, allow_open=allowed)) != refused


@pytest.mark.parametrize(
    ("published_on", "public_url", "refused"),
    [
        ("127.0.0.1:8000", "", False),
        ("[::1]:8000", "http://localhost:8000", False),
        ("0.0.0.0:8000", "", True),
        ("8000", "", True),
        (":8000", "", True),
        ("192.168.1.5:8000-8001", "", True),
        ("127.0.0.1:8000", "https://ink.example.org", True),
    ],
)
def test_a_container_is_open_only_where_its_port_is(
    published_on: str, public_url: str, refused: bool
) -> None:
    """Inside it listens on every address; who publishes the port to others, or names it publicly, needs a key."""
    settings = Settings(host="0.0.0.0", published_on=published_on, public_url=public_url)
    assert starts_open(settings) != refused


def starts_open(settings: Settings) -> bool:
    """Tell whether the service starts without a look for keys; there is no database here that could be asked."""
    try:
        return refuse_open(settings) is None
    except Unavailable:
        return False


@pytest.mark.parametrize("path", ["/healthz", "/docs", "/openapi.json", "/v1/jobs"])
def test_head_is_get_without_a_body(common: httpx.Client, path: str) -> None:
    """Load balancers and `curl -I` get the same status and headers as a GET, and no body."""
    head, get = common.head(path), common.get(path)

    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == get.headers["content-length"]


def test_head_of_an_event_stream_does_not_wait(common: httpx.Client) -> None:
    """A stream has no end to wait for."""
    assert common.head("/v1/jobs/job_0198f6c2a1b47c3e8d9f0a1b2c3d4e5f/events").status_code == 405
