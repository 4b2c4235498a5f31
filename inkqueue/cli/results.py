"""`inkqueue results`: fetch what was read."""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Literal

import typer

from inkqueue.cli.exits import Exit
from inkqueue.cli.output import note, whole_file
from inkqueue.cli.session import session_of
from inkqueue.cli.submitting import write_export

if TYPE_CHECKING:
    from inkqueue.client import Job

Format = Literal["csv", "ndjson", "xlsx", "json"]


def results(
    ctx: typer.Context,
    job_id: Annotated[str, typer.Argument(metavar="JOB", help="The job's id.")],
    form: Annotated[Format, typer.Option("--format", "-f", help="How they are written.")] = "csv",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write there instead of stdout.")
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Wait for the job's end first, or take what is there.")
    ] = True,
) -> None:
    """Print a job's results, or write them to a file that is complete or not there."""
    session = session_of(ctx)
    with session.client() as client:
        job = client.get(job_id)
        if wait and not job.done:
            job.wait(progress=not session.quiet)
        if form == "json":
            _write_json(job, output)
        else:
            write_export(job, form, output)
    if not job.done:
        note(f"{job.id} is {job.status}: these are the items finished so far.")
        raise typer.Exit(Exit.NOT_FINISHED)


def _write_json(job: Job, output: Path | None) -> None:
    """Write all items as one JSON array, an item a line."""
    to_stdout = output is None or output == Path("-")
    with nullcontext(sys.stdout.buffer) if to_stdout else whole_file(output) as stream:  # type: ignore[arg-type] # a path unless it goes to stdout
        _write_array(job, stream)
        stream.flush()


def _write_array(job: Job, stream: IO[bytes]) -> None:
    separator = b"[\n"
    for item in job.results(follow=False):
        stream.write(separator + json.dumps(item.raw, ensure_ascii=False).encode())
        separator = b",\n"
    stream.write(b"\n]\n" if separator == b",\n" else b"[]\n")


COMMANDS = {"results": results}
