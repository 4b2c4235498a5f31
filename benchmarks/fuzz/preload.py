"""What the processes of a run share: every target loaded, and the whole files drawn that damage begins with."""

from __future__ import annotations

from benchmarks.fuzz.seeds import KINDS, whole
from benchmarks.fuzz.targets import BY_NAME

for kind in KINDS:
    whole(kind)

__all__ = ["BY_NAME"]
