"""Options of a submission: where they may stand, and what counts as left out."""

from __future__ import annotations

import httpx

from tests.api.files import PNG, problem


def test_body_options_go_before_those_of_the_address(common: httpx.Client) -> None:
    """Where an option stands in both places the body counts; twice in one place it is refused."""
    files = {"files": ("a.png", PNG)}
    job = common.post("/v1/jobs?priority=low&target_error=0.5", files=files, data={"priority": "high"}).json()
    assert (job["priority"], job["target_error"]) == ("high", 0.5)
    images = {"images": [{"pixels": [[0]]}], "priority": "high"}
    job = common.post("/v1/jobs?priority=low&target_error=0.5", json=images).json()
    assert (job["priority"], job["target_error"]) == ("high", 0.5)
    problem(common.post("/v1/jobs?priority=low&priority=low", files=files), 422, "invalid_request")


def test_an_empty_field_of_a_form_is_left_out(common: httpx.Client) -> None:
    """Browsers send fields that nobody filled in; an address has no such excuse."""
    files = {"files": ("a.png", PNG)}
    assert common.post("/v1/jobs", files=files, data={"model": "", "deadline_s": ""}).status_code == 202
    problem(common.post("/v1/jobs?model=", files=files), 422, "invalid_request")


def test_a_whole_number_may_have_a_point(common: httpx.Client) -> None:
    """60.0 is an integer of JSON; 60.5 and "60" are none."""
    body = {"images": [{"pixels": [[0]]}]}
    assert common.post("/v1/jobs", json=body | {"deadline_s": 60.0}).status_code == 202
    for wrong in (60.5, "60", True, 1e300):
        problem(common.post("/v1/jobs", json=body | {"deadline_s": wrong}), 422, "invalid_request")
