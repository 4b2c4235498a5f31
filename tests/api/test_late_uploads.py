"""Uploads whose rows the steward collected before their objects were there: no object stays that nobody knows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from shared.contracts import NewManifest
from shared.db import Database
from shared.errors import Unavailable
from shared.jobs import sweep
from shared.jobs.arrivals import abandon_inputs, begin_input
from shared.jobs.submit import submit_job
from shared.settings import Settings
from tests.api.conftest import serving
from tests.api.test_streaming import MIB, half_a_body, states, stored
from tests.queue_driver import execute, new_job
from tests.services import wait_for
from tests.shared.zips import zip_bytes


@pytest.mark.parametrize("touch_s", [0.0, 1000.0], ids=["seen on the way", "seen at the end"])
def test_an_object_that_comes_late_is_removed(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch, touch_s: float
) -> None:
    """An API that was frozen until its upload was forgotten refuses it, and has the object removed."""
    monkeypatch.setattr("api.stash.TOUCH_S", touch_s)
    body = zip_bytes([("a.png", np.random.default_rng(0).bytes(3 * MIB))])
    with serving(settings) as api:
        connection = half_a_body(api, len(body), body[: 2 * MIB])
        wait_for(lambda: states(database) == {"receiving": 1}, "the input's row")
        assert sweep.collect_stale_uploads(database, stale_s=-1) == 1
        ((input_id, key),) = sweep.collectable_inputs(database)
        sweep.forget_inputs(database, [input_id])
        connection.sendall(body[2 * MIB :])
        connection.settimeout(10)
        answer = connection.recv(65536)
        connection.close()

    assert answer.startswith(b"HTTP/1.1 503")
    assert sweep.due_tombstones(database) == [key]
    assert len(stored(settings)) == (touch_s > 0)


def test_a_refused_job_leaves_its_objects_to_the_steward(database: Database) -> None:
    """A submission that comes too late has its files and its manifest removed, whatever is left of their rows."""
    kept, kept_key = begin_input(database, "default", "a.zip", None)
    lost, lost_key = begin_input(database, "default", "b.zip", None)
    execute(database, f"DELETE FROM inputs WHERE id = '{lost}'")
    job = new_job()
    uploads = [replace(job.inputs[0], id=input_id, inline=None) for input_id in (kept, lost)]

    with pytest.raises(Unavailable):
        submit_job(
            database, replace(job, inputs=uploads, manifest=NewManifest("items", 1, storage_key="m/1"))
        )

    assert sweep.collectable_inputs(database) == [(kept, kept_key)]
    assert sorted(sweep.due_tombstones(database)) == sorted([lost_key, "m/1"])


def test_giving_up_what_a_job_has_removes_nothing(database: Database) -> None:
    """A client that went away right after the commit does not take the job's files with it."""
    input_id, _ = begin_input(database, "default", "a.zip", None)
    job = new_job()
    submit_job(database, replace(job, inputs=[replace(job.inputs[0], id=input_id, inline=None)]))

    abandon_inputs(database, [input_id])

    assert sweep.collectable_inputs(database) == []
    assert sweep.due_tombstones(database) == []
