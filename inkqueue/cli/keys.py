"""`inkqueue keys create`, `list`, `revoke` and `generate`: who may use the service of this machine's database."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Annotated, Any

import typer

from inkqueue.cli.errors import Failure
from inkqueue.cli.exits import Exit
from inkqueue.cli.machine import ROOMS, need
from inkqueue.cli.output import note, print_facts, print_json, print_table
from inkqueue.local.home import with_local_urls

_LONGEST_S = 60
WARNING = "This key is shown once and stored nowhere. Whoever has it can do what it allows: keep it like a password."
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
app = typer.Typer(
    no_args_is_help=True, help="Make, list and revoke API keys. The first key closes an open service."
)


def create(
    name: Annotated[str, typer.Option(help="What it is for.")] = "key",
    scopes: Annotated[
        str, typer.Option(help="Of submit, read, review, admin; commas between. admin includes all.")
    ] = "submit,read",
    tenant: Annotated[str, typer.Option(help="Whose it is; a new one is made.")] = "default",
    expires: Annotated[
        str | None,
        typer.Option(metavar="90d", help="A span (12h, 90d, 2w), a time, or never. (default: never)"),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a key and print it, this once: the key alone to stdout, the rest to stderr."""
    wanted = [scope.strip() for scope in scopes.split(",") if scope.strip()]
    made = _ask(command="create", name=name, scopes=wanted, tenant=tenant, expires=expires)
    if as_json:
        print_json(made)
    else:
        note(f"{made['name']}: {', '.join(made['scopes'])} in tenant {made['tenant']}, {_until(made)}")
    note(WARNING)
    if not as_json:
        print(made["key"], flush=True)


def list_keys(
    tenant: Annotated[str | None, typer.Option(help="Only this tenant's. (default: all)")] = None,
    as_json: JsonOption = False,
) -> None:
    """List the keys, newest first; the secrets are known to nobody."""
    keys = _ask(command="list", tenant=tenant)
    if as_json:
        print_json(keys)
        return
    columns = ("prefix", "name", "tenant", "scopes", "state", "created", "expires", "last used")
    print_table(columns, map(_row, keys))


def revoke(
    key: Annotated[str, typer.Argument(metavar="PREFIX|ID", help="ik_… as listed, or key_….")],
    as_json: JsonOption = False,
) -> None:
    """Revoke a key: every process refuses it within 5 s, sign-ins with it included. Again is the same."""
    revoked = _ask(command="revoke", key=key)
    if as_json:
        print_json(revoked)
    else:
        print_facts((name, revoked[name]) for name in ("prefix", "name", "tenant", "state", "revoked_at"))


def generate() -> None:
    """Draw a key for INKQUEUE_BOOTSTRAP_KEY and print it; nothing is stored."""
    print(_ask(command="generate")["key"], flush=True)


app.command("create")(create)
app.command("list")(list_keys)
app.command("revoke")(revoke)
app.command("generate")(generate)


def _row(key: dict[str, Any]) -> list[str]:
    times = [
        _second(key["created_at"]),
        *(_second(key[at]) or "never" for at in ("expires_at", "last_used_at")),
    ]
    return [key["prefix"], key["name"], key["tenant"], ",".join(key["scopes"]), key["state"], *times]


def _until(key: dict[str, Any]) -> str:
    return f"until {_second(key['expires_at'])}" if key["expires_at"] else "for ever"


def _second(at: str | None) -> str:
    """Write a time to the second."""
    return f"{at[:19]}Z" if at else ""


def _ask(**request: object) -> Any:
    """Have the server package do it, in a process of its own; nothing secret stands among its arguments."""
    need("server", "pydantic_settings", "psycopg", "sqlalchemy")
    environment = with_local_urls(os.environ)
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOMS), *filter(None, [environment.get("PYTHONPATH")])])
    # neither module nor library may come from the folder that the user stands in
    command = [sys.executable, "-P", "-m", "shared.keys"]
    try:
        finished = subprocess.run(
            command,
            input=json.dumps(request),
            capture_output=True,
            encoding="utf-8",
            check=False,
            env=environment,
            timeout=_LONGEST_S,
        )
    except subprocess.TimeoutExpired:
        raise Failure(f"The database did not answer within {_LONGEST_S} s.", code=Exit.UNAVAILABLE) from None
    try:
        answer = json.loads(finished.stdout.strip().splitlines()[-1])
    except (ValueError, IndexError):
        last = finished.stderr.strip().splitlines()[-1:] or [f"it ended with code {finished.returncode}"]
        raise Failure(f"The server package does not work: {last[0]}") from None
    if not answer["ok"]:
        raise Failure(answer["error"], answer["fix"], Exit[answer["exit"]])
    return answer["answer"]
