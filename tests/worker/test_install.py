"""Networks of one's own become whole packages."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from shared.packages import CARD, load_package, verify
from tests.networks import COLOURS, classifier, folder_of
from tests.worker.installing import exported, install, net, refusal
from worker.install.refusal import Refused

pytestmark = pytest.mark.torch


def test_network_labels_and_description_become_a_package(tmp_path: Path, root: Path) -> None:
    """The card holds what was said and found, the checksums are right, and only what belongs to it was copied."""
    folder = folder_of(tmp_path / "Three Colours", mean=[0.5, 0.4, 0.3], std=0.25, version="2.1")
    (folder / "notes.md").write_text("mine")

    assert install(folder, root)

    package = load_package(root / "three-colours" / "2.1")
    verify(package)
    assert package.card["input"] == {
        "shape": [3, 8, 8],
        "scale": 1 / 255,
        "mean": [0.5, 0.4, 0.3],
        "std": [0.25, 0.25, 0.25],
    }
    assert package.labels == COLOURS
    assert (package.card["answers"], package.card["thresholds"]) == ("logits", [])
    assert package.card["preparation"] == {"name": "plain", "version": "1"}
    assert sorted(path.name for path in package.path.iterdir()) == [CARD, "model.onnx"]


def test_a_whole_package_is_copied_as_it_is(tmp_path: Path, root: Path) -> None:
    """Card and listed files, nothing else; the sum stays the same."""
    install(folder_of(tmp_path / "mine"), tmp_path / "elsewhere")
    folder = shutil.copytree(tmp_path / "elsewhere" / "mine" / "1.0.0", tmp_path / "download")
    (folder / "extra.bin").write_bytes(b"x")
    install(folder, root)
    package = load_package(root / "mine" / "1.0.0")
    assert not (package.path / "extra.bin").exists()
    assert (package.path / CARD).read_bytes() == (folder / CARD).read_bytes()
    (folder / "model.onnx").write_bytes(b"x")
    shutil.rmtree(root)
    assert "checksum" in refusal(folder, root)
    assert "has a card already" in refusal(folder, root, {"version": "3"})


@pytest.mark.parametrize("content", ['["red", "green", "blue"]', '{"0": "red", "2": "blue", "1": "green"}'])
def test_labels_may_be_json(tmp_path: Path, root: Path, content: str) -> None:
    """A list, or an object from number to label."""
    folder = folder_of(tmp_path / "mine")
    (folder / "labels.txt").unlink()
    (folder / "labels.json").write_text(content)
    install(folder, root)
    assert load_package(root / "mine" / "1.0.0").labels == COLOURS


def test_toml_and_options_describe_too(tmp_path: Path, root: Path) -> None:
    """What the command says counts more than what the file says."""
    folder = folder_of(tmp_path / "mine", classifier(shape=("n", 1, "h", "w"), outputs=2), ("dark", "light"))
    (folder / "model.toml").write_text(
        'size = [6, 10]\nmean = 0.5\nversion = "3"\ndescription = "Light or dark."\n'
    )
    install(folder, root, version="4")
    package = load_package(root / "mine" / "4")
    assert package.shape == (1, 6, 10)
    assert package.card["description"] == "Light or dark."
    (folder / "input.json").write_text("{}")
    with pytest.raises(Refused, match=r"both input\.json and model\.toml"):
        install(folder, root)


def test_weights_beside_the_network_come_along(tmp_path: Path, root: Path) -> None:
    """The usual export of torch writes two files; both are in the package and checked."""
    folder = folder_of(tmp_path / "mine", classifier(weights_in="network.onnx.data"))
    (folder / "network.onnx.data").write_bytes(np.eye(3, dtype=np.float32).tobytes())
    install(folder, root)
    assert set(load_package(root / "mine" / "1.0.0").card["files"]) == {"model.onnx", "network.onnx.data"}


def test_a_torch_export_is_taken_with_its_size_of_batch(tmp_path: Path, root: Path) -> None:
    """A network that was exported for one picture serves any number."""
    install(exported(tmp_path / "mine", net().eval()), root)
    card = load_package(root / "mine" / "1.0.0").card
    assert (card["input"]["batch"], card["parameters"], list(card["files"])) == (1, 84, ["model.pt2"])
