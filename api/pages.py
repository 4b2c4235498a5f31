"""The plain pages for people: server-rendered, without scripts, nothing from elsewhere."""

from __future__ import annotations

from html import escape
from typing import Any

POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none';"
    " frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
DOCS_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; font-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)

_ICON = '<link rel="icon" type="image/svg+xml" href="/static/icon.svg">'
"""Without it browsers ask for /favicon.ico, which needs a key and would count as a wrong one."""


def page(title: str, body: str, refresh_s: int | None = None, csrf: str | None = None) -> str:
    """Put a page together; `body` is HTML already, `csrf` the token of a person who signed in."""
    refresh = f'<meta http-equiv="refresh" content="{refresh_s}">' if refresh_s else ""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'{refresh}<title>{escape(title)}</title><link rel="stylesheet" href="/static/plain.css">{_ICON}</head><body>'
        '<header><a href="/">inkqueue</a> <nav><a href="/docs">API reference</a> <a href="/v1/models">Models</a>'
        f"</nav>{sign_out(csrf)}</header><main><h1>{escape(title)}</h1>{body}</main></body></html>"
    )


def hidden(csrf: str | None) -> str:
    """Return the field that proves a form to be ours; nothing where nobody signed in."""
    return f'<input type="hidden" name="csrf" value="{escape(csrf)}">' if csrf else ""


def sign_out(csrf: str | None) -> str:
    """Return the button that ends a session, if there is one."""
    form = f'<form method="post" action="/sign-out">{hidden(csrf)}<button>Sign out</button></form>'
    return form if csrf else ""


def sign_in(back: str, problem: str = "") -> str:
    """Return the page that asks for a key."""
    told = f'<p role="alert"><strong>{escape(problem)}</strong></p>' if problem else ""
    form = (
        f'<form method="post" action="/sign-in"><input type="hidden" name="next" value="{escape(back)}">'
        '<p><label>API key <input type="password" name="key" required autofocus autocomplete="current-password"'
        ' maxlength="200" spellcheck="false"></label> <button>Sign in</button></p></form>'
    )
    return page("Sign in", f"{told}{form}<p>Keys are made with <code>inkqueue keys create</code>.</p>")


def home(jobs: list[dict[str, Any]], csrf: str | None = None) -> str:
    """Return the landing page: a form and the latest jobs."""
    form = (
        '<form method="post" action="/jobs" enctype="multipart/form-data">'
        f"{hidden(csrf)}"
        '<p><label>Images, zips, TIFFs or PDFs <input type="file" name="files" multiple required></label></p>'
        '<p><label>Name <input name="name" maxlength="200"></label> <button>Submit</button></p></form>'
    )
    rows = "".join(
        f'<tr><td><a href="{escape(job["links"]["page"])}">{escape(job["name"] or job["id"])}</a></td>'
        f"<td>{escape(job['status'])}</td><td>{job['counts']['total']}</td>"
        f"<td>{round(job['progress'] * 100)} %</td><td>{escape(job['created_at'])}</td></tr>"
        for job in jobs
    )
    table = (
        "<table><thead><tr><th>Job</th><th>Status</th><th>Items</th><th>Done</th><th>Submitted</th></tr></thead>"
        f"<tbody>{rows}</tbody></table>"
        if jobs
        else "<p>No job yet.</p>"
    )
    return page(
        "Jobs",
        f"<section><h2>Submit</h2>{form}</section><section><h2>Latest</h2>{table}</section>",
        csrf=csrf,
    )


def job(document: dict[str, Any], ended: bool, csrf: str | None = None) -> str:
    """Return the page of one job; it renews itself until the job has ended."""
    counts = "".join(
        f"<tr><th>{escape(name)}</th><td>{number}</td></tr>" for name, number in document["counts"].items()
    )
    links = document["links"]
    downloads = " ".join(
        f'<a href="{escape(links["results"])}?format={form}">{form}</a>'
        for form in (("json", "ndjson", "csv", "xlsx") if ended else ("json", "ndjson", "csv"))
    )
    percent = round(document["progress"] * 100)
    body = (
        f"<p><strong>{escape(document['status'])}</strong> "
        f'<progress max="100" value="{percent}">{percent} %</progress></p>'
        f"<table>{counts}</table><p>Results: {downloads}</p>"
        f"<p>Model {escape(document['model']['name'])} {escape(document['model']['version'] or '')}, submitted "
        f'{escape(document["created_at"])}. <a href="{escape(links["self"])}">As JSON</a>, '
        f'<a href="{escape(links["summary"])}">summary</a>.</p>'
    )
    return page(document["name"] or document["id"], body, None if ended else 2, csrf)


def problem(document: dict[str, Any]) -> str:
    """Return the page of an error: what its problem document says, for people."""
    wrong = "".join(
        f"<li><code>{escape(one['loc'])}</code>: {escape(one['msg'])}</li>" for one in document["errors"]
    )
    body = (
        f"<p>{escape(document['detail'])}</p>{f'<ul>{wrong}</ul>' if wrong else ''}"
        f'<p><a href="{escape(document["type"])}">{document["status"]} <code>{escape(document["code"])}</code></a>,'
        f' request <code>{escape(document["request_id"])}</code></p><p><a href="/">Back</a></p>'
    )
    return page(document["title"], body)


DOCS = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>inkqueue API reference</title>'
    '<link rel="stylesheet" href="/static/swagger/swagger-ui.css">'
    '<link rel="icon" type="image/png" href="/static/swagger/favicon-32x32.png"></head><body>'
    '<div id="swagger-ui"></div><script src="/static/swagger/swagger-ui-bundle.js"></script>'
    '<script src="/static/swagger/init.js"></script></body></html>'
)
