"""Reports of a measured package: one HTML page, and Markdown with its plots beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from shared.packages import ModelPackage
from training.report import sections
from training.report.document import Document, Section
from training.report.html import to_html
from training.report.markdown import save_markdown
from training.report.one_suite import one_suite
from training.suites.suite import Result

__all__ = ["write_report"]


def write_report(
    results: Sequence[Result], package: ModelPackage, folder: Path, *, first: Sequence[Section] = ()
) -> None:
    """Write `report.html` and `report.md` into a folder; the same results give the same bytes.

    `first` are sections that stand before all others, such as the bars.
    """
    document = Document(
        f"Measured: {package.ref}",
        [
            *first,
            sections.summary(results),
            *sections.robustness(results),
            *(one_suite(result, package) for result in results),
            sections.facts(package),
        ],
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.html").write_text(to_html(document), encoding="utf-8")
    save_markdown(document, folder / "report.md")
