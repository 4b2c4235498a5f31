"""Hold the running service against its OpenAPI document with Schemathesis: `python -m benchmarks.contract`.

All phases and all checks; ends with 0 when no answer was a defect, undocumented, or other than its schema says.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks.service import running_service
from shared.keys.text import new_key

ROOT = Path(__file__).resolve().parents[1]
PHASES = ("examples", "coverage", "fuzzing", "stateful")
RECEIVER = "http://127.0.0.1:9/"
"""A webhook address that the service is told to allow; nobody listens there, which is no concern of the contract.
The one of the examples is allowed as well, since a run may have no names to resolve."""
ENVIRONMENT = {
    "INKQUEUE_LOOPBACK_METRICS": "false",
    "INKQUEUE_WEBHOOK_ALLOWED_HOSTS": "127.0.0.1:9,example.org",
    "INKQUEUE_RATE_LIMIT_REQUESTS": "0",
    "INKQUEUE_RATE_LIMIT_SUBMISSIONS": "0",
    "INKQUEUE_RATE_LIMIT_PREDICTIONS": "0",
    "INKQUEUE_RATE_LIMIT_WEBHOOK_TESTS": "0",
    "INKQUEUE_RATE_LIMIT_FAILED_AUTH": "0",
}
"""No way in without a key, and without limits, which would answer 429 to nearly everything that the run asks."""


@dataclass(frozen=True)
class Outcome:
    """What a run came to."""

    cases: int
    failures: int
    text: str


def hold(
    url: str,
    key: str,
    *,
    examples: int,
    seed: int,
    max_time_s: int | None = None,
    phases: tuple[str, ...] = PHASES,
    more: tuple[str, ...] = (),
) -> Outcome:
    """Run all checks against a service.

    Args:
        url: its address.
        key: a key of scope `admin`; every tenth call also comes without it and with a wrong one.
        examples: most cases of an operation in a phase.
        more: further arguments of `schemathesis run`.
    """
    with tempfile.TemporaryDirectory(prefix="inkqueue-contract-") as folder:
        report = Path(folder) / "report.json"
        command = [
            sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json", "--checks", "all",
            "--phases", ",".join(phases), "--max-examples", str(examples), "--seed", str(seed),
            "--header", f"Authorization: Bearer {key}", "--no-color", "--no-shrink", "--continue-on-failure",
            "--generation-database", "none", "--request-timeout", "70", "--suppress-health-check", "all",
            "--warnings", "off", "--report", "json", "--report-json-path", str(report), *more,
        ]  # fmt: skip
        command += ["--max-time", str(max_time_s)] if max_time_s else []
        env = {**os.environ, "SCHEMATHESIS_HOOKS": "benchmarks.contract_hooks", "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            command,
            env=env,
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return outcome(report, done.stdout, done.returncode)


def outcome(report: Path, text: str, status: int) -> Outcome:
    """Read how many cases were sent and how many failures were found."""
    found = json.loads(report.read_text()) if report.exists() else {}
    return Outcome(
        found.get("test_cases", {}).get("generated", 0), len(found.get("failures", ())) or status, text
    )


def main() -> int:
    """Start the whole stack, run, tell."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.contract", description=__doc__)
    parser.add_argument("--examples", type=int, default=40, help="most cases of an operation in a phase")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--url", help="a running service instead of a fresh one")
    parser.add_argument("--key", help="its key of scope `admin`")
    options, more = parser.parse_known_args()
    if options.url:
        return tell(
            hold(options.url, options.key, examples=options.examples, seed=options.seed, more=tuple(more))
        )
    key = new_key().text
    os.environ.update(ENVIRONMENT, INKQUEUE_BOOTSTRAP_KEY=key)
    with running_service(1) as service:
        httpx.get(f"{service.url}/v1/models", headers={"Authorization": f"Bearer {key}"}).raise_for_status()
        return tell(hold(service.url, key, examples=options.examples, seed=options.seed, more=tuple(more)))


def tell(found: Outcome) -> int:
    """Print what was found; return the exit status."""
    sys.stdout.write(found.text)
    return 1 if found.failures else 0


if __name__ == "__main__":
    sys.exit(main())
