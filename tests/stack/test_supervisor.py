"""The supervisor restarts what dies and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from inkqueue.local import supervisor as module
from inkqueue.local.errors import LocalStackError
from inkqueue.local.home import Home
from inkqueue.local.launch import Launch, start, start_time
from inkqueue.local.leftovers import stop_leftovers
from inkqueue.local.supervisor import Interrupted, Supervisor
from tests.services import wait_for

SLEEP = "import time; time.sleep(600)"
PARENT_OF_ONE = (
    f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', '{SLEEP}']); time.sleep(600)"
)
DEAF = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); {SLEEP}"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """Hold a home folder."""
    held = Home(tmp_path / "home")
    held.hold()
    yield held
    held.release()


@pytest.fixture
def said() -> list[str]:
    """Collect what the person at the terminal is told."""
    return []


@pytest.fixture
def supervisor(home: Home, said: list[str]) -> Iterator[Supervisor]:
    """Supervise nothing yet; whatever is left at the end is killed."""
    made = Supervisor(home, said.append)
    yield made
    made.requests_to_stop = 2
    made.stop(list(made.children))


def python(home: Home, code: str, name: str = "toy", grace_s: float = 10.0) -> Launch:
    """Return the launch of a few lines of Python that know their home, as our processes do."""
    environment = {"INKQUEUE_HOME": str(home.path)}
    return Launch(name, [sys.executable, "-c", code], home.run, environment, grace_s=grace_s)


def pid_of(supervisor: Supervisor, name: str = "toy") -> int:
    """Return the pid of a running child."""
    process = supervisor.children[name].process
    assert process is not None
    return process.pid


def group_of(pid: int) -> list[int]:
    """Return the living members of a process group."""
    found = []
    for other in psutil.pids():
        try:
            if os.getpgid(other) == pid and start_time(other) is not None:
                found.append(other)
        except ProcessLookupError:
            continue
    return found


def test_what_dies_is_started_again(supervisor: Supervisor, home: Home, said: list[str]) -> None:
    """After a SIGKILL there is a new process, and the person is told."""
    supervisor.settled = True
    supervisor.add(python(home, SLEEP))
    first = pid_of(supervisor)
    os.kill(first, signal.SIGKILL)
    supervisor.wait_until("restart", lambda: _running(supervisor) not in (None, first), 10)
    assert said == [f"toy ended (signal SIGKILL); starting it again. Log: {home.logs / 'toy.log'}"]
    assert home.recorded()["toy"][0] == pid_of(supervisor)


def _running(supervisor: Supervisor) -> int | None:
    process = supervisor.children["toy"].process
    return None if process is None else process.pid


def test_orphans_of_a_dead_child_go_before_its_restart(supervisor: Supervisor, home: Home) -> None:
    """A grandchild of a killed process does not go on beside its successor."""
    supervisor.settled = True
    supervisor.add(python(home, PARENT_OF_ONE))
    first = pid_of(supervisor)
    wait_for(lambda: len(group_of(first)) == 2, "the grandchild")
    os.kill(first, signal.SIGKILL)
    supervisor.wait_until("restart", lambda: _running(supervisor) not in (None, first), 10)
    wait_for(lambda: not group_of(first), "the old group to be gone")


def test_what_never_starts_ends_the_start_with_its_last_words(supervisor: Supervisor, home: Home) -> None:
    """A process that dies at once, again and again, is an error that shows its log."""
    module_pause, module.FIRST_PAUSE_S = module.FIRST_PAUSE_S, 0.001
    try:
        supervisor.add(python(home, "raise SystemExit('the disk is on fire')"))
        with pytest.raises(LocalStackError, match="the disk is on fire"):
            supervisor.wait_until("never", lambda: False, 30)
    finally:
        module.FIRST_PAUSE_S = module_pause


def test_what_refuses_its_settings_is_not_tried_again(
    supervisor: Supervisor, home: Home, said: list[str]
) -> None:
    """Exit code 2 ends the start at once: the person reads why, once, and without a wait."""
    supervisor.add(python(home, "import sys; print('no keys'); sys.exit(2)"))
    with pytest.raises(LocalStackError, match="no keys"):
        supervisor.wait_until("never", lambda: False, 30)
    assert said == []


def test_a_step_that_fails_shows_its_log(supervisor: Supervisor, home: Home) -> None:
    """Migrations that fail end the start, in words."""
    with pytest.raises(LocalStackError, match=r"migrate failed \(exit code 1\)(.|\n)*no such table"):
        supervisor.run_once(python(home, "raise SystemExit('no such table')", "migrate"), 10)


def test_a_request_to_stop_is_heard_while_waiting(supervisor: Supervisor) -> None:
    """Ctrl-C ends a start that still waits."""
    supervisor.requests_to_stop = 1
    with pytest.raises(Interrupted):
        supervisor.wait_until("never", lambda: False, 30)


def test_stop_leaves_no_process_of_any_group(supervisor: Supervisor, home: Home) -> None:
    """Grandchildren end with their parents, and the record is empty."""
    supervisor.add(python(home, PARENT_OF_ONE))
    pid = pid_of(supervisor)
    wait_for(lambda: len(group_of(pid)) == 2, "the grandchild")
    supervisor.stop(["toy"])
    assert group_of(pid) == []
    assert home.recorded() == {}


def test_what_does_not_listen_is_killed(supervisor: Supervisor, home: Home, said: list[str]) -> None:
    """A process that ignores SIGTERM has its time, then it goes."""
    supervisor.add(python(home, DEAF, grace_s=0.2))
    pid = pid_of(supervisor)
    wait_for(lambda: "deaf" in (home.logs / "toy.log").read_text(), "the process to be deaf")
    supervisor.stop(["toy"])
    assert start_time(pid) is None
    assert said == ["toy has not stopped by itself; killing it"]


def test_a_second_request_ends_all_patience(supervisor: Supervisor, home: Home) -> None:
    """Ctrl-C twice does not wait for anybody's grace."""
    supervisor.add(python(home, DEAF, grace_s=50.0))
    wait_for(lambda: "deaf" in (home.logs / "toy.log").read_text(), "the process to be deaf")
    supervisor.requests_to_stop = 2
    supervisor.stop(["toy"])
    assert supervisor.children == {}


def test_large_logs_are_cut(supervisor: Supervisor, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log over the limit is kept once and begins anew; its writer goes on undisturbed."""
    monkeypatch.setattr(module, "MAX_LOG_BYTES", 10)
    log = home.logs / "toy.log"
    with log.open("ab", buffering=0) as writer:
        writer.write(b"twelve bytes")
        supervisor.keep_logs_small()
        writer.write(b"more")
    assert log.read_bytes() == b"more"
    assert (home.logs / "toy.log.1").read_bytes() == b"twelve bytes"


def test_children_die_with_a_killed_parent(tmp_path: Path) -> None:
    """A SIGKILL of the starter, which it cannot answer, ends what it started."""
    code = f"""
import sys, time, pathlib
from inkqueue.local.launch import Launch, start
toy = Launch("toy", [sys.executable, "-c", {SLEEP!r}], pathlib.Path("/"))
child = start(toy, pathlib.Path({str(tmp_path)!r}, "log"))
print(child.pid, flush=True)
time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert start_time(child) is not None
        parent.kill()
    wait_for(lambda: start_time(child) is None, "the child to die with its parent", 10)


def test_leftovers_are_stopped_by_pid_and_start_time(home: Home) -> None:
    """After a crash the recorded processes go; one that only inherited a pid stays."""
    ours = start(python(home, SLEEP), home.logs / "ours.log")
    stranger = start(python(home, SLEEP), home.logs / "stranger.log")
    try:
        began = start_time(ours.pid)
        assert began is not None
        home.record({"worker-1": (ours.pid, began), "api": (stranger.pid, "some other time")})
        assert stop_leftovers(home) == ["worker-1"]
        assert ours.wait(10) == -signal.SIGKILL
        assert stranger.poll() is None
        assert home.recorded() == {}
    finally:
        for process in (ours, stranger):
            process.kill()
            process.wait()


def test_a_process_of_another_folder_is_left_alone(home: Home, tmp_path: Path) -> None:
    """Even with the right pid and start time, a process that does not name this folder is not ours."""
    elsewhere = Launch("toy", [sys.executable, "-c", SLEEP], Path("/"), {"INKQUEUE_HOME": "/elsewhere"})
    other = start(elsewhere, tmp_path / "log")
    try:
        began = start_time(other.pid)
        assert began is not None
        home.record({"worker-1": (other.pid, began)})
        assert stop_leftovers(home) == []
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()
