"""People with keys: signing in, what a key that may only read is offered, and changes proved by the token."""

from __future__ import annotations

import re
from pathlib import Path

from shared.keys.text import KeyText
from tests.api.files import PNG
from tests.api.keyed import bearer, key_for
from tests.page.archives import written
from tests.page.conftest import Site
from tests.page.visit import Visit, expect

JOB = re.compile(r"/jobs/job_")


def sign_in(visit: Visit, key: KeyText, path: str = "/") -> None:
    """Go to a page, be asked for the key, give it."""
    page = visit.open(path)
    page.get_by_label("API key").fill(key.text)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(visit.origin + path)


def test_a_person_signs_in_and_out(visit: Visit, site: Site) -> None:
    """The form asks for the key, tells a wrong one, and leads to where the person wanted to go."""
    key = key_for(site.database, "default", "read", "submit")
    visit.refusals.add(401)
    page = visit.open("/jobs")
    visit.check_all("sign-in")
    page.get_by_label("API key").fill("ik_wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    sign_in(visit, key, "/jobs")
    expect(page.get_by_role("heading", name="No jobs yet")).to_be_visible()
    visit.check()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("API key")).to_be_visible()


def test_what_a_script_changes_carries_the_token(visit: Visit, site: Site, tmp_path: Path) -> None:
    """Submitting, canceling and deleting work for somebody who signed in by cookie."""
    sign_in(visit, key_for(site.database, "default", "read", "submit"))
    page = visit.page
    page.locator("#files").set_input_files(written(tmp_path, "a.png", PNG))
    page.get_by_role("button", name="Submit", exact=True).click()
    page.wait_for_url(JOB)
    page.get_by_role("button", name="Cancel the job").click()
    expect(page.locator("#job-status")).to_contain_text("Stopped")
    page.get_by_role("button", name="Delete the job").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    page.wait_for_url(re.compile("/jobs$"))
    page.get_by_role("button", name="Try our 20 samples").click()
    page.wait_for_url(JOB)


def test_a_key_that_may_only_read_sees_no_button_that_would_fail(visit: Visit, site: Site) -> None:
    """Nothing to submit, cancel, retry or delete is offered; looking works, live."""
    mine = key_for(site.database, "default", "submit", "read")
    site.client.headers.update(bearer(mine))
    job = site.client.post("/v1/jobs", files={"files": ("a.png", PNG)}, data={"name": "Theirs"}).json()
    sign_in(visit, key_for(site.database, "default", "read"))
    page = visit.page
    expect(page.get_by_role("heading", name="You may look, not submit")).to_be_visible()
    for path in ("/", "/try", "/jobs", job["links"]["page"]):
        visit.open(path)
        expect(page.locator("main")).to_be_visible()
        assert page.get_by_role("button", name=re.compile("Submit|Cancel|Retry|Delete|samples")).count() == 0
        visit.check()
    site.fake.work()
    expect(page.locator("#job-status")).to_contain_text("Done")
    assert page.get_by_role("button", name=re.compile("Retry|Delete")).count() == 0


def test_a_session_that_ended_loses_nothing(visit: Visit, site: Site, tmp_path: Path) -> None:
    """What was entered stays; after signing in again in another tab it is sent as it was."""
    visit.refusals |= {401, 403}
    key = key_for(site.database, "default", "read", "submit")
    sign_in(visit, key)
    page = visit.page
    page.get_by_label("Name").fill("Mine")
    page.locator("#files").set_input_files(written(tmp_path, "a.png", PNG))
    visit.context.clear_cookies()
    page.get_by_role("button", name="Submit", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("You are not signed in any more")
    with visit.context.expect_page() as opened:
        page.get_by_role("link", name="Sign in in a new tab").click()
    other = visit.watched(opened.value)
    other.get_by_label("API key").fill(key.text)
    other.get_by_role("button", name="Sign in").click()
    other.wait_for_url(visit.origin + "/")
    page.get_by_role("button", name="Submit", exact=True).click()
    page.wait_for_url(JOB)
    expect(page.get_by_role("heading", name="Mine")).to_be_visible()
