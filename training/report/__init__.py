"""Reports of a measured package: one HTML page, and Markdown with its plots beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from shared.packages import ModelPackage
from training.report import bars, sections
from training.report.document import Document
from training.report.html import to_html
from training.report.markdown import save_markdown
from training.report.one_suite import one_suite
from training.suites.bars import Verdict
from training.suites.suite import Figure, Result

__all__ = ["write_report"]


def write_report(
    results: Sequence[Result],
    package: ModelPackage,
    folder: Path,
    *,
    verdicts: Sequence[Verdict] = (),
    figures: Sequence[Figure] = (),
) -> None:
    """Write `report.html` and `report.md` into a folder; the same measurements give the same bytes.

    Pictures that were misread are shown in both files: data that may not be passed on makes a report that
    may not be passed on either.
    """
    document = Document(
        f"Measured: {package.ref}",
        [
            *bars.bars(verdicts),
            sections.summary(results),
            *sections.robustness(results),
            *(one_suite(result, package) for result in results),
            *bars.figures(figures),
            sections.facts(package),
        ],
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.html").write_text(to_html(document), encoding="utf-8")
    save_markdown(document, folder / "report.md")
