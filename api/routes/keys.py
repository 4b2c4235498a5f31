"""`/v1/keys`: an admin manages the keys of the own tenant."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from api.answers import Json
from api.auth import Admin
from api.openapi import problems
from api.schemas import Schema
from api.services import Parts
from api.strict import StrictRoute
from shared.errors import Forbidden
from shared.ids import KEY_CURSOR_PATTERN, key_cursor_text, parse_key_cursor, parse_key_id
from shared.keys.rules import LONGEST_LIFE_S, LONGEST_NAME
from shared.keys.store import MOST_LISTED, create_key, list_keys, revoke_key
from shared.keys.view import key_document

router = APIRouter(tags=["keys"], route_class=StrictRoute)

ScopeName = Literal["submit", "read", "review", "admin"]
KeyId = Annotated[str, Path(description="`key_…`", examples=["key_0198f6c2a1b47c3e8d9f0a1b2c3d4e5f"])]
Cursor = Annotated[
    str | None,
    Query(description="`next_cursor` of the page before.", json_schema_extra={"pattern": KEY_CURSOR_PATTERN}),
]


class Key(Schema):
    """A key without its secret."""

    id: str
    prefix: str = Field(description="The public part, as the key begins.")
    name: str
    tenant: str
    scopes: list[ScopeName]
    state: Literal["active", "expired", "revoked"]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None = Field(description="To the minute.")
    revoked_at: datetime | None


class NewKey(Key):
    """A key that was made just now."""

    key: str = Field(description="The whole key. It is shown this once and stored nowhere.")


class KeyList(Schema):
    """The keys of a tenant: valid ones first, then newest first."""

    items: list[Key]
    next_cursor: str | None


class KeyWanted(BaseModel):
    """What a new key is to be."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: str = Field(min_length=1, max_length=LONGEST_NAME, description="Tells people what it is for.")
    scopes: list[ScopeName] = Field(min_length=1, max_length=4)
    expires_in_s: float | None = Field(
        None,
        gt=0,
        le=LONGEST_LIFE_S,
        allow_inf_nan=False,
        description="Seconds that it is valid; null: for ever.",
    )


@router.get("/v1/keys", response_model=KeyList, summary="List keys", responses=problems(422, 503))
def index(
    parts: Parts,
    caller: Admin,
    limit: Annotated[int, Query(ge=1, le=MOST_LISTED)] = MOST_LISTED,
    cursor: Cursor = None,
) -> Response:
    """List the keys of the caller's tenant, valid ones first; without `limit` the first page has all of these."""
    after = parse_key_cursor(cursor) if cursor is not None else None
    keys = list_keys(parts.db, caller.tenant, limit=limit + 1, after=after)
    page = keys[:limit]
    following = key_cursor_text(page[-1].id, valid=page[-1].state == "active") if len(keys) > limit else None
    return Json({"items": [key_document(key) for key in page], "next_cursor": following})


@router.post(
    "/v1/keys", status_code=201, response_model=NewKey, summary="Make a key", responses=problems(422, 503)
)
def create(wanted: KeyWanted, parts: Parts, caller: Admin) -> Response:
    """Make a key in the caller's tenant; the answer alone shows it whole."""
    if caller.open:
        raise Forbidden(
            "The first key closes the service, so it is made on its machine: inkqueue keys create --name admin"
            " --scopes admin"
        )
    view, key = create_key(parts.db, caller.tenant, wanted.scopes, wanted.name, wanted.expires_in_s)
    return Json(key_document(view) | {"key": key.text}, 201)


@router.delete(
    "/v1/keys/{key_id}",
    status_code=204,
    response_class=Response,
    summary="Revoke a key",
    responses=problems(404, 503),
)
def revoke(key_id: KeyId, parts: Parts, caller: Admin) -> Response:
    """Revoke a key of the caller's tenant; within 5 s every process refuses it. Again is the same."""
    revoke_key(parts.db, caller.tenant, parse_key_id(key_id))
    return Response(status_code=204)
