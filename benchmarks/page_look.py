"""What a person notices of a long list, measured in the browser: how soon it is there, and how it scrolls."""

from __future__ import annotations

from typing import TypedDict

from playwright.sync_api import Page

READY = """
const ready = () => {
  const port = document.querySelector(".port");
  const cells = port ? [...port.querySelectorAll("[data-position]")] : [];
  const all = cells.length > 0 && ![...port.querySelectorAll("canvas.to-come")].some((one) => one.checkVisibility() &&
    one.getBoundingClientRect().top < port.getBoundingClientRect().bottom);
  if (all) window.__ready = performance.now();
  else requestAnimationFrame(ready);
};
requestAnimationFrame(ready);
"""
"""An init script: notes when every picture in view is there."""
_WATCH = """() => {
  const port = document.querySelector(".port");
  const seen = { frames: 0, worst_ms: 0, blank: 0, waiting: 0 };
  let last = performance.now();
  window.__seen = seen;
  const look = () => {
    if (window.__seen !== seen) return;
    const now = performance.now();
    seen.frames += 1;
    seen.worst_ms = Math.max(seen.worst_ms, now - last);
    last = now;
    const box = port.getBoundingClientRect();
    const rows = [0.02, 0.3, 0.6, 0.98].map((share) =>
      document.elementFromPoint(box.left + box.width / 3, box.top + box.height * share)?.closest(".row-of"));
    if (rows.some((row) => !row)) seen.blank += 1;
    const waits = [...port.querySelectorAll("canvas.to-come")].some((one) => {
      const at = one.getBoundingClientRect();
      return one.checkVisibility() && at.bottom > box.top && at.top < box.bottom;
    });
    if (waits) seen.waiting += 1;
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}"""


class Scrolled(TypedDict):
    """Frames of a scroll: how many, the longest in milliseconds, and those with rows or pictures missing."""

    frames: int
    worst_ms: float
    blank: int
    waiting: int


def ready_ms(page: Page) -> float:
    """Return when every picture in view was there, in milliseconds from the navigation on; `READY` notes it."""
    found: float = page.evaluate(
        "() => new Promise((done) => { const look = () => window.__ready ? done(window.__ready) : setTimeout(look, 20);"
        " look(); })"
    )
    return found


def scrolled(page: Page, turns: int = 60, by: int = 300, pause_ms: int = 50) -> Scrolled:
    """Turn the wheel over the list and watch every frame."""
    box = page.locator(".port").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.evaluate(_WATCH)
    for _ in range(turns):
        page.mouse.wheel(0, by)
        page.wait_for_timeout(pause_ms)
    found: Scrolled = page.evaluate(
        "() => { const seen = window.__seen; window.__seen = null; return seen; }"
    )
    return found


def filter_ms(page: Page, choice: str) -> float:
    """Return how long the list takes to narrow to a state or reading, until it is painted again."""
    found: float = page.evaluate(
        """async (choice) => {
          const began = performance.now();
          document.querySelector(`[data-choice="${choice}"]`).click();
          await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
          return performance.now() - began;
        }""",
        choice,
    )
    return found
