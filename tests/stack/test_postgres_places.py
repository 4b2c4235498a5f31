"""PostgreSQL's data lie where its user reaches them, and no folder of anybody is opened for that."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from inkqueue.local import postgres as module
from inkqueue.local import reachable, system_user
from inkqueue.local.errors import LocalStackError
from inkqueue.local.launch import start, start_time
from inkqueue.local.postgres import Postgres
from tests.services import FAST, wait_for


@pytest.fixture
def closed_parent() -> Iterator[Path]:
    """Make a folder that only its owner enters, outside of pytest's own."""
    parent = Path(tempfile.mkdtemp(prefix="inkqueue-closed-"))
    yield parent
    shutil.rmtree(parent)


def modes(path: Path) -> dict[Path, int]:
    """Return the modes of a folder and all its parents."""
    return {folder: stat.S_IMODE(folder.stat().st_mode) for folder in (path, *path.parents)}


@pytest.mark.slow
def test_no_parent_of_the_home_changes_its_mode(closed_parent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home below a closed folder works, as root too, and the folder stays closed."""
    open_root = Path(tempfile.mkdtemp(prefix="inkqueue-open-"))
    open_root.chmod(0o711)
    monkeypatch.setattr(reachable, "ROOT", open_root)
    home = closed_parent / "home"
    home.mkdir(mode=0o711)
    before = modes(home) | modes(module.find_bin())
    try:
        postgres = Postgres(home, settings=FAST)
        postgres.prepare()
        with_server(postgres)
        assert modes(home) | modes(module.find_bin()) == before
        if os.geteuid() == 0:
            assert postgres.data.is_relative_to(open_root)
            closed_parent.chmod(0o711)
            again = Postgres(home, settings=FAST)
            again.prepare()
            assert again.data == postgres.data, "a home that has been opened keeps its database"
            closed_parent.chmod(0o700)
        else:
            assert postgres.data.is_relative_to(home)
    finally:
        shutil.rmtree(open_root)


@pytest.mark.slow
def test_programs_out_of_reach_are_copied(plain_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment below a closed folder serves all the same: PostgreSQL runs from a copy."""
    copies = plain_home / "copies"
    monkeypatch.setattr(reachable, "ROOT", copies)
    monkeypatch.setattr(system_user, "can_use", lambda _user, _program: False)
    old = os.umask(0o077)
    try:
        postgres = Postgres(plain_home, settings=FAST)
        postgres.prepare()
    finally:
        os.umask(old)
    assert postgres.bin.is_relative_to(copies) == (os.geteuid() == 0)
    with_server(postgres)


def with_server(postgres: Postgres) -> None:
    """Start the server, ask it something, stop it."""
    process = start(postgres.launch(), postgres.home / "log")
    try:
        wait_for(postgres.is_ready, "PostgreSQL", 30)
        postgres.create_database()
        postgres.create_database()
        with psycopg.connect(postgres.url()) as connection:
            assert connection.execute("SELECT current_user").fetchone() == ("inkqueue",)
    finally:
        process.send_signal(signal.SIGQUIT)
        process.wait()


def test_a_long_path_still_gets_a_socket(tmp_path: Path) -> None:
    """A home whose path exceeds what a Unix socket may have works: the socket lies elsewhere."""
    base = Path(tempfile.mkdtemp(prefix="inkqueue-long-"))
    base.chmod(0o711)
    home = base / ("x" * 120)
    home.mkdir(mode=0o711)
    postgres = Postgres(home, settings=FAST)
    try:
        postgres.prepare()
        assert not postgres.socket_dir.is_relative_to(home)
        assert stat.S_IMODE(postgres.socket_dir.stat().st_mode) == 0o700
        with_server(postgres)
    finally:
        for folder in (base, postgres.socket_dir):
            shutil.rmtree(folder)


@pytest.fixture
def plain_home() -> Iterator[Path]:
    """Make a home that the server's user may pass through."""
    home = Path(tempfile.mkdtemp(prefix="inkqueue-home-"))
    home.chmod(0o711)
    yield home
    shutil.rmtree(home)


def test_a_killed_server_starts_again(plain_home: Path) -> None:
    """A stale lock whose pid lives on as somebody else's is no obstacle."""
    postgres = Postgres(plain_home, settings=FAST)
    postgres.prepare()
    with_server(postgres)
    (postgres.data / "postmaster.pid").write_text(f"{os.getpid()}\n{postgres.data}\n")
    (postgres.socket_dir / f".s.PGSQL.{module.PORT}.lock").write_text(f"{os.getpid()}\n")
    postgres.prepare()
    with_server(postgres)


def test_a_server_left_running_is_stopped(plain_home: Path) -> None:
    """A server that outlived its stack is shut down before the next one starts on its data."""
    postgres = Postgres(plain_home, settings=FAST)
    postgres.prepare()
    process = start(postgres.launch(), plain_home / "log")
    wait_for(postgres.is_ready, "PostgreSQL", 30)
    Postgres(plain_home, settings=FAST).prepare()
    assert process.wait(10) == 0
    assert start_time(process.pid) is None


def test_data_of_another_version_are_refused(plain_home: Path) -> None:
    """Files of an older PostgreSQL are left alone, with a word on what to do."""
    postgres = Postgres(plain_home, settings=FAST)
    postgres.prepare()
    (postgres.data / "PG_VERSION").write_text("16\n")
    with pytest.raises(LocalStackError, match="made by PostgreSQL 16"):
        postgres.prepare()


def test_an_old_server_on_the_path_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without PostgreSQL 18 the error names what to install."""
    monkeypatch.setattr(module, "major_version", lambda _folder: 15)
    with pytest.raises(LocalStackError, match="No PostgreSQL 18 or newer found"):
        module.find_bin()
