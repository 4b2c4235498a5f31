"""A run: children for every target, watched; one that dies or hangs is replaced behind the input that did it."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cache
from multiprocessing.context import ForkServerContext
from pathlib import Path

from benchmarks.fuzz import child
from benchmarks.fuzz.child import STATE_BYTES, State, Work

MIB = 1024 * 1024
START_S = 60.0


@dataclass(frozen=True)
class Plan:
    """How a run is done."""

    seed: int
    processes: int
    limit_s: float
    """Seconds of processor time, or ten times as many on the clock, after which an input counts as a hang."""
    memory_mib: int
    keep: Path
    """Folder for inputs that broke something."""
    preload: str = "benchmarks.fuzz.traps"
    """Module that the processes share."""


@dataclass
class Outcome:
    """What came of one target."""

    target: str
    inputs: int = 0
    passed: int = 0
    seconds: float = 0.0
    crashes: int = 0
    hangs: int = 0
    broken: int = 0
    """Inputs on which something was raised that is no error of ours, or a law did not hold."""
    slowest_s: float = 0.0
    slowest: int = -1
    growth_bytes: int = 0
    failures: list[str] = field(default_factory=list)

    @property
    def bad(self) -> int:
        """Return how much was wrong."""
        return self.crashes + self.hangs + self.broken


@cache
def _forks(preload: str) -> ForkServerContext:
    """Return a context whose processes are forked from one that has loaded a module, so they start at once."""
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "OPENCV_LOG_LEVEL": "SILENT"}
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([preload])
    return context


class _Child:
    """One child and what its predecessors have done."""

    def __init__(self, work: Work, plan: Plan) -> None:
        self.work = work
        self.forks = _forks(plan.preload)
        self.start()

    def start(self) -> None:
        self.work.state.write_bytes(bytes(STATE_BYTES))
        self.process = self.forks.Process(target=child.main, args=(self.work,))
        self.process.start()

    def kill(self) -> None:
        self.process.kill()
        self.process.join()

    def hangs(self, limit_s: float) -> bool:
        """Tell whether the input in hand takes too long; a busy machine alone makes no hang."""
        state = State.read(self.work.state)
        spent_s = _cpu_s(self.process.pid or 0) - state.cpu_s
        if not state.since:
            return spent_s > START_S
        return spent_s > limit_s or time.monotonic() - state.since > 10 * limit_s


def _cpu_s(pid: int) -> float:
    """Return the processor time of a process (proc(5), utime and stime of `stat`); 0 when it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def run_target(name: str, inputs: int, plan: Plan) -> Outcome:
    """Send so many inputs to a target, in several children at once."""
    outcome, started = Outcome(name), time.monotonic()
    plan.keep.mkdir(parents=True, exist_ok=True)
    live = [_Child(_work(name, inputs, plan, first), plan) for first in range(min(plan.processes, inputs))]
    try:
        while live:
            time.sleep(0.2)
            for one in list(live):
                hung = one.process.is_alive() and one.hangs(plan.limit_s)
                if hung:
                    one.kill()
                if not one.process.is_alive():
                    _end(one, outcome, hung)
                    if not _go_on(one):
                        live.remove(one)
    finally:
        for one in live:
            one.kill()
    outcome.seconds = time.monotonic() - started
    return outcome


def _work(name: str, inputs: int, plan: Plan, first: int) -> Work:
    """Return the work of one child."""
    state = plan.keep / f"{name}-{first}.state"
    return Work(name, plan.seed, first, inputs, plan.processes, plan.memory_mib, state, plan.keep)


def _end(one: _Child, outcome: Outcome, hung: bool) -> None:
    """Add up what a child did; what it died of counts too."""
    state = State.read(one.work.state)
    outcome.inputs += state.done
    outcome.passed += state.passed
    outcome.broken += state.broken
    if state.slowest_s > outcome.slowest_s:
        outcome.slowest_s, outcome.slowest = state.slowest_s, state.slowest
    if state.warm_bytes:
        outcome.growth_bytes = max(outcome.growth_bytes, state.rss_bytes - state.warm_bytes)
    if not state.ended:
        outcome.inputs += 1
        outcome.hangs += hung
        outcome.crashes += not hung
        outcome.failures.append(f"{outcome.target}:{one.work.seed}:{state.number}")


def _go_on(one: _Child) -> bool:
    """Start a child behind the input that ended the last one; tell whether anything was left."""
    state = State.read(one.work.state)
    following = state.number + one.work.step
    if state.ended or following >= one.work.end:
        return False
    one.work = replace(one.work, first=following)
    one.start()
    return True


def table(outcomes: Iterable[Outcome]) -> str:
    """Return the outcome of a run as a table in Markdown."""
    lines = [
        "| target | inputs | inputs/s | read whole | crashes | hangs | other errors | slowest, CPU ms | growth, MiB |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    rows = list(outcomes)
    lines += [_line(row) for row in rows]
    total, seconds = sum(row.inputs for row in rows), sum(row.seconds for row in rows)
    lines.append(
        f"| **all** | **{total:,}** | {total / max(seconds, 1e-9):,.0f} | | **{sum(row.crashes for row in rows)}** "
        f"| **{sum(row.hangs for row in rows)}** | **{sum(row.broken for row in rows)}** | | |"
    )
    return "\n".join(lines)


def _line(row: Outcome) -> str:
    """Return a target's line of the table."""
    return (
        f"| {row.target} | {row.inputs:,} | {row.inputs / max(row.seconds, 1e-9):,.0f} "
        f"| {100 * row.passed / max(row.inputs, 1):.0f} % | {row.crashes} | {row.hangs} | {row.broken} "
        f"| {1000 * row.slowest_s:,.1f} | {row.growth_bytes / MIB:+.1f} |"
    )
