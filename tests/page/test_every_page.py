"""What holds for every page: small, readable by everybody, usable by keys, in plain words, safe with odd names."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from benchmarks.page_weight import MOST_BYTES, weigh
from tests.api.files import zipped
from tests.page.conftest import ROOT, Site
from tests.page.visit import Visit, expect

NAMES = ["a.png", "bad.png", "doubt.png", "notes.txt", "<i>odd</i> & 'name'.png"]
PAGES = ["/", "/try", "/jobs", "/jobs/{job}", "/jobs/{job}/results", "/jobs/{job}/review", "/jobs/{job}/code"]
PAGES += ["/models", "/models/digits@2.1.0", "/system", "/tour", "/docs", "/docs/confidence", "/docs/errors"]
JARGON = (
    "null", "undefined", "NaN", "boolean", "endpoint", "payload", "inference", "logits", "softmax", "tensor", "enqueue",
    "broker", "shard", "Postgres", "Redis", "Celery", "SSE", "stack trace", "exception", "traceback", "async",
)  # fmt: skip
"""Words that a colleague in an office need not know."""
TECHNICAL = re.compile(r"/docs|/code|/tour")
"""Pages for programmers, which may use their words."""


@pytest.fixture
def job(site: Site) -> str:
    """Return the id of a job with something of everything, and a name that no page may believe."""
    form = {"name": "<b>Ballots</b> 17 {{ 7 * 7 }}"}
    made = site.client.post("/v1/jobs", files={"files": ("a.zip", zipped(*NAMES))}, data=form)
    site.fake.work()
    return str(made.json()["id"])


@pytest.mark.timeout(120)
@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_for_everybody(visit: Visit, job: str, path: str) -> None:
    """Axe finds nothing, nothing scrolls sideways at 360 pixels, no markup of a name counts, keys reach everything."""
    visit.refusals.add(503)  # no worker is there to draw pictures
    page = visit.open(path.format(job=job))
    page.wait_for_load_state("networkidle")
    assert page.locator("main b, main i").filter(has_text=re.compile("Ballots|odd")).count() == 0
    assert "49" not in page.locator("h1").first.inner_text()
    visit.check()
    check_keys(page)
    visit.narrow()
    visit.theme("dark")
    visit.check()
    visit.shot("every" + re.sub(r"\W+", "-", path))


def check_keys(page: Page) -> None:
    """Assert that Tab begins with the way past the navigation, shows where it is, and leaves out little."""
    waiting = page.evaluate("document.activeElement !== document.body")
    if waiting:  # a field that is to be filled has the focus
        page.evaluate("document.querySelector('.skip').focus()")
    reached = list(walk(page))
    assert waiting or reached[0]["text"] == "Skip to the content"
    assert [one["tag"] for one in reached if not one["seen"]] == []
    links = page.locator("main a[href]:visible, main button:visible:not([disabled])").count()
    in_main = sum(bool(one["main"]) for one in reached)
    assert in_main >= min(links, 60) // 2  # groups that arrow keys go through count once


def walk(page: Page, most: int = 200) -> Iterator[dict[str, object]]:
    """Press Tab until the focus leaves the page; yield what had it and whether that was seen."""
    for _ in range(most):
        page.keyboard.press("Tab")
        found = page.evaluate(
            """() => {
              const one = document.activeElement;
              if (!one || one === document.body) return null;
              const style = getComputedStyle(one), around = getComputedStyle(one.closest("label, .drop, form") ?? one);
              const outlined = (s) => s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 2;
              const box = one.getBoundingClientRect();
              return {
                text: one.textContent.trim().slice(0, 40), tag: one.outerHTML.slice(0, 120),
                seen: outlined(style) || outlined(around) || style.boxShadow !== "none",
                main: !!one.closest("main"), where: [box.x, box.y],
              };
            }"""
        )
        if found is None:
            return
        yield found


def test_the_jobs_page_is_light(visit: Visit, site: Site) -> None:
    """A first visit with sixty jobs takes less than 300 kB over the network."""
    for number in range(60):
        site.client.post(
            "/v1/jobs", files={"files": ("a.zip", zipped("a.png"))}, data={"name": f"Job {number}"}
        )
    browser = visit.context.browser
    assert browser is not None
    weight = weigh(browser, f"{site.origin}/jobs")
    assert 5_000 < weight.bytes <= MOST_BYTES


@pytest.mark.timeout(90)
def test_a_newcomer_has_a_result_in_three_clicks(live_visit: Visit) -> None:
    """From the first page, with nothing at hand, to digits on the screen."""
    page = live_visit.open("/")
    clicks = 0
    for step in (
        page.get_by_role("button", name=re.compile("samples", re.IGNORECASE)).first,
        page.get_by_role("link", name="Results", exact=True),
    ):
        step.click(timeout=30_000)
        clicks += 1
    page.wait_for_url("**/results*")
    expect(page.get_by_text(re.compile(r"[0-9]")).first).to_be_visible()
    assert clicks <= 3


@pytest.mark.timeout(120)
def test_texts_are_plain_english(visit: Visit, job: str) -> None:
    """No page for everybody speaks of what only programmers know."""
    visit.refusals.add(503)  # no worker is there to draw pictures
    for path in PAGES:
        if TECHNICAL.search(path):
            continue
        page = visit.open(path.format(job=job))
        page.wait_for_load_state("networkidle")
        spoken = [page.locator("body").inner_text(), *attributes(page)]
        found = [
            w for w in JARGON for text in spoken if re.search(rf"\b{re.escape(w)}\b", text, re.IGNORECASE)
        ]
        assert found == [], path


def attributes(page: Page) -> list[str]:
    """Return what screen readers and tooltips say."""
    texts: list[str] = page.evaluate(
        "[...document.querySelectorAll('[aria-label], [title], [placeholder], [alt]')].flatMap((one) =>"
        " ['aria-label', 'title', 'placeholder', 'alt'].map((name) => one.getAttribute(name) ?? ''))"
    )
    return texts


def test_words_of_the_pages_are_plain_english() -> None:
    """The texts for every state, reason and error, those that no test provokes included."""
    texts = json.loads((ROOT / "api" / "static" / "js" / "words.json").read_text())
    told = json.dumps([one for name, one in texts.items() if name not in ("metric", "data")])
    values = re.findall(r': "([^"]*)"', told)
    assert [v for v in values for w in JARGON if re.search(rf"\b{w}\b", v, re.IGNORECASE)] == []


def test_every_template_is_free_of_inline_code() -> None:
    """The policy would block it; better that it is never written."""
    files = [
        *Path(ROOT / "api" / "templates").glob("*.html"),
        *Path(ROOT / "api" / "static" / "js").rglob("*.js"),
    ]
    pattern = re.compile(
        r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son[a-z]+=\"|\.innerHTML|\.outerHTML|insertAdjacentHTML"
    )
    assert [path.name for path in files if pattern.search(path.read_text())] == []
