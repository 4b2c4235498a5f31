"""What is installed is what was tested, and the wheel carries all that it needs."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

from api.guide import PAGES
from shared.bundled import bundled

ROOT = Path(__file__).resolve().parents[2]
SERVER_ROOMS = ("api", "worker", "shared", "training", "migrations")


@pytest.fixture(scope="session")
def wheel_names(wheel: Path) -> set[str]:
    """Return the files in the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def normal(name: str) -> str:
    """Return a distribution's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def requirements() -> Iterator[str]:
    """Yield the name of every direct dependency, those of the extras included."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for requirement in chain(project["dependencies"], *project["optional-dependencies"].values()):
        found = re.match(r"[A-Za-z0-9._-]+", requirement)
        assert found is not None
        yield normal(found.group())


@pytest.mark.check
def test_constraints_pin_every_direct_dependency() -> None:
    """Every dependency has one tested version; nothing is editable or by address."""
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[a-z0-9._-]+==[A-Za-z0-9.]+", line)] == []
    pinned = {normal(line.split("==")[0]) for line in lines}
    not_pinned = {
        "inkqueue",
        "openvino",
    }  # itself, and the optional accelerator that is not part of the suite
    assert set(requirements()) - pinned - not_pinned == set()


@pytest.mark.check
def test_the_client_alone_is_light() -> None:
    """The base installation brings neither the server nor a network."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {normal(re.split(r"[<>=]", one)[0]) for one in project["dependencies"]} == {
        "httpx",
        "rich",
        "typer",
    }


def test_every_module_travels_in_the_wheel(wheel_names: set[str]) -> None:
    """Whatever Python file a room has is in the wheel."""
    tracked = subprocess.run(
        ["git", "ls-files", "inkqueue", *SERVER_ROOMS], cwd=ROOT, check=True, capture_output=True, text=True
    )
    wanted = {name for name in tracked.stdout.split() if not name.endswith(".mako")}
    assert wanted - wheel_names == set()


def test_models_and_samples_travel_in_the_wheel(wheel_names: set[str]) -> None:
    """The default model, whole, and what `--sample` submits are in the wheel."""
    for folder in (bundled("models"), bundled("samples")):
        files = {path.relative_to(folder.parent) for path in folder.rglob("*") if path.is_file()}
        assert {f"shared/_bundled/{path}" for path in files if ".git" not in path.name} - wheel_names == set()


@pytest.mark.parametrize("name", ["tour", *PAGES])
def test_the_documents_travel_in_the_wheel(wheel_names: set[str], name: str) -> None:
    """What the pages lead to is served where there is no checkout, too."""
    assert f"shared/_bundled/docs/{name}.md" in wheel_names


def test_nothing_else_travels_in_the_wheel(wheel_names: set[str]) -> None:
    """No tests, data or secrets of a checkout are in the wheel."""
    tops = {name.split("/")[0] for name in wheel_names}
    assert {top for top in tops if not top.startswith("inkqueue-")} == {"inkqueue", *SERVER_ROOMS}


def test_folders_are_found_from_the_command_line() -> None:
    """The client asks for the samples by a process, since it imports no server code."""
    command = [sys.executable, "-m", "shared.bundled", "samples"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (Path(done.stdout.strip()) / "digits.zip").is_file()
    wrong = subprocess.run([*command, "twice"], capture_output=True, text=True, check=False)
    assert wrong.returncode != 0
    assert "usage" in wrong.stderr
