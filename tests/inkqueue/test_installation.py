"""What importing costs, and that programs written against the package are checked by mypy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.inkqueue.memory import FakeService

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
OF_A_CLIENT = [
    path for path in EXAMPLES if path.stem != "own_model"
]  # tests/worker/test_own_model.py runs that one
HEAVY = {"api", "worker", "shared", "training", "migrations", "torch", "fastapi", "numpy", "cv2", "celery"}
HEAVY |= {"sqlalchemy", "onnxruntime", "openvino", "redis", "starlette", "uvicorn"}


def loaded_by(code: str) -> set[str]:
    """Return the top-level modules that are loaded after a piece of code, in a fresh process."""
    program = f"import sys, json\n{code}\nprint(json.dumps(sorted({{n.split('.')[0] for n in sys.modules}})))"
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return set(json.loads(answer.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    "code",
    [
        "import inkqueue; inkqueue.Client; inkqueue.AsyncClient; inkqueue.Item",
        "import inkqueue.cli.app",
        "import sys; sys.argv = ['inkqueue', '--help']\nfrom inkqueue.cli import main\n"
        "try: main()\nexcept SystemExit as end: assert not end.code",
    ],
)
def test_the_base_install_suffices(code: str) -> None:
    """Neither the client nor the command line loads a server room or a heavy library."""
    assert loaded_by(code) & HEAVY == set()


def test_importing_the_package_loads_no_http_library() -> None:
    """Names are loaded when they are used."""
    assert loaded_by("import inkqueue") & {"httpx", "rich", "typer"} == set()


def test_every_public_name_is_there() -> None:
    """Each name that the package promises can be imported."""
    import inkqueue

    assert all(getattr(inkqueue, name) is not None for name in inkqueue.__all__)
    with pytest.raises(AttributeError):
        inkqueue.no_such_name  # noqa: B018 - the access is the test


@pytest.mark.parametrize("path", OF_A_CLIENT, ids=lambda path: path.stem)
def test_the_examples_run(service: FakeService, scans: Path, path: Path) -> None:
    """Each example does its work against a service."""
    arguments = [] if path.stem == "arrays" else [str(scans)]
    environment = {**os.environ, "INKQUEUE_URL": service.url}
    command = [sys.executable, str(path), *arguments]

    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=30)

    assert result.returncode == 0, result.stderr
    assert result.stdout


@pytest.mark.timeout(240)
@pytest.mark.slow
def test_programs_of_users_pass_mypy_strict(tmp_path: Path) -> None:
    """The examples, written as users write, pass the strictest check; a wrong option does not."""
    check = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path)]
    wrong = "from inkqueue import Client\nClient().submit('a.zip', priority='hgih', colour=1)\n"

    fine = subprocess.run(
        [*check, *map(str, EXAMPLES)], capture_output=True, text=True, check=False, cwd=ROOT
    )
    refused = subprocess.run([*check, "-c", wrong], capture_output=True, text=True, check=False, cwd=ROOT)

    assert (fine.returncode, len(EXAMPLES)) == (0, 4), fine.stdout
    assert refused.returncode == 1
    assert "priority" in refused.stdout
    assert "colour" in refused.stdout
