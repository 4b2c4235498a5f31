"""The tab "Use from code": what it shows is copied and run as it stands."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.api.files import zipped
from tests.api.keyed import bearer, key_for
from tests.page.conftest import ROOT, Site
from tests.page.visit import Visit, expect

SAMPLES = ROOT / "samples"


def shown(page: Page) -> list[tuple[str, str]]:
    """Return language and text of every piece of code on the page."""
    blocks = page.locator("pre[data-language]").all()
    return [(one.get_attribute("data-language") or "", one.text_content() or "") for one in blocks]


def run(language: str, text: str, folder: Path, **extra: str) -> str:
    """Run a piece of code in a folder as a person would; return what it prints."""
    command = ["bash", "-euc", text] if language == "sh" else [sys.executable, "-c", text]
    env = {**os.environ, "NO_PROXY": "127.0.0.1", "PYTHONPATH": "", **extra}
    done = subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=50
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the file that the code names."""
    made = tmp_path / "home"
    made.mkdir()
    (made / "scans.zip").symlink_to(SAMPLES / "digits.zip")
    return made


@pytest.mark.timeout(120)
def test_the_code_runs_as_it_stands(live_visit: Visit, live: Site, folder: Path) -> None:
    """curl, our client and plain httpx read this very job; and two of them submit the next."""
    files = {"files": ("digits.zip", (SAMPLES / "digits.zip").read_bytes())}
    job = live.client.post("/v1/jobs", files=files, data={"target_error": "0.002"}).json()
    page = live_visit.open(f"/jobs/{job['id']}")
    page.get_by_role("link", name="Use from code").click()
    live_visit.check_all("code")
    pieces = shown(page)
    assert [language for language, _ in pieces] == ["sh", "python", "python", "sh", "python"]
    told = [run(language, text, folder) for language, text in pieces]
    ended = live.client.get(f"/v1/jobs/{job['id']}").json()
    assert job["id"] in told[0]
    lines = (folder / "results.csv").read_text().splitlines()
    assert len(lines) == ended["counts"]["total"] + 1
    assert len(told[1].splitlines()) == len(told[2].splitlines()) + 1 == len(lines)
    again = live.client.get("/v1/jobs?limit=2").json()["items"]
    assert [one["target_error"] for one in again] == [0.002, 0.002]
    assert job["id"] not in {one["id"] for one in again}


def test_with_keys_the_code_takes_the_key_from_the_environment(
    visit: Visit, site: Site, folder: Path
) -> None:
    """No key stands in the code; what is written there asks for one and works with it."""
    key = key_for(site.database)
    files = {"files": ("a.zip", zipped("it's.png"))}
    job = site.client.post(
        "/v1/jobs", files=files, data={"name": "$(touch bad) '\"</pre>"}, headers=bearer(key)
    ).json()
    site.fake.work()
    page = visit.open(f"/jobs/{job['id']}/code")
    page.get_by_label("API key").fill(key.text)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="First, your key")).to_be_visible()
    assert key.text not in page.content()
    pieces = shown(page)[:3]
    for language, text in pieces:
        assert run(language, text, folder, INKQUEUE_API_KEY=key.text)
    assert not (folder / "bad").exists()


def test_a_button_copies_the_code(visit: Visit, site: Site) -> None:
    """What lands in the clipboard is what is shown."""
    job = site.client.post("/v1/jobs", files={"files": ("a.zip", zipped("a.png"))}).json()
    visit.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = visit.open(f"/jobs/{job['id']}/code")
    page.get_by_role("button", name="Copy").first.click()
    expect(page.locator("#toasts")).to_contain_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == shown(page)[0][1]
