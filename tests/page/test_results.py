"""Results as people look through them: pictures and table, filters, one item, exports, the plain list."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.api.files import submitted
from tests.page.conftest import Site
from tests.page.jobs import HOSTILE, mixed_zip, read_job, results
from tests.page.visit import Visit, expect


@pytest.fixture(scope="module")
def job(live: Site) -> dict[str, Any]:
    """Have a job of two hundred digits and some bad files read."""
    return read_job(live.client, mixed_zip(200), name="Ballots 17")


def opened(visit: Visit, job: dict[str, Any], query: str = "") -> Page:
    """Open the results and wait for the pictures that are in view."""
    page = visit.open(f"/jobs/{job['id']}/results{query}")
    expect(page.get_by_role("grid")).to_be_visible()
    expect(page.locator(".port canvas.to-come:visible")).to_have_count(0)
    return page


def test_the_gallery_shows_every_item_with_its_reading(
    live_visit: Visit, live: Site, job: dict[str, Any]
) -> None:
    """Pictures as the model saw them, with reading and state; accessible in all four looks."""
    page = opened(live_visit, job)
    expect(page.locator("#shown")).to_have_text(f"{job['counts']['total']} items")
    first = results(live.client, job)[0]
    cell = page.get_by_role("gridcell", name=re.compile("^Item 1,"))
    expect(cell).to_contain_text(first["prediction"])
    ink = cell.locator("canvas").evaluate(
        "c => new Set(c.getContext('2d').getImageData(0, 0, 28, 28).data).size"
    )
    assert ink > 2
    live_visit.check_all("results-gallery")


def test_filters_narrow_and_the_address_keeps_them(
    live_visit: Visit, live: Site, job: dict[str, Any]
) -> None:
    """What is pressed counts together, and the copied address shows the same."""
    page = opened(live_visit, job)
    page.get_by_role("button", name=re.compile("^✕? ?Failed")).click()
    failed = results(live.client, job, status="failed")
    expect(page.locator("#shown")).to_have_text(f"{len(failed)} of {job['counts']['total']} items")
    assert "show=failed" in page.url
    page.reload()
    expect(page.locator("#shown")).to_have_text(f"{len(failed)} of {job['counts']['total']} items")
    page.get_by_role("button", name="Clear filters").click()
    page.locator('[data-choice="7"]').click()
    sevens = results(live.client, job, prediction="7")
    expect(page.locator("#shown")).to_have_text(f"{len(sevens)} of {job['counts']['total']} items")
    page.get_by_label("Looked at by people").select_option(label="People disagree")
    expect(page.get_by_role("heading", name="Nothing fits these filters")).to_be_visible()
    live_visit.check()
    page.locator("#empty-clear").click()
    expect(page.locator("#shown")).to_have_text(f"{job['counts']['total']} items")
    assert "?" not in page.url


def test_the_histogram_is_the_filter(live_visit: Visit, live: Site, job: dict[str, Any]) -> None:
    """Dragging over its bars chooses a range; two lists do the same without a mouse."""
    page = opened(live_visit, job)
    box = page.locator("svg.bars").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 2, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 9.5 / 16, box["y"] + 20)
    page.mouse.up()
    unsure = results(live.client, job, max_confidence=0.95)
    expect(page.locator("#shown")).to_have_text(re.compile(rf"^{len(unsure)} of "))
    assert "sure=0-0.95" in page.url
    page.get_by_label("From at least").select_option(label="99.9 %")
    page.get_by_label("to at most").select_option(label="highest")
    sure = results(live.client, job, min_confidence=0.999)
    expect(page.locator("#shown")).to_have_text(re.compile(rf"^{len(sure)} of "))


def test_everything_works_by_keys(live_visit: Visit, job: dict[str, Any]) -> None:
    """Arrows move through the grid, Enter opens an item, Escape leads back to it."""
    page = opened(live_visit, job)
    page.locator('[data-position="0"]').focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "ArrowUp"):
        page.keyboard.press(key)
    expect(page.locator(":focus")).to_have_attribute("data-position", "2")
    page.keyboard.press("Control+End")
    expect(page.locator(":focus")).to_have_attribute("data-position", str(job["counts"]["total"] - 1))
    page.keyboard.press("Control+Home")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_contain_text("What the model saw")
    assert "item=0" in page.url
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("heading", name="Item 2")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.locator(":focus")).to_have_attribute("data-position", "0")
    assert "item" not in page.url


def test_groups_and_order(live_visit: Visit, live: Site, job: dict[str, Any]) -> None:
    """Groups have headings with counts; the least sure come first where that is asked."""
    page = opened(live_visit, job, "?group=value&sort=unsure")
    expect(page.get_by_role("rowheader").first).to_have_text(re.compile(r"^Read as 0 · \d+$"))
    zeros = [one for one in results(live.client, job, prediction="0") if one["confidence"] is not None]
    least = min(zeros, key=lambda one: one["confidence"])
    expect(page.locator('[data-position="0"]')).to_have_attribute(
        "aria-label", re.compile(rf"^Item {least['seq'] + 1},")
    )
    live_visit.shot("results-groups", full=False)


def test_the_table_tells_names_and_why(live_visit: Visit, job: dict[str, Any]) -> None:
    """A hostile name is a text like any other; reasons and failures are told in words."""
    page = opened(live_visit, job, "?view=table&show=failed,review,skipped")
    expect(page.get_by_role("grid")).to_contain_text("The image is damaged or cut off.")
    expect(page.get_by_role("grid")).to_contain_text("The file is empty.")
    expect(page.get_by_role("grid")).to_contain_text("Nothing is written there.")
    opened(live_visit, job, "?view=table&value=3")
    page.locator(".port").press("End")
    page.locator(".port").evaluate("port => port.scrollTo(0, 1e6)")
    expect(page.get_by_text(HOSTILE)).to_be_visible()
    opened(live_visit, job, "?view=table")
    live_visit.check_all("results-table")


def test_an_item_shows_scan_reading_and_what_the_model_saw(live_visit: Visit, job: dict[str, Any]) -> None:
    """Scan beside the reading, bars for every label, and the browser's way back."""
    page = opened(live_visit, job)
    page.locator('[data-position="3"]').click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("img", name="Scan of item 4")).to_be_visible()
    expect(dialog.get_by_role("img", name="The 28 by 28 pixels that the model saw")).to_be_visible()
    expect(dialog.locator(".weighed li")).to_have_count(10)
    expect(dialog).not_to_contain_text("100 %")
    live_visit.check_all("results-item")
    page.go_back()
    expect(dialog).to_be_hidden()


def test_errors_are_readable(live_visit: Visit, live: Site, job: dict[str, Any]) -> None:
    """A broken file says what happened and what to do, and a file that no browser shows can be downloaded."""
    items = {item["name"]: item for item in results(live.client, job)}
    page = opened(live_visit, job, f"?item={items['cut.png']['seq']}")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("The image is damaged or cut off.")
    expect(dialog).to_contain_text("Save or scan it again.")
    expect(dialog).to_contain_text("A browser cannot show this file.")
    live_visit.check_all("results-error")
    page.goto(page.url.replace(str(items["cut.png"]["seq"]), str(items["pages.tif"]["seq"])))
    expect(dialog.get_by_role("img", name=re.compile("^Scan of item"))).to_be_visible()
    live_visit.refusals.add(404)
    page.goto(page.url.replace(f"item={items['pages.tif']['seq']}", "item=99999"))
    expect(dialog).to_contain_text("There is nothing here.")


@pytest.mark.parametrize("query", ["", "?show=failed", "?value=7&sure=0.5-1"])
def test_the_table_is_taken_home_as_it_is_shown(
    live_visit: Visit, live: Site, job: dict[str, Any], query: str
) -> None:
    """CSV, workbook and NDJSON hold what the filters leave."""
    page = opened(live_visit, job, query)
    shown = page.get_by_role("grid").get_attribute("aria-rowcount")
    assert shown
    expected = int(page.locator("#shown").inner_text().split()[0])
    page.get_by_text("Download", exact=True).click()
    expect(page.locator("#export-hint")).to_contain_text("The file holds")
    with page.expect_download() as caught:
        page.get_by_role("link", name="CSV table").click()
    with caught.value.path().open(newline="", encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == expected
    with page.expect_download() as caught:
        page.get_by_role("link", name="NDJSON for programs").click()
    assert caught.value.suggested_filename == f"{job['id']}-results.ndjson"
    assert len(caught.value.path().read_bytes().splitlines()) == expected
    with page.expect_download() as caught:
        page.get_by_role("link", name="Excel workbook").click()
    assert caught.value.path().read_bytes()[:2] == b"PK"


def test_the_plain_list_goes_page_by_page(live_visit: Visit, job: dict[str, Any]) -> None:
    """A table without scripts: a hundred items a page, the same filters, pictures included."""
    page = live_visit.open(f"/jobs/{job['id']}/list")
    expect(page.locator("tbody tr")).to_have_count(100)
    page.get_by_role("link", name="Next page").click()
    page.get_by_role("link", name="Next page").click()
    expect(page.get_by_text(HOSTILE)).to_be_visible()
    live_visit.check_all("results-list")
    page.get_by_label("State").select_option(label="Failed")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("tbody")).to_contain_text("The file is empty.")
    page.get_by_role("link", name="Back to the pictures").click()
    expect(page.get_by_role("grid")).to_be_visible()


def test_results_appear_while_the_job_runs(visit: Visit, site: Site) -> None:
    """What is read shows up by itself, with what is still to come."""
    visit.refusals.add(503)  # nobody draws pictures here
    job = submitted(site.client, *(f"{n}.png" for n in range(1500)))
    page = visit.open(f"/jobs/{job['id']}/results")
    expect(page.get_by_role("heading", name="Nothing has been read yet")).to_be_visible()
    site.fake.work(1)
    expect(page.locator("#shown")).to_have_text(re.compile(r"items so far; [\d,]+ still to come$"))
    page.get_by_text("Download", exact=True).click()
    expect(page.get_by_text("Excel workbook: when the job has ended")).to_be_visible()
    site.fake.work()
    expect(page.locator("#shown")).to_have_text("1,500 items")
    expect(page.get_by_role("link", name="Excel workbook")).to_be_visible()


def test_a_lost_service_is_told_and_asked_again(
    visiting: Callable[[Site], Visit], live: Site, job: dict[str, Any]
) -> None:
    """Without an answer the page says so and offers another try."""
    visit = visiting(live)
    visit.page.route("**/grid", lambda route: route.abort())
    page = visit.open(f"/jobs/{job['id']}/results")
    expect(page.get_by_role("alert")).to_contain_text("The service could not be reached.")
    page.unroute("**/grid")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("#shown")).to_have_text(f"{job['counts']['total']} items")


def test_an_address_that_makes_no_sense_shows_the_page_all_the_same(
    live_visit: Visit, job: dict[str, Any]
) -> None:
    """Half an escape, a state that there is not, a range of letters: the page says that nothing fits."""
    page = live_visit.open(f"/jobs/{job['id']}/results?value=%25&show=odd&sure=a-b&item=x")
    expect(page.get_by_role("heading", name="Nothing fits these filters")).to_be_visible()


def test_what_was_left_out_says_why(visit: Visit, site: Site) -> None:
    """A file that is no image has a reason in the table, beside its name, and in the list without scripts."""
    visit.refusals.add(503)  # nobody draws pictures here
    job = submitted(site.client, "a.png", "notes.txt")
    site.fake.work()
    why = "It is no image, so it was left out."
    page = visit.open(f"/jobs/{job['id']}/results?view=table&item=1")
    expect(page.get_by_role("grid", include_hidden=True)).to_contain_text(why)
    expect(page.get_by_role("dialog")).to_contain_text(why)
    expect(visit.open(f"/jobs/{job['id']}/list").get_by_role("table")).to_contain_text(why)
