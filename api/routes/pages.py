"""Pages for people: the landing page, one job, the API reference."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from api import pages
from api.auth import Reader, Submitter, check_form
from api.problems import request_id_of
from api.routes.submit import receive
from api.services import Caller, Parts
from api.strict import StrictRoute
from api.submission import Circumstances
from shared.documents import job_document
from shared.ids import job_id_text, parse_job_id
from shared.jobs.read import JobFilter, get_job, list_jobs

router = APIRouter(include_in_schema=False, route_class=StrictRoute)

LATEST = 50


def _html(text: str, status: int = 200, policy: str = pages.POLICY) -> HTMLResponse:
    # with no referrer at all a browser would hide the origin of our own forms as well
    headers = {"Content-Security-Policy": policy, "Referrer-Policy": "same-origin"}
    return HTMLResponse(text, status, headers)


def _token(caller: Caller) -> str | None:
    return caller.signed_in.csrf if caller.signed_in is not None else None


@router.get("/")
def home(parts: Parts, caller: Reader) -> Response:
    """Show the latest jobs and a form."""
    jobs = list_jobs(parts.db, caller.tenant, JobFilter(), LATEST)
    documents = [job_document(job, parts.catalogue) for job in jobs]
    return _html(pages.home(documents, _token(caller)))


@router.post("/jobs")
async def submit(request: Request, parts: Parts, caller: Submitter) -> Response:
    """Take the form in and lead to the job's page."""
    how = Circumstances(tenant=caller.tenant, request_id=request_id_of(request))
    made = await receive(request, parts, how, partial(check_form, caller))
    return RedirectResponse(f"/jobs/{job_id_text(made.job_id)}", 303)


@router.get("/jobs/{job_id}")
def show(job_id: str, parts: Parts, caller: Reader) -> Response:
    """Show a job's state."""
    job = get_job(parts.db, caller.tenant, parse_job_id(job_id))
    return _html(pages.job(job_document(job, parts.catalogue), job.terminal, _token(caller)))


@router.get("/docs")
async def docs() -> Response:
    """Show the API reference."""
    return _html(pages.DOCS, policy=pages.DOCS_POLICY)
