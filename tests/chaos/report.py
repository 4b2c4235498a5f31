"""The report of a run as a table, and its figures in docs/reliability.md."""

from __future__ import annotations

import time
from typing import Any

from tests.chaos.stack import ROOT

PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- figures: python -m tests.chaos --write -->", "<!-- end of figures -->"


def rows(report: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what is told of a run, line by line."""
    seconds = report["seconds"]
    lines = [
        ("seed", str(report["seed"])),
        ("faults injected, overlapping", f"{report['faults']:,} of {len(report['kinds'])} kinds"),
        ("jobs acknowledged", f"{report['jobs']:,}"),
        ("items", f"{report['items']:,}"),
        ("items or jobs lost", "0" if not report["violations"] else "see the violations"),
        ("items or jobs doubled", "0" if not report["violations"] else "see the violations"),
        ("looks at jobs meanwhile, each consistent", f"{report['looks']:,}"),
        ("items compared over HTTP, besides all in the database", f"{report['compared_over_http']:,}"),
        ("webhooks delivered and verified", f"{report['webhooks']:,} in {report['webhook_tries']:,} tries"),
        ("storm, then rest until the last job's end", f"{seconds['storm']:.0f} s, {seconds['drain']:.0f} s"),
        ("lease", f"{report['lease_s']:g} s"),
    ]
    for name, found in report["recovery_s"].items():
        text = f"median {found['median']} s, p95 {found['p95']} s, worst {found['worst']} s"
        lines.append((f"{RECOVERY.get(name, name)} ({found['number']:.0f}×)", text))
    return lines


RECOVERY = {
    "worker_child_kill": "reading process killed in a chunk: until its items are written",
    "worker_kill": "whole worker killed in a chunk: until its items are written",
    "postgres, from the blow": "PostgreSQL restarted or crashed: until the next results",
    "postgres, from its return": "the same, from PostgreSQL's return",
    "202 while Redis is gone": "202 for a submission while Redis is gone",
    "redis": "Redis gone and emptied: from its return to the end of a job sent meanwhile",
}


def table(report: dict[str, Any]) -> str:
    """Return the report for a terminal."""
    lines = []
    if "faults" in report:
        width = max(len(name) for name, _ in rows(report))
        lines = [f"{name:{width}}  {value}" for name, value in rows(report)]
        lines += [f"  {kind:24}{number:6}" for kind, number in report["kinds"].items()]
    lines += [f"left out: {kind}: {why}" for kind, why in report.get("left_out", {}).items()]
    lines += [f"VIOLATION: {text}" for text in report["violations"][:50]]
    lines.append(f"{len(report['violations'])} violations")
    return "\n".join(lines)


def write_page(report: dict[str, Any]) -> None:
    """Put the figures of a run between the marks of the page."""
    head, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, tail = rest.partition(END)
    lines = [f"Measured {time.strftime('%Y-%m-%d')} by `make chaos LONG=1 SEED={report['seed']}`.", ""]
    lines += [
        "| what | figure |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in rows(report)),
        "",
    ]
    lines += ["| fault | times |", "|---|---:|"]
    lines += [f"| `{kind}` | {number} |" for kind, number in report["kinds"].items()]
    PAGE.write_text(f"{head}{BEGIN}\n{chr(10).join(lines)}\n{END}{tail}")
