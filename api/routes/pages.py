"""Pages for people: submit, try, the list of jobs, one job, the API reference."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from api import pages
from api.auth import Reader, Submitter, check_form
from api.forms import form_fields
from api.options import Text, from_json
from api.page_choices import choices
from api.page_jobs import listing, threshold_of
from api.problems import request_id_of
from api.routes.submit import receive, stashing
from api.samples import NAME, samples
from api.services import Parts
from api.stash import Stash
from api.strict import PageRoute
from api.submission import Circumstances
from shared.documents import job_document, time_text
from shared.ids import job_id_text, parse_job_id
from shared.jobs.read import JobFilter, get_job, list_jobs

router = APIRouter(include_in_schema=False, route_class=PageRoute)

LATEST = 6


@router.get("/")
def home(parts: Parts, caller: Reader) -> Response:
    """Show the form and the latest jobs."""
    found = list_jobs(parts.db, caller.tenant, JobFilter(), LATEST)
    shown = [job_document(job, parts.catalogue) for job in found]
    return pages.page("home.html", caller, here="/", jobs=shown, **choices(parts))


@router.post("/jobs")
async def submit(request: Request, parts: Parts, caller: Submitter) -> Response:
    """Take the form in and lead to the job's page."""
    how = Circumstances(tenant=caller.tenant, request_id=request_id_of(request))
    made = await receive(request, parts, how, partial(check_form, caller))
    return RedirectResponse(f"/jobs/{job_id_text(made.job_id)}", 303)


@router.post("/jobs/samples")
async def try_samples(request: Request, parts: Parts, caller: Submitter) -> Response:
    """Submit our own samples, so that a newcomer sees results at once."""
    check_form(caller, (await form_fields(request)).get("csrf"))
    how = Circumstances(tenant=caller.tenant, request_id=request_id_of(request))
    async with stashing(parts, caller.tenant, request) as stash:
        await parts.intake.in_thread(partial(_stash_samples, stash))
        made, job = await run_in_threadpool(
            partial(parts.submissions.submit, stash, from_json({"name": NAME}), how)
        )
    if job is not None:
        parts.tickets.send(job.lane, len(job.chunks))
    return RedirectResponse(f"/jobs/{job_id_text(made.job_id)}", 303)


def _stash_samples(stash: Stash) -> None:
    for name, data in samples():
        stash.add(name, None, data)
    stash.finish()


@router.get("/try")
def draw(parts: Parts, caller: Reader) -> Response:
    """Show the page to draw, shoot or choose one digit."""
    return pages.page("try.html", caller, here="/try", **choices(parts))


@router.get("/jobs")
def jobs(
    parts: Parts,
    caller: Reader,
    search: Annotated[Text, Query(max_length=200)] = "",
    state: Annotated[str, Query(max_length=20)] = "",
    cursor: Annotated[str, Query(max_length=100)] = "",
) -> Response:
    """Show the list of jobs."""
    return pages.page("jobs.html", caller, here="/jobs", **listing(parts, caller, search, state, cursor))


@router.get("/jobs/{job_id}")
def show(job_id: str, parts: Parts, caller: Reader) -> Response:
    """Show a job's state."""
    job = get_job(parts.db, caller.tenant, parse_job_id(job_id))
    document = job_document(job, parts.catalogue)
    shown: dict[str, Any] = {"job": document, "ended": job.terminal, "now": time_text(job.now)}
    shown["threshold"] = threshold_of(parts, job)
    return pages.page("job.html", caller, here="/jobs", tab="", **shown)
