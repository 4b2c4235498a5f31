"""Reviews through the client and the command line, against the real API."""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
from typer.testing import CliRunner, Result

from inkqueue import AsyncClient, Client, Job
from inkqueue.cli.app import app
from inkqueue.cli.arguments import globals_first
from inkqueue.exceptions import InvalidRequest, NotReviewable
from shared.blobs import open_blobs
from shared.db import Database
from shared.settings import Settings
from tests.api.conftest import serving
from tests.fakes import FakeWorker
from tests.inkqueue.conftest import zip_of

Cli = Callable[..., Result]


@pytest.fixture
def job(database: Database, settings: Settings) -> Iterator[Job]:
    """Lend a finished job of an accepted, two doubtful and a skipped item."""
    names = ["a.png", "doubt1.png", "doubt2.png", "notes.txt"]
    with serving(settings) as api, Client(str(api.base_url)) as client:
        made = client.submit(("scans.zip", zip_of(names)))
        FakeWorker(database, open_blobs(settings)).work()
        yield made.refresh()


@pytest.fixture
def cli(job: Job, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Lend the command line, pointed to that job's service."""
    monkeypatch.setenv("INKQUEUE_URL", job._client.base_url)
    silent = structlog.wrap_logger(structlog.testing.CapturingLogger())
    monkeypatch.setattr("api.outermost.log", silent)  # its lines would stand among what the command prints

    def run(*arguments: str | Path | int) -> Result:
        return CliRunner().invoke(app, globals_first(["review", *map(str, arguments)]))

    return run


def test_items_are_reviewed_and_reviews_taken_back(job: Job) -> None:
    """One by one or many at once, typed."""
    item = job.review(1, "4", reviewer="anna")
    assert (item.final_value, item.reviews[0].reviewer, item.reviews[0].value) == ("4", "anna", "4")
    assert item.reviews[0].reviewed_at is not None
    assert job.review(1, None, reviewer="anna", reason="blank").final_value is None
    job.unreview(1, reviewer="anna")
    assert job.item(1).reviews == ()
    both = job.review_many([{"seq": 2, "value": "3"}, {"seq": 0, "value": "7"}], reviewer="Zoë B.")
    assert [(i.seq, i.final_value) for i in both] == [(2, "3"), (0, "7")]
    assert job.refresh().counts.reviewed == 2
    assert [i.seq for i in job.results(decision="review", not_reviewed_by="Zoë B.")] == [1]


def test_many_reviews_are_taken_back_at_once(job: Job, cli: Cli) -> None:
    """All of a reviewer's named ones and nobody else's; none named is none, one named twice is refused."""
    for reviewer in ("anna", "ben"):
        job.review_many([{"seq": seq, "value": "3"} for seq in (0, 1, 2)], reviewer=reviewer)
    back = job.unreview_many([2, 0], reviewer="anna")
    assert [(item.seq, [r.reviewer for r in item.reviews]) for item in back] == [(2, ["ben"]), (0, ["ben"])]
    assert [r.reviewer for r in job.item(1).reviews] == ["anna", "ben"]
    assert job.unreview_many([], reviewer="anna") == []
    with pytest.raises(InvalidRequest):
        job.unreview_many([1, 1], reviewer="anna")
    assert cli("undo", job.id, 0, 1, "--reviewer", "ben").exit_code == 0
    assert [len(job.item(seq).reviews) for seq in (0, 1, 2)] == [0, 1, 1]


def test_what_is_no_review_raises(job: Job) -> None:
    """The class of its code."""
    with pytest.raises(NotReviewable):
        job.review(3, "4", reviewer="anna")
    with pytest.raises(InvalidRequest, match="label"):
        job.review(1, "x", reviewer="anna")


def test_progress_and_agreement_are_typed(job: Job) -> None:
    """Two reviewers, one difference."""
    for reviewer, second in (("anna", "7"), ("ben", "1")):
        job.review_many([{"seq": 1, "value": "4"}, {"seq": 2, "value": second}], reviewer=reviewer)
    found = job.reviews()
    assert (found.needed, found.done, found.left, found.disagreed) == (2, 2, 0, 1)
    assert [(p.reviewer, p.items, p.left) for p in found.reviewers] == [("anna", 2, 0), ("ben", 2, 0)]
    [pair] = found.agreement
    assert (pair.reviewers, pair.same, pair.percent, pair.kappa) == (("anna", "ben"), 1, 50.0, 0.3333)
    assert [i.seq for i in job.results(disagreed=True)] == [2]


def test_corrections_are_exported(job: Job) -> None:
    """Line by line."""
    job.review(1, "4", reviewer="anna")
    lines = b"".join(job._client.export_reviews(job_id=job.id)).splitlines()
    assert [json.loads(line)["value"] for line in lines] == ["4"]
    assert b"".join(job._client.export_reviews(reviewer="ben")) == b""


def test_an_event_loop_reviews_too(job: Job) -> None:
    """The asynchronous client has the same calls."""

    async def use() -> tuple[int, bytes]:
        async with AsyncClient(job._client.base_url) as client:
            found = await client.get(job.id)
            await found.review(1, "4", reviewer="anna")
            await found.review_many([{"seq": 2, "value": "4"}], reviewer="anna")
            await found.unreview(2, reviewer="anna")
            exported = b"".join([piece async for piece in client.export_reviews()])
            return (await found.reviews()).done, exported

    done, exported = asyncio.run(use())
    assert (done, exported.count(b"\n")) == (1, 1)


def test_commands_list_what_needs_eyes(cli: Cli, job: Job) -> None:
    """What is reviewed leaves the list; another reviewer has his own."""
    lines = cli("list", job.id).stdout.splitlines()
    assert [line.split("\t")[:3] for line in lines[1:]] == [
        ["1", "doubt1.png", "7"],
        ["2", "doubt2.png", "7"],
    ]
    assert cli("set", job.id, 1, "4", "--reviewer", "anna").exit_code == 0
    assert [line[0] for line in cli("list", job.id).stdout.splitlines()[1:]] == ["2"]
    assert len(cli("list", job.id, "-r", "ben").stdout.splitlines()) == 3
    assert cli("set", job.id, 1, "not_a_digit", "-r", "ben").exit_code == 0
    disputed = cli("list", job.id, "--disagreed", "--json").stdout
    assert json.loads(disputed)["reasons"] == ["low_confidence", "reviewers_disagree"]
    assert cli("undo", job.id, 1, "-r", "ben").exit_code == 0
    assert cli("list", job.id, "--disagreed", "--json").stdout == ""


def test_commands_sum_up_and_export(cli: Cli, job: Job, tmp_path: Path) -> None:
    """Figures for people and programs, and a file that is complete or not there."""
    cli("set", job.id, 1, "4", "-r", "anna")
    cli("set", job.id, 1, "4", "-r", "ben")
    told = cli("summary", job.id).stdout
    assert "1 of 2 done, 1 left" in told
    assert "1 of 1 the same (100 %), kappa unknown" in told
    assert json.loads(cli("summary", job.id, "--json").stdout)["done"] == 1
    target = tmp_path / "corrections.ndjson"
    assert cli("export", "-o", target, "--job", job.id).exit_code == 0
    assert json.loads(target.read_text())["value"] == "4"
    empty = tmp_path / "empty.zip"
    assert cli("export", "-f", "zip", "-o", empty, "-r", "nobody").exit_code == 0
    assert zipfile.ZipFile(io.BytesIO(empty.read_bytes())).namelist() == ["labels.csv"]
