"""README and docs: links lead somewhere, commands exist, tables are complete."""

from __future__ import annotations

import itertools
import re
import shlex
import tomllib
from pathlib import Path

import pytest
import typer

from inkqueue.cli.app import app
from shared.packages import ModelCard
from shared.settings import Settings
from tests.deploy.files import compose
from tests.docs.pages import PAGES, ROOT, anchors, blocks, commands, links, prose

pytestmark = pytest.mark.check
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
MAKEFILE = (ROOT / "Makefile").read_text()
COMMANDS: dict[str, object] = getattr(typer.main.get_command(app), "commands")  # noqa: B009  # a group has it


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    """Relative links name files that exist, and anchors headings that exist."""
    for link in links(page):
        target, _, anchor = link.partition("#")
        if target.startswith("http"):
            continue
        there = (page.parent / target).resolve() if target else page
        assert there.exists(), link
        assert not anchor or anchor in anchors(there), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_says_its_language(page: Path) -> None:
    """`sh` and `python` blocks are run by a test, `console` blocks are checked by name."""
    assert {block.kind for block in blocks(page)} <= {
        "sh",
        "python",
        "console",
        "json",
        "javascript",
        "mermaid",
        "sql",
        "http",
    }


@pytest.mark.parametrize(("page", "line"), [(page, line) for page, line in commands()])
def test_every_command_that_no_test_runs_exists(page: Path, line: str) -> None:
    """Targets, commands, extras, services, profiles and variables are those of the code."""
    words = shlex.split(line, comments=True)
    match words:
        case ["make", target, *variables]:
            assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE)
            assert all(f"$({variable.split('=')[0]})" in MAKEFILE for variable in variables)
        case ["pip", "install", requirement]:
            name, *extras = re.split(r"[\[\],]", requirement)
            assert name == PROJECT["name"]
            assert {extra for extra in extras if extra} <= set(PROJECT["optional-dependencies"])
        case ["inkqueue", command, *_]:
            assert command in COMMANDS
        case ["docker", "compose", *options]:
            check_compose(options)
        case ["export", *assignments]:
            for assignment in assignments:
                name = assignment.split("=")[0]
                assert (
                    name.startswith(("AWS_", "MLFLOW_"))
                    or name.removeprefix("INKQUEUE_").lower() in Settings.model_fields
                )
        case ["celery", *_]:
            assert line in (ROOT / "docs" / "operations.md").read_text()
        case ["python", "-m", module, *_]:
            assert (ROOT / module.replace(".", "/")).exists() or (
                ROOT / f"{module.replace('.', '/')}.py"
            ).exists()
        case _:
            pytest.fail(f"{page.name}: nobody knows {line!r}")


def check_compose(options: list[str]) -> None:
    """Check that files, profiles and services of a docker compose command exist."""
    described = compose()["services"]
    profiles = {profile for service in described.values() for profile in service.get("profiles", [])}
    for option, value in itertools.pairwise(options):
        if option == "--env-file":
            assert (ROOT / value).is_file()
        if option == "--profile":
            assert value in profiles
        if option == "--scale":
            assert value.split("=")[0] in described


def test_the_readme_says_why_each_dependency_is_there() -> None:
    """The table names every direct dependency of a user, under the extra that brings it, and no other."""
    table = (ROOT / "README.md").read_text().split("## Why each dependency", 1)[1].split("\n## ", 1)[0]
    documented = {
        (name.strip(), extra.strip())
        for names, extras in re.findall(r"^\| ([^|]+) \| ([^|]+) \|", table, re.MULTILINE)[1:]
        for name in names.split(",")
        for extra in extras.split(",")
        if not name.startswith("---")
    }
    declared = {(plain(line), "client") for line in PROJECT["dependencies"]}
    for extra, lines in PROJECT["optional-dependencies"].items():
        if extra != "dev":
            declared |= {(plain(line), extra) for line in lines if not line.startswith("inkqueue[")}

    assert documented == declared - {("celery", "flower")}


def plain(requirement: str) -> str:
    """Return the name of a requirement."""
    found = re.match(r"[A-Za-z0-9_-]+", requirement)
    assert found is not None
    return found.group()


def test_every_key_of_the_card_is_documented() -> None:
    """docs/models.md explains each key that a package must have."""
    page = (ROOT / "docs" / "models.md").read_text()
    table = page.split("## The card", 1)[1].split("\n## ", 1)[0]

    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", table, re.MULTILINE)
    assert {key for row in rows for key in re.findall(r"\w+", row)} == set(ModelCard.__annotations__)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_variable_that_is_named_exists(page: Path) -> None:
    """An INKQUEUE_ variable in a document is a setting, or read by client, command line or compose."""
    known = {f"INKQUEUE_{name.upper()}" for name in Settings.model_fields}
    known |= {"INKQUEUE_HOME", "INKQUEUE_URL", "INKQUEUE_API_KEY", "INKQUEUE_PUBLISH", "INKQUEUE_WORKERS"}

    assert set(re.findall(r"INKQUEUE_[A-Z0-9_]*[A-Z0-9]", page.read_text())) - {"INKQUEUE_"} <= known


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_metric_and_module_that_is_named_exists(page: Path) -> None:
    """Names of metrics, `python -m` modules and paths in the text are those of the code."""
    code = "\n".join(
        path.read_text() for room in ("api", "worker", "shared") for path in (ROOT / room).rglob("*.py")
    )
    text = prose(page)
    for metric in re.findall(r"`(inkqueue_[a-z_]+)", text):
        assert metric in code, metric
    for module in re.findall(r"`python -m ([\w.]+)", text):
        path = ROOT / module.replace(".", "/")
        assert path.is_dir() or path.with_suffix(".py").is_file(), module
    for path_name in re.findall(
        r"`((?:api|worker|shared|models|samples|deploy|tests|migrations|docs)/[\w./-]*)`", text
    ):
        assert (ROOT / path_name).exists(), path_name
