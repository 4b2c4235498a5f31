"""Bad input: each kind has its own clear answer, and leaves nothing behind."""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest

from shared.db import Database
from shared.settings import Settings
from tests.api.conftest import serving
from tests.api.files import PNG, problem, submit_files, submitted, zipped
from tests.fakes import FakeWorker
from tests.queue_driver import row
from tests.shared.zips import Member, raw_zip, zip_bytes

BIG = np.random.default_rng(0).bytes(100_000)


@pytest.fixture
def small_limits(settings: Settings) -> Iterator[httpx.Client]:
    """Lend a client of an API with small limits."""
    limits = {
        "max_upload_bytes": 300_000,
        "max_json_bytes": 20_000,
        "max_zip_members": 5,
        "max_member_bytes": 50_000,
        "bomb_inflated_bytes": 100_000,
        "max_inflated_bytes": 10_000_000,
    }
    with serving(settings.model_copy(update=limits)) as client:
        yield client


def raw(
    api: httpx.Client, body: bytes, content_type: str = "application/zip", **params: Any
) -> httpx.Response:
    """Send a raw body."""
    return api.post("/v1/jobs", content=body, headers={"content-type": content_type}, params=params)


def nothing_kept(database: Database) -> bool:
    """Check that no job and no living input was left."""
    jobs = row(database, "SELECT count(*) FROM jobs")[0]
    inputs = row(database, "SELECT count(*) FROM inputs WHERE state <> 'collecting'")[0]
    return (jobs, inputs) == (0, 0)


def test_a_file_that_is_no_image_fails_alone(api: httpx.Client, worker: FakeWorker) -> None:
    """One upload that is no image becomes a job whose item fails; that is for a worker to say."""
    assert submit_files(api, [("a.png", b"hello")]).status_code == 202
    found = raw(api, b"hello", "application/octet-stream", dry_run="true").json()
    assert [(r["name"], r["code"]) for r in found["refused"]] == [("upload", "unsupported_format")]


def test_an_empty_file_is_a_failed_item(api: httpx.Client, worker: FakeWorker) -> None:
    """An empty file fails by itself, its neighbour is read."""
    job = submit_files(api, [("empty.png", b""), ("a.png", PNG)]).json()
    worker.work()
    items = api.get(f"/v1/jobs/{job['id']}/results").json()["items"]
    assert [(i["status"], (i["error"] or {}).get("code")) for i in items] == [
        ("failed", "empty_file"),
        ("succeeded", None),
    ]


@pytest.mark.parametrize(
    "body",
    [zipped(), zipped("a.txt", "b.csv"), zipped("folder/"), zipped("__MACOSX/x.png", ".DS_Store")],
    ids=["empty", "skipped", "folder", "hidden"],
)
def test_a_zip_without_images_is_empty(api: httpx.Client, database: Database, body: bytes) -> None:
    """A zip in which nothing could be an image is refused as a whole."""
    problem(raw(api, body), 422, "empty_submission")
    assert nothing_kept(database)


@pytest.mark.parametrize("kind", ["raw", "multipart", "json", "none", "no file chosen"])
def test_nothing_at_all_is_empty(common: httpx.Client, kind: str) -> None:
    """A submission without any file is refused, however it comes."""
    match kind:
        case "raw":
            answer = raw(common, b"", "image/png")
        case "multipart":
            answer = common.post("/v1/jobs", files={"name": (None, "x")})
        case "json":
            answer = common.post("/v1/jobs", json={"images": []})
        case "none":
            answer = common.post("/v1/jobs")
        case _:
            part = b'--b\r\nContent-Disposition: form-data; name="files"; filename=""\r\n\r\n\r\n--b--\r\n'
            answer = raw(common, part, "multipart/form-data; boundary=b")
    problem(answer, 422, "empty_submission")


@pytest.mark.parametrize("keep", [0.3, 0.9, 0.999])
@pytest.mark.parametrize("size", ["small", "large"])
def test_a_truncated_zip_is_corrupt(api: httpx.Client, database: Database, keep: float, size: str) -> None:
    """A zip that is cut off is refused as a whole."""
    body = zipped("1.png", "2.png", data=PNG if size == "small" else BIG)
    problem(raw(api, body[: int(len(body) * keep)]), 422, "corrupt_archive")
    assert nothing_kept(database)


def test_what_only_says_that_it_is_a_zip_is_corrupt(common: httpx.Client) -> None:
    """Bytes that are sent as a zip and are none are refused as a whole."""
    problem(raw(common, b"not a zip at all"), 422, "corrupt_archive")
    problem(submit_files(common, [("scans.zip", b"not a zip at all")]), 422, "corrupt_archive")


def test_an_image_called_zip_is_an_image(common: httpx.Client) -> None:
    """The signature counts, not the name."""
    assert submit_files(common, [("scans.zip", PNG)]).json()["counts"]["total"] == 1


def test_encrypted_zips(api: httpx.Client, worker: FakeWorker) -> None:
    """An encrypted zip is refused; of a partly encrypted one those items fail."""
    whole = raw_zip([Member(b"a.png", PNG, flags=1), Member(b"b.png", PNG, flags=1)])
    part = raw_zip([Member(b"a.png", PNG, flags=1), Member(b"b.png", PNG)])
    problem(raw(api, whole), 422, "encrypted_archive")

    job = raw(api, part).json()
    worker.work()
    items = api.get(f"/v1/jobs/{job['id']}/results").json()["items"]
    assert [(i["name"], i["status"]) for i in items] == [("a.png", "failed"), ("b.png", "succeeded")]
    assert items[0]["error"]["code"] == "encrypted"


def test_bombs_are_refused(small_limits: httpx.Client, database: Database) -> None:
    """By ratio, by total and by overlap: a bomb is refused before anything is inflated."""
    ratio = zip_bytes([("a.png", bytes(5_000_000))], deflate=True)
    total = raw_zip([Member(f"{i}.png".encode(), b"x", size=2**32 - 2, method=8) for i in range(4)])
    overlap = raw_zip([Member(b"a.png", PNG), Member(b"b.png", PNG, offset=0)])
    for body in (ratio, total, overlap):
        problem(raw(small_limits, body), 422, "zip_bomb")
    assert nothing_kept(database)


def test_an_honest_blank_scan_is_no_bomb(common: httpx.Client) -> None:
    """A blank A4 bitmap deflates a thousand to one and is read all the same."""
    width, height = 2480, 3508
    stride = width + (-width) % 4
    header = b"BM" + struct.pack("<IHHI", 1078 + stride * height, 0, 0, 1078)
    header += struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 0, stride * height, 0, 0, 256, 0)
    page = (
        header + bytes(i for grey in range(256) for i in (grey, grey, grey, 0)) + b"\xff" * (stride * height)
    )
    body = zip_bytes([("page.bmp", page)], deflate=True)
    assert len(page) > 200 * len(body)
    assert raw(common, body).status_code == 202


def test_a_lying_size_fails_its_item(common: httpx.Client) -> None:
    """A member that is longer than it says is found when it is read."""
    job = raw(common, raw_zip([Member(b"a.png", PNG, method=8, size=10), Member(b"b.png", PNG)])).json()

    problem(common.get(f"/v1/jobs/{job['id']}/items/0/image"), 422, "corrupt_archive_member")
    assert common.get(f"/v1/jobs/{job['id']}/items/1/image").content == PNG


def test_deflate64_fails_its_item(api: httpx.Client, worker: FakeWorker) -> None:
    """A packing method that nobody reads fails that item."""
    job = raw(api, raw_zip([Member(b"a.png", PNG, method=9), Member(b"b.png", PNG)])).json()
    worker.work()
    items = api.get(f"/v1/jobs/{job['id']}/results").json()["items"]
    assert [(i["error"] or {}).get("code") for i in items] == ["unsupported_format", None]


def test_zip64_and_prefixed_zips_are_read(common: httpx.Client) -> None:
    """Large-file zips and self-extracting ones are zips."""
    members = [Member(b"a.png", PNG), Member(b"b.png", PNG)]
    assert raw(common, raw_zip(members, zip64=True)).json()["counts"]["total"] == 2
    job = raw(common, raw_zip(members, prefix=b"MZ this unpacks itself")).json()
    assert job["counts"]["total"] == 2
    assert common.get(f"/v1/jobs/{job['id']}/items/1/image").content == PNG


def test_names_in_old_code_pages_are_read(api: httpx.Client, worker: FakeWorker) -> None:
    """A name that is no UTF-8 becomes some readable label."""
    job = raw(api, raw_zip([Member(b"\x84\x94\x81.png", PNG), Member(b"new\nline\0.png", PNG)])).json()
    worker.work()
    names = [i["name"] for i in api.get(f"/v1/jobs/{job['id']}/results").json()["items"]]
    assert names[0] == "äöü.png"
    assert "\n" not in names[1]
    assert "\0" not in names[1]


def test_too_many_items(small_limits: httpx.Client, database: Database) -> None:
    """More items than the limit are refused, in a zip, as files and as JSON."""
    names = [f"{i}.png" for i in range(6)]
    many = [{"data": "aGVsbG8="}] * 6
    problem(raw(small_limits, zipped(*names)), 413, "too_many_items")
    problem(submit_files(small_limits, [(n, PNG) for n in names]), 413, "too_many_items")
    problem(
        submit_files(small_limits, [("a.zip", zipped(*names[:3])), ("b.zip", zipped(*names[:3]))]),
        413,
        "too_many_items",
    )
    problem(small_limits.post("/v1/jobs", json={"images": many}), 413, "too_many_items")
    assert nothing_kept(database)


def test_a_body_over_the_limit_is_refused(small_limits: httpx.Client, database: Database) -> None:
    """By its announced length at once, and by count when nothing was announced."""
    body = b"\x89PNG" + bytes(400_000)

    def pieces() -> Iterator[bytes]:
        for i in range(0, len(body), 10_000):
            yield body[i : i + 10_000]

    problem(raw(small_limits, body, "image/png"), 413, "payload_too_large")
    headers = {"content-type": "image/png"}
    problem(small_limits.post("/v1/jobs", content=pieces(), headers=headers), 413, "payload_too_large")
    problem(submit_files(small_limits, [("a.png", body)]), 413, "payload_too_large")
    json_body = json.dumps({"images": [{"data": "A" * 30_000}]}).encode()
    problem(raw(small_limits, json_body, "application/json"), 413, "payload_too_large")
    assert nothing_kept(database)


def test_a_file_over_the_limit_of_one_fails_alone(small_limits: httpx.Client, worker: FakeWorker) -> None:
    """A file that is too large for one image is a failed item."""
    files = [("big.png", b"\x89PNG\r\n\x1a\n" + bytes(60_000)), ("a.png", PNG)]
    job = submit_files(small_limits, files).json()
    worker.work()
    items = small_limits.get(f"/v1/jobs/{job['id']}/results").json()["items"]
    assert [(i["error"] or {}).get("code") for i in items] == ["member_too_large", None]


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
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "image/svg+xml", "video/mp4", "x"]
)
def test_other_content_types_are_refused(common: httpx.Client, content_type: str) -> None:
    """A content type that cannot be submitted is refused with the list of those that can."""
    body = problem(raw(common, b"data", content_type), 415, "unsupported_media_type")
    assert "image/png" in body["detail"]


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=b", b"--b\r\n"),
        ("multipart/form-data; boundary=b", b"no boundary at all"),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\nabc',
        ),
        ("multipart/form-data; boundary=b", b"--b\r\nX: y\r\n\r\nabc\r\n--b--\r\n"),
    ],
)
def test_a_broken_multipart_body_is_a_bad_request(
    api: httpx.Client, database: Database, content_type: str, body: bytes
) -> None:
    """A multipart body that is cut off or malformed is refused."""
    problem(raw(api, body, content_type), 400, "bad_request")
    assert nothing_kept(database)


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


def test_a_zip_with_a_file_that_fails_leaves_nothing(api: httpx.Client, database: Database) -> None:
    """When one of several uploads is refused, the others are given up too."""
    files = [("a.png", PNG + BIG), ("broken.zip", zipped("1.png", data=BIG)[:-30]), ("b.png", PNG)]
    problem(submit_files(api, files), 422, "corrupt_archive")
    assert nothing_kept(database)
    assert row(database, "SELECT count(*) FROM inputs WHERE state = 'collecting'")[0] == 2


def test_a_million_tiny_members_are_refused_soon(common: httpx.Client) -> None:
    """A zip of more members than the limit is refused from its directory."""
    entry = struct.pack(
        "<4s6H3I5H2I", b"PK\x01\x02", 20, 20, 0, 0, 0, 0, zlib.crc32(b""), 0, 0, 5, 0, 0, 0, 0, 0, 0
    )
    count = 420_000
    directory = (entry + b"a.png") * count
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    zip64 = struct.pack("<4sQ2H2I4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, len(directory), 0)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, len(directory), 1)
    answer = raw(common, directory + zip64 + locator + end)
    assert answer.json()["code"] in {"too_many_items", "corrupt_archive", "zip_bomb"}
    assert answer.elapsed.total_seconds() < 10


def test_a_normal_zip_still_passes(small_limits: httpx.Client) -> None:
    """The limits of these tests let an ordinary submission through."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", PNG)
    assert raw(small_limits, buffer.getvalue()).status_code == 202
    assert submitted(small_limits, "a.png")["status"] == "queued"


def test_a_packed_body_is_refused(common: httpx.Client) -> None:
    """A body that was compressed on its way would be stored as nonsense, so it is refused."""
    headers = {"content-type": "image/png", "content-encoding": "gzip"}
    problem(common.post("/v1/jobs", content=b"\x1f\x8b", headers=headers), 415, "unsupported_media_type")
