"""The command line: data on stdout, talk on stderr, an exit code for each way to end."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from inkqueue.cli.app import app
from inkqueue.cli.arguments import globals_first
from inkqueue.cli.exits import MEANINGS, Exit
from inkqueue.client import endpoint
from tests.inkqueue.conftest import IMPATIENT, PNG, zip_of
from tests.inkqueue.memory import FakeService

Cli = Callable[..., Result]


@pytest.fixture
def cli(service: FakeService, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Lend the command line, pointed to the service and impatient."""
    monkeypatch.setenv("INKQUEUE_URL", service.url)
    monkeypatch.setattr(endpoint, "RetryPolicy", lambda: IMPATIENT)

    def run(*arguments: str | Path, stdin: bytes | None = None) -> Result:
        return CliRunner().invoke(app, globals_first([str(one) for one in arguments]), input=stdin)

    return run


@pytest.fixture
def job_id(cli: Cli, scans: Path) -> str:
    """Return the id of a finished job of six items, one failed and one skipped."""
    return str(cli("submit", scans, "--wait").stdout.strip())


def test_submit_prints_the_id_alone(cli: Cli, service: FakeService, scans: Path) -> None:
    """A script takes the id from stdout."""
    result = cli("submit", scans, "--name", "Ballots", "--priority", "high", "--metadata", "box=4")

    assert (result.exit_code, result.stdout) == (Exit.OK, f"{next(iter(service.jobs))}\n")
    assert service.submissions()[0].query == {
        "name": "Ballots",
        "priority": "high",
        "metadata": '{"box": "4"}',
    }


def test_all_options_travel(cli: Cli, service: FakeService, scans: Path) -> None:
    """Each option has its name in the contract."""
    cli(
        "submit",
        scans,
        "--mode",
        "digit",
        "--model",
        "digits@1.0.0",
        "--target-error",
        "0.001",
        "--deadline",
        "60",
    )

    expected = {"mode": "digit", "model": "digits@1.0.0", "target_error": "0.001", "deadline_s": "60"}
    assert service.submissions()[0].query == expected


@pytest.mark.parametrize(
    ("names", "script", "code"),
    [
        (["a.png", "notes.txt"], None, Exit.OK),
        (["a.png", "bad.png"], None, Exit.NOT_ALL_SUCCEEDED),
        (["bad.png"], None, Exit.NOT_ALL_SUCCEEDED),
        (["a.png"], ["queued", "canceled"], Exit.STOPPED),
        (["a.png"], ["queued", "expired"], Exit.STOPPED),
    ],
)
def test_waiting_tells_the_end_by_exit_code(
    cli: Cli, service: FakeService, tmp_path: Path, names: list[str], script: list[str] | None, code: Exit
) -> None:
    """A script needs no text to know how a job ended."""
    service.script = script
    path = tmp_path / "scans.zip"
    path.write_bytes(zip_of(names))

    result = cli("submit", path, "--wait")

    assert result.exit_code == code
    assert cli("watch", result.stdout.strip()).exit_code == code


def test_waiting_tells_what_happens_without_a_terminal(cli: Cli, scans: Path) -> None:
    """Progress goes to stderr as plain lines; quiet means silent."""
    assert "partially_succeeded" in cli("submit", scans, "--wait").stderr
    assert cli("submit", scans, "--wait", "--quiet").stderr == ""


def test_a_timeout_has_its_own_exit_code(cli: Cli, service: FakeService, scans: Path) -> None:
    """The job goes on, and the caller is told how to look at it."""
    service.script = ["running"]

    result = cli("submit", scans, "--timeout", "0.3")

    assert result.exit_code == Exit.NOT_FINISHED
    assert "did not end within 0.3 s" in result.stderr
    assert result.stdout.startswith("job_")


def test_json_is_one_document(cli: Cli, scans: Path, job_id: str) -> None:
    """What is printed with --json is the service's own document."""
    assert json.loads(cli("submit", scans, "--json").stdout)["status"] == "queued"
    assert json.loads(cli("submit", scans, "--wait", "--json").stdout)["status"] == "partially_succeeded"
    assert json.loads(cli("status", job_id, "--json").stdout)["id"] == job_id
    assert [json.loads(line)["id"] for line in cli("list", "--json").stdout.splitlines()][-1] == job_id
    assert json.loads(cli("models", "--json").stdout)[0]["name"] == "digits"
    assert [json.loads(line)["status"] for line in cli("watch", job_id, "--json").stdout.splitlines()]


def test_stdin_and_folders_can_be_submitted(cli: Cli, service: FakeService, tmp_path: Path) -> None:
    """A dash reads stdin; a folder is walked."""
    (tmp_path / "b.png").write_bytes(PNG)
    (tmp_path / "a.png").write_bytes(PNG)

    cli("submit", "-", stdin=zip_of(["x.png", "y.png"]))
    cli("submit", tmp_path)

    names = [[item["name"] for item in job.items] for job in service.jobs.values()]
    assert names == [["x.png", "y.png"], [f"{tmp_path.name}/a.png", f"{tmp_path.name}/b.png"]]


def test_csv_is_written_when_the_job_has_ended(cli: Cli, scans: Path, tmp_path: Path) -> None:
    """--csv waits and writes a file with ordinary permissions, and nothing beside it."""
    output = tmp_path / "out"
    output.mkdir()

    result = cli("submit", scans, "--csv", output / "results.csv")

    assert result.exit_code == Exit.NOT_ALL_SUCCEEDED
    assert (output / "results.csv").read_bytes().startswith(b"seq,name,prediction\r\n0,a.png,7\r\n")
    assert [path.name for path in output.iterdir()] == ["results.csv"]
    assert stat.S_IMODE((output / "results.csv").stat().st_mode) & 0o444 == 0o444


def test_results_come_in_every_format(cli: Cli, job_id: str, tmp_path: Path) -> None:
    """To stdout or to a file, as the service writes them; JSON is one array."""
    assert cli("results", job_id).stdout_bytes.startswith(b"seq,name,prediction\r\n")
    lines = cli("results", job_id, "--format", "ndjson").stdout.splitlines()
    assert [json.loads(line)["seq"] for line in lines] == [0, 1, 2, 3, 4, 5]
    assert json.loads(cli("results", job_id, "--format", "json").stdout) == [
        json.loads(line) for line in lines
    ]
    file = tmp_path / "r.json"
    assert cli("results", job_id, "--format", "json", "-o", file).stdout == ""
    assert len(json.loads(file.read_text())) == 6


def test_a_broken_download_leaves_the_old_file(
    cli: Cli, service: FakeService, job_id: str, tmp_path: Path
) -> None:
    """Under the final name stands the old content or the whole new one."""
    file = tmp_path / "results.csv"
    file.write_text("old")
    service.cut_export_at.extend([20] * 10)

    result = cli("results", job_id, "-o", file)

    assert result.exit_code == Exit.UNAVAILABLE
    assert file.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir() if "results" in path.name] == ["results.csv"]


def test_results_wait_for_the_end(cli: Cli, service: FakeService, scans: Path) -> None:
    """What is printed is the whole job, unless the caller takes what is there and is told so."""
    service.script = ["running"] * 9 + ["succeeded"]
    running = cli("submit", scans).stdout.strip()

    early = cli("results", running, "--no-wait", "--format", "json")
    late = cli("results", running, "--format", "json")

    seqs = [item["seq"] for item in json.loads(early.stdout)]
    assert (early.exit_code, seqs) == (Exit.NOT_FINISHED, list(range(len(seqs))))
    assert "finished so far" in early.stderr
    assert (late.exit_code, len(json.loads(late.stdout))) == (Exit.OK, 6)


def test_status_list_and_models_are_tables_for_pipes(cli: Cli, job_id: str) -> None:
    """Without a terminal columns are separated by tabs and nothing is cut."""
    assert f"job       {job_id}" in cli("status", job_id).stdout
    header, row = cli("list").stdout.splitlines()
    assert header.split("\t")[:3] == ["job", "status", "done"]
    assert row.split("\t")[:3] == [job_id, "partially_succeeded", "6/6"]
    assert cli("models").stdout.splitlines()[1].startswith("digits\t1.0.0\t0 1 2")


def test_jobs_are_found_by_a_part_of_their_name(cli: Cli, scans: Path) -> None:
    """`--search` narrows the list as the page does."""
    wanted = cli("submit", scans, "--name", "Ballots 17").stdout.strip()
    cli("submit", scans, "--name", "Invoices")
    found = cli("list", "--search", "ballot", "--json").stdout.splitlines()
    assert [json.loads(line)["id"] for line in found] == [wanted]


def test_jobs_are_canceled_retried_and_deleted(
    cli: Cli, service: FakeService, scans: Path, job_id: str
) -> None:
    """Each command does what it says; a retry prints the new job's id."""
    again = cli("retry", job_id, "--wait")
    assert (again.exit_code, again.stdout.strip() in service.jobs) == (Exit.NOT_ALL_SUCCEEDED, True)
    running = cli("submit", scans).stdout.strip()
    assert cli("cancel", running).exit_code == Exit.OK
    assert service.jobs[running].status == "canceled"
    assert cli("delete", job_id, running).exit_code == Exit.OK
    assert cli("delete", job_id).exit_code == Exit.NOT_FOUND


def test_predict_prints_one_reading(cli: Cli, tmp_path: Path) -> None:
    """Prediction, confidence and decision on one line, or JSON; a bad image is refused."""
    image = tmp_path / "seven.png"
    image.write_bytes(PNG)

    assert cli("predict", image).stdout == "7\t0.9980\taccept\n"
    assert json.loads(cli("predict", "-", "--json", stdin=PNG).stdout)["prediction"] == "7"
    assert cli("predict", "-", stdin=b"broken").exit_code == Exit.REFUSED


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (401, "unauthorized", Exit.REFUSED),
        (404, "not_found", Exit.NOT_FOUND),
        (410, "gone", Exit.NOT_FOUND),
        (422, "invalid_request", Exit.REFUSED),
        (500, "internal", Exit.UNAVAILABLE),
    ],
)
def test_refusals_have_exit_codes_and_words(
    cli: Cli, service: FakeService, status: int, code: str, expected: Exit
) -> None:
    """A refusal is one sentence on stderr, no traceback, nothing on stdout."""
    service.refuse(status, code)

    result = cli("status", "job_1")

    assert (result.exit_code, result.stdout) == (expected, "")
    assert f"inkqueue: It is {code}." in result.stderr
    assert "Traceback" not in result.stderr


def test_no_service_is_told_with_what_to_do(cli: Cli) -> None:
    """Where nothing answers, the address and the remedy are named."""
    result = cli("list", "--url", "http://127.0.0.1:9")

    assert result.exit_code == Exit.UNAVAILABLE
    assert "http://127.0.0.1:9" in result.stderr
    assert "inkqueue up" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("submit", "/no/such/file.zip"),
        ("submit",),
        ("submit", "x.png", "--priority", "urgent"),
        ("submit", "-", "--metadata", "nonsense"),
        ("frobnicate",),
        ("results", "job_1", "--format", "pdf"),
    ],
)
def test_wrong_usage_is_exit_code_2(cli: Cli, arguments: tuple[str, ...]) -> None:
    """What the caller got wrong is told before anything is sent."""
    result = cli(*arguments, stdin=PNG)

    assert result.exit_code == Exit.USAGE
    assert result.stderr
    assert "Traceback" not in result.stderr


def test_a_dry_run_says_what_would_be(cli: Cli, service: FakeService, scans: Path) -> None:
    """Counts and the files that are left out, and no job."""
    result = cli("submit", scans, "--dry-run")

    assert "items    6" in result.stdout
    assert "notes.txt\tskipped" in result.stdout
    assert service.jobs == {}


def test_help_names_every_exit_code(cli: Cli) -> None:
    """The exit codes are a promise, so the help page lists them."""
    text = cli("--help").stdout
    assert all(str(code.value) in text and meaning in text for code, meaning in MEANINGS.items())


def test_global_options_may_stand_anywhere() -> None:
    """They are moved to the front, except behind a double dash."""
    assert globals_first(["submit", "a", "--url", "u", "-q", "--api-key=k", "--", "--url"]) == [
        *["--url", "u", "-q", "--api-key=k", "submit", "a", "--", "--url"]
    ]
    assert globals_first(["submit", "--url"]) == ["--url", "submit"]
