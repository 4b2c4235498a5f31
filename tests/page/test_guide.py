"""The documents inside: the tour, the guide, the reference, and the pages that explain errors."""

from __future__ import annotations

import re

import httpx
import pytest

from api.guide import PAGES, available, guide, written
from tests.page.conftest import Site
from tests.page.visit import Visit, expect


def test_the_tour_leads_through_the_service(visit: Visit) -> None:
    """Five steps, real addresses in the commands, and the way on to every document."""
    page = visit.open("/tour")
    expect(page.get_by_role("heading", level=1)).to_have_text("A tour in five minutes")
    assert page.locator(".tour h2").all_inner_texts() == ["Submit", "Watch", "Results", "Review", "Code"]
    assert visit.origin in page.locator("article").inner_text()
    assert "127.0.0.1:8000" not in page.locator("article").inner_text()
    visit.check_all("tour")


@pytest.mark.parametrize("name", ["confidence", "errors"])
def test_a_document_reads_well(visit: Visit, name: str) -> None:
    """Tables and code scroll inside themselves, the contents lead to the headings."""
    page = visit.open(f"/docs/{name}")
    page.locator(".contents ul ul a").first.click()
    assert "#" in page.url
    visit.check_all(f"guide-{name}")


def test_the_reference_is_read_without_scripts(visit: Visit) -> None:
    """Every call stands there, closed until it is wanted."""
    page = visit.open("/docs")
    call = page.locator("summary", has_text="Submit a job")
    call.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("A repeat with it gets the first job").first).to_be_visible()
    visit.check_all("reference")


def test_the_console_works_offline(visit: Visit) -> None:
    """Swagger UI comes from here and shows the calls, in the shell's frame."""
    page = visit.open("/docs/console")
    expect(page.get_by_role("navigation", name="Main")).to_be_visible()
    expect(page.locator(".opblock").first).to_be_visible()
    visit.shot("console", full=False)
    visit.narrow()
    assert visit.sideways() == 0


def test_a_problem_leads_to_its_explanation(site: Site, visit: Visit) -> None:
    """`type` of a problem document opens the page at the place of its code."""
    kind = site.client.get("/v1/jobs/job_" + "0" * 32).json()["type"]
    page = visit.open(kind)
    expect(page.locator("#not_found")).to_be_in_viewport()


def test_every_link_and_anchor_inside_leads_somewhere(site: Site) -> None:
    """No document sends its reader to a page that is not there."""
    for path in ("/tour", "/docs", *(f"/docs/{name}" for name in available())):
        text = site.client.get(path).text
        for link in set(re.findall(r'href="([^"]+)"', text)):
            if link.startswith("http"):
                continue
            target, _, anchor = link.partition("#")
            there = site.client.get(target, follow_redirects=True) if target else None
            assert there is None or there.status_code == 200, (path, link)
            shown = text if there is None else there.text
            assert not anchor or f'id="{anchor}"' in shown, (path, link)


def test_every_document_travels_and_has_a_title() -> None:
    """The list names documents that are there."""
    assert set(available()) == set(PAGES)
    for name in PAGES:
        told = guide(name)
        assert told is not None
        assert told.title
        assert not re.search(r"<script|<style|\sstyle=\"|\son\w+=\"", told.body)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<script>alert(1)</script>", "<p>&lt;script&gt;"),
        ("[a](javascript:alert(1))", "[a](javascript:alert(1))"),
        ("[a](../../etc/passwd)", "<p>a</p>"),
        ('![x](x.png" onerror="alert(1))', "![x]"),
        ("a <b onclick='x'>b</b>", "&lt;b onclick="),
    ],
)
def test_documents_carry_no_markup_of_their_own(text: str, shown: str) -> None:
    """HTML in Markdown is text, and a link leads to a page or the web, or is no link."""
    assert shown in written(text).body


@pytest.mark.parametrize("name", ["nothing", "..%2ferrors", "errors.md", "tour", "README"])
def test_nothing_else_is_shown(site: Site, name: str) -> None:
    """Only the documents of the list are."""
    assert httpx.get(f"{site.origin}/docs/{name}").status_code == 404
