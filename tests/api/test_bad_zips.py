"""Bad archives: each kind has its own clear answer, and leaves nothing behind."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

import httpx
import pytest

from shared.db import Database
from tests.api.bad import BIG, nothing_kept, raw
from tests.api.files import PNG, problem, submit_files, submitted, zipped
from tests.fakes import FakeWorker
from tests.queue_driver import row
from tests.shared.zips import Member, raw_zip, zip_bytes


@pytest.mark.parametrize(
    "body",
    [zipped(), zipped("a.txt", "b.csv"), zipped("folder/"), zipped("__MACOSX/x.png", ".DS_Store")],
    ids=["empty", "skipped", "folder", "hidden"],
)
def test_a_zip_without_images_is_empty(api: httpx.Client, database: Database, body: bytes) -> None:
    """A zip in which nothing could be an image is refused as a whole."""
    problem(raw(api, body), 422, "empty_submission")
    assert nothing_kept(database)


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
