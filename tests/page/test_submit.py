"""Submitting: what is chosen is told before anything is sent, and every refusal says what to do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route

from tests.api.files import PNG
from tests.page.archives import directory_of, mixed, written, zipped
from tests.page.conftest import Site
from tests.page.visit import Visit, expect

JOB = re.compile(r"/jobs/job_")


def choose(page: Page, *paths: Path) -> None:
    """Choose files by the button, as a person does."""
    with page.expect_file_chooser() as chooser:
        page.get_by_label("Choose files").click()
    chooser.value.set_files(list(paths))


def test_a_zip_is_told_before_it_is_sent(visit: Visit, site: Site, tmp_path: Path) -> None:
    """Images and what is skipped are counted in the browser; then the job is made under its name."""
    page = visit.open("/")
    choose(page, written(tmp_path, "scans.zip", zipped(mixed(412))))
    expect(page.locator("#sum")).to_contain_text(
        "About 412 images; 3 will be skipped: 2 text files, 1 .json."
    )
    assert site.client.get("/v1/jobs").json()["items"] == []
    visit.check_all("submit-chosen")
    page.get_by_label("Name").fill("Ballots 17")
    page.get_by_label("How careful?").select_option(label="Very careful: about 1 in 10,000 wrong")
    page.get_by_role("button", name="Submit", exact=True).click()
    page.wait_for_url(JOB)
    [job] = site.client.get("/v1/jobs").json()["items"]
    assert (job["name"], job["target_error"], job["counts"]["total"]) == ("Ballots 17", 0.0001, 415)


@pytest.mark.parametrize(
    ("members", "how"),
    [
        ({"ä/日本.png": PNG}, {}),
        ({"a.png": PNG}, {"prefix": b"MZ" + b"\0" * 5000}),
        ({"a.png": PNG}, {"comment": b"c" * 60_000}),
    ],
)
def test_odd_zips_are_read(
    visit: Visit, tmp_path: Path, members: dict[str, bytes], how: dict[str, bytes]
) -> None:
    """Names in Unicode, bytes before the zip and long comments are no trouble."""
    page = visit.open("/")
    choose(page, written(tmp_path, "odd.zip", zipped(members, **how)))
    expect(page.locator("#sum")).to_contain_text("About 1 image.")


def test_a_zip64_of_70000_members_is_read_at_once(visit: Visit, tmp_path: Path) -> None:
    """More members than the old format counts."""
    page = visit.open("/")
    choose(page, written(tmp_path, "many.zip", directory_of(70_000)))
    expect(page.locator("#sum")).to_contain_text("About 70,000 images.", timeout=5000)


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("cut.zip", zipped(mixed())[:-30], "damaged or cut off"),
        ("empty.zip", zipped({}), "no image in this zip"),
        ("words.zip", zipped({"a.txt": b"x"}), "no image in this zip"),
    ],
)
def test_a_bad_zip_is_told_at_once(visit: Visit, tmp_path: Path, name: str, data: bytes, told: str) -> None:
    """Before a byte is sent the person knows; a try to send it says so with the focus there."""
    page = visit.open("/")
    choose(page, written(tmp_path, name, data))
    expect(page.locator("#list")).to_contain_text(told)
    page.get_by_role("button", name="Submit", exact=True).click()
    expect(page.get_by_role("alert")).to_be_focused()
    visit.check()


def test_a_bad_zip_among_good_files_is_told_before_anything_is_sent(visit: Visit, tmp_path: Path) -> None:
    """The service would refuse the whole upload; taking the zip out lets the rest go."""
    page = visit.open("/")
    asked: list[str] = []
    page.on("request", lambda request: request.method == "POST" and asked.append(request.url))
    broken = written(tmp_path, "cut.zip", zipped(mixed())[:-30])
    choose(page, written(tmp_path, "a.png", PNG), broken)
    page.get_by_role("button", name="Submit", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("cut.zip: This zip cannot be opened.")
    expect(page.get_by_role("alert")).to_contain_text("Remove it from the list to send the rest.")
    assert asked == []
    page.get_by_role("button", name="Remove cut.zip").click()
    page.get_by_role("button", name="Submit", exact=True).click()
    page.wait_for_url(JOB)


def test_nothing_chosen_says_what_to_do(visit: Visit) -> None:
    """The button works always and tells what is missing."""
    page = visit.open("/")
    page.get_by_role("button", name="Submit", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("Choose at least one image")


def test_a_refusal_keeps_what_was_entered(visit: Visit, tmp_path: Path) -> None:
    """The field is marked, the options are open, files and name are still there."""
    visit.refusals.add(422)
    page = visit.open("/")
    choose(page, written(tmp_path, "a.png", PNG))
    page.get_by_label("Name").fill("Mine")
    page.get_by_text("More options").click()
    page.get_by_label("Tell this address").fill("http://192.168.0.1/hook")
    page.get_by_role("button", name="Submit", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("https://")
    expect(page.get_by_label("Tell this address")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Name")).to_have_value("Mine")
    expect(page.locator("#sum")).to_contain_text("About 1 image")
    visit.check_all("submit-refused")


def test_a_broken_connection_is_tried_again_without_a_second_job(
    visit: Visit, site: Site, tmp_path: Path
) -> None:
    """The first try arrived and its answer was lost: the repeat finds the same job."""
    page = visit.open("/")

    def lose(route: Route) -> None:
        same = {"Idempotency-Key": route.request.headers["idempotency-key"]}
        site.client.post(
            "/v1/jobs", files={"files": ("a.png", PNG)}, data={"priority": "normal"}, headers=same
        )
        route.abort()

    page.route("**/v1/jobs", lose, times=1)
    choose(page, written(tmp_path, "a.png", PNG))
    page.get_by_role("button", name="Submit", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("could not be reached")
    page.get_by_role("button", name="Try again").click()
    page.wait_for_url(JOB)
    assert len(site.client.get("/v1/jobs").json()["items"]) == 1


def test_an_upload_shows_its_progress_and_is_canceled(visit: Visit, site: Site, tmp_path: Path) -> None:
    """Bytes, speed and remaining time are shown; after Cancel nothing is kept and the choice is still there."""
    page = visit.open("/")
    cdp = visit.context.new_cdp_session(page)
    cdp.send("Network.enable")
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 500_000}
    cdp.send("Network.emulateNetworkConditions", slow)
    choose(page, written(tmp_path, "big.png", PNG + b"\0" * 6_000_000))
    page.get_by_role("button", name="Submit", exact=True).click()
    expect(page.locator("#speed")).to_have_text(re.compile(r"of 6\.0 MB · .+/s · .+ left"))
    visit.check()
    visit.shot("submit-sending")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#sum")).to_be_visible()
    assert site.client.get("/v1/jobs").json()["items"] == []


def test_a_dropped_folder_is_walked(visit: Visit, tmp_path: Path) -> None:
    """A folder out of the file manager counts with all that is below it."""
    for n in range(120):
        written(tmp_path, f"in/deep/{n:03}.png", PNG)
    page = visit.open("/")
    box = page.locator("#drop").bounding_box()
    assert box is not None
    cdp = visit.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        data = {"items": [], "files": [str(tmp_path / "in")], "dragOperationsMask": 1}
        cdp.send(
            "Input.dispatchDragEvent", {"type": kind, "x": box["x"] + 60, "y": box["y"] + 60, "data": data}
        )
    expect(page.locator("#sum")).to_contain_text("About 120 images.")
    expect(page.locator("#list")).to_contain_text("in/deep/")


def test_a_folder_is_chosen(visit: Visit, site: Site, tmp_path: Path) -> None:
    """A folder is walked; the system's own files are left out, texts are told and not sent."""
    for name in ("in/a.png", "in/deep/b.png", "in/.DS_Store", "in/Thumbs.db", "in/notes.txt"):
        written(tmp_path, name, PNG)
    page = visit.open("/")
    with page.expect_file_chooser() as chooser:
        page.get_by_label("Choose folder").click()
    chooser.value.set_files(tmp_path / "in")
    expect(page.locator("#sum")).to_contain_text("About 2 images; 1 will be skipped: 1 text file.")
    page.get_by_role("button", name="Submit", exact=True).click()
    page.wait_for_url(JOB)
    [job] = site.client.get("/v1/jobs").json()["items"]
    assert job["counts"]["total"] == 2


def test_files_are_dropped_anywhere(visit: Visit) -> None:
    """A drop beside the zone counts too and never replaces the page."""
    page = visit.open("/")
    transfer = page.evaluate_handle(
        """() => { const t = new DataTransfer(); t.items.add(new File(["x"], "one.png")); return t; }"""
    )
    page.dispatch_event("h1", "drop", {"dataTransfer": transfer})
    expect(page.locator("#sum")).to_contain_text("About 1 image.")


def test_the_samples_are_one_click(visit: Visit, site: Site) -> None:
    """A newcomer sees a job without a scan of his own."""
    page = visit.open("/")
    page.get_by_role("button", name="Try our 20 samples").click()
    page.wait_for_url(JOB)
    [job] = site.client.get("/v1/jobs").json()["items"]
    assert job["counts"]["total"] == 20


def test_it_works_without_scripts(browser: Browser, site: Site, tmp_path: Path) -> None:
    """The plain form submits, and the job's page shows the numbers."""
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(site.origin)
    page.locator("#files").set_input_files(written(tmp_path, "a.png", PNG))
    page.get_by_role("button", name="Submit", exact=True).click()
    page.wait_for_url(JOB)
    site.fake.work()
    page.reload()
    expect(page.get_by_role("main")).to_contain_text("Done")
    context.close()


def test_what_was_chosen_stands_in_the_order_of_its_names(visit: Visit, site: Site, tmp_path: Path) -> None:
    """Two choices right after each other both count, by name and number; the job calls itself by its first file."""
    page = visit.open("/")
    chosen = [written(tmp_path, name, PNG) for name in ("page10.png", "page9.png", "empty.png")]
    chosen[2].write_bytes(b"")
    page.locator("#files").set_input_files([str(one) for one in chosen[:2]])
    page.locator("#files").set_input_files(str(chosen[2]))
    expect(page.locator("#sum")).to_contain_text("About 3 images")
    told = page.locator("#list li .path")
    expect(told.nth(0)).to_contain_text("page9.png")
    expect(told.nth(1)).to_contain_text("page10.png")
    expect(told.nth(2)).to_contain_text("This file is empty")
    page.get_by_role("button", name="Submit", exact=True).click()
    page.wait_for_url(JOB)
    expect(page.get_by_role("heading", name="page9.png")).to_be_visible()


def test_a_zip_with_a_password_is_called_so(visit: Visit, tmp_path: Path) -> None:
    """The refusal says password, not damage."""
    data = bytearray(zipped({"a.png": PNG}))
    data[data.find(b"PK\x01\x02") + 8] |= 1
    page = visit.open("/")
    choose(page, written(tmp_path, "locked.zip", bytes(data)))
    page.get_by_role("button", name="Submit", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("The zip is protected by a password.")
