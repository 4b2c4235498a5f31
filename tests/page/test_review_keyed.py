"""Reviewing on a service with keys: who may, and under which name."""

from __future__ import annotations

import re

from shared.keys.text import KeyText
from tests.api.files import submitted
from tests.api.keyed import bearer, key_for
from tests.page.conftest import Site
from tests.page.visit import Visit, expect


def signed_in(visit: Visit, key: KeyText, path: str) -> None:
    """Open a page and sign in on the way."""
    page = visit.open(path)
    page.get_by_label("API key").fill(key.text)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{path}")


def job_of(site: Site, key: KeyText) -> str:
    """Have two doubtful images read; return the job's id."""
    site.client.headers.update(bearer(key))
    job = submitted(site.client, "doubt0.png", "doubt1.png")
    site.fake.work()
    return str(job["id"])


def test_the_key_suggests_the_name_and_its_session_may_change_things(visit: Visit, site: Site) -> None:
    """One Enter begins; decisions carry the session's token, and undo takes them back."""
    visit.refusals.add(503)  # nobody draws walls here
    key = key_for(site.database)
    job = job_of(site, key)
    signed_in(visit, key, f"/jobs/{job}/review")
    page = visit.page
    expect(page.get_by_label("Your name")).to_have_value("key of default")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="One by one").click()
    expect(page.get_by_role("img", name="Scan of item 1")).to_be_visible()
    page.locator("#stage").press("3")
    page.keyboard.press("x")
    expect(page.locator("#unsaved")).to_have_text("All saved")
    items = site.client.get(f"/v1/jobs/{job}/results").json()["items"]
    assert [item["final_value"] for item in items] == ["3", None]
    assert items[0]["reviews"][0]["reviewer"] == "key of default"


def test_a_key_that_may_only_look_is_told_so(visit: Visit, site: Site) -> None:
    """There are no buttons that would be refused."""
    admin = key_for(site.database)
    job = job_of(site, admin)
    signed_in(visit, key_for(site.database, "default", "read"), f"/jobs/{job}/review")
    expect(visit.page.get_by_text("Your key may look, but not review.")).to_be_visible()
    expect(visit.page.get_by_role("button", name=re.compile("Accept|Start"))).to_have_count(0)
    visit.check_all("review-not-allowed")


def test_a_name_that_no_address_holds_is_refused_at_once(visit: Visit, site: Site) -> None:
    """A slash is told beside the field; the name that is right is kept for the next visit."""
    visit.refusals.add(503)
    job = submitted(site.client, "doubt.png")["id"]
    site.fake.work()
    page = visit.open(f"/jobs/{job}/review")
    page.get_by_label("Your name").fill("a/b")
    page.keyboard.press("Enter")
    expect(page.locator("#reviewer-problem")).to_be_visible()
    visit.check_all("review-name")
    page.get_by_label("Your name").fill(" Zoë O’Neil ")
    page.keyboard.press("Enter")
    expect(page.locator("#reviewer-name")).to_have_text("Zoë O’Neil")
    page.reload()
    expect(page.locator("#reviewer-name")).to_have_text("Zoë O’Neil")
    expect(page.locator("#answers")).to_be_visible()


def test_what_comes_while_the_job_runs_is_shown(visit: Visit, site: Site) -> None:
    """At the end of what is read so far the page waits, and goes on by itself."""
    visit.refusals.add(503)
    job = submitted(site.client, "doubt0.png", "doubt1.png")["id"]
    page = visit.open(f"/jobs/{job}/review?view=single")
    page.get_by_label("Your name").fill("anna")
    page.keyboard.press("Enter")
    expect(page.locator("#stage")).to_contain_text("The job is still running; what comes appears here.")
    site.fake.work()
    expect(page.get_by_role("img", name="Scan of item 1")).to_be_visible(timeout=15_000)
    expect(page.locator("#mine")).to_have_text("0 of 2 looked at")
