"""Pages for people: submit, try, the list of jobs, one job, the API reference."""

from __future__ import annotations

from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from api import pages
from api.auth import Reader, Submitter, check_form
from api.problems import request_id_of
from api.routes.submit import receive
from api.services import Caller, Parts, Services
from api.strict import StrictRoute
from api.submission import Circumstances
from shared.documents import job_document
from shared.ids import job_id_text, parse_job_id
from shared.jobs.read import JobFilter, get_job, list_jobs

router = APIRouter(include_in_schema=False, route_class=StrictRoute)

LATEST = 5
PAGE = 25


def latest(parts: Services, caller: Caller, limit: int) -> list[dict[str, Any]]:
    """Return the documents of the newest jobs."""
    jobs = list_jobs(parts.db, caller.tenant, JobFilter(), limit)
    return [job_document(job, parts.catalogue) for job in jobs]


@router.get("/")
def home(parts: Parts, caller: Reader) -> Response:
    """Show the form and the latest jobs."""
    return pages.page("home.html", caller, here="/", jobs=latest(parts, caller, LATEST))


@router.post("/jobs")
async def submit(request: Request, parts: Parts, caller: Submitter) -> Response:
    """Take the form in and lead to the job's page."""
    how = Circumstances(tenant=caller.tenant, request_id=request_id_of(request))
    made = await receive(request, parts, how, partial(check_form, caller))
    return RedirectResponse(f"/jobs/{job_id_text(made.job_id)}", 303)


@router.get("/jobs")
def jobs(parts: Parts, caller: Reader) -> Response:
    """Show the list of jobs."""
    return pages.page("jobs.html", caller, here="/jobs", jobs=latest(parts, caller, PAGE))


@router.get("/jobs/{job_id}")
def show(job_id: str, parts: Parts, caller: Reader) -> Response:
    """Show a job's state."""
    job = get_job(parts.db, caller.tenant, parse_job_id(job_id))
    document = job_document(job, parts.catalogue)
    return pages.page("job.html", caller, here="/jobs", tab="", job=document, ended=job.terminal)


@router.get("/docs")
async def docs() -> Response:
    """Show the API reference."""
    return HTMLResponse(pages.DOCS, headers={"Content-Security-Policy": pages.DOCS_POLICY})
