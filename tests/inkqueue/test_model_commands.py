"""`inkqueue model`: what a person types to add, list and remove networks of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from inkqueue.cli.exits import Exit
from shared.blobs import open_blobs
from shared.db import Database
from shared.mlflow_client import open_store
from shared.packages import find_packages, load_package, resolve, verify
from shared.settings import Settings
from tests.networks import folder_of
from tests.queue_driver import execute
from tests.uploads import submit_file
from training.tracking import register
from worker.models import fetch_models

pytestmark = pytest.mark.torch


class Shell:
    """A person's shell: a folder to stand in, and a home of inkqueue."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.environment = {**os.environ, "INKQUEUE_HOME": str(self.home)}

    def model(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `inkqueue model …`."""
        command = [sys.executable, "-m", "inkqueue", "model", *words]
        return subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """Stand in a folder that has a network and a treacherous module."""
    folder_of(tmp_path / "colours")
    (tmp_path / "worker.py").write_text("raise SystemExit('the folder of the user was imported')")
    return Shell(tmp_path)


def test_from_checking_to_removing(shell: Shell) -> None:
    """Check changes nothing, add installs into the local stack's home, list shows it, remove takes it away."""
    checked = shell.model("check", "colours", "--mean", "0.5,0.4,0.3", "--std", "0.2")
    assert (checked.returncode, checked.stderr) == (0, "")
    assert "fine; nothing was installed" in checked.stdout
    assert not shell.home.exists()

    added = shell.model(
        "add", "colours", "--version", "2", "--name", "paint", "--mean", "0.5,0.4,0.3", "--std", "0.2"
    )
    assert added.returncode == 0, added.stderr
    package = load_package(shell.home / "models" / "paint" / "2")
    assert (package.card["input"]["mean"], package.card["input"]["std"]) == ([0.5, 0.4, 0.3], [0.2] * 3)
    assert package.sha256 in added.stdout
    assert "INKQUEUE_MODELS_DIRS" not in added.stdout

    listed = shell.model("list")
    assert {line.split("\t")[0] for line in listed.stdout.splitlines()} >= {"digits@1.0.0", "paint@2"}
    assert shell.model("remove", "digits@1.0.0").returncode == Exit.REFUSED
    assert shell.model("remove", "paint@2").stdout == "removed: paint@2\n"
    assert not package.path.exists()


def test_what_is_wrong_is_told_in_two_lines(shell: Shell) -> None:
    """The reason and the remedy on stderr, an exit code, no traceback."""
    (shell.folder / "colours" / "labels.txt").write_text("a\nb\n")
    refused = shell.model("add", "colours")
    assert (refused.returncode, refused.stdout) == (Exit.REFUSED, "")
    assert refused.stderr.splitlines()[0] == "inkqueue: The network has 3 outputs, and there are 2 labels."
    assert shell.model("add", "colours", "--mean", "x").returncode == Exit.USAGE
    assert shell.model("add", "colours", "--size", "1x2x3").returncode == Exit.USAGE


def test_a_folder_elsewhere_must_be_named_to_the_service(shell: Shell) -> None:
    """`--into` installs anywhere, and says what API and workers have to be told."""
    added = json.loads(shell.model("add", "colours", "--into", "elsewhere", "--json").stdout)
    assert any("INKQUEUE_MODELS_DIRS" in line for line in added)
    assert load_package(shell.folder / "elsewhere" / "colours" / "1.0.0").labels == ("red", "green", "blue")


def test_a_version_that_a_job_needs_is_not_removed(
    shell: Shell, settings: Settings, database: Database
) -> None:
    """The database of the installation is asked; where it does not answer nothing is removed by accident."""
    shell.model("add", "colours")
    path = shell.home / "models" / "colours" / "1.0.0"
    shell.environment["INKQUEUE_DATABASE_URL"] = settings.database_url
    submit_file(database, open_blobs(settings), settings, "a.png", b"x", inline=True)
    execute(database, "UPDATE jobs SET model_name = 'colours', model_version = '1.0.0'")

    refused = shell.model("remove", "colours@1.0.0", "--force")

    assert "1 unfinished job needs colours@1.0.0" in refused.stderr
    assert path.exists()
    shell.environment["INKQUEUE_DATABASE_URL"] = "postgresql://nobody@127.0.0.1:1/nothing"
    assert "does not answer" in shell.model("remove", "colours@1.0.0").stderr
    assert path.exists()
    assert shell.model("remove", "colours@1.0.0", "--force").returncode == 0
    assert not path.exists()


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_registered_model_is_added_with_its_checksum(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`mlflow:NAME@ALIAS` is fetched and installed by hand, or by workers that are told to at their start."""
    shell.model("add", "colours", "--into", "made")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'registry.db'}")
    shell.environment["MLFLOW_TRACKING_URI"] = f"sqlite:///{tmp_path / 'registry.db'}"
    monkeypatch.chdir(tmp_path)
    open_store(create=True)
    made = load_package(tmp_path / "made" / "colours" / "1.0.0")
    register(made, alias="champion")

    added = shell.model("add", "mlflow:colours@champion")

    assert added.returncode == 0, added.stderr
    assert load_package(shell.home / "models" / "colours" / "1.0.0").sha256 == made.sha256
    assert shell.model("add", "mlflow:colours@nobody").returncode == Exit.REFUSED
    wanted: dict[str, Any] = {"models": "mlflow:colours@champion, mlflow:colours@nobody"}
    monkeypatch.setenv("INKQUEUE_MODELS", wanted["models"])
    fetch_models(Settings(**wanted, models_dirs=str(tmp_path / "fetched")))
    found = resolve(find_packages([tmp_path / "fetched"]), "colours")
    verify(found)
    assert found.sha256 == made.sha256


def test_what_ships_already_is_shown_where_it_is(shell: Shell) -> None:
    """Adding the shipped package again installs nothing, and names the folder that really holds it."""
    shipped = resolve(find_packages(), "digits@1.0.0")
    added = shell.model("add", str(shipped.path), "--into", "empty")
    assert added.returncode == 0, added.stderr
    assert f"was there already: {shipped.path}" in added.stdout
    assert not (shell.folder / "empty" / "digits").exists()
