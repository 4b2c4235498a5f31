"""Break the service while it works, then count: `make chaos`, `make chaos SEED=7`, `make chaos LONG=1`."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from tests.chaos.report import table, write_page
from tests.chaos.run import run, say
from tests.chaos.sizes import LONG, SHORT


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="draw faults and jobs from this number")
    parser.add_argument("--long", action="store_true", help="10,000 jobs, 1,000,000 items, 500 faults")
    parser.add_argument("--minutes", type=float, help="length of the storm")
    parser.add_argument("--faults", type=int, help="number of faults")
    parser.add_argument("--jobs", type=int, help="number of small jobs")
    parser.add_argument("--repeat", type=int, default=0, help="so many short runs, with seeds from --seed on")
    parser.add_argument("--json", type=Path, help="keep the report in this file")
    parser.add_argument("--write", action="store_true", help="write the figures into docs/reliability.md")
    parser.add_argument(
        "--from", type=Path, dest="past", help="with --write: the kept report of an earlier run"
    )
    return parser.parse_args()


def main() -> int:
    """Run; return 1 when something was violated."""
    asked = options()
    if asked.past:
        write_page(json.loads(asked.past.read_text()))
        return 0
    if asked.repeat:
        return repeat(asked.seed, asked.repeat)
    sizes = LONG if asked.long else SHORT
    if asked.minutes:
        sizes = replace(sizes, storm_s=60 * asked.minutes)
    sizes = replace(sizes, faults=asked.faults or sizes.faults, jobs=asked.jobs or sizes.jobs)
    report = run(asked.seed, sizes)
    print(table(report))
    if asked.json:
        asked.json.write_text(json.dumps(report, indent=2) + "\n")
    if asked.write and not report["violations"]:
        write_page(report)
    return 1 if report["violations"] else 0


def repeat(first: int, times: int) -> int:
    """Run seed after seed, each in a process of its own; return 1 when one of them failed."""
    failed = []
    for seed in range(first, first + times):
        done = subprocess.run([sys.executable, "-m", "tests.chaos", "--seed", str(seed)], check=False)
        if done.returncode:
            failed.append(seed)
        say(f"seed {seed}: {'FAILED' if done.returncode else 'green'}")
    say(f"{times - len(failed)} of {times} seeds green" + (f"; failed: {failed}" if failed else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
