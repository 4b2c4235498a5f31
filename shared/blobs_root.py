"""The folder of a local store, told by a marker file from the empty folder that a disk is mounted on."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from shared.errors import Unavailable

MARKER = ".inkqueue-storage"
Known = Callable[[], Sequence[str]]


class Root:
    """A folder that is the store only with its marker in it.

    The marker is made where nothing was ever stored, or, in a store older than the marker, where an object that the
    database knows really lies. Else the folder is a mount point without its disk, or another folder.

    Args:
        path: the folder.
        known: asked when there is no marker; gives the keys of some objects that are stored, none before the first.
    """

    def __init__(self, path: Path, known: Known) -> None:
        self.path, self._known = path, known
        self._was_there = False

    def demand(self, *, make: bool = False) -> None:
        """Insist that the folder is the store.

        Args:
            make: make a folder that is not there yet.

        Raises:
            Unavailable: it is away, or has no marker and is not seen to be the store.
            OSError: the disk does not answer, or has no room for the marker.
        """
        if self.is_marked():
            self._was_there = True
        else:
            self._begin(make)

    def is_marked(self) -> bool:
        """Tell whether the marker is there; one look at the disk."""
        return (self.path / MARKER).is_file()

    def _begin(self, make: bool) -> None:
        """Make the marker where that is right; only a writer needs it at once."""
        is_there = self.path.is_dir()
        if not ((is_there or make) and self._is_ours()):
            if self.is_marked():  # somebody else was quicker by a moment
                return
            raise Unavailable(
                f"The storage is not there at the moment: {'no marker in its folder' if is_there else 'no folder'}."
            )
        if make:
            self._mark()
        else:
            with suppress(OSError):
                self._mark()

    def _is_ours(self) -> bool:
        """Tell whether the folder without a marker is the store: nothing is stored, or something of it is here."""
        known = self._known()
        if known:
            return any((self.path / key).is_file() for key in known)
        return not self._was_there

    def _mark(self) -> None:
        """Make the marker, durably."""
        make_folder(self.path)
        with opened(self.path / MARKER, os.O_WRONLY | os.O_CREAT) as fd:
            os.fsync(fd)
        flush_folder(self.path)
        self._was_there = True


def make_folder(folder: Path) -> None:
    """Make a folder and its parents; flush the entry of each that is new."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    with suppress(FileExistsError):
        os.mkdir(folder)  # noqa: PTH102 - every call that needs room goes through one door
    flush_folder(folder.parent)


def flush_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    with opened(folder) as fd:
        os.fsync(fd)


@contextmanager
def opened(path: Path, flags: int = os.O_RDONLY) -> Iterator[int]:
    """Open a file or folder, for reading unless told."""
    fd = os.open(path, flags | os.O_CLOEXEC, 0o640)
    try:
        yield fd
    finally:
        os.close(fd)
