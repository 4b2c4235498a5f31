"""`inkqueue review …`: what needs eyes, saying what it is, how far that has come, training data."""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from inkqueue.cli.output import note, print_facts, print_json, print_table, time_text, whole_file
from inkqueue.cli.session import session_of

if TYPE_CHECKING:
    from inkqueue.client.options import ResultFilters, ReviewFilters
    from inkqueue.models import Item
    from inkqueue.review_models import NoValue

app = typer.Typer(
    help="Reviews: what needs eyes, corrections, agreement, training data.", no_args_is_help=True
)
JobArgument = Annotated[str, typer.Argument(metavar="JOB", help="The job's id.")]
SeqArgument = Annotated[int, typer.Argument(metavar="SEQ", min=0, help="The item's number.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Reviewer = Annotated[
    str, typer.Option("--reviewer", "-r", envvar="INKQUEUE_REVIEWER", show_envvar=True, help="Who reviews.")
]
NO_VALUE = ("blank", "not_a_digit", "crossed_out")


@app.command("list")
def show(
    ctx: typer.Context,
    job_id: JobArgument,
    reviewer: Annotated[
        str | None,
        typer.Option(
            "--reviewer", "-r", help="What this reviewer has not seen; nothing of the others' is shown."
        ),
    ] = None,
    disagreed: Annotated[bool, typer.Option(help="What reviewers disagree on.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print a line of JSON an item.")] = False,
) -> None:
    """List the items of a job that need eyes."""
    if disagreed:
        wanted: dict[str, object] = {"disagreed": True}
    else:
        wanted = {"decision": "review"} | ({"not_reviewed_by": reviewer} if reviewer else {"reviewed": False})
    with session_of(ctx).client() as client:
        items = client.get(job_id).results(follow=False, **cast("ResultFilters", wanted))
        found = [item for item, _ in zip(items, range(limit), strict=False)]
    if as_json:
        for item in found:
            print(json.dumps(item.raw, ensure_ascii=False))
        return
    columns = ("seq", "name", "reading", "confidence", "why", "reviews")
    print_table(columns, map(_row, found))


@app.command("set")
def give(
    ctx: typer.Context,
    job_id: JobArgument,
    seq: SeqArgument,
    value: Annotated[
        str, typer.Argument(metavar="VALUE", help=f"A label of the model, or {', '.join(NO_VALUE)}.")
    ],
    reviewer: Reviewer,
    as_json: JsonOption = False,
) -> None:
    """Say what an item shows."""
    reason = cast("NoValue", value) if value in NO_VALUE else None
    with session_of(ctx).client() as client:
        item = client.get(job_id).review(seq, None if reason else value, reviewer=reviewer, reason=reason)
    if as_json:
        print_json(item.raw)
    else:
        note(
            f"{item.seq} {item.name}: {item.prediction or 'nothing'} read, {item.final_value or 'none'} is final"
        )


@app.command()
def undo(
    ctx: typer.Context,
    job_id: JobArgument,
    seqs: Annotated[list[int], typer.Argument(metavar="SEQ...", min=0, help="The items' numbers.")],
    reviewer: Reviewer,
) -> None:
    """Take reviews back, of up to 500 items at once: all or none."""
    with session_of(ctx).client() as client:
        job = client.get(job_id)
        if len(seqs) == 1:
            job.unreview(seqs[0], reviewer=reviewer)
        else:
            job.unreview_many(seqs, reviewer=reviewer)


@app.command()
def summary(ctx: typer.Context, job_id: JobArgument, as_json: JsonOption = False) -> None:
    """Show how far reviewing has come and how well reviewers agree."""
    with session_of(ctx).client() as client:
        found = client.get(job_id).reviews()
    if as_json:
        print_json(found.raw)
        return
    print_facts(
        [
            ("needs review", f"{found.done} of {found.needed} done, {found.left} left"),
            (
                "reviewed",
                f"{found.reviewed} items, {found.corrected} corrected, {found.disagreed} in dispute",
            ),
        ]
        + [
            (p.reviewer, f"{p.items} items, {p.left} left, last {time_text(p.last_reviewed_at)}")
            for p in found.reviewers
        ]
        + [
            (
                " and ".join(a.reviewers),
                f"{a.same} of {a.items} the same ({a.percent:g} %), kappa {_kappa(a.kappa)}",
            )
            for a in found.agreement
        ]
    )


@app.command()
def export(
    ctx: typer.Context,
    form: Annotated[
        Literal["ndjson", "zip"], typer.Option("--format", "-f", help="Lines, or pictures with labels.")
    ] = "ndjson",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write there instead of stdout.")
    ] = None,
    job: Annotated[str | None, typer.Option(metavar="JOB", help="Only items of this job.")] = None,
    since: Annotated[str | None, typer.Option(help="Only items reviewed at this time or later.")] = None,
    reviewer: Annotated[str | None, typer.Option("--reviewer", "-r", help="Only items of theirs.")] = None,
) -> None:
    """Fetch what people have settled, as training data."""
    given = {"job_id": job, "since": since, "reviewer": reviewer}
    filters = cast("ReviewFilters", {name: value for name, value in given.items() if value is not None})
    to_stdout = output is None or output == Path("-")
    target = nullcontext(sys.stdout.buffer) if to_stdout else whole_file(cast("Path", output))
    with session_of(ctx).client() as client, target as stream:
        for piece in client.export_reviews(form, **filters):
            stream.write(piece)
        stream.flush()


def _row(item: Item) -> tuple[object, ...]:
    said = ", ".join(f"{r.reviewer}: {r.value or r.reason}" for r in item.reviews)
    confidence = None if item.confidence is None else f"{item.confidence:.3f}"
    return item.seq, item.name, item.prediction, confidence, ", ".join(item.reasons), said


def _kappa(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2f}"
