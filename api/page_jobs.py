"""The list of jobs as the page shows it: narrowed by a part of the name and a group of states, page by page."""

from __future__ import annotations

import math
from typing import Any
from urllib.parse import urlencode

from api.pages import WORDS
from api.services import Caller, Services
from shared.documents import job_document
from shared.ids import cursor_text, parse_cursor
from shared.jobs.read import JobFilter, JobView, list_jobs

PAGE = 25
GROUPS: dict[str, Any] = WORDS["group"]


def listing(parts: Services, caller: Caller, search: str, state: str, cursor: str) -> dict[str, Any]:
    """Return what the template shows: jobs, the chosen filters, and where the older ones are.

    Raises:
        InvalidRequest: the cursor is none.
    """
    wanted = JobFilter(
        statuses=GROUPS[state]["statuses"] if state in GROUPS else (),
        search=search.strip() or None,
        before=parse_cursor(cursor) if cursor else None,
    )
    found = list_jobs(parts.db, caller.tenant, wanted, PAGE + 1)
    shown = found[:PAGE]
    older = cursor_text(shown[-1].id) if len(found) > PAGE else ""
    return {
        "jobs": [job_document(job, parts.catalogue) for job in shown],
        "search": search,
        "state": state if state in GROUPS else "",
        "cursor": cursor,
        "older": address(search, state, older) if older else "",
        "newest": address(search, state, ""),
        "per_page": PAGE,
    }


def threshold_of(parts: Services, job: JobView) -> float | None:
    """Return the confidence from which on this job's readings are accepted; None when none is or nobody knows."""
    package = parts.catalogue.find(job.model_name, job.model_version)
    threshold = package.threshold(job.target_error) if package else math.inf
    return threshold if math.isfinite(threshold) else None


def address(search: str, state: str, cursor: str) -> str:
    """Return the address of a page of the list; what is empty is left out."""
    chosen = {"search": search, "state": state, "cursor": cursor}
    query = urlencode({name: value for name, value in chosen.items() if value})
    return f"/jobs?{query}" if query else "/jobs"
