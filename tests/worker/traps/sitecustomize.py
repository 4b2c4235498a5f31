"""Set traps into every process that finds this folder in PYTHONPATH: pictures that carry a mark take their reader down.

Python imports it by itself at its start, so the traps are in workers and in whatever they start, as a broken decoder
would be.
"""

from __future__ import annotations

import ctypes
import importlib.abc
import importlib.util
import os
import signal
import sys
import time
from pathlib import Path
from types import ModuleType

MARK = b"trap="
KEPT: list[bytes] = []


def spring(kind: str) -> None:
    """Do to this process what a bug in a library would."""
    if kind == "segfault":
        ctypes.string_at(0)
    elif kind == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    elif kind == "exit":
        os._exit(3)
    elif kind == "memory":
        hoard = []
        while True:
            hoard.append(bytearray(os.urandom(1 << 16) * 128))
    elif kind == "loop":
        if note := os.environ.get("TRAP_NOTE"):
            Path(note).touch()
        while True:
            pass
    elif kind == "slow":
        time.sleep(0.05)
    elif kind == "growing":
        KEPT.append(os.urandom(1 << 20) * 8)
    elif kind == "frozen":  # in C, with the interpreter's lock held: no other thread of the process runs
        ctypes.PyDLL(None).sleep(3600)


class Traps(importlib.abc.MetaPathFinder):
    """Puts a trap before the decoder as soon as that is imported."""

    def find_spec(self, name: str, path: object, target: ModuleType | None = None) -> object:
        """Wrap the loader of `shared.vision`; leave everything else alone."""
        if name != "shared.vision":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        load = spec.loader.exec_module

        def load_trapped(module: ModuleType) -> None:
            load(module)
            decode = module.decode

            def trapped(data: bytes, **options: object) -> object:
                if MARK in data:
                    spring(data.rpartition(MARK)[2].decode())
                return decode(data, **options)

            module.decode = trapped

        spec.loader.exec_module = load_trapped
        return spec


sys.meta_path.insert(0, Traps())
