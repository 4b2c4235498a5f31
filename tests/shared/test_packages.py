"""Model packages: found, chosen by name and version, refused when damaged, honest in what they promise."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import ModelCorrupt, UnknownModel
from shared.packages import (
    CARD,
    SHIPPED,
    find_packages,
    load_package,
    resolve,
    survey,
    verify,
    version_key,
)

DIGITS = resolve(find_packages(), "digits@1.0.0")


def install(folder: Path, name: str = "digits", version: str = "1.0.0", **changes: Any) -> Path:
    """Copy the shipped package under another name and version, with changes to its card."""
    target = folder / name / version
    shutil.copytree(DIGITS.path, target)
    card = json.loads((target / CARD).read_text()) | {"name": name, "version": version} | changes
    (target / CARD).write_text(json.dumps(card))
    return target


def test_the_shipped_package_is_whole() -> None:
    """What ships passes its own checksums, is small, and its card tells what a user asks."""
    verify(DIGITS)
    files = [path for path in DIGITS.path.iterdir() if path.is_file()]
    assert {"model.onnx", "model.pt2"} == set(DIGITS.card["files"])
    assert sum(path.stat().st_size for path in files) < 2_000_000
    assert DIGITS.labels == tuple("0123456789")
    assert DIGITS.shape == (1, 28, 28)
    accuracy = next(m for m in DIGITS.card["metrics"] if (m["name"], m["data"]) == ("accuracy", "MNIST test"))
    assert accuracy["value"] >= 0.995
    assert accuracy["count"] == 10_000


def test_the_card_names_no_place_of_the_machine_that_made_it() -> None:
    """The training command runs anywhere: no absolute path is on the card."""
    text = (DIGITS.path / CARD).read_text(encoding="utf-8")
    assert not any(place in text for place in ("/work", "/home", "/tmp", "/opt", "\\\\"))


def test_a_name_alone_means_the_newest_version(tmp_path: Path) -> None:
    """1.10 is newer than 1.9; a pre-release is older than its release."""
    for version in ("1.0.0", "1.9.0", "1.10.0", "1.10.0-rc1"):
        install(tmp_path, name="mine", version=version)
    packages = find_packages([tmp_path])
    assert resolve(packages, "mine").version == "1.10.0"
    assert resolve(packages, "mine@1.9.0").version == "1.9.0"
    mine = [version for name, version in packages if name == "mine"]
    assert mine == ["1.10.0", "1.10.0-rc1", "1.9.0", "1.0.0"]


def test_an_unknown_model_is_told_with_what_there_is() -> None:
    """The error lists what is installed."""
    for ref in ("letters", "digits@9.9", "", "@1.0.0", "digits@", "../digits"):
        if ref == "digits@":
            assert resolve(find_packages(), ref) == resolve(find_packages(), "digits")
            continue
        with pytest.raises(UnknownModel, match=r"digits@1\.0\.0"):
            resolve(find_packages(), ref)


def test_a_version_found_twice_is_never_replaced(tmp_path: Path) -> None:
    """A user's folder cannot slip other weights under a shipped version."""
    install(tmp_path, description="mine")
    assert find_packages([tmp_path])["digits", "1.0.0"] == DIGITS


@pytest.mark.parametrize("file", ["model.onnx", "model.pt2", CARD])
def test_one_changed_byte_is_noticed(tmp_path: Path, file: str) -> None:
    """A damaged file, or a card changed after it was read, is refused."""
    path = install(tmp_path, name="mine")
    package = load_package(path)
    content = bytearray((path / file).read_bytes())
    content[len(content) // 2] ^= 1
    (path / file).write_bytes(content)
    with pytest.raises(ModelCorrupt):
        verify(package)


def test_a_missing_file_is_noticed(tmp_path: Path) -> None:
    """A package without its network is refused."""
    path = install(tmp_path, name="mine")
    (path / "model.onnx").unlink()
    with pytest.raises(ModelCorrupt, match=r"model\.onnx"):
        verify(load_package(path))


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "other"},
        {"version": "2"},
        {"labels": ["a", "b"]},
        {"outputs": ["0"] * 10},
        {"files": {"../../etc/passwd": "0"}},
        {"files": {"/etc/passwd": "0"}},
        {"labels": None},
        {"input": {"shape": [1, 28]}},
        {"thresholds": "none"},
        {"temperature": 0},
        {"default_target_error": 2},
        {"files": []},
    ],
)
def test_a_card_that_makes_no_sense_is_left_out(tmp_path: Path, changes: dict[str, Any]) -> None:
    """One bad package stops nobody: it is ignored, the others are served."""
    path = install(tmp_path, name="mine")
    card = json.loads((path / CARD).read_text()) | changes
    (path / CARD).write_text(json.dumps(card))
    with pytest.raises(ModelCorrupt):
        load_package(path)
    assert list(find_packages([tmp_path])) == list(find_packages())


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"{}", b"\xff\xfe"])
def test_a_broken_card_is_left_out(tmp_path: Path, content: bytes) -> None:
    """Neither broken JSON nor something else than a card stops the search."""
    (install(tmp_path, name="mine") / CARD).write_bytes(content)
    assert list(find_packages([tmp_path, tmp_path / "nowhere"])) == list(find_packages())


@pytest.mark.parametrize(
    "changes",
    [
        {"parameters": 10**30},
        {"temperature": 1e-50},
        {"metrics": [{"name": "accuracy", "data": "mine", "value": math.nan, "count": 1}]},
        {"thresholds": [dict(DIGITS.card["thresholds"][0], threshold=math.nan)]},
        {"input": dict(DIGITS.card["input"], batch=2**80)},
    ],
)
def test_a_card_with_numbers_that_json_cannot_tell_is_left_out(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    """NaN and endless numbers on one card must not keep the list of all models from being sent."""
    install(tmp_path, version="9.0.0", **changes)
    found = survey([tmp_path])
    assert set(found.packages) == set(find_packages())
    assert list(found.broken) == ["digits/9.0.0"]


def test_keys_that_nobody_knows_are_not_passed_on(tmp_path: Path) -> None:
    """What a stranger writes onto a card is not sent to clients under our name."""
    card = load_package(install(tmp_path, version="9.0.0", secret=10**30)).card
    assert "secret" not in card
    assert dict(card) == dict(DIGITS.card) | {"version": "9.0.0"}


def test_a_broken_package_can_be_told_of_whatever_its_directory_is_called(tmp_path: Path) -> None:
    """A name that is not UTF-8 is told with question marks."""
    folder = tmp_path / os.fsdecode(b"b\xffd") / "1.0.0"
    folder.mkdir(parents=True)
    (folder / CARD).write_text("{}")
    assert list(survey([tmp_path]).broken) == ["b?d/1.0.0"]


def test_the_sum_of_a_package_changes_with_its_card(tmp_path: Path) -> None:
    """Whoever changes labels or thresholds changes the sum that jobs pin."""
    same = load_package(install(tmp_path / "a", description="x")).sha256
    assert load_package(install(tmp_path / "b", description="x")).sha256 == same
    assert load_package(install(tmp_path / "c", description="y")).sha256 != same


def test_a_stricter_target_never_accepts_more() -> None:
    """The threshold falls as the target error grows, and the default is one of the table's."""
    wishes = [row["target_error"] for row in DIGITS.card["thresholds"]]
    thresholds = [DIGITS.threshold(wish) for wish in wishes]
    assert thresholds == sorted(thresholds, reverse=True)
    assert DIGITS.threshold(None) == DIGITS.threshold(DIGITS.default_target_error)
    assert all(0 < threshold <= 1 for threshold in thresholds)


def test_a_promise_that_nobody_can_keep_accepts_nothing() -> None:
    """Below the smallest target of the table everything goes to review."""
    assert DIGITS.threshold(1e-9) == math.inf


@given(st.floats(1e-6, 0.999), st.floats(1e-6, 0.999))
def test_thresholds_are_monotonic_between_the_rows_too(one: float, other: float) -> None:
    """Any two wishes keep their order."""
    low, high = sorted((one, other))
    assert DIGITS.threshold(low) >= DIGITS.threshold(high)


def test_every_row_of_the_table_says_whether_it_is_certified() -> None:
    """A row is certified exactly when its bound keeps the target."""
    for row in DIGITS.card["thresholds"]:
        assert row["certified"] == (row["error_upper"] <= row["target_error"])
        assert 0 <= row["errors"] <= row["accepted"]
    assert any(row["certified"] and row["target_error"] == 0.001 for row in DIGITS.card["thresholds"])


@pytest.mark.parametrize(
    ("older", "newer"),
    [("1.0", "1.0.0"), ("1.9.9", "1.10"), ("2.0.0rc1", "2.0.0"), ("1.0.0", "1.0.1"), ("a", "1")],
)
def test_versions_are_ordered_as_people_do(older: str, newer: str) -> None:
    """Numbers count as numbers, words stand before the release."""
    assert version_key(older) < version_key(newer)


def test_reading_cards_needs_no_picture_or_engine_library() -> None:
    """The API reads cards: neither numpy's nor anybody's engine comes with them."""
    code = (
        "import sys, shared.packages as p; p.find_packages();"
        "sys.exit(bool({'cv2', 'PIL', 'onnxruntime', 'torch', 'openvino'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_packages_ship_beside_the_code() -> None:
    """The folder of the shipped packages is found from the code, wherever it is installed."""
    assert (SHIPPED / "digits" / "1.0.0" / CARD).is_file()
