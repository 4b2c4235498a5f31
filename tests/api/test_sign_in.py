"""Signing in at the page with a key: the cookie, the token in forms, and what other sites can do with neither."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape

import httpx
import pytest

from api.routes.sign_in import safe_next
from inkqueue.local.redis import free_port
from shared.db import Database
from shared.keys.store import list_keys, revoke_key
from shared.keys.text import KeyText, new_key
from shared.settings import Settings
from tests.api.conftest import serving
from tests.api.files import PNG, problem
from tests.api.keyed import bearer, key_for
from tests.queue_driver import row
from tests.services import wait_for

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
def key(database: Database) -> KeyText:
    """Make a key that may submit and read, which closes the service."""
    return key_for(database, "acme", "submit", "read")


@pytest.fixture
def browser(key: KeyText, settings: Settings) -> Iterator[httpx.Client]:
    """Lend a client that keeps cookies and knows no key."""
    with serving(settings) as client:
        yield client


def sign_in(browser: httpx.Client, key: KeyText, **more: str) -> httpx.Response:
    """Fill the form in."""
    return browser.post("/sign-in", data={"key": key.text, **more})


def token_of(page: httpx.Response) -> str:
    """Read the token from a form of a page."""
    found = re.search(r'name="csrf" value="([^"]+)"', page.text)
    assert found is not None
    return found[1]


def test_a_stranger_is_led_to_the_form_and_back(browser: httpx.Client, key: KeyText) -> None:
    """Pages lead to the sign-in, the sign-in leads to the page that was wanted; the API says 401."""
    path = "/jobs/job_" + "0" * 32
    assert browser.get("/").headers["location"] == "/sign-in?next=/"
    led = browser.get(path)
    assert (led.status_code, led.headers["location"]) == (303, f"/sign-in?next={path}")
    assert path in browser.get(led.headers["location"]).text
    problem(browser.get("/v1/jobs"), 401, "unauthorized")
    answer = sign_in(browser, key, next=path)
    assert (answer.status_code, answer.headers["location"]) == (303, path)
    assert browser.get("/").status_code == 200


def test_the_sign_in_leads_back_to_what_the_address_asked_for(browser: httpx.Client, key: KeyText) -> None:
    """Filters survive the sign-in; what is too long for it is left out."""
    path = "/jobs/job_" + "0" * 32 + "/results?show=review&value=7%2C3"
    led = browser.get(path).headers["location"]
    assert escape(path) in browser.get(led).text
    assert browser.get("/jobs", params={"search": "a" * 5000}).headers["location"] == "/sign-in?next=/jobs"
    assert sign_in(browser, key, next=path).headers["location"] == path


@pytest.mark.parametrize("back", ["/", "/jobs?search=a+b&state=done", "/jobs/job_1/results?value=7%2C3"])
def test_addresses_of_ours_are_led_back_to(back: str) -> None:
    """Paths with and without a query are kept as they are."""
    assert safe_next(back) == back


@pytest.mark.parametrize(
    "back",
    [
        "//evil.example",
        "/\\evil",
        "https://evil.example",
        "/?a\r\nX: y",
        "/x?to=//evil.example",
        "/sign-out?a=1",
        "?a=1",
    ],
)
def test_what_could_lead_elsewhere_leads_to_the_first_page(back: str) -> None:
    """Another site, a second header, the sign-out: none of it."""
    assert safe_next(back) == "/"


def test_the_form_asks_for_nothing_that_needs_a_key(browser: httpx.Client) -> None:
    """Style and icon are there before the sign-in: a refused one would count as a wrong key of this address."""
    wanted = re.findall(r'<link[^>]* href="([^"]+)"', browser.get("/sign-in").text)
    assert any("icon" in path for path in wanted)
    assert {path: browser.get(path).status_code for path in wanted} == dict.fromkeys(wanted, 200)


def test_the_cookie_cannot_be_read_or_sent_along(
    browser: httpx.Client, key: KeyText, database: Database
) -> None:
    """It is for this host alone, hidden from scripts and never sent from other sites; the id is stored as a hash."""
    cookie = sign_in(browser, key).headers["set-cookie"]
    name, value = cookie.split(";")[0].split("=")
    parts = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert name == "inkqueue"
    assert {"httponly", "samesite=strict", "path=/"} <= parts
    assert not any(part.startswith("domain") for part in parts)
    assert len(value) == 43
    assert value not in row(database, "SELECT s::text AS text FROM sessions s").text


def test_over_https_the_cookie_is_for_https_alone(settings: Settings, key: KeyText) -> None:
    """With a public https address it is secure and bound to the host by its name; the plain one counts for nothing."""
    public = settings.model_copy(update={"public_url": "https://ink.example", "port": free_port()})
    away = {"Host": "ink.example", "X-Forwarded-For": "203.0.113.9", "Origin": "https://ink.example"}
    with serving(public) as client:
        cookie = client.post("/sign-in", data={"key": key.text}, headers=away).headers["set-cookie"]
        assert cookie.startswith("__Host-inkqueue=")
        assert "; secure" in cookie.lower()
        value = cookie.split(";")[0].partition("=")[2]
        for name, status in (("__Host-inkqueue", 200), ("inkqueue", 401)):
            answer = client.get("/v1/jobs", headers={**away, "Cookie": f"{name}={value}"})
            assert answer.status_code == status, name


def test_a_forwarded_scheme_is_not_believed(browser: httpx.Client, key: KeyText) -> None:
    """Anybody can write X-Forwarded-Proto; without a trusted proxy or a setting it counts for nothing."""
    headers = {"X-Forwarded-Proto": "https", "Host": "ink.example"}
    answer = browser.post("/sign-in", data={"key": key.text}, headers=headers)
    assert answer.status_code == 403
    assert "INKQUEUE_PUBLIC_URL" in answer.text
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(new_key().text, id="unknown"),
        "ik_x",
        "",
        "'; DROP TABLE api_keys; --",
        "<script>alert(1)</script>",
    ],
)
def test_a_wrong_key_does_not_sign_in(browser: httpx.Client, wrong: str) -> None:
    """The form comes back with a sentence; nothing that was typed is in it."""
    answer = browser.post("/sign-in", data={"key": wrong})
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers
    assert not wrong or wrong not in answer.text


def test_a_key_that_may_not_read_does_not_sign_in(browser: httpx.Client, database: Database) -> None:
    """It is told which scope is missing."""
    answer = sign_in(browser, key_for(database, "acme", "submit"))
    assert answer.status_code == 403
    assert "read" in answer.text


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "/%5cevil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "javascript:alert(1)",
        "/..//evil.example",
        "/jobs\r\nSet-Cookie: a=b",
        " //evil.example",
        "/sign-out",
        "/x?next=//evil.example",
        "/@evil.example",
        "",
    ],
)
def test_nobody_is_led_to_another_site(browser: httpx.Client, key: KeyText, target: str) -> None:
    """`next` is a plain path of ours or nothing."""
    answer = sign_in(browser, key, next=target)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert "evil" not in browser.get("/sign-in", params={"next": target}).text


def test_a_session_cannot_be_fixed(browser: httpx.Client, key: KeyText) -> None:
    """Whatever cookie came along, a sign-in makes a new id, and the one before ends."""
    planted = "A" * 43
    answer = browser.post("/sign-in", data={"key": key.text}, headers={"Cookie": f"inkqueue={planted}"})
    first = answer.cookies["inkqueue"]
    second = sign_in(browser, key).cookies["inkqueue"]
    assert len({planted, first, second}) == 3
    for old in (planted, first):
        alone = {"Cookie": f"inkqueue={old}"}
        assert httpx.get(browser.base_url.join("/v1/jobs"), headers=alone).status_code == 401


def test_two_cookies_of_one_name_are_none(browser: httpx.Client, key: KeyText) -> None:
    """Another site on a neighbouring name may have planted one, so neither is believed."""
    sign_in(browser, key)
    mine = browser.cookies["inkqueue"]
    for cookie in (f"inkqueue={mine}; inkqueue={'A' * 43}", f"inkqueue={'A' * 43}; inkqueue={mine}"):
        answer = httpx.get(browser.base_url.join("/v1/jobs"), headers={"Cookie": cookie})
        assert answer.status_code == 401


def test_a_signed_in_person_submits_by_the_form(browser: httpx.Client, key: KeyText) -> None:
    """The page's form carries the token; the job belongs to the key's tenant."""
    sign_in(browser, key)
    data = {"csrf": token_of(browser.get("/")), "name": "mine"}
    answer = browser.post("/jobs", files={"files": ("a.png", PNG)}, data=data)
    assert answer.status_code == 303
    assert "mine" in browser.get("/").text
    assert [job["name"] for job in browser.get("/v1/jobs", headers=bearer(key)).json()["items"]] == ["mine"]


@pytest.mark.parametrize("token", [None, "", "wrong", "A" * 43])
def test_without_the_token_nothing_changes(browser: httpx.Client, key: KeyText, token: str | None) -> None:
    """A form without the session's token is refused, and so is a call by script."""
    sign_in(browser, key)
    data = {} if token is None else {"csrf": token}
    headers = {} if token is None else {"X-CSRF-Token": token}
    files = {"files": ("a.png", PNG)}
    problem(browser.post("/jobs", files=files, data=data), 403, "forbidden")
    problem(
        browser.post("/sign-out", content="&".join(f"csrf={v}" for v in data.values()), headers=FORM),
        403,
        "forbidden",
    )
    problem(browser.post("/v1/jobs", files=files, headers=headers), 403, "forbidden")
    problem(browser.delete("/v1/jobs/job_" + "0" * 32, headers=headers), 403, "forbidden")
    assert browser.get("/v1/jobs").json()["items"] == []


def test_the_token_of_another_session_is_wrong(browser: httpx.Client, key: KeyText) -> None:
    """Each session has its own."""
    sign_in(browser, key)
    before = token_of(browser.get("/"))
    sign_in(browser, key)
    assert token_of(browser.get("/")) != before
    answer = browser.post("/jobs", files={"files": ("a.png", PNG)}, data={"csrf": before})
    problem(answer, 403, "forbidden")


def test_a_script_of_the_page_shows_the_token_in_a_header(browser: httpx.Client, key: KeyText) -> None:
    """What a form has in a field a script has in `X-CSRF-Token`; reads need none."""
    sign_in(browser, key)
    headers = {"X-CSRF-Token": token_of(browser.get("/"))}
    made = browser.post("/v1/jobs", files={"files": ("a.png", PNG)}, headers=headers)
    assert made.status_code == 202
    assert browser.get(f"/v1/jobs/{made.json()['id']}").status_code == 200
    with browser.stream("GET", f"/v1/jobs/{made.json()['id']}/events") as stream:
        assert next(stream.iter_lines()) == "event: job.started"
    foreign = {**headers, "Origin": "http://evil.example"}
    problem(browser.post("/v1/jobs", files={"files": ("a.png", PNG)}, headers=foreign), 403, "forbidden")


def test_another_site_cannot_sign_anybody_in(browser: httpx.Client, key: KeyText) -> None:
    """A page that posts its own key would have its visitor work in its account."""
    for headers in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}):
        for _ in range(2):
            answer = browser.post("/sign-in", data={"key": key.text}, headers=headers)
            assert answer.status_code == 403
            assert "set-cookie" not in answer.headers
            sign_in(browser, key)  # a person who is signed in cannot be made somebody else either


def test_signing_out_ends_the_session(browser: httpx.Client, key: KeyText) -> None:
    """The cookie is gone, and a copy of it is worth nothing."""
    sign_in(browser, key)
    copy = browser.cookies["inkqueue"]
    answer = browser.post("/sign-out", data={"csrf": token_of(browser.get("/"))})
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    assert "inkqueue" not in browser.cookies
    assert (
        httpx.get(browser.base_url.join("/v1/jobs"), headers={"Cookie": f"inkqueue={copy}"}).status_code
        == 401
    )


def test_a_revoked_key_signs_everybody_out(browser: httpx.Client, key: KeyText, database: Database) -> None:
    """Within seconds the page leads to the form again."""
    sign_in(browser, key)
    assert browser.get("/").status_code == 200
    revoke_key(database, None, list_keys(database)[0].id)
    wait_for(lambda: browser.get("/").status_code == 303, "the session to end", 6)


def test_a_session_is_no_key(browser: httpx.Client, key: KeyText) -> None:
    """The cookie's value works as a cookie only, and a wrong key beside it is not forgiven."""
    sign_in(browser, key)
    problem(browser.get("/v1/jobs", headers={"X-API-Key": browser.cookies["inkqueue"]}), 401, "unauthorized")
    problem(browser.get("/v1/jobs", headers=bearer(new_key())), 401, "unauthorized")


def test_forms_that_are_none(browser: httpx.Client, key: KeyText) -> None:
    """Too large, doubled or of another type: refused, and no session begins."""
    text = key.text
    for content, kind in (
        (f"key={text}&pad={'x' * 5000}", FORM),
        (f"key={text}&key={text}", FORM),
        (f"key={text}", {"Content-Type": "text/plain"}),
        (b"key=\xff\xfe", FORM),
        ("&".join(f"a{n}=1" for n in range(50)), FORM),
    ):
        answer = browser.post("/sign-in", content=content, headers=kind)
        assert 400 <= answer.status_code < 500
        assert "set-cookie" not in answer.headers


def test_the_pages_run_our_files_alone(browser: httpx.Client, key: KeyText) -> None:
    """A strict policy holds on the sign-in and on the pages behind it, and no inline script is there."""
    for page in (browser.get("/sign-in"), sign_in(browser, key) and browser.get("/")):
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
        assert not re.search(r"<script(?![^>]*\ssrc=\"/static/)", page.text)
        assert page.headers["cache-control"] == "no-store"


def test_an_open_service_has_nothing_to_sign_in_to(api: httpx.Client) -> None:
    """The form leads home."""
    assert api.get("/sign-in").headers["location"] == "/"
