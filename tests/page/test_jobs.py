"""The list of jobs: search, states, pages, live rows."""

from __future__ import annotations

import re
from typing import Any

from tests.api.files import PNG
from tests.page.conftest import Site
from tests.page.visit import Visit, expect

LIMIT_BYTES = 300_000


def submit(site: Site, name: str, *files: str) -> str:
    """Submit empty pictures under these names; return the job's id."""
    parts = [("files", (file, PNG)) for file in files or ("a.png",)]
    answer = site.client.post("/v1/jobs", files=parts, data={"name": name})
    assert answer.status_code == 202
    return str(answer.json()["id"])


def test_an_empty_list_tells_what_to_do(visit: Visit) -> None:
    """The samples are one click away."""
    page = visit.open("/jobs")
    expect(page.get_by_role("heading", name="No jobs yet")).to_be_visible()
    visit.check_all("jobs-empty")
    page.get_by_role("button", name="Try our 20 samples").click()
    page.wait_for_url(re.compile("/jobs/job_"))


def test_jobs_are_found_by_name_and_state(visit: Visit, site: Site) -> None:
    """The address holds what was chosen: loading it again shows the same."""
    for name in ("Ballots 17", "Ballots 18", "Exam 100%"):
        submit(site, name)
    site.fake.work()
    submit(site, "Ballots 19", "a.png", "b.png")
    page = visit.open("/jobs")
    rows = page.locator("#rows tr")
    expect(rows).to_have_count(4)
    visit.check_all("jobs")
    page.get_by_label("Name").fill("ballots")
    expect(rows).to_have_count(3)
    page.get_by_label("State").select_option(label="Under way")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("Ballots 19")
    page.reload()
    expect(rows).to_have_count(1)
    expect(page.get_by_label("Name")).to_have_value("ballots")
    page.go_back()
    expect(rows).to_have_count(3)
    page.get_by_label("Name").fill("100%")
    expect(rows).to_have_count(1)
    page.get_by_label("Name").fill("nothing like it")
    expect(page.get_by_role("heading", name="No job fits")).to_be_visible()


def test_rows_follow_their_jobs(visit: Visit, site: Site) -> None:
    """A job that ends and one that comes are shown without loading anew."""
    submit(site, "First", "a.png", "doubt.png", "bad.png")
    page = visit.open("/jobs")
    expect(page.locator("#rows tr")).to_contain_text(["Waiting"])
    site.fake.work()
    expect(page.locator("#rows tr")).to_contain_text(["Done, some failed"])
    submit(site, "Second")
    expect(page.locator("#rows tr")).to_contain_text(["Second", "First"], timeout=12_000)


def test_a_job_without_a_name_is_found_by_what_it_is_called(visit: Visit, site: Site) -> None:
    """The list calls it by its first file; searching for that finds it, and its other files do not count."""
    submit(site, "", "Box-7.png", "other.png")
    submit(site, "Ballots", "box-8.png")
    page = visit.open("/jobs?search=BOX-")
    expect(page.locator("#rows tr")).to_contain_text(["Box-7.png"])
    page.get_by_label("Name").fill("other")
    expect(page.get_by_role("heading", name="No job fits")).to_be_visible()


def test_many_jobs_are_paged(visit: Visit, site: Site) -> None:
    """Older ones are one link away, and back again."""
    for n in range(27):
        submit(site, f"Job {n:02}")
    page = visit.open("/jobs")
    expect(page.locator("#rows tr")).to_have_count(25)
    page.get_by_role("link", name="Older jobs").click()
    expect(page.locator("#rows tr")).to_contain_text(["Job 01", "Job 00"])
    page.get_by_role("link", name="Newest").click()
    expect(page.locator("#rows tr").first).to_contain_text("Job 26")


def test_names_are_texts(visit: Visit, site: Site) -> None:
    """What users write never becomes part of the page."""
    submit(site, "<img src=x onerror=alert(1)>{{7*7}}")
    page = visit.open("/jobs")
    expect(page.locator("#rows tr")).to_contain_text("<img src=x onerror=alert(1)>{{7*7}}")
    assert page.locator("#rows img").count() == 0


def test_the_list_is_small_and_quick(visit: Visit, site: Site) -> None:
    """First contentful paint within a second, at most 300 kB over the wire."""
    for n in range(25):
        submit(site, f"Job {n:02}")
    visit.open("/")  # the browser itself is warm
    cdp = visit.context.new_cdp_session(visit.page)
    cdp.send("Network.enable")
    cdp.send("Network.setCacheDisabled", {"cacheDisabled": True})
    loaded: list[float] = []

    def note(event: dict[str, Any]) -> None:
        loaded.append(event["encodedDataLength"])

    cdp.on("Network.loadingFinished", note)
    page = visit.open("/jobs")
    page.wait_for_load_state("networkidle")
    print(f"first contentful paint {visit.first_paint_ms():.0f} ms, {sum(loaded):.0f} bytes")
    assert sum(loaded) <= LIMIT_BYTES
    assert visit.first_paint_ms() <= 1000
