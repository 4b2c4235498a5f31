"""The body of a webhook: at most 20 kB, and honest about what it leaves out."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import orjson
import sqlalchemy as sa

from shared.catalogue import Catalogue
from shared.contracts import NewInput
from shared.db import Database
from shared.documents import job_document
from shared.jobs.read import get_job
from shared.jobs.submit import submit_job
from shared.settings import Settings
from shared.webhooks.bodies import MOST_BYTES, job_body, job_of
from shared.webhooks.queue import Places, claim_due, keep_bodies, release
from tests.queue_driver import new_job
from tests.webhooks.driver import ended_job, work

URL = "https://receiver.example/hook"
CATALOGUE = Catalogue((), "digits")


def told(db: Database) -> bytes:
    """Claim the one delivery and write its body as the sender does."""
    [claimed] = claim_due(db, "test", lease_s=60, most=1, free=Places(1, 1, 1), limits={}).claimed
    assert claimed.snapshot is not None
    return job_body(claimed.event, job_of(claimed.snapshot, claimed.inputs), claimed.input_count, CATALOGUE)


def test_the_snapshot_is_the_document_of_the_api(database: Database) -> None:
    """Field by field, numbers, times and ids included."""
    job_id = ended_job(database, URL, metadata={"a": "ü"}, target_error=0.001, name="Ballots")
    body = orjson.loads(told(database))
    shown = job_document(get_job(database, "default", job_id), CATALOGUE)
    assert body["data"] == orjson.loads(orjson.dumps(shown))
    assert list(body) == ["type", "timestamp", "data"]


def test_a_job_of_many_files_has_its_list_of_inputs_cut(database: Database) -> None:
    """The body stays below its limit, and says that the list is not whole."""
    job = new_job(webhook={"url": URL, "events": ["job.completed"]})
    files = [NewInput(f"{n:03}-{'x' * 150}.png", None, 3, "0" * 64, inline=b"abc") for n in range(400)]
    submit_job(database, replace(job, inputs=files))
    work(database)
    body = told(database)
    document = orjson.loads(body)
    assert 0.9 * MOST_BYTES < len(body) <= MOST_BYTES
    assert document["trimmed"] == ["inputs"]
    assert 10 < len(document["data"]["inputs"]) < 200


def test_the_largest_metadata_is_left_out(database: Database) -> None:
    """Sixteen values of 512 characters that JSON writes as six bytes each are more than a body may have."""
    metadata = {f"{n:02}" + "\x01" * 62: "\x01" * 512 for n in range(16)}
    ended_job(database, URL, metadata=metadata, name="\x01" * 200)
    body = told(database)
    document = orjson.loads(body)
    assert len(body) <= MOST_BYTES
    assert document["trimmed"] == ["inputs", "metadata"]
    assert document["data"]["metadata"] == {}
    assert document["data"]["status"] == "succeeded"


def test_every_try_sends_what_the_first_has_sent(database: Database, settings: Settings) -> None:
    """The body is kept before it is sent; what changes later in the job or in this program changes it no more."""
    job_id: UUID = ended_job(database, URL)
    [first] = claim_due(database, "test", lease_s=60, most=1, free=Places(1, 1, 1), limits={}).claimed
    keep_bodies(database, [(first, "kept")])
    release(database, [first])
    with database.transaction() as connection:
        connection.execute(sa.text("UPDATE jobs SET name = 'new' WHERE id = :id"), {"id": job_id})
    [second] = claim_due(database, "test", lease_s=60, most=1, free=Places(1, 1, 1), limits={}).claimed
    assert (second.body, second.snapshot) == ("kept", None)
