"""The list of keys over HTTP, page by page."""

from __future__ import annotations

from typing import Any

import httpx

from shared.db import Database
from shared.ids import parse_key_id
from shared.keys.store import list_keys, revoke_key
from tests.api.files import problem
from tests.api.keyed import bearer, key_for


def test_a_long_list_of_keys_comes_in_pages(api: httpx.Client, database: Database) -> None:
    """Every key comes once, valid ones first, even when the last of a page is revoked before the next is asked for."""
    acme = key_for(database, "acme")
    for _ in range(4):
        key_for(database, "acme")
    revoke_key(database, "acme", list_keys(database, "acme")[1].id)

    def page(**query: object) -> dict[str, Any]:
        answer: dict[str, Any] = api.get("/v1/keys", params=query, headers=bearer(acme)).json()
        return answer

    whole = page()
    assert whole["next_cursor"] is None
    assert [key["state"] for key in whole["items"]] == ["active"] * 4 + ["revoked"]
    first = page(limit=2)
    revoke_key(database, "acme", parse_key_id(first["items"][-1]["id"]))
    second = page(limit=2, cursor=first["next_cursor"])
    third = page(limit=2, cursor=second["next_cursor"])
    found = [key["id"] for one in (first, second, third) for key in one["items"]]
    assert found[:4] == [key["id"] for key in whole["items"][:4]]
    assert set(found) == {key["id"] for key in whole["items"]}
    assert third["next_cursor"] is None
    for wrong in ("", "v", "x" + first["next_cursor"][1:], first["next_cursor"] + "a"):
        problem(api.get("/v1/keys", params={"cursor": wrong}, headers=bearer(acme)), 422, "invalid_request")
