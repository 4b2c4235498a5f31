"""`inkqueue cancel`, `retry` and `delete`: change jobs."""

from __future__ import annotations

from typing import Annotated

import typer

from inkqueue.cli.exits import exit_of_job
from inkqueue.cli.output import note, one_line, print_json
from inkqueue.cli.session import session_of

JobsArgument = Annotated[list[str], typer.Argument(metavar="JOB...", help="The jobs' ids.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def cancel(ctx: typer.Context, job_ids: JobsArgument, as_json: JsonOption = False) -> None:
    """Stop jobs; what is done is kept, and a job that has ended stays as it is."""
    with session_of(ctx).client() as client:
        for job_id in job_ids:
            job = client.cancel(job_id)
            if as_json:
                print_json(job.state.raw)
            else:
                note(one_line(job.state))


def retry(
    ctx: typer.Context,
    job_id: Annotated[str, typer.Argument(metavar="JOB", help="The job's id.")],
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the end; the exit code tells it.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Make a new job of the items that failed, were canceled or expired, and print its id."""
    session = session_of(ctx)
    with session.client() as client:
        job = client.retry(job_id)
        if not as_json:
            print(job.id, flush=True)
        if wait:
            job.wait(progress=not session.quiet)
            note(one_line(job.state))
        if as_json:
            print_json(job.state.raw)
    if wait:
        raise typer.Exit(exit_of_job(job.state))


def delete(ctx: typer.Context, job_ids: JobsArgument) -> None:
    """Delete finished jobs with their inputs and results."""
    with session_of(ctx).client() as client:
        for job_id in job_ids:
            client.delete(job_id)
            note(f"{job_id} deleted")


COMMANDS = {"cancel": cancel, "retry": retry, "delete": delete}
