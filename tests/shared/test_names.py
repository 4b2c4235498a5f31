"""Names are labels: whatever a zip calls its members, the label is no path and the job goes on."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.names import MAX_NAME_BYTES, SKIPPED, clean_name, decode_name, ends_with, is_hidden


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("batch/0017.png", "batch/0017.png"),
        ("../../etc/passwd", "etc/passwd"),
        ("/abs/olute.png", "abs/olute.png"),
        ("C:\\scans\\a.png", "scans/a.png"),
        ("c:a.png", "a.png"),
        ("..\\C:\\C:a.png", "a.png"),
        ("\\\\server\\share\\a.png", "server/share/a.png"),
        ("\\\\?\\C:\\a.png", "a.png"),
        ("a/./b//c/../d.png", "a/b/c/d.png"),
        ("line\nbreak\x00.png", "line_break_.png"),
        ("gnp.\u202eexe", "gnp._exe"),
        ("Übung 3/ñ.png", "Übung 3/ñ.png"),
        ("12:30.png", "12:30.png"),
        ("a b/ c /d.png", "a b/ c /d.png"),
        ("..", ""),
        ("/", ""),
        ("C:", ""),
        (" / . /..", ""),
        ("", ""),
    ],
)
def test_a_name_becomes_a_label(name: str, expected: str) -> None:
    """Root, drive, `..` and control characters go; the rest stays as it is."""
    assert clean_name(name) == expected


@given(st.text(st.characters(codec=None), max_size=60) | st.text("/\\.:C ?a\n", max_size=30))
def test_a_label_is_never_a_path(name: str) -> None:
    """Whatever comes in, no part is empty or dots, nothing is a control, and cleaning is done once."""
    label = clean_name(name)
    assert clean_name(label) == label
    assert label == "" or all(part.strip() not in ("", ".", "..") for part in label.split("/"))
    assert all(unicodedata.category(c) not in ("Cc", "Cs", "Zl", "Zp") and c != "\\" for c in label)
    label.encode("utf-8")


def test_a_long_name_keeps_its_end() -> None:
    """The ending decides what a file is, so the beginning is cut."""
    for letter in ("x", "字"):
        label = clean_name(f"{letter * 5000}.png")
        assert label.endswith(f"{letter}.png")
        assert MAX_NAME_BYTES - 4 < len(label.encode()) <= MAX_NAME_BYTES
        assert clean_name(label) == label


@pytest.mark.parametrize(
    ("raw", "is_utf8", "expected"),
    [
        (b"a.png", False, "a.png"),
        ("ü.png".encode(), True, "ü.png"),
        ("ü.png".encode(), False, "ü.png"),
        (b"caf\x82.png", False, "café.png"),
        (b"caf\x82.png", True, "caf�.png"),
    ],
)
def test_any_bytes_are_a_name(raw: bytes, is_utf8: bool, expected: str) -> None:
    """UTF-8 where it is UTF-8, said or not; else the code page of old zips."""
    assert decode_name(raw, is_utf8) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("__MACOSX/._a.png", True),
        ("x/__MACOSX/a.png", True),
        (".DS_Store", True),
        ("a/.git/b.png", True),
        ("a/Thumbs.db", True),
        ("DESKTOP.INI", True),
        ("a/__macosx.png", False),
        ("thumbs.db.png", False),
        ("a.b/c.png", False),
    ],
)
def test_the_systems_own_files_are_no_inputs(name: str, expected: bool) -> None:
    """Files that the operating system adds are told from those of the user."""
    assert is_hidden(name) is expected


def test_endings_count_in_capitals_too() -> None:
    """README.TXT is as little an image as readme.txt; a name that only contains .txt may be one."""
    assert ends_with("a/README.TXT", SKIPPED)
    assert not ends_with("a.txt.png", SKIPPED)
    assert not ends_with("txt", SKIPPED)
