"""Client and command line against a real service and a real receiver."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from inkqueue import Client
from inkqueue.cli.app import app
from inkqueue.exceptions import WebhookUrlRefused
from inkqueue.webhooks import Event, verify
from shared.db import Database
from shared.settings import Settings
from tests.api.files import PNG
from tests.webhooks.driver import ended_job, sending
from tests.webhooks.receiver import Receiver


@pytest.mark.usefixtures("api")
def test_a_day_with_webhooks_in_python(swift: Settings, database: Database, receiver: Receiver) -> None:
    """Submit, test, look, send again, rotate; what arrives verifies."""
    with Client(f"http://127.0.0.1:{swift.port}") as client, sending(swift):
        job = client.submit(PNG, webhook_url=receiver.url, webhook_events=["job.completed"])
        assert job.state.raw["webhook"] == {"url": receiver.url, "events": ["job.completed"]}
        ping = client.test_webhook(receiver.url)
        assert (ping.status, ping.attempts[0].status_code) == ("delivered", 204)
        secret = client.webhook_secret().secret
        event = verify(receiver.requests[0].body, receiver.requests[0].headers, secret)
        assert (event.type, event.id) == ("webhook.test", ping.id)
        assert client.redeliver(ping.id).id == ping.id
        assert [one.id for one in client.webhook_deliveries(status="failed")] == []
        assert client.webhook_delivery(ping.id).event == "webhook.test"
        assert client.rotate_webhook_secret().secret != secret
        with pytest.raises(WebhookUrlRefused):
            client.test_webhook("http://10.0.0.1/")


@pytest.mark.usefixtures("api")
def test_the_command_line(swift: Settings, database: Database, receiver: Receiver, tmp_path: Path) -> None:
    """The secret alone goes to stdout; a test that fails has an exit code of its own."""
    url = ["--url", f"http://127.0.0.1:{swift.port}"]
    run = CliRunner().invoke
    picture = tmp_path / "a.png"
    picture.write_bytes(PNG)
    with sending(swift):
        sent = run(
            app,
            [*url, "submit", str(picture), "--webhook-url", receiver.url, "--webhook-event", "job.started"],
        )
        assert sent.exit_code == 0, sent.output
        secret = run(app, [*url, "webhooks", "secret"])
        assert [line[:6] for line in said(secret)] == ["whsec_"]
        assert run(app, [*url, "webhooks", "test", receiver.url]).exit_code == 0
        assert run(app, [*url, "webhooks", "test", "http://127.0.0.1:9/"]).exit_code == 3
        ended_job(database, receiver.url)
        table = said(run(app, [*url, "webhooks", "deliveries"]))
        assert len(table) == 3
        again = run(app, [*url, "webhooks", "redeliver", table[1].split("\t")[0]])
        assert again.exit_code == 0
        rotated = run(app, [*url, "webhooks", "rotate"])
        assert said(rotated)[0].startswith("whsec_")
        assert said(rotated) != said(secret)


def said(result: Result) -> list[str]:
    """Return what a command has printed; the service in this process logs to the same place."""
    return [line for line in result.stdout.splitlines() if "[info" not in line]


def test_the_job_of_an_event_is_typed() -> None:
    """`event.job` is what `Client.get` returns as state."""
    data = {"id": "job_1", "status": "succeeded", "counts": {"total": 1, "succeeded": 1}}
    event = Event("whd_1", "job.completed", None, data, {})
    assert (event.job.id, event.job.counts.succeeded, event.job.done) == ("job_1", 1, True)
