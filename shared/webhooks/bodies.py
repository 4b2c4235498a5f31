"""Write the body of a webhook from the snapshot of the job that its row keeps."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from shared.catalogue import Catalogue
from shared.documents import job_document, time_text
from shared.jobs.read import InputView, JobView

MOST_BYTES = 20_000
MOST_INPUTS = 200
"""More names than this never fit; no more are read."""
TEST_EVENT = "webhook.test"

_SHOWN = [f.name for f in fields(JobView) if f.name not in {"inputs", "queue_position"}]
_UUIDS = {"id", "parent_id"}


def job_of(snapshot: dict[str, Any], inputs: list[InputView]) -> JobView:
    """Read a job from the JSON of its row and its inputs."""
    values: dict[str, Any] = {name: snapshot.get(name) for name in _SHOWN}
    for name, value in values.items():
        if value is not None and name in _UUIDS:
            values[name] = UUID(value)
        elif value is not None and (name.endswith("_at") or name == "now"):
            values[name] = datetime.fromisoformat(value)
    return JobView(**values, inputs=inputs, queue_position=0)


def job_body(event: str, job: JobView, inputs: int, catalogue: Catalogue) -> bytes:
    """Return the body of a job's event, at most 20 kB.

    Where the job is larger, the list of its inputs is cut, then its metadata is left out; `trimmed` names which.

    Args:
        inputs: how many inputs the job has; `job` may hold the first of them only.
    """
    data = job_document(job, catalogue)
    trimmed = ["inputs"] if inputs > len(job.inputs) else []
    while len(body := _written(event, job.now, data, trimmed)) > MOST_BYTES:
        if data["inputs"]:
            excess = len(body) - MOST_BYTES
            data["inputs"] = data["inputs"][: _fitting(data["inputs"], excess)]
            trimmed = ["inputs"]
        elif data["metadata"]:
            data["metadata"] = {}
            trimmed = [*trimmed, "metadata"]
        else:  # name, URL and error are bounded; this is for what a later release may add
            data = {name: data[name] for name in ("id", "object", "status", "counts", "links")}
            trimmed = [*trimmed, "data"]
    return body


def test_body(at: datetime, url: str) -> bytes:
    """Return the body of a test ping."""
    data = {"object": "webhook_test", "url": url, "message": "This is a test of your webhook address."}
    return _written(TEST_EVENT, at, data, [])


def _written(event: str, at: datetime, data: dict[str, Any], trimmed: list[str]) -> bytes:
    """Serialise; `trimmed` stands there only when something was left out."""
    more = {"trimmed": trimmed} if trimmed else {}
    return orjson.dumps({"type": event, "timestamp": time_text(at), "data": data, **more})


def _fitting(inputs: list[InputView], excess: int) -> int:
    """Return how many inputs may stay so that the body loses at least so many bytes, always fewer than there are."""
    kept = len(inputs)
    saved = -len(',"trimmed":["inputs"]')
    while kept and saved < excess:
        kept -= 1
        saved += len(orjson.dumps(inputs[kept])) + 1
    return kept
