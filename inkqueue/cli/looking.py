"""`inkqueue status`, `watch`, `list` and `models`: look, change nothing."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from inkqueue.cli.exits import exit_of_job
from inkqueue.cli.output import job_facts, note, one_line, print_facts, print_json, print_table, time_text
from inkqueue.cli.session import session_of

JobArgument = Annotated[str, typer.Argument(metavar="JOB", help="The job's id.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def status(ctx: typer.Context, job_id: JobArgument, as_json: JsonOption = False) -> None:
    """Show how a job stands."""
    with session_of(ctx).client() as client:
        state = client.get(job_id).state
    if as_json:
        print_json(state.raw)
    else:
        print_facts(job_facts(state))


def watch(
    ctx: typer.Context,
    job_id: JobArgument,
    timeout: Annotated[float | None, typer.Option(metavar="SECONDS", help="Wait this long at most.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print each change as a line of JSON.")] = False,
) -> None:
    """Follow a job to its end; the exit code tells how it ended."""
    session = session_of(ctx)
    with session.client() as client:
        job = client.get(job_id)
        if as_json:
            for state in job.watch(timeout):
                print(json.dumps(state.raw, ensure_ascii=False), flush=True)
        else:
            job.wait(timeout, progress=not session.quiet)
            note(one_line(job.state))
    raise typer.Exit(exit_of_job(job.state))


def list_jobs(
    ctx: typer.Context,
    status: Annotated[str | None, typer.Option(help="Only jobs in this state.")] = None,
    name: Annotated[str | None, typer.Option(help="Only jobs of this name.")] = None,
    search: Annotated[
        str | None, typer.Option(help="Only jobs with this in their name, in capitals or not.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print a line of JSON a job.")] = False,
) -> None:
    """List jobs, newest first."""
    given = {"status": status, "name": name, "search": search}
    filters = {key: value for key, value in given.items() if value is not None}
    with session_of(ctx).client() as client:
        states = [job.state for job in client.jobs(limit, **filters)]
    if as_json:
        for state in states:
            print(json.dumps(state.raw, ensure_ascii=False))
        return
    columns = ("job", "status", "done", "accepted", "review", "failed", "created", "name")
    rows = [
        (
            state.id,
            state.status,
            f"{state.counts.finished}/{state.counts.total}",
            state.counts.accepted,
            state.counts.review,
            state.counts.failed,
            time_text(state.created_at),
            state.name,
        )
        for state in states
    ]
    print_table(columns, rows)


def models(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """List the models that the service offers."""
    with session_of(ctx).client() as client:
        cards = client.models()
    if as_json:
        print_json([card.raw for card in cards])
        return
    rows = [(card.name, card.version, " ".join(card.labels), (card.sha256 or "")[:12]) for card in cards]
    print_table(("name", "version", "labels", "sha256"), rows)


COMMANDS = {"status": status, "watch": watch, "list": list_jobs, "models": models}
