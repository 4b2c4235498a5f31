"""One job's page: live, honest about what it waits for, and able to do what people want of a job."""

from __future__ import annotations

import itertools
import re
from enum import IntEnum
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.api.files import PNG
from tests.page.archives import zipped
from tests.page.conftest import Site
from tests.page.visit import Visit, expect
from tests.services import wait_for
from tests.webhooks.driver import sending
from tests.webhooks.receiver import Answer, receiving


class EventSourceState(IntEnum):
    """`readyState` (WHATWG HTML, 9.2)."""

    CLOSED = 2


def submit(site: Site, names: list[str], **options: Any) -> str:
    """Submit a zip of pictures under these names; return the address of the job's page."""
    answer = site.client.post(
        "/v1/jobs", files={"files": ("scans.zip", zipped(dict.fromkeys(names, PNG)))}, data=options
    )
    assert answer.status_code == 202, answer.text
    return str(answer.json()["links"]["page"])


def many(count: int, *more: str) -> list[str]:
    """Return names of so many good pictures and a few others."""
    return [*(f"{n:04}.png" for n in range(count - len(more))), *more]


@pytest.mark.timeout(180)
def test_progress_is_live(visit: Visit, site: Site) -> None:
    """Counts come first, the title tells the share, and the end is told; nothing is loaded anew."""
    path = submit(site, many(200, "bad.png", "doubt1.png", "doubt2.png"), name="Ballots 17")
    page = visit.open(path)
    expect(page.locator("#read")).to_have_text("0 of 200 read")
    expect(page.locator("#tells")).to_contain_text("no worker is connected")
    visit.check_all("job-waiting")
    page.evaluate("window.sameWindow = true")
    for done in (50, 100, 150):
        site.fake.work(most_chunks=1)
        expect(page.locator("#read")).to_have_text(f"{done} of 200 read", timeout=2000)
        expect(page).to_have_title(re.compile(rf"{done // 2} % – Ballots 17"))
    visit.check()
    visit.shot("job-running")
    site.fake.work()
    expect(page.locator("#read")).to_have_text("200 of 200 done")
    expect(page.locator("#job-status")).to_contain_text("Done, some failed")
    expect(page.locator("#said")).to_contain_text("200 of 200 done")
    expect(page.locator("#errors")).to_contain_text("damaged or cut off")
    expect(page.locator("#digits")).to_contain_text("199")
    expect(page.locator("#confidence")).to_contain_text("197 of 199 readings are at least 95 % sure")
    assert not is_crossed_out(page, "197")
    expect(page.get_by_role("link", name="Excel")).to_be_visible()
    assert page.evaluate("window.sameWindow") is True
    visit.check_all("job-done")
    page.get_by_role("link", name=re.compile("^197 readings")).click()
    expect(page.locator("#shown")).to_have_text("197 of 200 items")


@pytest.mark.parametrize(
    ("names", "hopeless"), [(["a.png", "bad.png"], True), (["a.png", "bad.png", "crash.png"], False)]
)
def test_a_retry_that_cannot_help_is_told(visit: Visit, site: Site, names: list[str], hopeless: bool) -> None:
    """Damaged files fail again; it says so, unless something failed that a second try may mend."""
    path = submit(site, names)
    site.fake.work()
    page = visit.open(path)
    expect(page.get_by_role("button", name=f"Retry {len(names) - 1} image")).to_be_visible()
    expect(page.locator("#errors")).to_contain_text("damaged or cut off")
    expect(page.locator("#mend")).to_be_visible(visible=hopeless)


def test_what_was_stopped_is_worth_a_retry(visit: Visit, site: Site) -> None:
    """Beside a damaged file stands what nobody has read yet: there a retry does help."""
    path = submit(site, ["bad.png", *many(99)])
    site.fake.work(most_chunks=1)
    assert site.client.post(f"/v1{path}/cancel").status_code == 202
    page = visit.open(path)
    expect(page.get_by_role("button", name="Retry 51 images")).to_be_visible()
    expect(page.locator("#errors")).to_contain_text("damaged or cut off")
    expect(page.locator("#mend")).to_be_hidden()


def test_no_bar_claims_more_than_was_accepted(visit: Visit, site: Site) -> None:
    """The bar in which the threshold lies shows its two parts; with nothing accepted nothing is drawn as accepted."""
    page = visit.open(submit(site, many(10)))
    shares = page.evaluate(
        """async () => {
            const { confidences } = await import("/static/js/charts.js");
            const edges = [[0, 0.9, 4], [0.9, 0.95, 4], [0.95, 1, 8]];
            const bars = edges.map(([low, high, count]) => ({low, high, count}));
            const place = document.createElement("div");
            const parts = (kind) => [...place.querySelectorAll(`rect.${kind}`)];
            const tall = (kind) => parts(kind).map((part) => Number(part.getAttribute("height")));
            const more = {targetError: 0.001, threshold: 0.98, address: "/"};
            return [0, 2, 8].map((accepted) => {
                confidences(place, bars, {...more, accepted});
                const [accept, look] = [tall("accepted"), tall("review")];
                return [accept.length, look.length, accept[0] ? accept[0] / (accept[0] + (look[2] ?? 0)) : 0];
            });
        }"""
    )
    assert shares == [[0, 3, 0], [1, 3, pytest.approx(0.25, abs=0.01)], [1, 2, 1]]


def is_crossed_out(page: Page, figure: str) -> bool:
    """Tell whether the dashed line shows within the figure of a bar: whether it looks different without the line."""
    text, line = page.locator("#confidence .value", has_text=figure), page.locator("#confidence .mark")
    box, stands = text.bounding_box(), line.bounding_box()
    assert box is not None
    assert stands is not None
    assert box["x"] < stands["x"] < box["x"] + box["width"]
    middle = {
        "x": box["x"],
        "y": box["y"] + box["height"] / 3,
        "width": box["width"],
        "height": box["height"] / 3,
    }
    pictures = set()
    for look in ("visible", "hidden"):
        line.evaluate("(line, look) => line.setAttribute('visibility', look)", look)
        pictures.add(page.screenshot(clip=middle, full_page=True))  # type: ignore[arg-type]  # a TypedDict
    line.evaluate("(line) => line.removeAttribute('visibility')")
    return len(pictures) > 1


def test_updates_come_twice_a_second(visit: Visit, site: Site) -> None:
    """While it changes, each half second shows something new."""
    page = visit.open(submit(site, many(500)))
    page.evaluate(
        """() => { window.seen = []; new MutationObserver(() => window.seen.push(performance.now()))
            .observe(document.querySelector('#read'), {childList: true}); }"""
    )
    for done in range(50, 501, 50):
        site.fake.work(most_chunks=1)
        expect(page.locator("#read strong")).to_have_text(re.compile(rf"^{done}|500$"), timeout=3000)
    seen = page.evaluate("window.seen")
    gaps = [b - a for a, b in itertools.pairwise(seen)]
    assert sorted(gaps)[len(gaps) // 2] <= 500 + 400  # each chunk is written, then shown at the next beat


def test_updates_can_be_paused(visit: Visit, site: Site) -> None:
    """Nothing moves while somebody reads; going on shows the present at once."""
    page = visit.open(submit(site, many(100)))
    page.get_by_role("button", name="Pause updates").click()
    site.fake.work(most_chunks=1)
    wait_for(lambda: site.client.get("/v1/jobs").json()["items"][0]["counts"]["succeeded"] == 50, "the work")
    expect(page.locator("#read")).to_have_text("0 of 100 read")
    page.get_by_role("button", name="Go on with updates").click()
    expect(page.locator("#read")).to_have_text("50 of 100 read")


def test_the_stream_ends_with_the_job(visit: Visit, site: Site) -> None:
    """The browser doesn't ask again for ever after the end."""
    visit.context.add_init_script(
        """window.streams = []; const Plain = EventSource;
        window.EventSource = class extends Plain {
            constructor(...given) { super(...given); window.streams.push(this); } };"""
    )
    page = visit.open(submit(site, many(10)))
    assert page.evaluate("window.streams.map(stream => stream.readyState)") != [EventSourceState.CLOSED]
    site.fake.work()
    expect(page.locator("#job-status")).to_contain_text("Done")
    assert page.evaluate("window.streams.map(stream => stream.readyState)") == [EventSourceState.CLOSED]


def test_a_job_is_canceled_and_retried(visit: Visit, site: Site) -> None:
    """Cancel is immediate and keeps what was read; the rest is offered again as a new job."""
    page = visit.open(submit(site, many(100), name="Exam"))
    site.fake.work(most_chunks=1)
    expect(page.locator("#read")).to_have_text("50 of 100 read")
    page.get_by_role("button", name="Cancel the job").click()
    expect(page.locator("#job-status")).to_contain_text("Stopped")
    expect(page.locator("#toasts")).to_contain_text("50 results kept")
    visit.check_all("job-stopped")
    page.get_by_role("button", name="Retry 50 images").click()
    expect(page.get_by_role("link", name="the job before")).to_be_visible()
    expect(page.locator("#read")).to_have_text("0 of 50 read")


def test_deleting_asks_with_the_focus_on_keep(visit: Visit, site: Site) -> None:
    """Enter keeps the job; Delete names what is lost and does it."""
    path = submit(site, many(3), name="Old ballots")
    site.fake.work()
    page = visit.open(path)
    page.get_by_role("button", name="Delete the job").click()
    expect(page.get_by_role("dialog")).to_contain_text("Delete “Old ballots”?")
    expect(page.get_by_role("button", name="Keep")).to_be_focused()
    visit.check()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.get_by_role("button", name="Delete the job").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    page.wait_for_url(re.compile("/jobs$"))
    assert site.client.get("/v1/jobs").json()["items"] == []


def test_what_others_did_meanwhile_is_told(visit: Visit, site: Site) -> None:
    """A job that was deleted elsewhere says so instead of failing silently."""
    visit.refusals.add(404)
    path = submit(site, many(3))
    site.fake.work()
    page = visit.open(path)
    assert site.client.delete(f"/v1{path}").status_code == 204
    page.get_by_role("button", name="Delete the job").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("alert")).to_contain_text("may have been deleted")


def test_messages_are_listed_and_sent_again(visit: Visit, site: Site) -> None:
    """Every try of the webhook is there, and one click sends it once more."""
    with receiving() as receiver, sending(site.settings):
        receiver.answer = lambda _request: Answer(status=410)
        path = submit(site, many(2), webhook_url=receiver.url)
        site.fake.work()
        page = visit.open(path)
        messages = page.get_by_role("region", name="Messages to your program")
        expect(messages).to_contain_text("Not delivered")
        expect(messages).to_contain_text("answer 410")
        visit.check_all("job-messages")
        receiver.answer = lambda _request: Answer(status=204)
        messages.get_by_role("button", name="Send again").click()
        expect(messages).to_contain_text("Delivered")


def test_real_workers_read_the_samples(live_visit: Visit) -> None:
    """Three clicks from the first page to the results, read by the model that is shipped."""
    page = live_visit.open("/")
    page.get_by_role("button", name="Try our 20 samples").click()
    expect(page.locator("#read")).to_have_text("20 of 20 read", timeout=30_000)
    expect(page.locator("#job-status")).to_contain_text("Done")
    expect(page.get_by_role("link", name="See the results")).to_be_visible()
    page.get_by_role("link", name="3", exact=True).click()
    page.wait_for_url(re.compile(r"/results\?value=3$"))
    page.go_back()
    live_visit.check_all("job-samples")
