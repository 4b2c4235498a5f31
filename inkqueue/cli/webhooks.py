"""`inkqueue webhooks …`: the secret, a test, the log of deliveries, sending again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from inkqueue.cli.exits import Exit
from inkqueue.cli.output import note, print_facts, print_json, print_table, time_text
from inkqueue.cli.session import session_of

if TYPE_CHECKING:
    from inkqueue.client.options import DeliveryFilters
    from inkqueue.models import WebhookDelivery, WebhookSecret

app = typer.Typer(help="Webhooks: the signing secret, tests, the log of deliveries.", no_args_is_help=True)
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def secret(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """Print the secret that signs webhooks; your receiver verifies with it."""
    with session_of(ctx).client() as client:
        _show_secret(client.webhook_secret(), as_json=as_json)


@app.command()
def rotate(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """Make a new secret and print it; the old one signs too for a day, so receivers can follow."""
    with session_of(ctx).client() as client:
        _show_secret(client.rotate_webhook_secret(), as_json=as_json)


def _show_secret(found: WebhookSecret, *, as_json: bool) -> None:
    """Print the secret alone, so that a script can take it."""
    if as_json:
        print_json(found.raw)
        return
    print(found.secret)
    if found.previous_expires_at is not None:
        note(f"The secret before it signs too until {time_text(found.previous_expires_at)}.")


@app.command("test")
def send_test(
    ctx: typer.Context,
    url: Annotated[str, typer.Argument(metavar="URL", help="The receiver's address.")],
    as_json: JsonOption = False,
) -> None:
    """Send a signed test and show what came back; the exit code is 6 when it was not delivered."""
    with session_of(ctx).client() as client:
        delivery = client.test_webhook(url)
    if as_json:
        print_json(delivery.raw)
    else:
        _show(delivery)
    if delivery.status != "delivered":
        raise typer.Exit(Exit.NOT_ALL_SUCCEEDED)


@app.command()
def deliveries(
    ctx: typer.Context,
    job: Annotated[str | None, typer.Option(metavar="JOB", help="Only those of this job.")] = None,
    status: Annotated[
        Literal["pending", "delivered", "failed", "canceled"] | None, typer.Option(help="Only in this state.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print a line of JSON a delivery.")] = False,
) -> None:
    """List deliveries, newest first."""
    given = {"job_id": job, "status": status}
    filters = cast("DeliveryFilters", {name: value for name, value in given.items() if value is not None})
    with session_of(ctx).client() as client:
        found = list(client.webhook_deliveries(limit, **filters))
    if as_json:
        for one in found:
            print(json.dumps(one.raw, ensure_ascii=False))
        return
    columns = ("delivery", "status", "event", "tries", "last answer", "next try", "job", "url")
    rows = [
        (d.id, d.status, d.event, d.attempt_count, _last(d), time_text(d.next_attempt_at), d.job_id, d.url)
        for d in found
    ]
    print_table(columns, rows)


@app.command()
def redeliver(
    ctx: typer.Context,
    delivery_ids: Annotated[list[str], typer.Argument(metavar="DELIVERY...", help="whd_… of each.")],
    as_json: JsonOption = False,
) -> None:
    """Send deliveries again, now, whatever became of them."""
    with session_of(ctx).client() as client:
        for delivery_id in delivery_ids:
            delivery = client.redeliver(delivery_id)
            if as_json:
                print_json(delivery.raw)
            else:
                note(f"{delivery.id} is sent again to {delivery.url}")


def _show(delivery: WebhookDelivery) -> None:
    """Print one delivery with its last answer."""
    last = delivery.attempts[-1] if delivery.attempts else None
    print_facts(
        [
            ("delivery", delivery.id),
            ("status", delivery.status),
            ("answer", _last(delivery)),
            ("took", f"{last.duration_ms} ms" if last else None),
            ("text", last.response if last else None),
        ]
    )


def _last(delivery: WebhookDelivery) -> str:
    """Say how the last try went."""
    if not delivery.attempts:
        return ""
    last = delivery.attempts[-1]
    return str(last.status_code) if last.status_code is not None else (last.error or "")
