"""Pages for people: the landing page, one job, the API reference."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from api import pages
from api.auth import Reader, Submitter
from api.problems import request_id_of, status_of
from api.routes.submit import receive
from api.services import Parts
from api.submission import Circumstances
from shared.documents import job_document
from shared.errors import InkqueueError
from shared.ids import job_id_text, parse_job_id
from shared.jobs.read import JobFilter, get_job, list_jobs

router = APIRouter(include_in_schema=False)

LATEST = 50


def _html(text: str, status: int = 200, policy: str = pages.POLICY) -> HTMLResponse:
    return HTMLResponse(text, status, {"Content-Security-Policy": policy})


@router.get("/")
def home(parts: Parts, caller: Reader) -> Response:
    """Show the latest jobs and a form."""
    jobs = list_jobs(parts.db, caller.tenant, JobFilter(), LATEST)
    return _html(pages.home([job_document(job, parts.catalogue) for job in jobs]))


@router.post("/jobs")
async def submit(request: Request, parts: Parts, caller: Submitter) -> Response:
    """Take the form in and lead to the job's page."""
    how = Circumstances(tenant=caller.tenant, request_id=request_id_of(request))
    try:
        made = await receive(request, parts, how)
    except InkqueueError as error:
        return _html(pages.problem(error.title, error.detail), status_of(error))
    return RedirectResponse(f"/jobs/{job_id_text(made.job_id)}", 303)


@router.get("/jobs/{job_id}")
def show(job_id: str, parts: Parts, caller: Reader) -> Response:
    """Show a job's state."""
    try:
        job = get_job(parts.db, caller.tenant, parse_job_id(job_id))
    except InkqueueError as error:
        return _html(pages.problem(error.title, error.detail), status_of(error))
    return _html(pages.job(job_document(job, parts.catalogue), job.terminal))


@router.get("/docs")
async def docs() -> Response:
    """Show the API reference."""
    return _html(pages.DOCS, policy=pages.DOCS_POLICY)
