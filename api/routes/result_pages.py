"""Pages of what a job's images were read as: gallery and table, the same without scripts, and reviewing."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from starlette.responses import Response

from api import pages
from api.auth import Reader
from api.options import Text
from api.page_jobs import threshold_of
from api.render import item_document
from api.services import Caller, Parts, Services
from api.sheets import COLUMNS, ROWS
from api.strict import PageRoute
from shared.cells import SIDE
from shared.documents import job_document
from shared.errors import Gone
from shared.ids import parse_job_id
from shared.jobs.read import JobView, get_job
from shared.jobs.results import ItemFilter, ItemView, read_page
from shared.keys.store import key_name
from shared.status import ItemStatus

router = APIRouter(include_in_schema=False, route_class=PageRoute)

PAGE = 100
Show = Literal["accepted", "review", "failed", "skipped", "canceled", "expired"]
State = Annotated[Text | None, Query(max_length=200)]
"""A part of the page's state that its script keeps in the address."""
_FILTERS: dict[Show, ItemFilter] = {
    "accepted": ItemFilter(decision="accept"),
    "review": ItemFilter(decision="review"),
    "failed": ItemFilter(statuses=("failed",)),
    "skipped": ItemFilter(statuses=("skipped",)),
    "canceled": ItemFilter(statuses=("canceled",)),
    "expired": ItemFilter(statuses=("expired",)),
}


@router.get("/jobs/{job_id}/results")
def results(
    job_id: str,
    parts: Parts,
    caller: Reader,
    view: State = None,
    show: State = None,
    value: State = None,
    sure: State = None,
    look: State = None,
    sort: State = None,
    group: State = None,
    item: State = None,
) -> Response:
    """Show the frame that the script fills from the job's grid and sheets; the parameters are the script's."""
    job = get_job(parts.db, caller.tenant, parse_job_id(job_id))
    is_plain = not any((show, value, sure, look, sort, group))
    return _page("results.html", parts, caller, job, "/results", is_plain=is_plain)


@router.get("/jobs/{job_id}/review")
def review(
    job_id: str,
    parts: Parts,
    caller: Reader,
    of: State = None,
    view: State = None,
    item: State = None,
    name: Annotated[Text | None, Query(alias="as", max_length=200)] = None,
) -> Response:
    """Show the frame of reviewing; the parameters are the script's."""
    job = get_job(parts.db, caller.tenant, parse_job_id(job_id))
    named = None if caller.key_id is None else key_name(parts.db, caller.tenant, caller.key_id)
    return _page("review.html", parts, caller, job, "/review", named=named)


@router.get("/jobs/{job_id}/list")
def plain(
    job_id: str,
    parts: Parts,
    caller: Reader,
    show: Annotated[Show | Literal[""], Query()] = "",
    value: Annotated[Text, Query(max_length=200)] = "",
    after: Annotated[int, Query(ge=-1, le=2**31 - 1)] = -1,
) -> Response:
    """Show results page by page as a table that needs no script."""
    key = parse_job_id(job_id)
    job = get_job(parts.db, caller.tenant, key)
    wanted = _filter(show, value)
    page = read_page(parts.db, caller.tenant, key, after=after, limit=PAGE, wanted=wanted)
    onward = {"show": show, "value": value, "after": str(page.last)}
    drawn = [item.seq for item in page.items if item.status == ItemStatus.SUCCEEDED]
    return _page(
        "result_list.html",
        parts,
        caller,
        job,
        "/results",
        items=[_row(item, drawn) for item in page.items],
        sheet=f"/v1/jobs/{job_id}/sheets?seqs={','.join(map(str, drawn))}",
        sheet_size=(COLUMNS * SIDE, SIDE * math.ceil(len(drawn) / COLUMNS)),
        side=SIDE,
        show=show,
        value=value,
        after=after,
        onward=None if page.complete or len(page.items) < PAGE else urlencode(onward),
    )


def _filter(show: Show | Literal[""], value: str) -> ItemFilter:
    """Return what a page is narrowed to."""
    chosen = _FILTERS[show] if show else ItemFilter()
    return ItemFilter(chosen.statuses, chosen.decision, prediction=value or None)


def _row(item: ItemView, drawn: list[int]) -> dict[str, Any]:
    """Return an item with the place of its picture in the sheet, if it has one."""
    document = item_document(item) | {"sure": _sureness(item.confidence), "cell": None}
    if item.status == ItemStatus.SUCCEEDED:
        row, column = divmod(drawn.index(item.seq), COLUMNS)
        document["cell"] = (column * SIDE, row * SIDE)
    return document


def _sureness(p: float | None) -> str:
    """Write a confidence for people, as the scripts do: never a hundred per cent, never none."""
    if p is None:
        return ""
    return "> 99.9 %" if p > 0.9995 else "< 0.1 %" if p < 0.0005 else f"{p * 100:.1f} %"


def _page(template: str, parts: Services, caller: Caller, job: JobView, tab: str, **more: Any) -> Response:
    """Answer with a page of a job.

    Raises:
        Gone: its results have expired.
    """
    if job.gone:
        raise Gone()
    package = parts.catalogue.find(job.model_name, job.model_version)
    document = job_document(job, parts.catalogue)
    known = {
        "job": document["id"],
        "name": document["name"],
        "version": job.version,
        "ended": job.terminal,
        "counts": document["counts"],
        "labels": package.labels if package else [],
        "threshold": threshold_of(parts, job),
        "sheet": {"columns": COLUMNS, "rows": ROWS, "side": SIDE},
        "named": more.get("named"),
    }
    return pages.page(template, caller, here="/jobs", tab=tab, job=document, known=known, **more)
