"""docs/confidence.md tells the numbers of the model that is served by default."""

from __future__ import annotations

import re

import pytest

from shared.packages import find_packages, resolve
from shared.vision.prepare import BLANK, MULTIPLE
from shared.vision.readings import LOW_CONFIDENCE, NOT_A_DIGIT
from tests.docs.pages import ROOT
from training.confidence_doc import renewed, samples_table, targets_table
from training.evidence import HEAVY_SHARE, JUNK_SHARE, MILD_SHARE

pytestmark = pytest.mark.check
PAGE = (ROOT / "docs" / "confidence.md").read_text(encoding="utf-8")
DEFAULT = resolve(find_packages(), "digits")


def test_the_tables_are_those_of_the_default_model() -> None:
    """After a new default `python -m training.confidence_doc` writes them anew."""
    assert renewed(PAGE, DEFAULT) == PAGE
    assert f"Model `{DEFAULT.ref}`" in PAGE


def test_the_table_of_targets_has_a_row_for_each_promise() -> None:
    """Target, threshold, pictures to look at, and whether it was proved come from the card."""
    rows = DEFAULT.card["thresholds"]
    lines = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in targets_table(DEFAULT).splitlines()[4:]
    ]

    assert [float(line[0]) for line in lines] == [row["target_error"] for row in rows]
    assert [float(line[2]) for line in lines] == pytest.approx([row["threshold"] for row in rows])
    assert [line[-1] == "yes" for line in lines] == [row["certified"] for row in rows]
    clean = [row.get("coverage_by_kind", {}).get("clean", row["coverage"]) for row in rows]
    assert [int(line[3]) for line in lines] == [round(1000 * (1 - share)) for share in clean]


def test_the_table_of_samples_follows_the_rule_of_three() -> None:
    """Without an error among N, at most three in N are wrong, never said more favourably."""
    for line in samples_table().splitlines()[2:]:
        checked, *promised = (
            int(one.replace(",", "")) for one in re.findall(r"\d[\d,]*", line.replace("1 in ", ""))
        )
        assert len(promised) == 4
        assert 0.9 * checked / 3 <= promised[0] <= checked / 2.99
        assert promised == sorted(promised, reverse=True)


def test_every_reason_is_explained() -> None:
    """Each reason of preparation and network has its row."""
    for reason in (LOW_CONFIDENCE, NOT_A_DIGIT, BLANK, MULTIPLE):
        assert f"| `{reason}`" in PAGE


def test_the_mix_is_the_one_that_the_page_tells() -> None:
    """65 % clean, a quarter scanned, 8 % badly worn, 2 % no digits."""
    assert (MILD_SHARE, HEAVY_SHARE, JUNK_SHARE) == (0.25, 0.08, 0.02)
    assert "65 % are clean pictures, a quarter scans of clean sheets, 8 % badly worn" in PAGE
    assert "and 2 % no digits" in PAGE
