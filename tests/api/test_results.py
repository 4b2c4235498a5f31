"""Results: order, pages, filters and formats."""

from __future__ import annotations

import csv
import io
import zipfile
from uuid import UUID

import httpx
import orjson
import pytest

from api.exports import safe_cell
from shared.blobs import Blobs
from shared.db import Database
from shared.lanes import view_key
from shared.status import Lane
from tests.api.files import PNG, problem, submit_files, submitted
from tests.fakes import FakeWorker
from tests.queue_driver import execute

TYPES = {
    "json": "application/json",
    "ndjson": "application/x-ndjson",
    "csv": "text/csv",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


def test_an_item_has_every_field(api: httpx.Client, worker: FakeWorker) -> None:
    """A program finds every documented field of a read image."""
    job = submitted(api, "batch/0017.png")
    worker.work()

    assert api.get(f"/v1/jobs/{job['id']}/items/0").json() == {
        "seq": 0, "custom_id": "batch/0017.png", "name": "batch/0017.png", "page": 1, "status": "succeeded",
        "prediction": "7", "confidence": 0.99812, "probabilities": [0.0] * 7 + [0.99812, 0.0, 0.0],
        "decision": "accept", "reasons": [], "reviews": [], "final_value": "7", "error": None,
        "width": 28, "height": 28,
    }  # fmt: skip


def test_a_failed_item_says_why(api: httpx.Client, worker: FakeWorker) -> None:
    """A failed item has a code, a sentence, and whether to try again."""
    job = submitted(api, "bad.png")
    worker.work()
    item = api.get(f"/v1/jobs/{job['id']}/items/0").json()

    assert item["error"] == {"code": "undecodable_image", "detail": "It is broken.", "retryable": False}
    assert (item["status"], item["prediction"], item["confidence"]) == ("failed", None, None)
    assert api.get(f"/v1/jobs/{job['id']}").json()["status"] == "failed"


def test_pages_of_a_running_job_end_before_the_first_gap(api: httpx.Client, worker: FakeWorker) -> None:
    """While the first chunk is still in work nothing is shown, and then everything in order, each once."""
    job = submitted(api, *(f"{i}.png" for i in range(2500)))
    first = worker.take(Lane.BULK)
    worker.work()
    url = f"/v1/jobs/{job['id']}/results"
    assert api.get(url).json() == {"items": [], "next_after_seq": -1, "complete": False}
    assert api.get(url, params={"after_seq": 7}).json()["next_after_seq"] == 7
    worker.finish(first)

    seen: list[int] = []
    after, complete = -1, False
    while not complete:
        page = api.get(url, params={"after_seq": after, "limit": 700}).json()
        seen += [item["seq"] for item in page["items"]]
        complete = page["complete"]
        assert (page["next_after_seq"] is None) == complete
        after = page["next_after_seq"]
    assert seen == list(range(2500))


def test_a_prefix_of_a_running_job_can_be_read(api: httpx.Client, worker: FakeWorker) -> None:
    """What is finished in front is readable while the rest is in work."""
    job = submitted(api, *(f"{i}.png" for i in range(2500)))
    worker.work(most_chunks=1)
    page = api.get(f"/v1/jobs/{job['id']}/results", params={"limit": 1000}).json()
    lines = api.get(f"/v1/jobs/{job['id']}/results", params={"format": "ndjson"}).text.splitlines()

    assert not page["complete"]
    assert [i["seq"] for i in page["items"]] == list(range(len(page["items"])))
    assert page["next_after_seq"] == page["items"][-1]["seq"]
    assert [orjson.loads(line)["seq"] for line in lines] == list(range(len(page["items"])))


def test_the_last_full_page_is_complete(api: httpx.Client, worker: FakeWorker) -> None:
    """A page that ends exactly at the end says so."""
    job = submitted(api, *(f"{i}.png" for i in range(4)))
    worker.work()
    url = f"/v1/jobs/{job['id']}/results"

    assert api.get(url, params={"limit": 4}).json()["complete"] is True
    first = api.get(url, params={"limit": 2}).json()
    assert (first["complete"], first["next_after_seq"]) == (False, 1)
    assert api.get(url, params={"after_seq": 3}).json() == {
        "items": [],
        "next_after_seq": None,
        "complete": True,
    }


def test_filters(api: httpx.Client, worker: FakeWorker) -> None:
    """Status, decision, confidence, prediction and reviews narrow the stream, which still ends as complete."""
    job = submitted(api, "0.png", "bad.png", "doubt.png", "3.txt", "4.png")
    worker.work()

    def found(**params: str) -> list[int]:
        page = api.get(f"/v1/jobs/{job['id']}/results", params=params).json()
        assert page["complete"] is True
        return [item["seq"] for item in page["items"]]

    assert found(status="failed") == [1]
    assert found(status="skipped") == [3]
    assert found(decision="review") == [2]
    assert found(decision="accept") == [0, 4]
    assert found(max_confidence="0.6") == [2]
    assert found(prediction="7") == [0, 2, 4]
    assert found(prediction="1") == []
    assert found(reviewed="false") == [0, 1, 2, 3, 4]
    assert found(reviewed="true") == []


def test_a_filtered_page_says_how_far_it_looked(api: httpx.Client, worker: FakeWorker) -> None:
    """A filtered pager of a running job goes on where the last look ended."""
    job = submitted(api, *(f"{'bad' if i == 3 else i}.png" for i in range(2500)))
    worker.work(most_chunks=1)
    page = api.get(f"/v1/jobs/{job['id']}/results", params={"status": "failed"}).json()

    assert [i["seq"] for i in page["items"]] == [3]
    assert page["next_after_seq"] > 3
    assert not page["complete"]


def test_ndjson_equals_json(api: httpx.Client, worker: FakeWorker) -> None:
    """Both formats hold the same documents, and the same bytes each time."""
    job = submitted(api, *(f"{i}.png" for i in range(2500)), "bad.png", "x.txt")
    worker.work()
    url = f"/v1/jobs/{job['id']}/results"
    answer = api.get(url, headers={"accept": "application/x-ndjson"})
    pages = [api.get(url, params={"after_seq": a, "limit": 1000}).json()["items"] for a in (-1, 999, 1999)]

    assert answer.headers["content-type"].startswith("application/x-ndjson")
    assert [orjson.loads(line) for line in answer.content.splitlines()] == [i for p in pages for i in p]
    assert api.get(url, params={"format": "ndjson"}).content == answer.content
    assert api.get(url, params={"limit": 1000}).content == api.get(url, params={"limit": 1000}).content


def test_csv(api: httpx.Client, worker: FakeWorker) -> None:
    """CSV has the documented columns, CRLF, and nothing that a spreadsheet would run."""
    job = submit_files(
        api, [("=cmd|x.png", PNG), ("007.png", PNG), ('doubt, "q".png', PNG), ("bad.png", PNG)]
    ).json()
    worker.work()
    answer = api.get(f"/v1/jobs/{job['id']}/results", params={"format": "csv"})

    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.content.count(b"\r\n") == 5
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert list(rows[0]) == [
        "seq", "custom_id", "name", "page", "status", "prediction", "final_value", "confidence", "decision",
        "reasons", "error_code",
    ]  # fmt: skip
    assert [r["name"] for r in rows] == ["'=cmd|x.png", "007.png", 'doubt, "q".png', "bad.png"]
    assert (rows[1]["prediction"], rows[1]["confidence"]) == ("7", "0.99812")
    assert rows[2]["reasons"] == "low_confidence"
    assert (rows[3]["error_code"], rows[3]["prediction"]) == ("undecodable_image", "")


@pytest.mark.parametrize(
    "name", ["=1", "+1", "-1", "@A1", "\t=1", "\r=1", " =1", "\u00a0=1", "＝1", "＋1", "－1", "＠A1"]
)
def test_no_cell_is_a_formula(name: str) -> None:
    """Neither spaces before it nor letters of full width make a spreadsheet run a name."""
    assert safe_cell(name) == f"'{name}"
    assert safe_cell("007 =1.png") == "007 =1.png"


def test_xlsx_only_of_ended_jobs(api: httpx.Client, worker: FakeWorker) -> None:
    """A spreadsheet is made at the end; texts stay texts."""
    job = submitted(api, "007.png", "=1+1.png")
    url = f"/v1/jobs/{job['id']}/results?format=xlsx"
    problem(api.get(url), 409, "job_active")
    worker.work()
    answer = api.get(url)

    assert answer.headers["content-type"] == TYPES["xlsx"]
    with zipfile.ZipFile(io.BytesIO(answer.content)) as book:
        sheet = book.read("xl/worksheets/sheet1.xml").decode()
        strings = "".join(book.read(n).decode() for n in book.namelist() if "sharedStrings" in n)
    assert "007.png" in sheet + strings
    assert "<f>" not in sheet


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("*/*", "json"),
        ("application/json", "json"),
        ("text/csv", "csv"),
        ("text/*", "csv"),
        ("application/x-ndjson", "ndjson"),
        ("application/json;q=0.1, text/csv;q=0.9", "csv"),
        ("text/html, */*;q=0.1", "json"),
    ],
)
def test_the_accept_header_chooses(common: httpx.Client, accept: str, expected: str) -> None:
    """A caller gets the format that it likes best."""
    job = submitted(common, "1.png")
    answer = common.get(f"/v1/jobs/{job['id']}/results", headers={"accept": accept})
    assert answer.headers["content-type"].split(";")[0] == TYPES[expected]


def test_an_unknown_format_is_refused(common: httpx.Client) -> None:
    """What cannot be given is said."""
    job = submitted(common, "1.png")
    url = f"/v1/jobs/{job['id']}/results"
    problem(common.get(url, headers={"accept": "image/png"}), 406, "not_acceptable")
    problem(common.get(url, params={"format": "pdf"}), 422, "invalid_request")


@pytest.mark.parametrize(
    "params",
    [
        {"limit": 1001},
        {"limit": 0},
        {"after_seq": -2},
        {"after_seq": 2**31},
        {"decision": "x"},
        {"prediction": "\0"},
        {"max_confidence": "nan"},
    ],
)
def test_a_wrong_page_is_refused(common: httpx.Client, params: dict[str, int]) -> None:
    """A wrong parameter is named."""
    job = submitted(common, "1.png")
    body = problem(common.get(f"/v1/jobs/{job['id']}/results", params=params), 422, "invalid_request")
    assert body["errors"][0]["loc"] == f"query.{next(iter(params))}"


@pytest.mark.parametrize("seq", ["1", "x", "-1", str(2**31)])
def test_unknown_items_are_not_found(api: httpx.Client, worker: FakeWorker, seq: str) -> None:
    """A number that no item has is 404."""
    job = submitted(api, "1.png")
    worker.work()
    problem(api.get(f"/v1/jobs/{job['id']}/items/{seq}"), 404, "not_found")
    problem(api.get(f"/v1/jobs/{job['id']}/items/{seq}/image"), 404, "not_found")


def test_an_item_in_work_is_not_found_yet(common: httpx.Client) -> None:
    """Before it was read an item is 404, its image is there."""
    job = submitted(common, "1.png")
    problem(common.get(f"/v1/jobs/{job['id']}/items/0"), 404, "not_found")
    image = common.get(f"/v1/jobs/{job['id']}/items/0/image")
    assert (image.content, image.headers["content-type"]) == (PNG, "image/png")


def test_what_the_model_saw_is_served_once_a_worker_has_rendered_it(
    api: httpx.Client, worker: FakeWorker, blobs: Blobs
) -> None:
    """The picture comes from the storage as a PNG; an item that was not read has none."""
    job = submitted(api, "1.png", "bad.png")
    url = f"/v1/jobs/{job['id']}/items"
    problem(api.get(f"{url}/0/image?view=model"), 404, "not_found")
    worker.work()
    blobs.put(view_key(UUID(job["id"].removeprefix("job_")), 0, "model"), PNG)

    picture = api.get(f"{url}/0/image?view=model")

    assert (picture.content, picture.headers["content-type"]) == (PNG, "image/png")
    problem(api.get(f"{url}/1/image?view=model"), 404, "not_found")


def test_nobody_waits_long_for_a_picture(
    api: httpx.Client, worker: FakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a worker the answer is a clear 503."""
    monkeypatch.setattr("api.views.WAIT_S", 0.1)
    job = submitted(api, "1.png")
    worker.work()
    problem(api.get(f"/v1/jobs/{job['id']}/items/0/image?view=model"), 503, "unavailable")


def test_labels_beyond_twenty_come_as_alternatives(
    api: httpx.Client, worker: FakeWorker, database: Database
) -> None:
    """With many labels the best few stand in the place of all probabilities."""
    job = submitted(api, "1.png")
    worker.work()
    execute(database, """UPDATE items SET probabilities = NULL, alternatives = '[["7", 0.9], ["1", 0.05]]'""")
    item = api.get(f"/v1/jobs/{job['id']}/items/0").json()

    assert item["alternatives"] == [["7", 0.9], ["1", 0.05]]
    assert "probabilities" not in item


def test_chosen_items_are_had_in_every_format(api: httpx.Client, worker: FakeWorker) -> None:
    """A page that is sorted its own way asks for the items it shows, and exports just these."""
    job = submitted(api, *(f"{i}.png" for i in range(9)))
    worker.work()
    url = f"/v1/jobs/{job['id']}/results"
    items = api.get(url, params={"seqs": "7,2,4,9999999999"}).json()["items"]
    assert [item["seq"] for item in items] == [2, 4, 7]
    rows = list(csv.DictReader(io.StringIO(api.get(url, params={"seqs": "7,2", "format": "csv"}).text)))
    assert [row["seq"] for row in rows] == ["2", "7"]
    problem(api.get(url, params={"seqs": "1,x"}), 422, "invalid_request")


def test_confidence_is_narrowed_from_both_sides(api: httpx.Client, worker: FakeWorker) -> None:
    """A range of confidence has two ends."""
    job = submitted(api, "a.png", "doubt.png", "bad.png")
    worker.work()
    url = f"/v1/jobs/{job['id']}/results"
    sure = api.get(url, params={"min_confidence": 0.6}).json()["items"]
    between = api.get(url, params={"min_confidence": 0.5, "max_confidence": 0.6}).json()["items"]
    assert ([item["seq"] for item in sure], [item["seq"] for item in between]) == ([0], [1])


@pytest.mark.parametrize("least", ["1e-320", "1.5e-235", "1e-42"])
def test_a_confidence_too_small_for_its_column_is_nought(
    api: httpx.Client, worker: FakeWorker, least: str
) -> None:
    """PostgreSQL refuses such a number as `real`; people get what lies above it all the same."""
    job = submitted(api, "a.png", "b.png")
    worker.work()
    url = f"/v1/jobs/{job['id']}/results"
    above = api.get(url, params={"min_confidence": least}).json()["items"]
    below = api.get(url, params={"max_confidence": least}).json()["items"]
    assert ([item["seq"] for item in above], below) == ([0, 1], [])
