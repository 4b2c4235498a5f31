"""Reviews and keys: who may review, and for whom nobody speaks."""

from __future__ import annotations

from shared.db import Database
from shared.settings import Settings
from tests.api.conftest import serving
from tests.api.files import problem
from tests.api.keyed import bearer, key_for
from tests.api.test_reviews import item, job_of, review
from tests.fakes import FakeWorker


def test_a_key_does_not_speak_for_another(settings: Settings, database: Database, worker: FakeWorker) -> None:
    """A review belongs to its key until that is revoked; an admin may take it back, and decides."""
    anna, ben = (bearer(key_for(database, "default", "review", "read", "submit")) for _ in range(2))
    boss = bearer(key_for(database))
    with serving(settings) as api:
        job = job_of(api, worker, "a.png", headers=anna)
        review(api, job, 0, "anna", "1")
        problem(review(api, job, 0, "anna", "2", headers=ben), 403, "forbidden")
        problem(api.delete(f"{job}/items/0/reviews/anna", headers=ben), 403, "forbidden")
        taken = {"reviewer": "anna", "seqs": "0"}
        problem(api.delete(f"{job}/reviews", params=taken, headers=ben), 403, "forbidden")
        problem(review(api, job, 0, "anna", "2", headers=boss), 403, "forbidden")
        review(api, job, 0, "ben", "2", headers=ben)
        shown = item(review(api, job, 0, "boss", "9", headers=boss))
        assert (shown["final_value"], shown["reasons"], shown["reviews"][2]["admin"]) == ("9", [], True)
        assert item(api.delete(f"{job}/items/0/reviews/anna", headers=boss))["final_value"] == "9"


def test_a_review_needs_its_scope(settings: Settings, database: Database, worker: FakeWorker) -> None:
    """A key that only reads and submits changes nothing."""
    reader = bearer(key_for(database, "default", "read", "submit"))
    with serving(settings) as api:
        job = job_of(api, worker, "a.png", headers=reader)
        problem(review(api, job, 0, "anna", "1"), 403, "forbidden")
        problem(api.delete(f"{job}/items/0/reviews/anna"), 403, "forbidden")
        body = {"reviewer": "anna", "items": [{"seq": 0, "value": "1"}]}
        problem(api.post(f"{job}/reviews", json=body), 403, "forbidden")
        problem(api.delete(f"{job}/reviews", params={"reviewer": "anna", "seqs": "0"}), 403, "forbidden")
        assert api.get(f"{job}/reviews").status_code == 200
