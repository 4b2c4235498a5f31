"""What docs/security.md says is tested, is."""

from __future__ import annotations

import re

import pytest

from tests.docs.pages import ROOT

pytestmark = pytest.mark.check
PAGE = (ROOT / "docs" / "security.md").read_text()
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", PAGE)))


def test_every_defence_names_a_test() -> None:
    """Each row of the tables of attacks ends with at least one test."""
    rows = PAGE.split("## What is not defended")[0].split("### Who may")[1].splitlines()
    attacks = [r for r in rows if r.startswith("| ") and not r.startswith(("| attack |", "|---"))]
    assert len(attacks) > 30
    assert [row for row in attacks if "::test_" not in row.rsplit("|", 2)[1]] == []


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_every_named_test_exists(file: str, name: str) -> None:
    """A test that was renamed or removed is not promised any more."""
    assert re.search(rf"^(?:async )?def {name}\(", (ROOT / file).read_text(), re.MULTILINE)


@pytest.mark.parametrize("setting", sorted(set(re.findall(r"`(INKQUEUE_[A-Z_]+)(?:=\w+)?`", PAGE))))
def test_every_named_setting_exists(setting: str) -> None:
    """Nobody is told to set what is not there."""
    assert f"`{setting}`" in (ROOT / "docs" / "configuration.md").read_text()
