"""One folder holds everything, and one stack holds the folder."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from inkqueue.local.errors import LocalStackError
from inkqueue.local.home import ROOT_HOME, Home, default_home, with_local_urls


def test_the_given_folder_wins(tmp_path: Path) -> None:
    """INKQUEUE_HOME decides where the data are."""
    assert default_home({"INKQUEUE_HOME": str(tmp_path)}) == tmp_path


def test_root_and_others_have_their_own_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Root's data lie where its parents need not be opened; others keep theirs in the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert default_home({}) == ROOT_HOME
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert default_home({}) == tmp_path / ".inkqueue"


def test_a_second_stack_is_told_who_holds_the_folder(tmp_path: Path) -> None:
    """The second start names the folder and the first one's address, and the folder is free after its end."""
    first, second = Home(tmp_path / "home"), Home(tmp_path / "home")
    first.hold()
    first.describe_holder("pid 7, http://127.0.0.1:8000")
    with pytest.raises(LocalStackError, match=r"already runs on .*home \(pid 7, http://127.0.0.1:8000\)"):
        second.hold()
    first.release()
    second.hold()
    second.release()


def test_who_does_not_hold_the_folder_changes_no_record(tmp_path: Path) -> None:
    """A start that is turned away leaves the list of the running stack's processes alone."""
    first, second = Home(tmp_path), Home(tmp_path)
    first.hold()
    first.record({"api": (7, "then")})
    second.record({})
    assert first.recorded() == {"api": (7, "then")}
    first.release()


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    """A path below a file is refused in words."""
    (tmp_path / "file").write_text("")
    with pytest.raises(LocalStackError, match="cannot be used"):
        Home(tmp_path / "file" / "home").hold()


def test_secrets_are_readable_by_the_owner_only(tmp_path: Path) -> None:
    """The file with the addresses carries Redis' password: nobody else reads it."""
    home = Home(tmp_path)
    path = home.write_urls({"INKQUEUE_REDIS_URL": "redis://:secret@127.0.0.1:1/0"})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_commands_find_the_stack_of_the_folder(tmp_path: Path) -> None:
    """`inkqueue doctor` needs no exports after `inkqueue up`; what the shell says counts more."""
    Home(tmp_path).write_urls(
        {"INKQUEUE_DATABASE_URL": "postgresql://it's", "INKQUEUE_REDIS_URL": "redis://a"}
    )
    environment = with_local_urls({"INKQUEUE_HOME": str(tmp_path), "INKQUEUE_REDIS_URL": "redis://b"})
    assert environment["INKQUEUE_DATABASE_URL"] == "postgresql://it's"
    assert environment["INKQUEUE_REDIS_URL"] == "redis://b"
    assert with_local_urls({"INKQUEUE_HOME": "/nowhere"}) == {"INKQUEUE_HOME": "/nowhere"}
