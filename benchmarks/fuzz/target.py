"""One thing that reads what strangers send."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class Target:
    """One thing that reads what strangers send."""

    name: str
    make: Callable[[Random], bytes]
    """From a source of chance to an input; the same chance makes the same input."""
    read: Callable[[bytes], None]
    """Read an input as the service does; raises an error of our tree when it refuses it."""
    share: int
    """Of 1,000 inputs of a run, so many are for this target."""


class Broken(AssertionError):
    """A law does not hold."""


def input_of(target: Target, seed: int, number: int) -> bytes:
    """Return one input; the same three always give the same."""
    return target.make(Random(f"{target.name} {seed} {number}"))
