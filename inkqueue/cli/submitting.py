"""`inkqueue submit` and `inkqueue predict`: send images."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from inkqueue.cli.errors import Failure
from inkqueue.cli.exits import Exit, exit_of_job
from inkqueue.cli.output import note, one_line, print_facts, print_json, print_table, whole_file
from inkqueue.cli.session import Session, session_of

if TYPE_CHECKING:
    from inkqueue.client import Client, Job
    from inkqueue.client.options import PredictOptions, SubmitOptions
    from inkqueue.client.sources import Source
    from inkqueue.models import DryRun

Mode = Literal["classify", "digit", "number", "form"]
Priority = Literal["low", "normal", "high"]
ModeOption = Annotated[Mode | None, typer.Option(help="What is on an image. (default: classify)")]
ModelOption = Annotated[str | None, typer.Option(metavar="NAME[@VERSION]", help="Which model reads.")]
TargetErrorOption = Annotated[
    float | None,
    typer.Option(metavar="RATE", help="Accepted error rate among accepted readings, such as 0.001."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def submit(
    ctx: typer.Context,
    paths: Annotated[
        list[str], typer.Argument(metavar="PATH...", help="Images, PDFs, zips, folders; - is stdin.")
    ],
    mode: ModeOption = None,
    model: ModelOption = None,
    template: Annotated[str | None, typer.Option(help="The form's template, with --mode form.")] = None,
    name: Annotated[str | None, typer.Option(help="What people see, up to 200 characters.")] = None,
    target_error: TargetErrorOption = None,
    priority: Annotated[Priority | None, typer.Option(help="(default: normal)")] = None,
    deadline: Annotated[
        int | None, typer.Option(metavar="SECONDS", help="What is not finished by then expires.")
    ] = None,
    webhook_url: Annotated[
        str | None, typer.Option(metavar="URL", help="An https address that is told when the job ends.")
    ] = None,
    webhook_event: Annotated[
        list[str] | None,
        typer.Option(metavar="EVENT", help="What it is told, such as job.started; may be repeated."),
    ] = None,
    metadata: Annotated[
        list[str] | None, typer.Option(metavar="KEY=TEXT", help="Echoed back; may be repeated.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the end; the exit code tells it.")] = False,
    timeout: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Wait this long at most; implies --wait.")
    ] = None,
    csv: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the results there as CSV; implies --wait.")
    ] = None,
    as_json: JsonOption = False,
    idempotency_key: Annotated[
        str | None, typer.Option(metavar="KEY", help="A repeat with the same key makes no second job.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would be; keep nothing.")] = False,
) -> None:
    """Send images as one job and print its id.

    Folders are walked, their files sorted by path. A broken upload is taken up again without a second job.
    """
    session = session_of(ctx)
    given = {
        "mode": mode,
        "model": model,
        "template": template,
        "name": name,
        "target_error": target_error,
        "priority": priority,
        "deadline_s": deadline,
        "webhook_url": webhook_url,
        "webhook_events": webhook_event or None,
        "metadata": _metadata(metadata or []),
    }
    options = cast("SubmitOptions", _given(given))
    sources = [_source(path) for path in paths]
    with session.client() as client:
        if dry_run:
            _show_dry_run(client.dry_run(sources, **options), as_json=as_json)
            return
        job = _submitted(client, sources, options, idempotency_key, quiet=session.quiet)
        waiting = wait or timeout is not None or csv is not None
        if not (as_json and waiting):
            _announce(job, as_json=as_json, data_follows=csv == Path("-"))
        if waiting:
            raise typer.Exit(_await(session, job, timeout, csv, as_json=as_json))
        if sys.stderr.isatty() and not session.quiet:
            note(f"Follow it: inkqueue watch {job.id}")


def _submitted(
    client: Client,
    sources: Sequence[Source],
    options: SubmitOptions,
    idempotency_key: str | None,
    *,
    quiet: bool,
) -> Job:
    """Upload, with a bar."""
    from inkqueue.client.progress import shown_upload

    with shown_upload(not quiet) as progress:
        return client.submit(sources, idempotency_key=idempotency_key, upload_progress=progress, **options)


def _announce(job: Job, *, as_json: bool, data_follows: bool) -> None:
    """Print the job's id at once, so that a script has it whatever comes."""
    if as_json:
        print_json(job.state.raw)
    elif data_follows:
        note(job.id)
    else:
        print(job.id, flush=True)


def _await(session: Session, job: Job, timeout: float | None, csv: Path | None, *, as_json: bool) -> Exit:
    """Wait for the end, write the results, say how it went."""
    job.wait(timeout, progress=not session.quiet)
    if csv is not None:
        write_export(job, "csv", csv)
    if as_json:
        print_json(job.state.raw)
    elif not session.quiet:
        note(one_line(job.state))
    return exit_of_job(job.state)


def write_export(job: Job, form: Literal["csv", "ndjson", "xlsx"], path: Path | None) -> None:
    """Stream a job's results to a file, or to stdout."""
    if path is None or path == Path("-"):
        for piece in job.export(form):
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
        return
    with whole_file(path) as stream:
        for piece in job.export(form):
            stream.write(piece)


def _show_dry_run(plan: DryRun, *, as_json: bool) -> None:
    if as_json:
        print_json(plan.raw)
        return
    print_facts([("items", plan.total), ("skipped", len(plan.skipped)), ("refused", len(plan.refused))])
    rows = [(one.name, "skipped", one.reason) for one in plan.skipped]
    rows += [(one.name, "refused", f"{one.code}: {one.detail}") for one in plan.refused]
    if rows:
        print_table(("name", "outcome", "why"), rows)


def _given(options: Mapping[str, object]) -> dict[str, object]:
    """Leave out what was not given, so that the service's defaults hold."""
    return {name: value for name, value in options.items() if value is not None}


def _source(path: str) -> Source:
    """Return what a path on the command line stands for."""
    if path == "-":
        return ("stdin", sys.stdin.buffer)
    return Path(path)


def _metadata(pairs: Sequence[str]) -> dict[str, str] | None:
    wrong = [pair for pair in pairs if "=" not in pair]
    if wrong:
        raise Failure(f"--metadata takes KEY=TEXT, not {wrong[0]!r}.", code=Exit.USAGE)
    return dict(pair.split("=", 1) for pair in pairs) or None


def predict(
    ctx: typer.Context,
    image: Annotated[str, typer.Argument(metavar="IMAGE", help="An image file; - reads stdin.")],
    mode: ModeOption = None,
    model: ModelOption = None,
    target_error: TargetErrorOption = None,
    as_json: JsonOption = False,
) -> None:
    """Read one image now: print prediction, confidence, decision and reasons."""
    given = {"mode": mode, "model": model, "target_error": target_error}
    with session_of(ctx).client() as client:
        reading = client.predict(_source(image), **cast("PredictOptions", _given(given)))
    if as_json:
        print_json(reading.raw)
        return
    confidence = "" if reading.confidence is None else f"{reading.confidence:.4f}"
    columns = [
        "none" if reading.prediction is None else reading.prediction,
        confidence,
        reading.decision or "",
    ]
    print("\t".join([*columns, "|".join(reading.reasons)]).rstrip("\t"))


COMMANDS = {"submit": submit, "predict": predict}
