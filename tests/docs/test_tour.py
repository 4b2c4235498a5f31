"""The examples of README, docs/api.md and docs/tour.md, run as they stand against a real service."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.docs.pages import ROOT, blocks
from tests.processes import Process, worker
from tests.services import wait_for

HERE = "http://127.0.0.1:8000"
PROLOGUE = """
set -eu
curl() {
  command curl --fail-with-body "$@" || { code=$?; [ $code = 23 ] || echo "curl $*" >> failures; return $code; }
}
"""


@pytest.fixture
def service(settings_env: dict[str, str], tmp_path: Path) -> Iterator[str]:
    """Run API and both workers; return the address."""
    url = f"http://127.0.0.1:{settings_env['INKQUEUE_PORT']}"
    with ExitStack() as stack:
        api = Process([sys.executable, "-m", "api"], settings_env, tmp_path / "api.log")
        stack.callback(api.stop)
        for lane in ("bulk", "interactive"):
            stack.enter_context(worker(settings_env, tmp_path, lane, lane))
        wait_for(lambda: is_ready(url), "the service", 40, 0.1)
        yield url


def is_ready(url: str) -> bool:
    """Ask the API whether it can work."""
    try:
        return httpx.get(f"{url}/readyz", trust_env=False).is_success
    except httpx.HTTPError:
        return False


@pytest.mark.timeout(120)
@pytest.mark.parametrize("page", ["README.md", "docs/api.md", "docs/tour.md"])
def test_the_examples_run_as_they_stand(page: str, service: str, tmp_path: Path) -> None:
    """All `sh` blocks in their order as one script, then each `python` block; no call is refused."""
    folder = tmp_path / "empty"
    folder.mkdir()
    (folder / "samples").symlink_to(ROOT / "samples")
    found = blocks(ROOT / page)
    script = PROLOGUE + "\n".join(block.text for block in found if block.kind == "sh").replace(HERE, service)
    programs = [block.text.replace(HERE, service) for block in found if block.kind == "python"]

    for command in (["bash", "-c", script], *([sys.executable, "-c", program] for program in programs)):
        done = subprocess.run(
            command, env=environment(service), cwd=folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr + done.stdout[-2000:]
        assert not (folder / "failures").exists(), (folder / "failures").read_text()
        assert done.stdout


def environment(service: str) -> dict[str, str]:
    """Return the environment of a person who follows the page."""
    return {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "INKQUEUE_URL": service,
        "NO_PROXY": "127.0.0.1",
    }
