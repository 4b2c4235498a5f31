"""What people say of items: give and take back a review, many at once, and what they come to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from starlette.responses import Response

from api.answers import Json
from api.auth import Reader, Reviewer
from api.openapi import problems
from api.options import Text, whole
from api.render import item_document
from api.review_schemas import ReviewedItems, ReviewSummary
from api.routes.items import Seq
from api.routes.jobs import JobId
from api.schemas import Item
from api.seqs import Seqs, numbers
from api.services import Caller, Parts, Services
from api.strict import StrictRoute
from shared.errors import NotFound
from shared.ids import job_id_text, parse_job_id
from shared.jobs.results import read_item, read_items
from shared.reviews.give import MOST_ITEMS, MOST_NAME, By, Review, give_reviews, reviewer_name, take_back
from shared.reviews.summary import summarize_reviews

router = APIRouter(tags=["reviews"], route_class=StrictRoute)

Reason = Literal["blank", "not_a_digit", "crossed_out"]
Label = Annotated[Text, StringConstraints(min_length=1, max_length=200)]
NAME_PATTERN = r"^[A-Za-z0-9]([A-Za-z0-9 ._@-]{0,62}[A-Za-z0-9])?$"
"""What every name of a reviewer may look like; letters of other alphabets are taken too."""
Name = Annotated[
    str,
    Path(
        description=f"Name of the reviewer, 1 to {MOST_NAME} characters.",
        json_schema_extra={"pattern": NAME_PATTERN},
        examples=["anna"],
    ),
]


_VALUE_OR_REASON: dict[str, Any] = {
    "oneOf": [
        {"properties": {"value": {"type": "string"}, "reason": {"type": "null"}}},
        {"properties": {"value": {"type": "null"}, "reason": {"type": "string"}}, "required": ["reason"]},
    ]
}


class Given(BaseModel):
    """A label of the job's model, or `null` with the reason why there is none."""

    model_config = ConfigDict(extra="forbid", strict=True, json_schema_extra=_VALUE_OR_REASON)

    value: Label | None = Field(examples=["7"], json_schema_extra={"format": "label"})
    reason: Reason | None = None
    field: None = Field(None, description="Field of a form; the items of other jobs have none.")


class GivenItem(Given):
    """The review of one item among many."""

    seq: Annotated[int, Field(ge=0, le=2**31 - 1), BeforeValidator(whole)]


class Many(BaseModel):
    """Reviews of several items by one reviewer."""

    model_config = ConfigDict(extra="forbid", strict=True)

    reviewer: Label = Field(json_schema_extra={"pattern": NAME_PATTERN}, examples=["anna"])
    items: Annotated[list[GivenItem], Field(min_length=1, max_length=MOST_ITEMS)]


@router.put(
    "/v1/jobs/{job_id}/items/{seq}/reviews/{reviewer}",
    response_model=Item,
    summary="Review an item",
    responses=problems(404, 409, 410, 503, 507),
)
def put(job_id: JobId, seq: Seq, reviewer: Name, given: Given, parts: Parts, caller: Reviewer) -> Response:
    """Say what an item shows; a reviewer has one say an item, and a later one replaces it."""
    key, by = parse_job_id(job_id), _by(caller, reviewer, "path.reviewer")
    if give_reviews(parts.db, parts.catalogue, key, by, [_review(seq, given)], "body"):
        parts.tickets.hint(key)
    return Json(item_document(read_item(parts.db, caller.tenant, key, seq)))


@router.delete(
    "/v1/jobs/{job_id}/items/{seq}/reviews/{reviewer}",
    response_model=Item,
    summary="Take a review back",
    responses=problems(404, 410, 503),
)
def delete(job_id: JobId, seq: Seq, reviewer: Name, parts: Parts, caller: Reviewer) -> Response:
    """Undo a reviewer's review of an item; answers with the item as it is then."""
    key = parse_job_id(job_id)
    if not take_back(parts.db, key, _by(caller, reviewer, "path.reviewer"), [seq]):
        raise NotFound("There is no review of this item by this reviewer.")
    parts.tickets.hint(key)
    return Json(item_document(read_item(parts.db, caller.tenant, key, seq)))


@router.post(
    "/v1/jobs/{job_id}/reviews",
    response_model=ReviewedItems,
    summary="Review many items",
    responses=problems(404, 409, 410, 503, 507),
)
def post(job_id: JobId, given: Many, parts: Parts, caller: Reviewer) -> Response:
    """Review up to 1,000 items at once, all or none; the items come back in the order given."""
    key, by = parse_job_id(job_id), _by(caller, given.reviewer, "body.reviewer")
    reviews = [_review(one.seq, one) for one in given.items]
    if give_reviews(parts.db, parts.catalogue, key, by, reviews, "body.items.{n}"):
        parts.tickets.hint(key)
    return Json({"items": _documents(parts, caller, key, [one.seq for one in reviews])})


@router.delete(
    "/v1/jobs/{job_id}/reviews",
    response_model=ReviewedItems,
    summary="Take many reviews back",
    responses=problems(404, 410, 503),
)
def delete_many(
    job_id: JobId,
    parts: Parts,
    caller: Reviewer,
    reviewer: Annotated[Label, Query(json_schema_extra={"pattern": NAME_PATTERN}, examples=["anna"])],
    seqs: Seqs,
) -> Response:
    """Undo a reviewer's reviews of up to 500 items, all or none; the items come back in the order given.

    Repeating it is harmless: an item without such a review stays as it is.
    """
    key, by, wanted = parse_job_id(job_id), _by(caller, reviewer, "query.reviewer"), _numbers(seqs)
    if take_back(parts.db, key, by, wanted):
        parts.tickets.hint(key)
    return Json({"items": _documents(parts, caller, key, wanted)})


@router.get(
    "/v1/jobs/{job_id}/reviews",
    response_model=ReviewSummary,
    summary="Sum reviews up",
    responses=problems(404, 410, 503),
)
def summary(job_id: JobId, parts: Parts, caller: Reader) -> Response:
    """Say how far reviewing has come, and how well reviewers agree (percent and Cohen's kappa); no answer is shown."""
    key = parse_job_id(job_id)
    found = summarize_reviews(parts.db, caller.tenant, key)
    return Json({"job_id": job_id_text(key), **found})


def _by(caller: Caller, reviewer: str, loc: str) -> By:
    """Say who reviews; where nobody has keys, nobody stands above the others."""
    name = reviewer_name(reviewer, loc)
    return By(caller.tenant, name, caller.key_id, is_admin=not caller.open and caller.may("admin"))


def _numbers(text: str) -> list[int]:
    """Read a list of items.

    Raises:
        InvalidRequest: one stands there twice.
        NotFound: no item has so great a number.
    """
    wanted = numbers(text)
    if max(wanted) >= 2**31:
        raise NotFound(f"There is no finished item with the number {max(wanted)}.")
    return wanted


def _review(seq: int, given: Given) -> Review:
    return Review(seq, given.value, given.reason)


def _documents(parts: Services, caller: Caller, key: UUID, seqs: Sequence[int]) -> list[dict[str, Any]]:
    """Return items as they are now, in this order."""
    found = {item.seq: item for item in read_items(parts.db, caller.tenant, key, seqs)}
    return [item_document(found[seq]) for seq in seqs if seq in found]
