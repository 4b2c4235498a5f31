"""Trying one digit: drawn, shot by the camera or chosen, answered by the model that is shipped."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page

from shared.bundled import bundled
from tests.page.archives import written, zipped
from tests.page.visit import Visit, expect

THREE = [(0.3, 0.2), (0.6, 0.15), (0.7, 0.3), (0.45, 0.45), (0.72, 0.6), (0.65, 0.82), (0.3, 0.82)]
SLOW_MS = 20_000


def draw(page: Page, points: list[tuple[float, float]]) -> None:
    """Draw a stroke through these places, as shares of the sheet."""
    box = page.locator("#sheet").bounding_box()
    assert box is not None
    at = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*at[0])
    page.mouse.down()
    for x, y in at[1:]:
        page.mouse.move(x, y, steps=5)
    page.mouse.up()


def test_a_drawn_digit_is_read_at_once(live_visit: Visit) -> None:
    """The answer has decision, chances and what the model saw; undo and clear lead back to the blank sheet."""
    page = live_visit.open("/try")
    asked: list[str] = []
    page.on("request", lambda request: request.url.endswith("/predict") and asked.append(request.url))
    expect(page.locator("#words")).to_contain_text("The sheet is blank")
    draw(page, [(0.5, 0.15), (0.5, 0.85)])
    expect(page.locator("#reading")).to_have_text("1", timeout=SLOW_MS)
    expect(page.locator("#words")).to_contain_text("% likely to be a 1")
    expect(page.locator("#pixels img")).to_be_visible(timeout=SLOW_MS)
    assert (
        page.locator("#pixels img").evaluate("image => image.decode().then(() => image.naturalWidth)") == 28
    )
    expect(page.locator("#chances li.best")).to_contain_text("1")
    assert "100 %" not in page.locator("main").inner_text()
    live_visit.check_all("try-drawn")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#words")).to_contain_text("The sheet is blank")
    expect(page.get_by_role("button", name="Clear")).to_be_disabled()
    draw(page, [(0.5, 0.15), (0.5, 0.85)])
    expect(page.locator("#reading")).to_have_text("1", timeout=SLOW_MS)
    assert len(asked) == 2  # a blank sheet asks nobody


def test_only_the_last_drawing_counts(live_visit: Visit) -> None:
    """A stroke that follows soon replaces the question before it."""
    page = live_visit.open("/try")
    draw(page, THREE)
    expect(page.locator("#reading")).to_have_text("3", timeout=SLOW_MS)
    page.get_by_role("button", name="Clear").click()
    draw(page, [(0.25, 0.2), (0.7, 0.2), (0.45, 0.85)])
    expect(page.locator("#reading")).to_have_text("7", timeout=SLOW_MS)


def test_it_is_drawn_by_keyboard(live_visit: Visit) -> None:
    """Arrows move the pen and Space puts it down."""
    page = live_visit.open("/try")
    page.locator("#sheet").focus()
    page.keyboard.press("Space")
    for _ in range(22):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    expect(page.locator("#reading")).to_have_text("1", timeout=SLOW_MS)


def test_a_finger_draws_without_scrolling(live_visit: Visit) -> None:
    """Touch makes strokes on a phone."""
    live_visit.narrow()
    page = live_visit.open("/try")
    for kind, y in (("pointerdown", 150), ("pointermove", 220), ("pointermove", 330), ("pointerup", 330)):
        page.locator("#sheet").evaluate(
            """(sheet, [kind, y]) => { sheet.setPointerCapture = () => {};
                const box = sheet.getBoundingClientRect();
                sheet.dispatchEvent(new PointerEvent(kind, {pointerId: 7, pointerType: "touch", bubbles: true,
                    cancelable: true, clientX: box.left + box.width / 2,
                    clientY: box.top + y * box.height / 400})); }""",
            [kind, y],
        )
    expect(page.locator("#reading")).to_have_text("1", timeout=SLOW_MS)
    assert page.locator("#sheet").evaluate("sheet => getComputedStyle(sheet).touchAction") == "none"


def test_the_camera_takes_a_picture(live_visit: Visit) -> None:
    """What is no digit is said to be none or doubtful, in words."""
    live_visit.context.grant_permissions(["camera"])
    page = live_visit.open("/try")
    page.get_by_role("button", name="Camera").click()
    expect(page.locator("#video")).not_to_have_js_property("videoWidth", 0)
    page.get_by_role("button", name="Take the picture").click()
    expect(page.locator("#still")).to_be_visible()
    expect(page.locator("#decision")).to_contain_text("Needs a look", timeout=SLOW_MS)
    assert page.evaluate("document.querySelector('#video').srcObject") is None
    page.evaluate("document.querySelector('.answer').classList.add('busy')")
    live_visit.check()  # words are readable while the next answer is on its way, too
    page.evaluate("document.querySelector('.answer').classList.remove('busy')")
    live_visit.shot("try-camera")


def test_without_a_camera_the_file_field_serves(live_visit: Visit) -> None:
    """On a page without https browsers have no camera; the phone's own is offered."""
    live_visit.context.add_init_script("Object.defineProperty(navigator, 'mediaDevices', {value: undefined})")
    page = live_visit.open("/try")
    page.get_by_role("button", name="Camera").click()
    expect(page.get_by_label("Take a picture")).to_have_attribute("capture", "environment")


@pytest.mark.parametrize(
    ("name", "reading", "told"),
    [("seven-on-white.jpg", "7", "likely to be a 7"), ("blank.png", "–", "Nothing is written there")],
)
def test_an_image_is_read(live_visit: Visit, name: str, reading: str, told: str) -> None:
    """A chosen picture is shown and read; a blank one is said to be blank."""
    page = live_visit.open("/try")
    page.get_by_role("button", name="Image").click()
    page.locator("#file").set_input_files(bundled("samples") / name)
    expect(page.locator("#words")).to_contain_text(told, timeout=SLOW_MS)
    expect(page.locator("#reading")).to_have_text(reading)
    expect(page.locator("#preview")).to_be_visible()


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("none.png", b"", "This file is empty."),
        ("scans.zip", zipped({"a.png": b"x"}), "This is a zip."),
        ("scans.png", zipped({"a.png": b"x"}), "This is a zip."),
    ],
)
def test_what_is_no_single_image_is_told_at_once(
    visit: Visit, tmp_path: Path, name: str, data: bytes, told: str
) -> None:
    """The answer says what the file is and where it goes; nothing is sent."""
    page = visit.open("/try")
    asked: list[str] = []
    page.on("request", lambda request: "/v1/" in request.url and asked.append(request.url))
    page.get_by_role("button", name="Image").click()
    page.locator("#file").set_input_files(written(tmp_path, name, data))
    expect(page.locator("#words")).to_contain_text(told)
    expect(page.get_by_role("alert")).to_have_count(0)
    assert asked == []


def test_a_document_of_several_pages_is_sent_to_the_other_page(visit: Visit, tmp_path: Path) -> None:
    """It is told where it can be read, not that it is to be split."""
    visit.refusals.add(422)
    page = visit.open("/try")
    refusal = {"code": "too_many_pages", "title": "Too many pages", "status": 422, "retryable": False}
    page.route("**/v1/predict", lambda route: route.fulfill(status=422, json=refusal))
    page.get_by_role("button", name="Image").click()
    page.locator("#file").set_input_files(written(tmp_path, "pages.pdf", b"%PDF-1.7"))
    expect(page.locator("#words")).to_contain_text("This has several pages.")
    expect(page.get_by_role("alert")).to_have_count(0)


def test_a_broken_image_says_what_to_do(live_visit: Visit, tmp_path: Path) -> None:
    """A text that calls itself a picture is refused in plain words."""
    live_visit.refusals.add(422)
    page = live_visit.open("/try")
    page.get_by_role("button", name="Image").click()
    page.locator("#file").set_input_files(written(tmp_path, "fake.png", b"this is no picture"))
    expect(page.get_by_role("alert")).to_contain_text(
        re.compile("no kind of image that can be read.*Send PNG", re.DOTALL), timeout=SLOW_MS
    )
    live_visit.check()
