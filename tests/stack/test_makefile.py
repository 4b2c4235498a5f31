"""The commands that a person types do what they say."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest

from inkqueue.local.launch import is_interrupted
from tests.services import wait_for

ROOT = Path(__file__).resolve().parents[2]
MAKEFILE = ROOT / "Makefile"


def make(*arguments: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run make."""
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "PORT", "WORKERS"))
    }
    command = ["make", "-f", str(MAKEFILE), *arguments]
    return subprocess.run(command, cwd=folder, env=clean, capture_output=True, text=True, check=False)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Make a folder with what the Makefile looks at."""
    for name in ("pyproject.toml", "constraints.txt"):
        (tmp_path / name).write_text("")
    return tmp_path


def test_without_a_target_make_lists_them() -> None:
    """`make` alone explains itself."""
    listed = set(re.findall(r"^  make (\w+)", make().stdout, re.MULTILINE))
    assert {"run", "test", "check", "bench", "clean"} <= listed


@pytest.mark.check
def test_every_module_that_make_starts_exists() -> None:
    """No target calls a program that is not there."""
    modules = set(re.findall(r"python -m ([\w.]+)", MAKEFILE.read_text()))
    assert {name for name in modules if find_spec(name) is None} == set()


def test_port_home_and_workers_are_passed_on_when_given(project: Path) -> None:
    """`make run PORT=8001 INKQUEUE_HOME=/x WORKERS=3` overrides, and nothing is passed that was not given."""
    given = make("-n", "run", "PORT=8001", "INKQUEUE_HOME=/x", "WORKERS=3", folder=project).stdout
    assert "INKQUEUE_PORT='8001' INKQUEUE_WORKERS='3' INKQUEUE_HOME='/x'" in given
    assert "INKQUEUE_PORT" not in make("-n", "run", folder=project).stdout


def test_an_old_python_is_a_clear_error(project: Path) -> None:
    """Without Python 3.11 nothing is installed, and the message says what is needed."""
    old = project / "old-python"
    old.write_text("#!/bin/sh\n[ \"$1\" = --version ] && echo 'Python 3.9.2'\nexit 1\n")
    old.chmod(0o755)
    done = make("run", f"PYTHON={old}", "VENV=environment", folder=project)
    assert done.returncode != 0
    assert "Python 3.11 or newer" in done.stderr
    assert "Found: Python 3.9.2" in done.stderr
    assert not (project / "environment").exists()


def test_an_environment_is_made_once(project: Path) -> None:
    """What is installed already, for the same dependencies, is not installed again."""
    (project / "environment").mkdir()
    (project / "environment" / ".installed").touch()
    assert make("-q", "environment/.installed", "VENV=environment", folder=project).returncode == 0
    os.utime(project / "constraints.txt", (2e9, 2e9))
    assert make("-q", "environment/.installed", "VENV=environment", folder=project).returncode == 1


def test_a_signal_to_make_alone_is_seen() -> None:
    """GNU make waits in its SIGINT handler for the recipe; the recipe can tell."""
    recipe = "all:\n\t@sleep 30\n"
    with subprocess.Popen(
        ["make", "-f", "-"], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, process_group=0
    ) as waiting:
        assert waiting.stdin is not None
        waiting.stdin.write(recipe)
        waiting.stdin.close()
        children = Path(f"/proc/{waiting.pid}/task/{waiting.pid}/children")
        wait_for(lambda: children.read_text().split(), "the recipe to run")
        assert not is_interrupted(waiting.pid)
        waiting.send_signal(signal.SIGINT)
        wait_for(lambda: is_interrupted(waiting.pid), "the interruption to be seen", 5)
        os.killpg(waiting.pid, signal.SIGKILL)
    assert not is_interrupted(os.getpid())
