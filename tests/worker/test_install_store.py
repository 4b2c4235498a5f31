"""Installed versions: published whole or not at all, removed only when nobody needs them."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from shared.packages import find_packages, load_package, verify
from tests.networks import folder_of
from tests.worker.installing import install, refusal
from worker.install.refusal import Refused
from worker.install.store import remove, staging

pytestmark = pytest.mark.torch


def needed(_name: str, _version: str, _last: bool) -> None:
    """Say that a job needs it."""
    raise Refused("a job needs it")


def free(_name: str, _version: str, _last: bool) -> None:
    """Say that nobody needs it."""


def test_the_same_again_is_fine_and_another_is_refused(tmp_path: Path, root: Path) -> None:
    """A version is never overwritten; another version stands beside it."""
    folder = folder_of(tmp_path / "mine")
    assert install(folder, root)
    before = load_package(root / "mine" / "1.0.0").sha256
    assert not install(folder, root)
    (folder / "labels.txt").write_text("a\nb\nc\n")
    with pytest.raises(Refused, match="never overwritten"):
        install(folder, root)
    assert load_package(root / "mine" / "1.0.0").sha256 == before
    assert install(folder, root, version="1.0.1")
    assert [one.ref for one in find_packages([root]).values() if one.name == "mine"] == [
        "mine@1.0.1",
        "mine@1.0.0",
    ]


def test_nobody_slips_other_weights_under_a_shipped_version(tmp_path: Path, root: Path) -> None:
    """The shipped package counts as installed."""
    folder = folder_of(tmp_path / "digits")
    assert "never overwritten" in refusal(folder, root, {"version": "1.0.0"})


def test_two_at_once_make_one_package(tmp_path: Path, root: Path) -> None:
    """Of two different ones of the same version one wins, and it is whole."""
    folders = [
        folder_of(tmp_path / side / "mine", labels=labels) for side, labels in (("a", "xyz"), ("b", "uvw"))
    ]
    outcomes: list[object] = []

    def work(folder: Path) -> None:
        try:
            outcomes.append(install(folder, root))
        except Refused as refused:
            outcomes.append(str(refused))

    threads = [threading.Thread(target=work, args=(folder,)) for folder in folders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count(True) == 1
    assert any("never overwritten" in str(one) for one in outcomes)
    verify(load_package(root / "mine" / "1.0.0"))


def test_killed_in_the_middle_nothing_half_is_left(tmp_path: Path, root: Path) -> None:
    """What was being made is invisible to the service and gone with the next command."""
    code = (
        "import os, signal, sys; from pathlib import Path; from worker.install.store import staging\n"
        f"with staging(Path({str(root)!r})) as stage:\n"
        "    (stage / 'mine' / '1').mkdir(parents=True); (stage / 'mine' / '1' / 'model.json').write_text('{')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    assert any(path.name.startswith(".adding-") for path in root.iterdir())
    assert list(find_packages([root])) == list(find_packages())
    install(folder_of(tmp_path / "mine"), root)
    assert sorted(path.name for path in root.iterdir()) == [".lock", "mine"]


def test_a_version_that_a_job_needs_stays(tmp_path: Path, root: Path) -> None:
    """Refused at once or after everybody has noticed, it is there as before; a free one goes."""
    install(folder_of(tmp_path / "mine"), root)
    asked: list[bool] = []

    def needed_later(name: str, version: str, last: bool) -> None:
        asked.append((root / "mine" / "1.0.0").exists())
        if len(asked) > 1:
            needed(name, version, last)

    for check in (needed, needed_later):
        with pytest.raises(Refused, match="a job needs it"):
            remove("mine@1.0.0", root, check, noticed_s=0)
        verify(load_package(root / "mine" / "1.0.0"))
    assert asked == [True, False]
    remove("mine@1.0.0", root, free, noticed_s=0)
    assert not (root / "mine").exists()


@pytest.mark.parametrize(
    "ref", ["digits@1.0.0", "mine", "mine@", "mine@9", "../x@1", "mine@..", ".lock@x", "/etc@x"]
)
def test_only_what_was_added_can_be_removed(tmp_path: Path, root: Path, ref: str) -> None:
    """Shipped models stay, a version must be named, and no path leads elsewhere."""
    install(folder_of(tmp_path / "mine"), root)
    with pytest.raises(Refused):
        remove(ref, root, free, noticed_s=0)
    assert (root / "mine" / "1.0.0").exists()


def test_a_removal_that_was_killed_is_taken_back(tmp_path: Path, root: Path) -> None:
    """Nobody knows whether a job needs it, so it returns with the next command."""
    install(folder_of(tmp_path / "mine"), root)
    (root / "mine" / "1.0.0").rename(root / ".removing-mine@1.0.0")
    (root / "mine").rmdir()
    with staging(root):
        pass
    verify(load_package(root / "mine" / "1.0.0"))
