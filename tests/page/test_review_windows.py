"""Reviewing in two windows at once: neither loses, repeats nor overwrites what the other has decided."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, Response

from tests.api.files import submitted
from tests.page.conftest import Site
from tests.page.visit import Visit, expect

REVIEWS = "**/reviews*/**"


@pytest.fixture
def job(visit: Visit, site: Site) -> str:
    """Have eight doubtful images read, and the name of a reviewer kept; return the path of the review."""
    visit.refusals.add(503)  # nobody draws pictures here
    made = submitted(site.client, *(f"doubt{n}.png" for n in range(8)))
    site.fake.work()
    path = f"/jobs/{made['id']}/review"
    page = visit.open(path)
    page.get_by_label("Your name").fill("anna")
    page.keyboard.press("Enter")
    expect(page.locator("#answers")).to_be_visible()
    page.goto("about:blank")
    return path


@pytest.fixture
def sent(visit: Visit) -> list[str]:
    """Return what changes reviews, as it arrives at the service: `PUT 3 1`, `DELETE 3`."""
    told: list[str] = []

    def note(answer: Response) -> None:
        request = answer.request
        if request.method != "GET" and "/reviews" in request.url:
            told.append(f"{request.method} {request.url.split('/v1/jobs/')[1].split('/', 1)[1]}")

    visit.context.on("response", note)
    return told


def window(visit: Visit, path: str) -> Page:
    """Open a further window on the review."""
    page = visit.watched(visit.context.new_page())
    page.goto(visit.origin + path)
    expect(page.locator("#answers")).to_be_visible()
    return page


def unsaved(page: Page, count: int) -> None:
    """Expect so many decisions to wait in this window."""
    expect(page.locator("#unsaved")).to_have_text(
        f"{count} unsaved" if count else "All saved", timeout=20_000
    )


def decide(page: Page, *keys: str) -> None:
    """Give answers, one item after the other."""
    for key in keys:
        page.locator("#stage").press(key)


def values(site: Site, path: str) -> list[str | None]:
    """Return what people said, by item."""
    items = site.client.get(f"/v1{path.removesuffix('/review')}/results").json()["items"]
    return [item["reviews"][0]["value"] if item["reviews"] else None for item in items]


def test_each_window_sends_its_own_line_once(visit: Visit, site: Site, job: str, sent: list[str]) -> None:
    """While the service is away two windows keep a line each; when it is back all of it arrives, each once."""
    one, other = (window(visit, f"{job}?view=single&item={n}") for n in (0, 4))
    visit.context.set_offline(True)
    decide(one, "1", "2")
    decide(other, "4", "5")
    unsaved(one, 2)
    unsaved(other, 2)
    visit.context.set_offline(False)
    unsaved(one, 0)
    unsaved(other, 0)
    assert values(site, job) == ["1", "2", "5", None, "4", None, None, None]
    assert len(sent) == len(set(sent)) == 4
    assert one.evaluate("Object.keys(localStorage).filter((key) => key.startsWith('unsaved'))") == []


def test_what_a_closed_window_left_is_sent_by_the_next(
    visit: Visit, site: Site, job: str, sent: list[str]
) -> None:
    """A window that is gone with unsaved decisions loses none: another one sends them, and does not ask again."""
    one, other = window(visit, f"{job}?view=single"), window(visit, f"{job}?view=single&item=5")
    visit.context.set_offline(True)
    decide(one, "1", "2")
    decide(other, "5")
    one.close()
    visit.context.set_offline(False)
    third = window(visit, f"{job}?view=single")
    expect(third.locator("#mine")).to_contain_text("looked at")
    unsaved(third, 0)
    unsaved(other, 0)
    assert values(site, job) == ["1", "2", None, None, None, "5", None, None]
    assert len(sent) == len(set(sent)) == 3


def test_a_window_that_stays_takes_over_by_itself(visit: Visit, site: Site, job: str) -> None:
    """Nobody has to open anything: who is still there finds what another has left, and shows it as decided."""
    visit.context.clock.install()
    one, other = window(visit, f"{job}?view=single"), window(visit, f"{job}?view=single&item=7")
    one.route(REVIEWS, lambda route: route.abort())
    decide(one, "3")
    unsaved(one, 1)
    one.close()
    other.clock.run_for(11_000)
    unsaved(other, 0)
    expect(other.locator("#mine")).to_have_text("1 of 8 looked at")
    assert values(site, job)[0] == "3"


def test_one_window_does_not_ask_what_the_other_has_decided(visit: Visit, site: Site, job: str) -> None:
    """What is decided here is gone from the wall there, so that confirming it overwrites nothing."""
    wall, single = window(visit, job), window(visit, f"{job}?view=single&item=2")
    expect(wall.locator(".brick")).to_have_count(8)
    decide(single, "9")
    unsaved(single, 0)
    expect(wall.locator(".brick")).to_have_count(7)
    wall.bring_to_front()
    wall.locator(".brick").first.press("Enter")
    unsaved(wall, 0)
    assert values(site, job) == ["7", "7", "9", "7", "7", "7", "7", "7"]
    expect(single.locator("#stage")).to_contain_text("All looked at")


def test_a_wall_is_taken_back_by_one_request(visit: Visit, site: Site, job: str, sent: list[str]) -> None:
    """Undo of many is one question to the service."""
    page = window(visit, job)
    page.locator(".brick").first.press("Enter")
    unsaved(page, 0)
    page.locator("#stage").press("u")
    expect(page.locator(".brick")).to_have_count(8)
    unsaved(page, 0)
    assert values(site, job) == [None] * 8
    assert [one.split()[0] for one in sent] == ["POST", "DELETE"]
