"""The system page: whether work can be done, by whom, and how long it waits."""

from __future__ import annotations

import httpx

from shared.contracts import WorkerInfo
from shared.jobs.registry import Presence
from shared.status import Lane
from tests.api.files import zipped
from tests.api.keyed import bearer, key_for
from tests.page.conftest import Site
from tests.page.visit import Visit, expect


def submit(site: Site, *names: str) -> str:
    """Submit images of these names; return the job's id."""
    answer = site.client.post(
        "/v1/jobs", files={"files": ("a.zip", zipped(*names))}, data={"name": "Ballots"}
    )
    return str(answer.json()["id"])


def test_it_says_that_nobody_works(visit: Visit, site: Site) -> None:
    """Without a worker the page says what happens to what is submitted, and how long it has waited."""
    page = visit.open("/system")
    expect(page.locator("#state")).to_contain_text("No worker is connected")
    submit(site, "a.png", "b.png")
    jobs = page.locator(".lane", has_text="Jobs")
    expect(jobs).to_contain_text("Waiting2", timeout=8000)
    expect(jobs).to_contain_text("no worker")
    visit.check_all("system-waiting")
    site.fake.work()
    expect(jobs).to_contain_text("Waiting0", timeout=8000)


def test_it_shows_who_works(live_visit: Visit, live: Site) -> None:
    """Each worker with its machine, device and model; everything works in words."""
    page = live_visit.open("/system")
    expect(page.locator("#state")).to_contain_text("Everything works", timeout=20_000)
    worker = page.locator(".workers tbody tr", has_text="digits@").first
    expect(worker).to_contain_text("Processor")
    alive = live.client.get("/v1/workers").json()["items"]
    assert page.locator(".workers tbody tr").count() == len(alive) > 0
    live_visit.check_all("system")


def test_it_rests_when_it_is_told(visit: Visit, site: Site) -> None:
    """Pause stops the questions, by the keyboard too."""
    visit.page.clock.install()
    page = visit.open("/system")
    page.get_by_role("button", name="Pause").focus()
    page.keyboard.press("Enter")
    go_on = page.get_by_role("button", name="Go on")
    expect(go_on).to_be_visible()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.clock.run_for(60_000)
    assert asked == []
    with page.expect_response("**/v1/system"):
        go_on.press("Enter")
        page.clock.run_for(2000)


def test_the_news_are_told_once(visit: Visit) -> None:
    """A screen reader hears a change of state, not every look."""
    page = visit.open("/system")
    page.evaluate(
        "window.__heard = 0; new MutationObserver(() => window.__heard++)"
        ".observe(document.querySelector('#news'), {childList: true, characterData: true, subtree: true})"
    )
    with page.expect_response("**/v1/system"):
        pass
    with page.expect_response("**/v1/system"):
        pass
    assert page.evaluate("window.__heard") == 0


def test_tenants_see_their_own_line(site: Site) -> None:
    """Another tenant's work is counted for those who run the service, and for nobody else."""
    operator = bearer(key_for(site.database))
    a, b = bearer(key_for(site.database, "a")), bearer(key_for(site.database, "b"))
    made = httpx.post(
        f"{site.origin}/v1/jobs", files={"files": ("a.zip", zipped("a.png", "b.png"))}, headers=a, timeout=20
    )
    assert made.status_code == 202

    def waiting(who: dict[str, str]) -> tuple[str, int]:
        told = httpx.get(f"{site.origin}/v1/system", headers=who).json()
        return told["of"], sum(lane["waiting"] for lane in told["lanes"])

    assert [waiting(who) for who in (operator, a, b)] == [("everybody", 2), ("you", 2), ("you", 0)]


def test_what_a_worker_has_in_hand_is_shown(site: Site) -> None:
    """The owner sees which images of which job, in the worker's line."""
    job = submit(site, "a.png", "b.png", "c.png")
    info: WorkerInfo = {"id": "fake:1:2", "host": "box", "pid": 2, "role": "worker", "lane": "bulk"}  # type: ignore[typeddict-item]
    Presence(site.database, info).beat(models=["digits@2.1.0"], images_per_s=12.0)
    claims = site.fake.take(Lane.BULK)
    told = site.client.get("/v1/system").json()
    (worker,) = told["workers"]
    assert worker["busy"] is True
    assert worker["chunk"] == {
        "job_id": job, "job_name": "Ballots", "first_seq": 0, "end_seq": 3, "position": 0,
    }  # fmt: skip
    bulk = next(lane for lane in told["lanes"] if lane["lane"] == "bulk")
    assert (bulk["waiting"], bulk["in_work"], bulk["eta_s"]) == (0, 3, 0.2)
    site.fake.finish(claims)
