"""One process of a run: reads input after input of one target and tells its parent where it is."""

from __future__ import annotations

import ctypes
import faulthandler
import gc
import logging
import mmap
import os
import resource
import struct
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path

from benchmarks.fuzz.target import Target, input_of
from benchmarks.fuzz.traps import TRAPS
from shared.errors import InkqueueError

MIB = 1024 * 1024
_STATE = struct.Struct("<qddqqqdqqqq")
STATE_BYTES = _STATE.size
WARM = 500
"""Inputs after which memory is expected to stay as it is."""
MOST_KEPT = 20


@dataclass
class State:
    """Where a child is; lies in a file that both have mapped, so it survives the child."""

    number: int = -1
    since: float = 0.0
    """When the input in hand was begun, by the clock that all processes share."""
    cpu_s: float = 0.0
    """The child's processor time at that moment."""
    done: int = 0
    passed: int = 0
    broken: int = 0
    slowest_s: float = 0.0
    slowest: int = -1
    warm_bytes: int = 0
    rss_bytes: int = 0
    ended: int = 0

    @classmethod
    def read(cls, file: Path) -> State:
        """Return what stands in the file."""
        return cls(*_STATE.unpack(file.read_bytes()[:STATE_BYTES]))


@dataclass(frozen=True)
class Work:
    """The inputs of one child: `first`, `first + step`, … below `end`."""

    target: str
    seed: int
    first: int
    end: int
    step: int
    memory_mib: int
    state: Path
    keep: Path

    @property
    def stack(self) -> Path:
        """Return the file for where the process was when it died."""
        return self.keep / f"{self.target}-{self.first}.stack"


@contextmanager
def _shared_state(file: Path) -> Iterator[tuple[State, mmap.mmap]]:
    """Map the state's file."""
    with file.open("r+b") as opened, mmap.mmap(opened.fileno(), STATE_BYTES) as mapped:
        yield State(), mapped


def run(work: Work) -> None:
    """Read every input; whatever is raised beside our own errors is written down, and the next one follows."""
    target = _find(work.target)
    _limit_memory(work.memory_mib)
    with _shared_state(work.state) as (state, mapped):
        for number in range(work.first, work.end, work.step):
            state.number, state.since, state.cpu_s = number, time.monotonic(), time.process_time()
            mapped[:] = _STATE.pack(*astuple(state))
            data = input_of(target, work.seed, number)
            started = time.process_time()
            try:
                target.read(data)
                state.passed += 1
            except InkqueueError:
                pass
            except Exception as error:
                state.broken += 1
                keep(work, number, data, error, state.broken)
            spent = time.process_time() - started
            if spent > state.slowest_s:
                state.slowest_s, state.slowest = spent, number
            state.done += 1
            if state.done % 2048 == 0 or state.done == WARM:
                _note_memory(state)
        _note_memory(state)
        state.ended = 1
        mapped[:] = _STATE.pack(*astuple(state))


def _find(name: str) -> Target:
    """Return a target; the decoders are loaded only for those that need them, and never by the parent."""
    for trap in TRAPS:
        if trap.name == name:
            return trap
    from benchmarks.fuzz.targets import BY_NAME

    return BY_NAME[name]


def keep(work: Work, number: int, data: bytes, error: Exception, count: int) -> None:
    """Write an input that broke something into a file of its own, with the traceback beside it."""
    if count <= MOST_KEPT:
        file = work.keep / f"{work.target}-{work.seed}-{number}.bin"
        file.write_bytes(data)
        file.with_suffix(".txt").write_text("".join(traceback.format_exception(error)))


def _limit_memory(mib: int) -> None:
    """Let the process grow by so much and no more."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + mib * MIB, used + mib * MIB))


def _note_memory(state: State) -> None:
    """Write down how much memory is in use: neither garbage nor what the allocator keeps for later counts."""
    gc.collect()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it, musl has not
        if trim is not None:
            trim(0)
    state.rss_bytes = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    if not state.warm_bytes and state.done >= WARM:
        state.warm_bytes = state.rss_bytes


def main(work: Work) -> None:
    """Do the work in a process of its own; what libraries say goes nowhere, where they die goes into a file."""
    logging.disable()
    gc.collect()
    gc.freeze()  # what was loaded before the fork need not be looked through again
    with work.stack.open("w") as stack:
        faulthandler.enable(stack)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        run(work)
        faulthandler.disable()
