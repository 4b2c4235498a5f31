"""The frame of all pages: navigation, theme, files kept for ever, nothing from elsewhere."""

from __future__ import annotations

import httpx
import pytest

from api.assets import asset
from tests.page.conftest import Site
from tests.page.visit import Visit, expect


def test_first_page_is_accessible_everywhere(visit: Visit) -> None:
    """Light and dark, wide and narrow."""
    page = visit.open("/")
    expect(page.get_by_role("navigation", name="Main")).to_be_visible()
    visit.check_all("home-empty")


def test_the_theme_is_chosen_and_kept(visit: Visit) -> None:
    """The button turns it over, and the next page has it from its first paint."""
    page = visit.open("/")
    page.get_by_role("button", name="Switch to dark").click()
    visit.open("/jobs")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 26)"
    page.get_by_role("button", name="Switch to light").click()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(245, 246, 248)"


def test_a_wrong_address_tells_what_to_do(visit: Visit) -> None:
    """A person gets a page, not a document for programs."""
    visit.refusals.add(404)
    page = visit.open("/jobs/job_" + "0" * 32)
    expect(page.get_by_role("alert")).to_contain_text("no job with this id")
    expect(page.get_by_role("link", name="See your jobs")).to_be_visible()
    visit.check_all("error")


def test_files_are_kept_for_ever_and_compressed(site: Site) -> None:
    """Under the fingerprint a browser never asks again; an old fingerprint gets today's file and is not kept."""
    path = asset("css/page.css")
    answer = site.client.get(path)
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-encoding"] == "gzip"
    plain = site.client.get(path, headers={"Accept-Encoding": "identity"})
    assert plain.text == answer.text
    assert "content-encoding" not in plain.headers
    again = site.client.get(path, headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    old = site.client.get("/static/v-000000000000/css/page.css")
    assert (old.status_code, old.headers["cache-control"]) == (200, "no-cache")
    part = site.client.get(path, headers={"Range": "bytes=0-9"})
    assert (part.status_code, part.content) == (206, plain.content[:10])


@pytest.mark.parametrize(
    "path", ["v-000000000000/../../pages.py", "../pages.py", "%2e%2e/pages.py", "v-x/css/page.css"]
)
def test_nothing_else_is_served(site: Site, path: str) -> None:
    """No path leads out of the folder."""
    answer = httpx.get(f"{site.origin}/static/{path}")
    assert answer.status_code == 404
