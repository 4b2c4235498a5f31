"""The command line as shells see it: signals, pipes, and the processes that it starts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from inkqueue.cli.exits import Exit
from tests.inkqueue.memory import FakeService

ROOT = Path(__file__).parents[2]
INKQUEUE = [sys.executable, "-m", "inkqueue"]


@pytest.fixture
def environment(service: FakeService) -> dict[str, str]:
    """Return an environment that points to the service."""
    return {**os.environ, "INKQUEUE_URL": service.url, "PYTHONPATH": str(ROOT)}


@pytest.fixture
def many(service: FakeService) -> str:
    """Return the id of a finished job with more results than a pipe holds."""
    service.script = ["succeeded"]
    return service.add_job([f"image-{number:06}.png" for number in range(20_000)]).id


@pytest.fixture
def stand_ins(tmp_path: Path) -> Path:
    """Lend a folder whose modules stand before the server's own."""
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "__init__.py").touch()
    (tmp_path / "celery").mkdir()
    (tmp_path / "celery" / "__init__.py").touch()
    return tmp_path


def test_the_version_is_told() -> None:
    """`--version` names program and version."""
    result = subprocess.run([*INKQUEUE, "--version"], capture_output=True, text=True, check=True, cwd=ROOT)
    assert result.stdout.startswith("inkqueue ")


def test_ctrl_c_ends_without_a_traceback(
    service: FakeService, environment: dict[str, str], scans: Path
) -> None:
    """Ctrl-C while waiting exits with 130; the job's id is already out and the job goes on."""
    service.script = ["running"]
    command = [*INKQUEUE, "submit", str(scans), "--wait"]
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    deadline = time.monotonic() + 40
    while not any(seen.path.endswith("/events") for seen in service.seen):
        assert time.monotonic() < deadline
        time.sleep(0.02)

    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=30)

    assert (process.returncode, stdout.strip()) == (Exit.INTERRUPTED, next(iter(service.jobs)))
    assert "Traceback" not in stderr


def test_a_reader_that_leaves_is_no_error(environment: dict[str, str], many: str) -> None:
    """`inkqueue results JOB | head -1` ends quietly."""
    pipeline = f"{sys.executable} -m inkqueue results {many} | head -1; echo ${{PIPESTATUS[0]}}"
    result = subprocess.run(
        ["bash", "-c", pipeline], env=environment, capture_output=True, text=True, check=True, timeout=30
    )
    assert result.stdout.splitlines() == ["seq,name,prediction", "141"]
    assert result.stderr == ""


def test_the_worker_takes_the_place_of_the_command(environment: dict[str, str], stand_ins: Path) -> None:
    """`inkqueue worker` becomes a Celery worker of the lane, with the pid that a supervisor knows."""
    (stand_ins / "celery" / "__main__.py").write_text(
        "import json, os, sys; print(json.dumps([os.getpid(), *sys.argv[1:]]))"
    )
    environment["PYTHONPATH"] = f"{stand_ins}:{ROOT}"

    process = subprocess.Popen(
        [*INKQUEUE, "worker", "--lane", "interactive"], env=environment, stdout=subprocess.PIPE
    )
    stdout, _ = process.communicate(timeout=30)

    pid, *arguments = json.loads(stdout)
    assert pid == process.pid
    app = ["--workdir", str(ROOT), "-A", "worker.app"]
    assert arguments == [*app, "worker", "-P", "prefork", "-c", "1", "-Q", "interactive"]


@pytest.mark.parametrize(("command", "extra"), [("up", "local"), ("worker", "worker")])
def test_a_client_alone_says_what_to_install(command: str, extra: str) -> None:
    """Without the server's packages, commands that need them name the extra."""
    program = (
        "import importlib.util as u, sys; find = u.find_spec\n"
        "u.find_spec = lambda name, p=None: None if name.split('.')[0] in {'celery', 'shared'} else find(name)\n"
        f"sys.argv = ['inkqueue', '{command}']\nfrom inkqueue.cli import main\nmain()"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert result.returncode == Exit.UNEXPECTED
    assert f"pip install 'inkqueue[{extra}]'" in result.stderr
    assert "Traceback" not in result.stderr


def doctor(environment: dict[str, str], folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run `inkqueue doctor` in a folder."""
    command = [*INKQUEUE, "doctor", *options]
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("broken", [False, True])
def test_the_doctor_says_what_is_wrong_and_what_to_do(
    environment: dict[str, str], stand_ins: Path, broken: bool
) -> None:
    """Every check is a line; what is wrong has its remedy, and the exit code tells."""
    findings = [
        {"check": "broker", "ok": True, "detail": "redis://127.0.0.1", "fix": ""},
        {"check": "database", "ok": not broken, "detail": "No connection.", "fix": "Start PostgreSQL."},
    ]
    (stand_ins / "shared" / "doctor.py").write_text(f"print({json.dumps(findings)!r})")
    environment["PYTHONPATH"] = f"{stand_ins}:{ROOT}"

    text, data = doctor(environment, stand_ins), doctor(environment, stand_ins, "--json")

    assert text.returncode == data.returncode == (Exit.UNAVAILABLE if broken else Exit.OK)
    assert [one["check"] for one in json.loads(data.stdout)] == ["service", "broker", "database"]
    assert ("WRONG\tdatabase\tNo connection.\tStart PostgreSQL." in text.stdout) == broken


def test_the_doctor_reports_a_service_that_is_not_ready(
    service: FakeService, environment: dict[str, str], stand_ins: Path
) -> None:
    """The parts that the service itself finds broken are named."""
    (stand_ins / "shared" / "doctor.py").write_text("print('[]')")
    environment["PYTHONPATH"] = f"{stand_ins}:{ROOT}"
    service.ready = False

    result = doctor(environment, stand_ins)

    assert result.returncode == Exit.UNAVAILABLE
    assert "(broker: no answer)" in result.stdout
