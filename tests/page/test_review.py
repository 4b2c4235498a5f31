"""Reviewing by keys alone: walls, single items, undo, what is kept when the connection is lost."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.page.conftest import Site
from tests.page.jobs import NOBODY_PROMISES, digits_zip, page_of_writing, read_job, results
from tests.page.visit import Visit, expect
from tests.services import wait_for

LOOKS = 90


@pytest.fixture
def job(live: Site) -> dict[str, Any]:
    """Have digits read for so small an error that each of them needs a look."""
    return read_job(live.client, digits_zip(LOOKS), name="Ballots 17", target_error=NOBODY_PROMISES)


def begun(visit: Visit, job: dict[str, Any], reviewer: str = "anna", query: str = "") -> Page:
    """Open the page, give a name by keys, and wait until there is something to look at."""
    page = visit.open(f"/jobs/{job['id']}/review{query}")
    expect(page.get_by_label("Your name")).to_be_focused()
    page.keyboard.type(reviewer)
    page.keyboard.press("Enter")
    expect(page.locator("#answers")).to_be_visible()
    return page


def done(page: Page, count: int) -> None:
    """Expect so many items to be decided here."""
    expect(page.locator("#mine")).to_have_text(f"{count} of {LOOKS} looked at")


def saved(page: Page) -> None:
    """Wait until the service has everything."""
    expect(page.locator("#unsaved")).to_have_text("All saved", timeout=30_000)


def sums(live: Site, job: dict[str, Any]) -> dict[str, Any]:
    """Return how far the service says that reviewing has come."""
    told: dict[str, Any] = live.client.get(f"{job['links']['self']}/reviews").json()
    return told


def test_a_wall_is_confirmed_by_one_key(live_visit: Visit, live: Site, job: dict[str, Any]) -> None:
    """Arrows select, typing corrects, Space puts aside, Enter confirms the others; undo brings the wall back."""
    page = begun(live_visit, job)
    expect(page.locator(".asked")).to_contain_text("Are these all 0?")
    expect(page.locator(".wall canvas.to-come")).to_have_count(0)
    bricks = page.locator(".brick")
    wall = bricks.count()
    expect(bricks.first).to_be_focused()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("8")
    expect(bricks.nth(1)).to_contain_text("→ 8")
    expect(bricks.nth(2)).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Space")
    page.keyboard.press("x")
    page.keyboard.press("u")
    expect(bricks.nth(3)).to_have_text("0")
    live_visit.check_all("review-wall")
    page.keyboard.press("Enter")
    done(page, wall - 1)
    expect(page.locator(".asked")).to_contain_text("Are these all 1?")
    saved(page)
    zeros = results(live.client, job, prediction="0")
    looked_at = [item["final_value"] for item in zeros if item["reviews"]]
    assert sorted(looked_at) == ["0"] * (wall - 2) + ["8"]
    page.keyboard.press("Control+z")
    expect(page.locator(".asked")).to_contain_text("Are these all 0?")
    expect(bricks.nth(1)).to_contain_text("→ 8")
    done(page, 0)
    wait_for(lambda: sums(live, job)["reviewed"] == 0, "the reviews to be taken back")


def test_sixty_decisions_a_minute(
    live_visit: Visit, live: Site, job: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """A reviewer passes sixty single items by keys, and the service has them all within a minute."""
    page = begun(live_visit, job, query="?view=single")
    began = time.monotonic()
    for n in range(60):
        expect(page.locator(".single .answer strong")).to_be_visible()
        page.keyboard.press("Enter" if n % 4 else str(n % 10))
        done(page, n + 1)
    saved(page)
    took_s = time.monotonic() - began
    assert sums(live, job)["reviewed"] == 60
    with capsys.disabled():
        print(f"\n60 decisions by keys, all confirmed: {took_s:.1f} s, {3600 / took_s:.0f} a minute")
    assert took_s < 60


def test_single_items_by_keys(live_visit: Visit, live: Site, job: dict[str, Any]) -> None:
    """Accept, correct, blank, skip, undo, go back, look closer: each by its key, and as a button."""
    page = begun(live_visit, job, query="?view=single")
    first, second, third = results(live.client, job)[:3]
    expect(page.get_by_role("img", name="Scan of item 1")).to_be_visible()
    live_visit.check_all("review-single")
    page.keyboard.press("v")
    expect(page.get_by_role("img", name="What the model saw of item 1")).to_be_visible()
    page.keyboard.press("v")
    page.keyboard.press("z")
    expect(page.get_by_role("region", name="Enlarged picture")).to_be_visible()
    page.keyboard.press("z")
    page.keyboard.press("Enter")
    page.keyboard.press("b")
    page.keyboard.press("s")
    done(page, 2)
    assert "item=3" in page.url
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("k")
    expect(page.locator(".yours")).to_have_text("You said blank.")
    page.keyboard.press("4")
    expect(page.get_by_role("img", name="Scan of item 4")).to_be_visible()
    saved(page)
    values = {item["seq"]: item["final_value"] for item in results(live.client, job)}
    assert (values[first["seq"]], values[second["seq"]]) == (first["prediction"], "4")
    page.keyboard.press("Backspace")
    expect(page.locator(".yours")).to_have_text("You said blank.")
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("img", name="Scan of item 3")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".yours")).to_have_count(0)
    done(page, 1)
    wait_for(lambda: sums(live, job)["reviewed"] == 1, "the review to be taken back")
    assert third["seq"] == 2


def test_every_key_has_a_button_and_can_be_switched_off(live_visit: Visit, job: dict[str, Any]) -> None:
    """Without shortcuts buttons alone act; inside inputs keys are letters; help lists them."""
    page = begun(live_visit, job, query="?view=single")
    for name in (
        "7",
        "Accept",
        "Skip",
        "Not a digit",
        "Blank",
        "Crossed out",
        "Undo",
        "Scan or model",
        "Zoom",
    ):
        expect(page.get_by_role("button", name=name, exact=True)).to_be_visible()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("accept the reading")
    live_visit.check()
    page.keyboard.press("7")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    done(page, 0)
    page.get_by_label("Keyboard shortcuts").uncheck()
    page.locator("body").press("7")
    done(page, 0)
    page.get_by_role("button", name="7", exact=True).click()
    done(page, 1)
    page.get_by_label("Keyboard shortcuts").check()
    page.get_by_label("Look at").focus()
    page.keyboard.press("x")
    done(page, 1)
    saved(page)
    page.locator("#stage").press("Escape")
    page.wait_for_url(f"**/jobs/{job['id']}")


def test_nothing_is_lost_with_the_connection(live_visit: Visit, live: Site, job: dict[str, Any]) -> None:
    """Decisions go on without the service, are counted as unsaved, survive a reload, and are sent afterwards."""
    page = begun(live_visit, job, query="?view=single")
    page.route("**/reviews/**", lambda route: route.abort())
    for _ in range(3):
        page.keyboard.press("Enter")
    expect(page.locator("#unsaved")).to_have_text("3 unsaved")
    expect(page.get_by_role("alert")).to_contain_text("The service could not be reached.")
    live_visit.check_all("review-offline")
    page.once("dialog", lambda dialog: dialog.accept())
    page.reload()
    done(page, 3)
    expect(page.locator("#unsaved")).to_have_text("3 unsaved")
    assert sums(live, job)["reviewed"] == 0
    page.unroute("**/reviews/**")
    page.get_by_role("button", name="Try again now").click()
    saved(page)
    assert sums(live, job)["reviewed"] == 3


def test_a_second_reviewer_is_blind_and_agreement_is_shown(
    visiting: Callable[[Site], Visit], live: Site, job: dict[str, Any]
) -> None:
    """Ben sees nothing of what Anna said; where they differ it is told afterwards, and shown to be settled."""
    anna = begun(visiting(live), job, "anna", "?view=single")
    for key in ("Enter", "Enter", "x"):
        anna.keyboard.press(key)
    saved(anna)
    second = visiting(live)
    ben = begun(second, job, "ben", "?view=single")
    expect(ben.locator("#stage")).not_to_contain_text("anna")
    for _ in range(3):
        ben.keyboard.press("Enter")
    saved(ben)
    expect(ben.locator("#team-agreement")).to_contain_text(
        "anna and ben said the same of 2 of 3 items (66 %)"
    )
    expect(ben.locator("#team-disagreed")).to_have_text("1")
    second.check()
    ben.get_by_label("Look at").select_option(label="where people disagree")
    expect(ben.locator(".people")).to_contain_text("not a digit says anna")
    ben.locator("#stage").press("x")
    saved(ben)
    wait_for(lambda: sums(live, job)["disagreed"] == 0, "the disagreement to be settled")


def test_one_item_is_asked_for_by_its_number(live_visit: Visit, live: Site, job: dict[str, Any]) -> None:
    """The link of an item leads to it, wherever it stands, and the address follows from then on."""
    page = begun(live_visit, job, query="?view=single&item=77")
    expect(page.get_by_role("img", name="Scan of item 78")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.get_by_role("img", name="Scan of item 1", exact=True)).to_be_visible()
    saved(page)
    assert results(live.client, job)[77]["reviews"][0]["reviewer"] == "anna"
    assert "item=0" in page.url


def test_a_finished_review_says_so(live_visit: Visit, live: Site) -> None:
    """At the end stand what was done, the skipped ones, and the ways on; a large scan fits the window."""
    files = {"files": ("scan.jpg", page_of_writing(), "image/jpeg")}
    made = live.client.post("/v1/jobs", files=files, data={"target_error": NOBODY_PROMISES}).json()
    wait_for(lambda: live.client.get(made["links"]["self"]).json()["finished_at"], "the job to end")
    page = begun(live_visit, made, query="?view=single")
    live_visit.check()
    page.keyboard.press("Space")
    expect(page.get_by_role("heading", name="Only skipped ones are left")).to_be_visible()
    page.get_by_role("button", name="Look at 1 skipped item again").click()
    page.keyboard.press("5")
    expect(page.get_by_role("heading", name="All looked at")).to_be_visible()
    saved(page)
    live_visit.check_all("review-end")
    with page.expect_download() as caught:
        page.get_by_role("link", name="Download as training data").click()
    assert caught.value.path().read_bytes()[:2] == b"PK"


def test_another_person_takes_the_same_chair(live_visit: Visit, live: Site, job: dict[str, Any]) -> None:
    """The button asks for a name again, offers the former one, and what follows stands under the new one."""
    page = begun(live_visit, job, query="?view=single")
    page.get_by_role("button", name="Use another name").click()
    field = page.get_by_label("Your name")
    expect(field).to_have_value("anna")
    field.fill("ben")
    page.keyboard.press("Enter")
    expect(page.locator("#reviewer-name")).to_have_text("ben")
    expect(page.locator("#answers")).to_be_visible()
    page.get_by_role("button", name="One by one").click()
    page.keyboard.press("Enter")
    saved(page)
    assert [one["reviewer"] for one in sums(live, job)["reviewers"]] == ["ben"]
