"""Keep the tables of docs/confidence.md in step with the model that is served by default.

`python -m training.confidence_doc` writes them anew; a test fails while page and card differ.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

from shared.cards import ThresholdRow
from shared.packages import ModelPackage, find_packages, resolve
from training.calibrate import upper_bound

PAGE = Path(__file__).resolve().parents[1] / "docs" / "confidence.md"
SAMPLES = (300, 1_000, 3_000, 10_000, 30_000)
_KINDS = {"clean": "Clean pictures", "mild": "Office scans", "heavy": "Badly worn"}


def targets_table(package: ModelPackage) -> str:
    """Return a row for each target error: what it takes, and how many of 1,000 pictures people look at."""
    rows = package.card["thresholds"]
    kinds = [kind for kind in _KINDS if all(kind in row.get("coverage_by_kind", {}) for row in rows)]
    names = [_KINDS[kind] for kind in kinds] or ["Clean pictures"]
    head = [
        "`target_error`",
        "At most wrong among accepted",
        "Confidence needed",
        *(f"{name}: to look at, of 1,000" for name in names),
        "Proved",
    ]
    lines = [_line(head), _line("---" for _ in head)]
    return "\n".join([f"Model `{package.ref}`:", "", *lines, *(_target(row, kinds) for row in rows)])


def _target(row: ThresholdRow, kinds: list[str]) -> str:
    """Return one row of the table of targets."""
    shares = [row["coverage_by_kind"][kind] for kind in kinds] or [row["coverage"]]
    return _line(
        [
            f"{row['target_error']:g}",
            f"1 in {round(1 / row['target_error']):,}",
            f"{row['threshold']:.6f}",
            *(f"{round(1000 * (1 - share))}" for share in shares),
            "yes" if row["certified"] else "no",
        ]
    )


def samples_table() -> str:
    """Return what so many checked answers with so many errors prove, at 95 %."""
    head = ["Checked", "none wrong", "1 wrong", "2 wrong", "3 wrong"]
    rows = [
        [f"{count:,}", *(f"at most 1 in {_whole(1 / upper_bound(errors, count)):,}" for errors in range(4))]
        for count in SAMPLES
    ]
    return "\n".join([_line(head), _line("---" for _ in head), *(_line(row) for row in rows)])


def _whole(count: float) -> int:
    """Round down to two digits, so that no more is said than is proved."""
    unit = int(10 ** max(math.floor(math.log10(count)) - 1, 0))
    return math.floor(count / unit) * unit


def _line(cells: Iterable[str]) -> str:
    """Return one line of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def tables(package: ModelPackage) -> dict[str, str]:
    """Return the page's tables by the name of their place."""
    return {"targets": targets_table(package), "samples": samples_table()}


def renewed(text: str, package: ModelPackage) -> str:
    """Return the page with its tables written anew, between `<!-- name -->` and `<!-- end -->`."""
    for name, table in tables(package).items():
        before, start, rest = text.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition("\n<!-- end -->")
        if not (start and end):
            raise ValueError(f"{PAGE.name} has no place for {name}")
        text = before + start + table + end + after
    return text


def main() -> None:
    """Write the page anew."""
    package = resolve(find_packages(), "digits")
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8"), package), encoding="utf-8")


if __name__ == "__main__":
    main()
