"""Check everything that the service depends on: `python -m shared.doctor [--json]`.

Each failure says what is wrong and what to do about it; the exit code is 0 when nothing is.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict

from pydantic import ValidationError

from shared.doctor.database import check_clock, check_connections, check_database, check_database_disk
from shared.doctor.finding import Check, Finding, examine
from shared.doctor.places import check_broker, check_disk, check_models, check_storage
from shared.doctor.processes import check_api, check_backlog, check_keys, check_steward, check_workers
from shared.settings import Settings

CHECKS: tuple[tuple[str, Check], ...] = (
    ("database", check_database),
    ("connections", check_connections),
    ("room", check_database_disk),
    ("clock", check_clock),
    ("broker", check_broker),
    ("storage", check_storage),
    ("disk", check_disk),
    ("models", check_models),
    ("workers", check_workers),
    ("steward", check_steward),
    ("backlog", check_backlog),
    ("keys", check_keys),
    ("api", check_api),
)


def report(findings: Sequence[Finding]) -> str:
    """Return the findings as text, one line a check and one a remedy."""
    lines = []
    for finding in findings:
        lines.append(f"{'ok  ' if finding.ok else 'FAIL'}  {finding.check:<12} {finding.detail}")
        if finding.fix:
            lines.append(f"{'':<19}→ {finding.fix}")
    return "\n".join(lines)


def main() -> None:
    """Print the findings; exit with 1 when something is wrong."""
    try:
        findings = examine(Settings(), CHECKS)
    except ValidationError as error:
        wrong = "; ".join(f"INKQUEUE_{str(one['loc'][0]).upper()}: {one['msg']}" for one in error.errors())
        findings = [Finding("settings", False, wrong, "Correct or unset the variable.")]
    if "--json" in sys.argv[1:]:
        sys.stdout.write(f"{json.dumps([asdict(one) for one in findings], ensure_ascii=False)}\n")
    else:
        sys.stdout.write(f"{report(findings)}\n")
    sys.exit(0 if all(finding.ok for finding in findings) else 1)


if __name__ == "__main__":
    main()
