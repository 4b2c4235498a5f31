"""What `inkqueue keys …` runs in a process of its own: `python -m shared.keys`, the request as JSON on stdin.

Prints one JSON object: `{"ok": true, "answer": …}`, or `{"ok": false, "error": …, "fix": …, "exit": …}` with code
1. The request comes by stdin because a list of processes shows arguments to everybody on the machine.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import pydantic
from sqlalchemy.exc import SQLAlchemyError

from shared.db import Database
from shared.errors import InkqueueError, InvalidRequest, NotFound, Unavailable
from shared.ids import parse_key_id
from shared.keys.rules import lifetime_s
from shared.keys.store import KeyView, create_key, key_of_prefix, list_keys, revoke_key
from shared.keys.text import new_key
from shared.keys.view import key_document
from shared.settings import Settings, get_settings

Request = Mapping[str, Any]
_EXITS: dict[type[InkqueueError], str] = {InvalidRequest: "USAGE", NotFound: "NOT_FOUND"}
_DATABASE = "Start the service, or set INKQUEUE_DATABASE_URL to its database and migrate that: python -m shared.migrate"


def answer_of(request: Request, settings: Settings) -> Any:
    """Do what is asked."""
    if request["command"] == "generate":
        return {"key": new_key().text}
    db = Database(settings.sqlalchemy_url, "tool", 1)
    try:
        match request["command"]:
            case "create":
                return _create(db, request)
            case "list":
                return [key_document(key) for key in list_keys(db, request.get("tenant"))]
            case "revoke":
                return key_document(_revoke(db, str(request["key"])))
            case other:
                raise InvalidRequest(f"There is no command {other!r}.")
    finally:
        db.close()


def _create(db: Database, request: Request) -> dict[str, Any]:
    lifetime = lifetime_s(request.get("expires"))
    view, key = create_key(db, request["tenant"], request["scopes"], request["name"], lifetime)
    return key_document(view) | {"key": key.text}


def _revoke(db: Database, named: str) -> KeyView:
    """Revoke by id, by public part, or by the whole key that has become known to others."""
    found: UUID | None = parse_key_id(named) if named.startswith("key_") else key_of_prefix(db, named[:15])
    if found is None:
        raise NotFound(f"There is no key {named[:15]!r}. `inkqueue keys list` shows those that are.")
    return revoke_key(db, None, found)


def main() -> int:
    """Run one command."""
    error, fix, code = "", "", "REFUSED"
    try:
        print(json.dumps({"ok": True, "answer": answer_of(json.load(sys.stdin), get_settings())}))
        return 0
    except pydantic.ValidationError as wrong:
        names = ", ".join(f"INKQUEUE_{str(e['loc'][0]).upper()}" for e in wrong.errors())
        error, fix = f"These settings cannot be understood: {names}.", "Look at docs/configuration.md."
        code = "USAGE"
    except Unavailable as wrong:
        error, fix, code = wrong.detail, _DATABASE, "UNAVAILABLE"
    except SQLAlchemyError:
        error, fix, code = "The database has not the tables of this version.", _DATABASE, "UNAVAILABLE"
    except InkqueueError as wrong:
        error, code = wrong.detail, _EXITS.get(type(wrong), "REFUSED")
    print(json.dumps({"ok": False, "error": error, "fix": fix, "exit": code}))
    return 1


if __name__ == "__main__":
    sys.exit(main())
