"""One person's visit: a fresh browser window that notes what goes wrong, and what tests look at in it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Response, expect

AXE = Path(__file__).parent / "vendor" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
NARROW = {"width": 360, "height": 740}
WIDE = {"width": 1280, "height": 860}
_WATCH = """
window.__violations = [];
document.addEventListener("securitypolicyviolation", (e) =>
    window.__violations.push(`${e.effectiveDirective} ${e.blockedURI} ${e.sourceFile}:${e.lineNumber}`));
"""


class Visit:
    """A window, `page`, on one service; `close` fails when the console or the policy complained.

    `refusals`: statuses of 400 and more that the test wants to see; Chromium writes each to the console.
    """

    def __init__(self, context: BrowserContext, origin: str, shots: Path) -> None:
        self.context = context
        self.origin = origin
        self.refusals: set[int] = set()
        self._shots = shots
        self._complaints: list[str] = []
        self._statuses: list[tuple[int, str]] = []
        context.add_init_script(_WATCH)
        self.page = self.watched(context.new_page())

    def watched(self, page: Page) -> Page:
        """Note what this window complains about."""
        page.on("console", self._note)
        page.on("pageerror", lambda error: self._complaints.append(f"uncaught: {error}"))
        page.on("response", self._answered)
        page.set_default_timeout(15_000)
        page.set_default_navigation_timeout(60_000)
        return page

    def open(self, path: str) -> Page:
        """Go to an address of the service."""
        self.page.goto(self.origin + path, wait_until="load")
        return self.page

    def narrow(self) -> None:
        """Make the window as small as a phone's."""
        self.page.set_viewport_size(NARROW)

    def theme(self, scheme: str) -> None:
        """Prefer `light` or `dark`."""
        self.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # a literal in Playwright's stubs

    def shot(self, name: str, *, full: bool = True) -> Path:
        """Keep a picture of the window as an artefact."""
        path = self._shots / f"{name}.png"
        self.page.screenshot(path=path, full_page=full, animations="disabled")
        return path

    def check(self) -> None:
        """Assert that the page is accessible (axe) and does not scroll sideways, as it is now."""
        found = self.axe()
        assert found == [], found
        assert self.sideways() == 0

    def check_all(self, name: str) -> None:
        """Assert the same wide and light, then narrow and dark; keep a picture of all four ways to look at it."""
        for width, size in (("wide", WIDE), ("narrow", NARROW)):
            self.page.set_viewport_size(size)  # type: ignore[arg-type]  # a TypedDict in Playwright's stubs
            for scheme in ("dark", "light") if width == "wide" else ("light", "dark"):
                self.theme(scheme)
                self.shot(f"{name}-{width}-{scheme}")
            self.check()
        self.page.set_viewport_size(WIDE)  # type: ignore[arg-type]
        self.theme("light")

    def axe(self) -> list[str]:
        """Return what axe finds wrong, one line a rule with the first place."""
        self.page.evaluate(_axe())
        found = self.page.evaluate(
            f"axe.run(document, {{runOnly: {json.dumps(RULES)}, resultTypes: ['violations']}})"
        )
        return [_line(one) for one in found["violations"]]

    def sideways(self) -> int:
        """Return by how many pixels the page is wider than the window."""
        wider: int = self.page.evaluate(
            "document.scrollingElement.scrollWidth - document.documentElement.clientWidth"
        )
        return wider

    def first_paint_ms(self) -> float:
        """Return when the first content was painted, in milliseconds after the navigation began."""
        paint: float = self.page.evaluate(
            "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? Infinity"
        )
        return paint

    def complaints(self) -> list[str]:
        """Return errors of the console, uncaught ones, violations of the policy, and refusals nobody expected."""
        pages: Iterable[Page] = self.context.pages
        broken = [v for page in pages for v in page.evaluate("window.__violations ?? []")]
        refused = [f"{s} {url}" for s, url in self._statuses if s >= 400 and s not in self.refusals]
        return self._complaints + broken + refused

    def close(self) -> None:
        """End the visit."""
        wrong = self.complaints()
        self.context.close()
        assert wrong == [], wrong

    def _note(self, message: ConsoleMessage) -> None:
        # a refused request is told by its status, which tests may expect
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            self._complaints.append(f"console: {message.text}")

    def _answered(self, response: Response) -> None:
        self._statuses.append((response.status, response.url))


@cache
def _axe() -> str:
    return AXE.read_text()


def _line(violation: dict[str, Any]) -> str:
    node = violation["nodes"][0]
    return f"{violation['id']}: {node['html'][:200]} {node.get('failureSummary', '')[:300]}"


__all__ = ["NARROW", "WIDE", "Visit", "expect"]
