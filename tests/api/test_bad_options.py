"""Bad options and bad JSON: what is wrong is named by its place, and nothing is kept."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from shared.db import Database
from tests.api.bad import nothing_kept, raw
from tests.api.files import PNG, problem, submit_files


def test_unknown_models_are_refused(api: httpx.Client, database: Database) -> None:
    """A model that nobody has is refused, by name and by version."""
    for model in ("nothing", "digits@9.9.9", "../../x", "digits@"):
        problem(submit_files(api, [("a.png", PNG)], model=model), 422, "unknown_model")
    assert submit_files(api, [("a.png", PNG)], model="digits@1.0.0").json()["model"]["version"] == "1.0.0"


@pytest.mark.parametrize(
    ("options", "loc"),
    [
        ({"colour": "red"}, "colour"),
        ({"target_error": "2"}, "target_error"),
        ({"target_error": "nan"}, "target_error"),
        ({"target_error": "much"}, "target_error"),
        ({"priority": "urgent"}, "priority"),
        ({"mode": "letters"}, "mode"),
        ({"deadline_s": "0"}, "deadline_s"),
        ({"deadline_s": "1.5"}, "deadline_s"),
        ({"name": "x" * 201}, "name"),
        ({"name": "a\0b"}, "name"),
        ({"metadata": "[1]"}, "metadata"),
        ({"metadata": "{"}, "metadata"),
        ({"metadata": json.dumps({"k": 1})}, "metadata.k"),
        ({"metadata": json.dumps({"k": "v" * 513})}, "metadata.k"),
        ({"metadata": json.dumps({"k" * 65: "v"})}, "metadata"),
        ({"metadata": json.dumps({str(i): "v" for i in range(17)})}, "metadata"),
        ({"mode": ["classify", "digit"]}, "mode"),
    ],
)
def test_wrong_options_are_named(common: httpx.Client, options: dict[str, Any], loc: str) -> None:
    """An unknown or wrong option is refused and named."""
    body = problem(submit_files(common, [("a.png", PNG)], **options), 422, "invalid_request")
    assert body["errors"][0]["loc"].startswith(f"body.{loc}")
    assert body["errors"][0]["msg"]


def test_wrong_types_in_json_are_named(common: httpx.Client) -> None:
    """JSON options have JSON types."""
    for option in (
        {"target_error": "0.1"},
        {"deadline_s": True},
        {"name": 1},
        {"metadata": "{}"},
        {"nope": 1},
    ):
        body = problem(common.post("/v1/jobs", json={"images": [], **option}), 422, "invalid_request")
        assert body["errors"][0]["loc"] == f"body.{next(iter(option))}"


def test_options_in_the_address_are_checked_too(common: httpx.Client) -> None:
    """A wrong query parameter is refused for every kind of body."""
    body = problem(raw(common, PNG, "image/png", colour="red"), 422, "invalid_request")
    assert body["errors"][0]["loc"] == "query.colour"
    problem(common.post("/v1/jobs?colour=red", files={"files": ("a.png", PNG)}), 422, "invalid_request")


@pytest.mark.parametrize(
    "options",
    [
        {"mode": "number"},
        {"mode": "form", "template": "t"},
        {"template": "t"},
    ],
)
def test_what_comes_later_is_said(common: httpx.Client, options: dict[str, str]) -> None:
    """What is not built yet is refused with a clear word, not silently ignored."""
    body = problem(submit_files(common, [("a.png", PNG)], **options), 422, "invalid_request")
    assert "later version" in body["detail"]


@pytest.mark.parametrize(
    "image",
    [
        {"data": "***"},
        {"data": "data:image/png,abc"},
        {"data": 1},
        {"pixels": [[0, 1], [2]]},
        {"pixels": [[256]]},
        {"pixels": [[-1]]},
        {"pixels": [["a"]]},
        {"pixels": []},
        {"pixels": [[[0]]]},
        {"pixels": [[None]]},
        {"pixels": [[0]], "data": ""},
        {},
        {"data": "", "extra": 1},
        {"data": "", "custom_id": 5},
        {"data": "", "custom_id": "a\0"},
        "text",
    ],
)
def test_wrong_json_images_are_named(common: httpx.Client, image: Any) -> None:
    """An image of the wrong shape is refused and named by its place."""
    answer = common.post("/v1/jobs", json={"images": [{"pixels": [[0]]}, image]})
    body = problem(answer, 422, "invalid_request")
    assert body["errors"][0]["loc"].startswith("body.images.1")


def test_custom_ids_are_unique(common: httpx.Client) -> None:
    """An id that stands for two images is refused."""
    images = [{"custom_id": "a", "pixels": [[0]]}, {"custom_id": "a", "pixels": [[1]]}]
    problem(common.post("/v1/jobs", json={"images": images}), 422, "invalid_request")


@pytest.mark.parametrize(
    "body", [b"{", b"", b"\xff\xfe", b'{"images": [NaN]}', b'{"name": "\\ud800"}', b"[" * 100_000]
)
def test_broken_json_is_a_bad_request(common: httpx.Client, body: bytes) -> None:
    """A body that is no JSON is told apart from one with the wrong content."""
    problem(raw(common, body, "application/json"), 400, "bad_request")


def test_json_of_another_shape_is_invalid(common: httpx.Client) -> None:
    """A JSON body that is no submission is refused."""
    for body in (b"[]", b"5", b"{}", b'{"images": 5}'):
        problem(raw(common, body, "application/json"), 422, "invalid_request")


@pytest.mark.parametrize(
    ("count", "name", "value"),
    [(101, "name", ""), (100, "n" * 3000, ""), (100, "name", "v" * 3000)],
    ids=["many", "long names", "long values"],
)
def test_fields_are_bounded(api: httpx.Client, database: Database, count: int, name: str, value: str) -> None:
    """Fields stay in memory, so their number, names and values are limited, empty ones included."""
    part = f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
    answer = raw(api, part * count + b"--b--\r\n", "multipart/form-data; boundary=b")
    assert "fields" in problem(answer, 422, "invalid_request")["detail"]
    assert nothing_kept(database)


def test_parts_of_other_names_are_refused(common: httpx.Client) -> None:
    """A file under another name would be lost, so it is refused; `file` is taken like `files`."""
    problem(common.post("/v1/jobs", files={"image": ("a.png", PNG)}), 422, "invalid_request")
    problem(common.post("/v1/jobs", files={"files": (None, "text")}), 422, "invalid_request")
    assert common.post("/v1/jobs", files={"file": ("a.png", PNG)}).status_code == 202


@pytest.mark.parametrize("key", ["", '""', "x" * 256, "a\tb"])
def test_wrong_idempotency_keys_are_refused(common: httpx.Client, key: str) -> None:
    """A key that cannot be kept is refused."""
    answer = common.post("/v1/jobs", files={"files": ("a.png", PNG)}, headers={"idempotency-key": key})
    problem(answer, 422, "invalid_request")
