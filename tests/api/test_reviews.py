"""Reviews: what people say of items, who may, and what it comes to."""

from __future__ import annotations

import csv
import io
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from shared.db import Database
from tests.api.files import problem, submitted
from tests.fakes import FakeWorker
from tests.queue_driver import execute, row


def job_of(api: httpx.Client, worker: FakeWorker, *names: str, headers: dict[str, str] | None = None) -> str:
    """Let a job of files of these names be read; return its address."""
    api.headers.update(headers or {})
    job = submitted(api, *names)
    worker.work()
    return f"/v1/jobs/{job['id']}"


def review(
    api: httpx.Client,
    job: str,
    seq: int,
    reviewer: str,
    value: str | None,
    reason: str | None = None,
    **more: Any,
) -> httpx.Response:
    """Review one item."""
    body = {"value": value} | ({"reason": reason} if reason else {})
    return api.put(f"{job}/items/{seq}/reviews/{reviewer}", json=body, **more)


def item(answer: httpx.Response) -> dict[str, Any]:
    """Return the item of an answer that is to be fine."""
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_review_decides_the_final_value(api: httpx.Client, worker: FakeWorker) -> None:
    """The item shows the review and the reviewer's value; what was read and decided stays."""
    job = job_of(api, worker, "a.png", "doubt.png")
    shown = item(review(api, job, 1, "anna", "1"))
    assert (shown["prediction"], shown["decision"], shown["final_value"]) == ("7", "review", "1")
    [said] = shown["reviews"]
    assert said["reviewed_at"].endswith("Z")
    del said["reviewed_at"]
    assert said == {"reviewer": "anna", "field": None, "value": "1", "reason": None, "admin": False}
    assert shown["final_value"] == item(api.get(f"{job}/items/1"))["final_value"]
    assert api.get(job).json()["counts"]["reviewed"] == 1


def test_no_value_has_a_reason(api: httpx.Client, worker: FakeWorker) -> None:
    """A person may say that there is no digit, and why."""
    job = job_of(api, worker, "a.png")
    shown = item(review(api, job, 0, "anna", None, "crossed_out"))
    assert (shown["final_value"], shown["reviews"][0]["reason"]) == (None, "crossed_out")


@pytest.mark.parametrize(
    "body",
    [
        {"value": "x"},
        {"value": ""},
        {"value": 7},
        {"value": None},
        {"reason": "blank"},
        {"value": "7", "reason": "blank"},
        {"value": None, "reason": "tired"},
        {"value": "7", "field": "total"},
        {"value": "7", "more": 1},
        {},
    ],
)
def test_what_is_no_review_is_refused(api: httpx.Client, worker: FakeWorker, body: dict[str, Any]) -> None:
    """Only labels of the model, or none with a known reason; nothing is kept of anything else."""
    job = job_of(api, worker, "a.png")
    found = problem(api.put(f"{job}/items/0/reviews/anna", json=body), 422, "invalid_request")
    assert found["errors"]
    assert item(api.get(f"{job}/items/0"))["reviews"] == []


def test_reviewers_who_disagree_leave_what_was_read(api: httpx.Client, worker: FakeWorker) -> None:
    """Two values are none until the reviewers agree."""
    job = job_of(api, worker, "a.png")
    review(api, job, 0, "anna", "1")
    shown = item(review(api, job, 0, "ben", "4"))
    assert (shown["final_value"], shown["reasons"]) == ("7", ["reviewers_disagree"])
    assert [i["seq"] for i in api.get(f"{job}/results?disagreed=true").json()["items"]] == [0]
    assert api.get(f"{job}/results?disagreed=false").json()["items"] == []
    shown = item(review(api, job, 0, "ben", "1"))
    assert (shown["final_value"], shown["reasons"]) == ("1", [])
    assert api.get(job).json()["counts"]["reviewed"] == 1


def test_undo_is_a_delete(api: httpx.Client, worker: FakeWorker) -> None:
    """What was taken back has left no trace; a second time there is nothing to take back."""
    job = job_of(api, worker, "a.png")
    before = api.get(f"{job}/items/0").content
    review(api, job, 0, "anna", "1")
    assert api.delete(f"{job}/items/0/reviews/anna").content == before
    assert api.get(job).json()["counts"]["reviewed"] == 0
    problem(api.delete(f"{job}/items/0/reviews/anna"), 404, "not_found")


def test_the_same_again_changes_nothing(api: httpx.Client, worker: FakeWorker) -> None:
    """A PUT that is repeated leaves the item, its times and the job's version as they were."""
    job = job_of(api, worker, "a.png")
    first = review(api, job, 0, "anna", "1")
    tag = api.get(job).headers["etag"]
    assert review(api, job, 0, "anna", "1").content == first.content
    assert api.get(job).headers["etag"] == tag
    review(api, job, 0, "anna", "2")
    assert api.get(job).headers["etag"] != tag


def test_only_what_a_person_can_see_is_reviewed(api: httpx.Client, worker: FakeWorker) -> None:
    """A broken image may have a value; what was skipped, is no image or not read yet has none."""
    job = job_of(api, worker, "bad.png", "notes.txt", "inner.zip")
    assert item(review(api, job, 0, "anna", "3"))["final_value"] == "3"
    problem(review(api, job, 1, "anna", "3"), 409, "not_reviewable")
    problem(review(api, job, 2, "anna", "3"), 409, "not_reviewable")
    problem(review(api, job, 9, "anna", "3"), 404, "not_found")
    waiting = submitted(api, "a.png")
    problem(review(api, f"/v1/jobs/{waiting['id']}", 0, "anna", "3"), 404, "not_found")


@pytest.mark.parametrize("name", ["%20anna", "a%0Ab", "a%E2%80%AEb", "x" * 65, "%2e%2e", "a%5Cb"])
def test_names_are_names(api: httpx.Client, worker: FakeWorker, name: str) -> None:
    """No name hides characters or is a path."""
    job = job_of(api, worker, "a.png")
    assert review(api, job, 0, name, "3").status_code in (404, 422)
    assert item(api.get(f"{job}/items/0"))["reviews"] == []


def test_a_name_has_one_spelling(api: httpx.Client, worker: FakeWorker) -> None:
    """However its accents were typed, it is one reviewer."""
    job = job_of(api, worker, "a.png")
    review(api, job, 0, "Zo%C3%AB", "3")
    shown = item(review(api, job, 0, "Zoe%CC%88", "4"))
    assert [(r["reviewer"], r["value"]) for r in shown["reviews"]] == [("Zoë", "4")]


def test_many_are_reviewed_at_once(api: httpx.Client, worker: FakeWorker) -> None:
    """The items come back in the order given, and each counts."""
    job = job_of(api, worker, *(f"{n}.png" for n in range(5)))
    items = [{"seq": 4, "value": "4"}, {"seq": 1, "value": None, "reason": "blank"}, {"seq": 2, "value": "7"}]
    answer = api.post(f"{job}/reviews", json={"reviewer": "anna", "items": items})
    assert [(i["seq"], i["final_value"]) for i in answer.json()["items"]] == [(4, "4"), (1, None), (2, "7")]
    assert api.get(job).json()["counts"]["reviewed"] == 3


def test_many_are_taken_back_at_once(api: httpx.Client, worker: FakeWorker) -> None:
    """One call undoes a wall; others' words stay, and a repeat of the call is harmless."""
    job = job_of(api, worker, "doubt0.png", "doubt1.png", "doubt2.png", "a.png")
    items = [{"seq": n, "value": "1"} for n in range(3)]
    api.post(f"{job}/reviews", json={"reviewer": "anna", "items": items})
    review(api, job, 1, "ben", "2")
    for _ in range(2):
        answer = api.delete(f"{job}/reviews", params={"reviewer": "anna", "seqs": "2,1,0,3"})
        assert [(i["seq"], i["final_value"]) for i in answer.json()["items"]] == [
            (2, "7"), (1, "2"), (0, "7"), (3, "7"),
        ]  # fmt: skip
        assert api.get(job).json()["counts"]["reviewed"] == 1
    assert api.get(f"{job}/reviews").json()["done"] == 1


@pytest.mark.parametrize(
    ("seqs", "status", "code"),
    [
        ("0,1,9", 404, "not_found"),
        ("0,4294967296", 404, "not_found"),
        ("0,0", 422, "invalid_request"),
        ("0,", 422, "invalid_request"),
        ("-1", 422, "invalid_request"),
        (",".join(map(str, range(501))), 422, "invalid_request"),
    ],
)
def test_all_or_none_is_taken_back(
    api: httpx.Client, worker: FakeWorker, seqs: str, status: int, code: str
) -> None:
    """A list with something wrong in it takes nothing back."""
    job = job_of(api, worker, "a.png", "b.png")
    review(api, job, 0, "anna", "1")
    problem(api.delete(f"{job}/reviews", params={"reviewer": "anna", "seqs": seqs}), status, code)
    assert api.get(job).json()["counts"]["reviewed"] == 1


@pytest.mark.parametrize(
    ("last", "status", "code"),
    [
        ({"seq": 1, "value": "x"}, 422, "invalid_request"),
        ({"seq": 0, "value": "1"}, 422, "invalid_request"),
        ({"seq": 3, "value": "1"}, 404, "not_found"),
        ({"seq": 2, "value": "1"}, 409, "not_reviewable"),
    ],
)
def test_all_or_none(
    api: httpx.Client, worker: FakeWorker, last: dict[str, Any], status: int, code: str
) -> None:
    """One wrong item among many keeps all of them out."""
    job = job_of(api, worker, "a.png", "b.png", "notes.txt")
    answer = api.post(f"{job}/reviews", json={"reviewer": "anna", "items": [{"seq": 0, "value": "1"}, last]})
    problem(answer, status, code)
    assert api.get(job).json()["counts"]["reviewed"] == 0


def test_a_list_has_an_end(api: httpx.Client, worker: FakeWorker) -> None:
    """More than a thousand items, or none, are refused."""
    job = job_of(api, worker, "a.png")
    for count in (0, 1001):
        items = [{"seq": n, "value": "1"} for n in range(count)]
        answer = api.post(f"{job}/reviews", json={"reviewer": "anna", "items": items})
        problem(answer, 422, "invalid_request")


def test_two_reviewers_at_once_are_counted_once(
    api: httpx.Client, worker: FakeWorker, database: Database
) -> None:
    """Whoever comes first, counters and reviews fit together afterwards."""
    job = job_of(api, worker, *(f"doubt{n}.png" for n in range(4)))

    def both(n: int) -> int:
        seq, who = n % 4, "anna" if n % 8 < 4 else "ben"
        answer = review(api, job, seq, who, str(n % 3))
        if n % 5 == 0:
            api.delete(f"{job}/items/{seq}/reviews/{who}")
        return answer.status_code

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(both, range(64))) == {200}
    counted = row(
        database,
        "SELECT reviewed, review_done, (SELECT count(DISTINCT seq) FROM reviews) AS items FROM jobs",
    )
    assert counted.reviewed == counted.review_done == counted.items


def test_what_needs_eyes(api: httpx.Client, worker: FakeWorker) -> None:
    """The queue of a reviewer shrinks with each review; a further reviewer sees nothing of the first one's."""
    job = job_of(api, worker, "a.png", "doubt1.png", "doubt2.png")
    review(api, job, 1, "anna", "1")

    def seqs(query: str) -> list[int]:
        return [i["seq"] for i in api.get(f"{job}/results?{query}").json()["items"]]

    assert seqs("decision=review&reviewed=false") == [2]
    assert seqs("decision=review&not_reviewed_by=anna") == [2]
    assert seqs("decision=review&not_reviewed_by=ben") == [1, 2]
    assert seqs("reviewed=true") == [1]
    blind = api.get(f"{job}/results?not_reviewed_by=ben&decision=review").json()["items"][0]
    assert (blind["reviews"], blind["final_value"], blind["reasons"]) == ([], "7", ["low_confidence"])


def test_progress_and_agreement(api: httpx.Client, worker: FakeWorker) -> None:
    """How far, how many were corrected, and how well two reviewers agree beyond chance."""
    job = job_of(api, worker, *(f"doubt{n}.png" for n in range(4)), "a.png")
    for seq, (one, other) in enumerate([("7", "7"), ("7", "7"), ("1", "1"), ("7", "1")]):
        review(api, job, seq, "anna", one)
        review(api, job, seq, "ben", other)
    review(api, job, 4, "anna", "7")
    found = api.get(f"{job}/reviews").json()
    people = found.pop("reviewers")
    assert found == {
        "job_id": job.rsplit("/", 1)[1],
        "needed": 4,
        "done": 4,
        "left": 0,
        "reviewed": 5,
        "corrected": 1,
        "disagreed": 1,
        "agreement": [{"reviewers": ["anna", "ben"], "items": 4, "same": 3, "percent": 75.0, "kappa": 0.5}],
    }
    assert [(p["reviewer"], p["items"], p["done"], p["left"], p["same_as_machine"]) for p in people] == [
        ("anna", 5, 4, 0, 4),
        ("ben", 4, 4, 0, 2),
    ]


def test_exports_carry_what_people_said(api: httpx.Client, worker: FakeWorker) -> None:
    """Every format has the final value, and between two reviews the same bytes."""
    job = job_of(api, worker, "a.png", "b.png")
    review(api, job, 1, "anna", "1")
    review(api, job, 0, "anna", "2")
    review(api, job, 0, "ben", "3")
    texts = {form: api.get(f"{job}/results?format={form}").content for form in ("json", "ndjson", "csv")}
    assert texts == {form: api.get(f"{job}/results?format={form}").content for form in texts}
    lines = [json.loads(line) for line in texts["ndjson"].splitlines()]
    assert lines == json.loads(texts["json"])["items"]
    rows = list(csv.DictReader(io.StringIO(texts["csv"].decode())))
    assert [(r["prediction"], r["final_value"], r["reasons"]) for r in rows] == [
        ("7", "7", "reviewers_disagree"),
        ("7", "1", ""),
    ]


def test_an_expired_job_takes_no_reviews(api: httpx.Client, worker: FakeWorker, database: Database) -> None:
    """What is about to be purged is gone already."""
    job = job_of(api, worker, "a.png")
    execute(database, "UPDATE jobs SET results_expire_at = clock_timestamp() + interval '5 seconds'")
    problem(review(api, job, 0, "anna", "1"), 410, "gone")
    execute(database, "UPDATE jobs SET deleted_at = clock_timestamp()")
    problem(review(api, job, 0, "anna", "1"), 404, "not_found")


def test_a_crowd_is_not_kept(api: httpx.Client, worker: FakeWorker) -> None:
    """Of twenty reviewers the twenty-first is refused; one of the twenty may change his mind."""
    job = job_of(api, worker, "a.png")
    for n in range(20):
        assert review(api, job, 0, f"r{n}", "1").status_code == 200
    problem(review(api, job, 0, "r20", "1"), 409, "not_reviewable")
    assert review(api, job, 0, "r3", "2").status_code == 200
