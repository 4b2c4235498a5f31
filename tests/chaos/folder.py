"""A storage folder that can fail, dawdle, vanish and be full, without a line of product code for it.

A small tmpfs in a mount namespace of the driver's own, and the kernel's fanotify, which asks before a file is opened.
Both need root; what cannot be had is said in `missing`, and its faults are left out.
"""

from __future__ import annotations

import ctypes
import os
import struct
import subprocess
import threading
import time
from collections import Counter
from pathlib import Path

from shared.blobs_root import MARKER

CLONE_NEWNS = 0x20000
FAN_CLOEXEC_CONTENT = 0x1 | 0x4
FAN_MARK_ADD, FAN_MARK_REMOVE, FAN_MARK_MOUNT = 0x1, 0x2, 0x10
FAN_OPEN_PERM = 0x10000
FAN_ALLOW, FAN_DENY = 1, 2
AT_FDCWD = -100
EVENT = struct.Struct("=IBBHQii")
MIB = 1024 * 1024


class StorageFolder:
    """The folder `objects` that the service stores in, on a disk of its own."""

    def __init__(self, disk: Path, size_mib: int) -> None:
        """Make the disk, as far as this machine lets us."""
        self.disk, self.size_mib = disk, size_mib
        self.missing: dict[str, str] = {}
        self.path = disk / "objects"
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._active: Counter[str] = Counter()
        self._delay_s = 0.0
        disk.mkdir(parents=True, exist_ok=True)
        self._mount()
        self._fd = self._listen()
        self.path.mkdir(mode=0o700)

    def close(self) -> None:
        """Give everything back."""
        for kind in list(self._active):
            self.end(kind, whole=True)
        if self._fd >= 0:
            os.close(self._fd)
        if "disk_full" not in self.missing:
            subprocess.run(["umount", "-l", str(self.disk)], check=False, capture_output=True)

    def begin(self, kind: str, delay_s: float = 0.0) -> None:
        """Start one of `storage_fails`, `storage_slow`, `storage_gone`, `disk_full`; they may overlap."""
        self._active[kind] += 1
        if self._active[kind] == 1:
            self._switch(kind, on=True)
        self._delay_s = max(self._delay_s, delay_s)

    def end(self, kind: str, *, whole: bool = False) -> None:
        """End it; the last of several at once lets the folder recover."""
        self._active[kind] = 0 if whole else max(0, self._active[kind] - 1)
        if self._active[kind] == 0:
            del self._active[kind]
            self._switch(kind, on=False)

    def _switch(self, kind: str, *, on: bool) -> None:
        if kind == "disk_full":
            self._fill() if on else (self.disk / "ballast").unlink(missing_ok=True)
        elif kind == "storage_gone":
            away = self.disk / "away"
            self.path.rename(away) if on else self._bring_back(away)
        else:
            self._mark(on=bool(self._active["storage_fails"] or self._active["storage_slow"]))
            if not self._active["storage_slow"]:
                self._delay_s = 0.0

    def _bring_back(self, away: Path) -> None:
        """Put the folder back; what was stored in another one of its name meanwhile is lost, as in real life."""
        if not away.exists():
            return
        if self.path.exists():
            self.path.rename(self.disk / f"wrong-{time.monotonic_ns()}")
        away.rename(self.path)

    def wrongly_stored(self) -> list[Path]:
        """Return files that were promised to somebody while the real folder was away."""
        return [
            path
            for path in self.disk.glob("wrong-*/**/*")
            if path.is_file() and "probe" not in path.name and path.name != MARKER
        ]

    def _fill(self) -> None:
        """Leave not one page free."""
        with (self.disk / "ballast").open("wb") as ballast:
            free = os.statvfs(self.disk)
            os.posix_fallocate(ballast.fileno(), 0, max(1, free.f_bavail * free.f_frsize))

    def _mount(self) -> None:
        if os.geteuid() != 0 or self._libc.unshare(CLONE_NEWNS) != 0:
            self.missing["disk_full"] = "no small tmpfs can be mounted without root"
            return
        subprocess.run(["mount", "--make-rprivate", "/"], check=False, capture_output=True)
        size = f"size={self.size_mib}m,mode=0711"
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", size, "none", str(self.disk)], check=False, capture_output=True
        )
        if done.returncode != 0:
            self.missing["disk_full"] = "mounting a small tmpfs is not allowed here"

    def _listen(self) -> int:
        """Open the kernel's questions; they are asked only while a fault is on."""
        fd = -1 if "disk_full" in self.missing else self._libc.fanotify_init(FAN_CLOEXEC_CONTENT, os.O_RDONLY)
        if fd < 0 or not self._marked(fd, FAN_MARK_ADD):
            for kind in ("storage_fails", "storage_slow"):
                self.missing[kind] = "fanotify with permission events needs root and a kernel that has it"
            return -1
        self._marked(fd, FAN_MARK_REMOVE)
        threading.Thread(target=self._answer, args=(fd,), daemon=True).start()
        return int(fd)

    def _mark(self, *, on: bool) -> None:
        self._marked(self._fd, FAN_MARK_ADD if on else FAN_MARK_REMOVE)

    def _marked(self, fd: int, how: int) -> bool:
        mask = ctypes.c_uint64(FAN_OPEN_PERM)
        where = os.fsencode(self.disk)
        return bool(self._libc.fanotify_mark(fd, how | FAN_MARK_MOUNT, mask, AT_FDCWD, where) == 0)

    def _answer(self, fd: int) -> None:
        """Answer the kernel: late, or with no; a reader that waits holds up nobody else."""
        while True:
            try:
                events = os.read(fd, 65536)
            except OSError:
                return
            while events:
                length, *_, file, pid = EVENT.unpack(events[: EVENT.size])
                events = events[length:]
                if pid == os.getpid():
                    self._say(fd, file, FAN_ALLOW)
                elif self._active["storage_slow"]:
                    verdict = FAN_DENY if self._active["storage_fails"] else FAN_ALLOW
                    threading.Timer(self._delay_s, self._say, (fd, file, verdict)).start()
                else:
                    self._say(fd, file, FAN_DENY if self._active["storage_fails"] else FAN_ALLOW)

    @staticmethod
    def _say(fd: int, file: int, verdict: int) -> None:
        os.write(fd, struct.pack("=iI", file, verdict))
        os.close(file)
