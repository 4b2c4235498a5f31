"""The Dockerfiles: what they copy, run and expect exists in the code."""

from __future__ import annotations

import fnmatch
import importlib.util
import tomllib
from pathlib import Path

import pytest

from deploy.requirements import requirements
from shared.settings import Settings
from tests.deploy.files import ROOT, Stage, dockerfiles, stages

pytestmark = pytest.mark.check
OURS = [role for role in dockerfiles() if role != "flower"]
FOREIGN_ENV = {
    "PATH",
    "PYTHONUNBUFFERED",
    "PYTHONDONTWRITEBYTECODE",
    "OMP_NUM_THREADS",
    "NVIDIA_VISIBLE_DEVICES",
    "NVIDIA_DRIVER_CAPABILITIES",
}


def image(role: str) -> Stage:
    """Return the stage that is shipped."""
    return stages(dockerfiles()[role])[-1]


def test_there_is_a_dockerfile_for_each_role() -> None:
    """API, CPU worker, GPU worker, steward, and Flower."""
    assert list(dockerfiles()) == ["api", "flower", "steward", "worker", "worker-gpu"]


@pytest.mark.parametrize("role", dockerfiles())
def test_an_image_is_built_in_two_stages_and_runs_as_nobody_special(role: str) -> None:
    """Compilers and caches stay behind; the process is not root and says how it feels."""
    build, shipped = stages(dockerfiles()[role])

    assert (build.base, shipped.base) == ("python:3.11-slim", "python:3.11-slim")
    assert shipped.user == "10001:10001"
    assert shipped.health
    assert any("-c constraints.txt" in run for run in build.runs)


@pytest.mark.parametrize("role", dockerfiles())
def test_everything_that_is_copied_exists_and_is_let_in(role: str) -> None:
    """Each source of a COPY is a tracked path that .dockerignore does not keep out."""
    for stage in stages(dockerfiles()[role]):
        for sources, origin in stage.copies:
            for source in [] if origin else sources:
                assert (ROOT / source).exists(), source
                assert let_in(source), f"{source} is kept out by .dockerignore"


def test_all_rooms_of_the_wheel_are_copied() -> None:
    """A room that the wheel packs and an image lacks would fail only in production."""
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    packed = {*wheel["packages"], *wheel["force-include"]}

    for role in OURS:
        copied = {source for sources, _ in stages(dockerfiles()[role])[0].copies for source in sources}
        assert {one for one in packed if not one.startswith("docs/")} <= copied, role
        assert "docs" in copied, role


@pytest.mark.parametrize("role", dockerfiles())
def test_every_variable_of_an_image_is_a_setting(role: str) -> None:
    """A misspelt variable would be ignored without a word."""
    known = {f"INKQUEUE_{name.upper()}" for name in Settings.model_fields}

    assert set(image(role).environment) <= known | FOREIGN_ENV


@pytest.mark.parametrize("role", OURS)
def test_every_command_is_a_module_that_exists(role: str) -> None:
    """The process and its health check are found by the interpreter of the image."""
    for command in (image(role).command, image(role).health):
        assert module_of(command) is not None, command


def test_the_port_of_the_api_is_the_one_that_is_exposed() -> None:
    """EXPOSE, the variable and the setting's default agree."""
    api = image("api")

    assert api.ports == [int(api.environment["INKQUEUE_PORT"])] == [Settings.model_fields["port"].default]


@pytest.mark.parametrize(
    ("role", "extra", "absent"),
    [
        (
            "api",
            "server",
            {"torch", "onnxruntime", "openvino", "opencv-python-headless", "pillow", "pypdfium2"},
        ),
        ("steward", "server", {"torch", "onnxruntime", "openvino", "opencv-python-headless", "pillow"}),
        ("worker", "worker", {"torch", "openvino"}),
        ("flower", "flower", {"torch", "onnxruntime", "sqlalchemy", "fastapi"}),
    ],
)
def test_an_image_installs_no_more_than_its_role_needs(role: str, extra: str, absent: set[str]) -> None:
    """The API's image holds no decoder and no engine; the CPU worker's no torch."""
    build = stages(dockerfiles()[role])[0]
    names = {
        line.split("[")[0].split(">")[0].split("=")[0]
        for line in requirements(ROOT / "pyproject.toml", [extra])
    }

    asked = next(run for run in build.runs if "requirements.py" in run)
    assert f"requirements.py {extra}" in asked or 'ARG EXTRAS="worker"' in dockerfiles()[role].read_text()
    assert not names & absent


def test_the_gpu_worker_brings_torch_and_insists_on_the_gpu() -> None:
    """Its image names engine and device instead of falling back to the CPU in silence."""
    worker = image("worker-gpu")

    assert any(line.startswith("torch") for line in requirements(ROOT / "pyproject.toml", ["gpu"]))
    assert (worker.environment["INKQUEUE_ENGINE"], worker.environment["INKQUEUE_DEVICE"]) == ("torch", "cuda")


def let_in(source: str) -> bool:
    """Tell whether .dockerignore lets a path into the build."""
    inside = False
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.strip()
        if not pattern or pattern.startswith("#"):
            continue
        if fnmatch.fnmatch(source, pattern.lstrip("!")):
            inside = pattern.startswith("!")
    return inside


def module_of(command: list[str]) -> str | None:
    """Return the module that a command runs, when it can be found."""
    if command[:2] == ["python", "-m"]:
        name = command[2]
    elif command[0] == "celery":
        name = command[command.index("-A") + 1]
    else:
        return None
    found = importlib.util.find_spec(name)
    return name if found is not None and Path(found.origin or "").is_file() else None
