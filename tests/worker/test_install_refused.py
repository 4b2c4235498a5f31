"""Networks that cannot serve: what is wrong is told and leaves nothing."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from pathlib import Path

import onnx
import pytest
import torch
from onnx import TensorProto

from shared.packages import CARD, load_package
from tests.networks import COLOURS, classifier, folder_of
from tests.worker.installing import exported, install, net, refusal

pytestmark = pytest.mark.torch


class Shell:
    """A pickle that runs a command when it is loaded."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        """Return the command."""
        return (os.system, ("touch /tmp/inkqueue-was-here",))


@pytest.mark.parametrize(
    ("network", "labels", "words"),
    [
        (classifier(4), COLOURS, "has 4 outputs, and there are 3 labels"),
        (classifier(1), ("yes", "no"), "has 1 output, and there are 2 labels"),
        (classifier(shape=("n", 8, 8, 3)), COLOURS, "channels last"),
        (classifier(shape=("n", 3, "h", "w")), COLOURS, "takes any size"),
        (classifier(kind=TensorProto.FLOAT16), COLOURS, "cannot load"),
        (classifier(kind=TensorProto.DOUBLE), COLOURS, "double"),
        (classifier(inputs=("images", "lengths")), COLOURS, "2 inputs: images, lengths"),
        (classifier(results=("logits", "features")), COLOURS, "2 outputs: logits, features"),
        (classifier(operator="OwnPooling"), COLOURS, "OwnPooling"),
        (classifier(weights_in="weights.bin"), COLOURS, "external_data=False"),
        (classifier(weights_in="../weights.bin"), COLOURS, "external_data=False"),
        (classifier(weights_in="/etc/hostname"), COLOURS, "external_data=False"),
        (b"no network", COLOURS, "cannot load the network"),
        (b"", COLOURS, "cannot load the network"),
    ],
)
def test_a_network_that_cannot_serve_is_refused_with_the_reason(
    tmp_path: Path, root: Path, network: onnx.ModelProto | bytes, labels: tuple[str, ...], words: str
) -> None:
    """Shape, kind, inputs, outputs, operators and weights elsewhere are each told."""
    (tmp_path / "weights.bin").write_bytes(bytes(36))
    assert words in refusal(folder_of(tmp_path / "mine", network, labels), root)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (b"a\nb\na\n", "twice: a"),
        (b"a\n\nb\n", "Label 2"),
        (b"", "Label 1 is empty"),
        (b"a\nb\n\xff\n", "not UTF-8"),
        (b"a\nb\nc\x00d\n", "Label 3"),
        (b"a\nb\n", "3 outputs, and there are 2 labels"),
    ],
)
def test_labels_that_make_no_sense_are_refused(tmp_path: Path, root: Path, labels: bytes, words: str) -> None:
    """Too few, twice, empty, unprintable or of another encoding."""
    folder = folder_of(tmp_path / "mine")
    (folder / "labels.txt").write_bytes(labels)
    assert words in refusal(folder, root)


@pytest.mark.parametrize(
    ("description", "words"),
    [
        ({"means": [0.5]}, "nobody knows the key 'means'"),
        ({"size": 9}, "says size 9, the network takes 8"),
        ({"channels": 1}, "says channels 1, the network takes 3"),
        ({"channels": 2}, "channels"),
        ({"mean": [0.1, 0.2]}, "2 values for 3 channels"),
        ({"std": 0}, "std"),
        ({"temperature": -1}, "temperature"),
        ({"name": "../mine"}, "name takes letters"),
        ({"version": "1/2"}, "version takes letters"),
        ({"version": ".."}, "version takes letters"),
        ({"name": "a\n"}, "name takes letters"),
        ({"preparation": "digits"}, "1×28×28"),
        ({"preparation": "plain@9"}, "no preparation plain@9"),
        ({"preparation": "magic"}, "preparation"),
        ({"answers": "probabilities"}, "do not lie in 0…1"),
        ({"junk": ["cup"]}, "junk names labels that are not there"),
    ],
)
def test_a_description_that_is_wrong_is_refused(
    tmp_path: Path, root: Path, description: dict[str, object], words: str
) -> None:
    """Unknown keys, impossible values, and what the network contradicts."""
    assert words in refusal(folder_of(tmp_path / "mine", **description), root)


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff", b"[" * 100_000])
def test_a_description_that_cannot_be_read_is_refused(tmp_path: Path, root: Path, content: bytes) -> None:
    """Broken JSON, JSON of something else, another encoding, a bottomless one."""
    folder = folder_of(tmp_path / "mine")
    (folder / "input.json").write_bytes(content)
    assert "input.json" in refusal(folder, root)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("net.pth", "torch.export.save"),
        ("net.pt", "pickle"),
        ("net.h5", "tf2onnx"),
        ("net.safetensors", "without the network"),
        ("readme.md", "no .onnx and no .pt2"),
    ],
)
def test_other_kinds_of_files_are_told_how_to_become_one(
    tmp_path: Path, root: Path, name: str, words: str
) -> None:
    """Pickles are refused because loading one runs code."""
    folder = folder_of(tmp_path / "mine")
    (folder / "network.onnx").rename(folder / name)
    assert words in refusal(folder, root)


def test_folders_that_are_none_or_not_clear_are_refused(tmp_path: Path, root: Path) -> None:
    """No folder, a file, two networks, a pipe for a network, no labels."""
    assert "is no folder" in refusal(tmp_path / "nowhere", root)
    folder = folder_of(tmp_path / "mine")
    shutil.copy(folder / "network.onnx", folder / "other.onnx")
    assert "several .onnx files" in refusal(folder, root)
    (folder / "other.onnx").unlink()
    (folder / "network.onnx").unlink()
    os.mkfifo(folder / "network.onnx")
    assert "is no file" in refusal(folder, root)
    (folder_of(tmp_path / "unlabelled") / "labels.txt").unlink()
    assert "no labels" in refusal(tmp_path / "unlabelled", root)


@pytest.mark.parametrize("files", [["../../secret"], ["/etc/passwd"], [".."], ["a/b"], [""]])
def test_a_card_cannot_name_files_elsewhere(tmp_path: Path, root: Path, files: list[str]) -> None:
    """Nothing from outside the folder comes into a package."""
    folder = tmp_path / "mine"
    folder.mkdir()
    card = {"name": "mine", "version": "1", "files": dict.fromkeys(files, "00")}
    (folder / CARD).write_text(json.dumps(card))
    assert "cannot be a name" in refusal(folder, root)


def test_networks_that_end_in_a_softmax_are_noticed(tmp_path: Path, root: Path) -> None:
    """The card says that the answers are probabilities."""
    install(folder_of(tmp_path / "mine", classifier(softmax=True)), root)
    assert load_package(root / "mine" / "1.0.0").card["answers"] == "probabilities"


def test_a_network_exported_as_it_is_trained_is_refused(tmp_path: Path, root: Path) -> None:
    """Its answers are left to chance."""
    assert "model.eval()" in refusal(exported(tmp_path / "mine", net(torch.nn.Dropout(0.5)).train()), root)


def test_a_pickle_in_a_pt2_is_never_loaded(tmp_path: Path, root: Path) -> None:
    """What is more than tensors is refused before torch runs it."""
    folder = exported(tmp_path / "mine", net().eval())
    bad = tmp_path / "bad.pt"
    torch.save(Shell(), bad)
    with zipfile.ZipFile(folder / "network.pt2") as old, zipfile.ZipFile(tmp_path / "new.pt2", "w") as new:
        for name in old.namelist():
            new.writestr(
                name, bad.read_bytes() if name.endswith("sample_inputs/model.pt") else old.read(name)
            )
    shutil.move(tmp_path / "new.pt2", folder / "network.pt2")
    mark = Path("/tmp/inkqueue-was-here")
    mark.unlink(missing_ok=True)
    assert "no plain torch.export file" in refusal(folder, root)
    assert not mark.exists()
