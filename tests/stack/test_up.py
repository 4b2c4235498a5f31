"""`inkqueue up` as a person meets it: first and second start, Ctrl-C, a crash, a taken port."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest

from inkqueue.local.home import Home
from inkqueue.local.redis import free_port
from shared.bundled import bundled
from tests.services import wait_for
from tests.stack.running import Up, processes_of, started

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
ROOT = Path(__file__).resolve().parents[2]
MANY = 30_000
NOBODY = 65534


@pytest.fixture
def home() -> Iterator[Path]:
    """Name a home in a folder that every user may pass through."""
    base = Path(tempfile.mkdtemp(prefix="inkqueue-up-"))
    base.chmod(0o711)
    yield base / "home"
    shutil.rmtree(base)


def submit(up: Up, archive: Path) -> str:
    """Post a zip; return the job's id."""
    answer = httpx.post(
        f"{up.url}/v1/jobs",
        content=archive.read_bytes(),
        headers={"Content-Type": "application/zip"},
        timeout=30,
        trust_env=False,
    )
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def job(up: Up, job_id: str) -> tuple[str, dict[str, int]]:
    """Return a job's status and counts."""
    found = up.get(f"/v1/jobs/{job_id}")
    counts = found["counts"]
    assert isinstance(counts, dict)
    return str(found["status"]), counts


def large_zip(path: Path) -> Path:
    """Write a zip whose many members take a while."""
    image = (bundled("samples") / "three.png").read_bytes()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for number in range(MANY):
            archive.writestr(f"{number:06}.png", image)
    return path


def test_the_sample_is_read_and_ctrl_c_leaves_nothing(home: Path) -> None:
    """The first start shows results and addresses; a second is quick and keeps the job; both end clean."""
    with started(home, "--sample", "--exit-when-done") as up:
        assert up.process.wait(100) == 0, up.output
        assert processes_of(home) == []
        found = re.search(r"Accuracy\s+([\d.]+)%", up.output)
        assert found is not None, up.output
        assert float(found.group(1)) >= 99.0
        assert f"{up.url}/docs" in up.output
        job_id = re.findall(rf"{up.url}/v1/jobs/(job_\w+)", up.output)[0]
    began = time.monotonic()
    with started(home) as up:
        up.wait_ready()
        assert time.monotonic() - began < 60
        assert job(up, job_id)[0] == "partially_succeeded"
        assert up.interrupt() == 0
        assert processes_of(home) == []
        assert "Traceback" not in up.output


def test_a_killed_stack_goes_on_with_its_jobs(home: Path) -> None:
    """SIGKILL of the supervisor ends all its processes; the next start finishes the job, every item once."""
    home.mkdir(mode=0o711)
    archive = large_zip(home.parent / "large.zip")
    with started(home) as up:
        up.wait_ready()
        job_id = submit(up, archive)
        wait_for(lambda: job(up, job_id)[1]["succeeded"] > 0, "the first results")
        up.kill()
        wait_for(lambda: not processes_of(home), "the children to die with the stack", 20)
    with started(home) as up:
        up.wait_ready()
        wait_for(lambda: job(up, job_id)[0] == "succeeded", "the job's end", 90, every_s=0.2)
        assert job(up, job_id)[1]["succeeded"] == MANY
        seen = httpx.get(
            f"{up.url}/v1/jobs/{job_id}/results?format=csv", timeout=60, trust_env=False
        ).text.splitlines()[1:]
        assert [int(line.split(",", 1)[0]) for line in seen] == list(range(MANY))
        assert up.interrupt() == 0


def test_a_taken_port_is_told_before_anything_starts(home: Path) -> None:
    """The error names the port and how to choose another; no database is made."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with started(home, port=port) as up:
            assert up.process.wait(20) == 1
            assert f"Port {port} is taken" in up.output
            assert f"--port {port + 1}" in up.output
            assert not (home / "postgres").exists()


def test_a_second_start_on_the_home_is_turned_away(home: Path) -> None:
    """The second `up` names the first; the first goes on, and a worker joins it by the three URLs only."""
    with started(home) as up:
        up.wait_ready()
        with started(home, alone=False) as second:
            assert second.process.wait(20) == 1
            assert f"already runs on {home}" in second.output
            assert up.url in second.output
        join_by_urls(up, home)
        assert up.interrupt() == 0


def join_by_urls(up: Up, home: Path) -> None:
    """Start a worker elsewhere with nothing but the three printed lines; it must show up and leave."""
    exports = dict(re.findall(r"export (INKQUEUE_\w+)='?([^'\s]+)'?", up.output))
    assert sorted(exports) == ["INKQUEUE_DATABASE_URL", "INKQUEUE_REDIS_URL", "INKQUEUE_STORAGE_URL"]
    before = len(workers(up))
    elsewhere = home.parent / "elsewhere"
    elsewhere.mkdir()
    with (elsewhere / "log").open("wb") as log:
        joined = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "celery",
                "-A",
                "worker.app",
                "worker",
                "-P",
                "prefork",
                "-c",
                "1",
                "-Q",
                "bulk",
            ],
            cwd=elsewhere,
            env={**os.environ, **exports},
            stdout=log,
            stderr=log,
        )
    try:
        wait_for(lambda: len(workers(up)) == before + 1, "the worker to join", 40)
    finally:
        joined.send_signal(signal.SIGTERM)
        joined.wait(30)
    wait_for(lambda: len(workers(up)) == before, "the worker to leave", 20)


def workers(up: Up) -> list[object]:
    """Return the workers that the API counts as alive."""
    found = up.get("/v1/workers")["items"]
    assert isinstance(found, list)
    return found


def test_a_dead_process_is_replaced(home: Path) -> None:
    """Kill API, a worker, the steward and both servers: soon the service is ready again."""
    with started(home) as up:
        up.wait_ready()
        for name in ("api", "worker-1", "steward", "redis", "postgres"):
            os.kill(recorded(home)[name], signal.SIGKILL)
        wait_for(
            lambda: all(f"{name} ended" in up.output for name in recorded(home)), "the deaths to be seen"
        )
        wait_for(lambda: is_ready(up), "the service to be ready again", 60, every_s=0.2)
        job_id = submit(up, bundled("samples") / "digits.zip")
        wait_for(lambda: job(up, job_id)[0] == "partially_succeeded", "a job to be done", 40)
        assert up.interrupt() == 0
        assert processes_of(home) == []


def recorded(home: Path) -> dict[str, int]:
    """Return the pids of the stack's processes that the test kills."""
    names = ("api", "worker-1", "steward", "redis", "postgres")
    return {name: pid for name, (pid, _) in Home(home).recorded().items() if name in names}


def is_ready(up: Up) -> bool:
    """Ask `/readyz`."""
    try:
        return httpx.get(f"{up.url}/readyz", timeout=5, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def test_given_services_are_used(home: Path, db_url: str, redis_url: str) -> None:
    """With addresses in the environment no PostgreSQL and no Redis is started."""
    environment = {"INKQUEUE_DATABASE_URL": db_url, "INKQUEUE_REDIS_URL": redis_url}
    with started(home, "--sample", "--exit-when-done", env=environment) as up:
        assert up.process.wait(100) == 0, up.output
        assert "Accuracy" in up.output
        assert not (home / "postgres").exists()
        assert not (home / "redis").exists()


@pytest.fixture(scope="module")
def installed(wheel: Path) -> Iterator[Path]:
    """Install the wheel, as a person does, into an empty environment that every user reaches."""
    base = Path(tempfile.mkdtemp(prefix="inkqueue-installed-"))
    base.chmod(0o755)
    python = base / "environment" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", str(base / "environment")], check=True)
    install = [
        str(python),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-compile",
        "-c",
        str(ROOT / "constraints.txt"),
    ]
    subprocess.run([*install, f"{wheel}[local]"], check=True, cwd=base, timeout=150)
    yield base / "environment" / "bin"
    shutil.rmtree(base)


def test_a_wheel_brings_everything(home: Path, installed: Path) -> None:
    """From the wheel alone, in an empty folder, `inkqueue up` reads its sample, and torch is not there."""
    empty = home.parent / "empty"
    empty.mkdir()
    settings = {"INKQUEUE_PORT": str(free_port()), "INKQUEUE_HOME": str(home)}
    done = subprocess.run(
        [str(installed / "inkqueue"), "up", "--sample", "--exit-when-done"],
        cwd=empty,
        env={"PATH": os.environ["PATH"], "HOME": str(home.parent), **settings},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Accuracy" in done.stdout
    torch = [str(installed / "python"), "-c", "import torch"]
    assert subprocess.run(torch, capture_output=True, check=False).returncode != 0
    assert processes_of(home) == []


def test_an_ordinary_user_starts_it(home: Path, installed: Path) -> None:
    """Without root everything runs as the user, and all data stay in the home."""
    with as_ordinary_user(home, str(installed / "python")) as up:
        assert up.process.wait(100) == 0, up.output
        assert "Accuracy" in up.output
        assert processes_of(home) == []
    owners = {path.lstat().st_uid for path in home.rglob("*")}
    assert len(owners) == 1
    assert 0 not in owners
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


def as_ordinary_user(home: Path, python: str) -> AbstractContextManager[Up]:
    """Run the sample as somebody who is not root."""
    options = ("--sample", "--exit-when-done")
    if os.geteuid() != 0:
        return started(home, *options, python=python)
    base = home.parent
    os.chown(base, NOBODY, NOBODY)
    environment = {"HOME": str(base)}
    if can_run(python, base):
        return started(home, *options, python=python, uid=NOBODY, env=environment)
    # the interpreter itself lies below a folder of root's own: this user may read that, and is still not root
    prefix = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    reading = ["--inh-caps=+dac_override", "--ambient-caps=+dac_override"]
    return started(home, *options, prefix=[*prefix, *reading], python=python, env=environment)


def can_run(python: str, cwd: Path) -> bool:
    """Tell whether an ordinary user can run this interpreter."""
    command = [python, "-c", "import inkqueue"]
    try:
        done = subprocess.run(
            command, cwd=cwd, user=NOBODY, group=NOBODY, extra_groups=[], capture_output=True, check=False
        )
    except OSError:
        return False
    return done.returncode == 0
