"""Send broken input to everything that reads what strangers send: `python -m benchmarks.fuzz`, or `make fuzz`.

Each target runs in processes of its own, with a limit on memory and on the time of one input. Prints a table and ends
with 1 when an input crashed or hung a process, or raised anything but an error of ours. An input is known by its
target, seed and number; `--replay TARGET:SEED:NUMBER`, or the path of a kept file, reads it once more in this process.
`python -m benchmarks.fuzz.uploads` sends broken uploads to a whole running service instead.
"""

from __future__ import annotations

import argparse
import os
import secrets
import sys
from pathlib import Path

from benchmarks.fuzz.campaign import Plan, run_target, table
from benchmarks.fuzz.target import Target, input_of
from benchmarks.fuzz.targets import BY_NAME, TARGETS
from shared.errors import InkqueueError


def replay(what: str) -> int:
    """Read one input again, with the traceback of what it does; 0 when it is read or refused properly."""
    target, data = _found(what)
    print(f"{target.name}: {len(data)} bytes, {data[:60]!r}", flush=True)
    try:
        target.read(data)
    except InkqueueError as error:
        print(f"refused: {error.code}: {error.detail}")
    else:
        print("read")
    return 0


def _found(what: str) -> tuple[Target, bytes]:
    """Return the target and the bytes of an input, named by a file or by its numbers."""
    file = Path(what)
    if file.is_file():
        return BY_NAME[file.name.rsplit("-", 2)[0]], file.read_bytes()
    name, seed, number = what.split(":")
    return BY_NAME[name], input_of(BY_NAME[name], int(seed), int(number))


def run(options: argparse.Namespace) -> int:
    """Run every target; return how many inputs were wrong."""
    limits = (options.limit_s, options.memory_mib)
    plan = Plan(options.seed, options.processes, *limits, options.keep, "benchmarks.fuzz.preload")
    chosen = [target for target in TARGETS if not options.targets or target.name in options.targets]
    shares = sum(target.share for target in chosen)
    print(f"seed {plan.seed}, {plan.processes} processes", flush=True)
    outcomes = []
    for target in chosen:
        outcome = run_target(target.name, -(-options.inputs * target.share // shares), plan)
        outcomes.append(outcome)
        print(f"{target.name}: {outcome.inputs:,} inputs, {outcome.bad} wrong {outcome.failures}", flush=True)
    print(table(outcomes), flush=True)
    _keep(plan, [what for outcome in outcomes for what in outcome.failures])
    return sum(outcome.bad for outcome in outcomes)


def _keep(plan: Plan, failures: list[str]) -> None:
    """Write the inputs that ended a process into files, and remove what nobody needs."""
    for what in failures:
        (plan.keep / f"{what.replace(':', '-')}.bin").write_bytes(_found(what)[1])
    for file in [*plan.keep.glob("*.state"), *plan.keep.glob("*.stack")]:
        if file.suffix == ".state" or file.stat().st_size == 0:
            file.unlink()


def main() -> None:
    """Run; exit with 1 when something was wrong."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=1_000_000, help="how many, over all targets")
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6), help="repeat a run")
    parser.add_argument(
        "--targets", nargs="*", choices=[target.name for target in TARGETS], help="only these"
    )
    parser.add_argument("--limit-s", type=float, default=10.0, help="CPU seconds until an input is a hang")
    parser.add_argument("--memory-mib", type=int, default=1024, help="what a process may grow by")
    parser.add_argument("--keep", type=Path, default=Path("fuzz-failures"), help="folder of failing inputs")
    parser.add_argument("--replay", help="TARGET:SEED:NUMBER, or a file that was kept")
    options = parser.parse_args()
    sys.exit(replay(options.replay) if options.replay else 1 if run(options) else 0)


if __name__ == "__main__":
    main()
