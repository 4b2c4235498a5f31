"""Targets that misbehave at one input: what a run must notice, proven by `tests/fuzz`."""

from __future__ import annotations

import os
import time
from random import Random

from benchmarks.fuzz.target import Target
from shared.errors import BadRequest

TRAP = b"trap"


def _make(chance: Random) -> bytes:
    """Make a trap about once in ten inputs."""
    return TRAP if chance.random() < 0.1 else b"x"


def _crash(data: bytes) -> None:
    if data == TRAP:
        os.abort()


def _hang(data: bytes) -> None:
    if data == TRAP:
        time.sleep(3600)


def _raise(data: bytes) -> None:
    if data == TRAP:
        raise IndexError("trap")
    raise BadRequest


def _fill(data: bytes) -> None:
    if data == TRAP:
        bytearray(8 * 2**30)


_grown: list[bytes] = []


def _grow(data: bytes) -> None:
    _grown.append(os.urandom(20_000))


TRAPS = tuple(
    Target(name, _make, read, 0)
    for name, read in (
        ("trap-crash", _crash),
        ("trap-hang", _hang),
        ("trap-raise", _raise),
        ("trap-fill", _fill),
        ("trap-grow", _grow),
    )
)
