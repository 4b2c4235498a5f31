"""Networks of one's own: what is taken becomes a whole package, and what is wrong is told and leaves nothing."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto

from shared.packages import CARD, find_packages, load_package, verify
from tests.networks import COLOURS, classifier, folder_of
from worker.install.make import make_package
from worker.install.refusal import Refused
from worker.install.store import publish, remove, staging

pytestmark = pytest.mark.torch


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Name the folder of installed models."""
    return tmp_path / "models"


def install(folder: Path, root: Path, **options: object) -> bool:
    """Make and publish; tell whether it is new."""
    with staging(root) as stage:
        return publish(make_package(folder, stage, options), root, ())


def refusal(folder: Path, root: Path, options: Mapping[str, object] | None = None) -> str:
    """Return why a folder is refused; nothing may be left of the try."""
    with pytest.raises(Refused) as refused:
        install(folder, root, **(options or {}))
    assert [path.name for path in root.iterdir()] == [".lock"]
    return f"{refused.value} {refused.value.fix}"


def needed(_name: str, _version: str, _last: bool) -> None:
    """Say that a job needs it."""
    raise Refused("a job needs it")


def free(_name: str, _version: str, _last: bool) -> None:
    """Say that nobody needs it."""


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


def test_the_same_again_is_fine_and_another_is_refused(tmp_path: Path, root: Path) -> None:
    """A version is never overwritten; another version stands beside it."""
    folder = folder_of(tmp_path / "mine")
    assert install(folder, root)
    before = load_package(root / "mine" / "1.0.0").sha256
    assert not install(folder, root)
    (folder / "labels.txt").write_text("a\nb\nc\n")
    with pytest.raises(Refused, match="never overwritten"):
        install(folder, root)
    assert load_package(root / "mine" / "1.0.0").sha256 == before
    assert install(folder, root, version="1.0.1")
    assert [one.ref for one in find_packages([root]).values() if one.name == "mine"] == [
        "mine@1.0.1",
        "mine@1.0.0",
    ]


def test_nobody_slips_other_weights_under_a_shipped_version(tmp_path: Path, root: Path) -> None:
    """The shipped package counts as installed."""
    folder = folder_of(tmp_path / "digits")
    assert "never overwritten" in refusal(folder, root, {"version": "1.0.0"})


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


@pytest.mark.parametrize("content", ['["red", "green", "blue"]', '{"0": "red", "2": "blue", "1": "green"}'])
def test_labels_may_be_json(tmp_path: Path, root: Path, content: str) -> None:
    """A list, or an object from number to label."""
    folder = folder_of(tmp_path / "mine")
    (folder / "labels.txt").unlink()
    (folder / "labels.json").write_text(content)
    install(folder, root)
    assert load_package(root / "mine" / "1.0.0").labels == COLOURS


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


def test_weights_beside_the_network_come_along(tmp_path: Path, root: Path) -> None:
    """The usual export of torch writes two files; both are in the package and checked."""
    folder = folder_of(tmp_path / "mine", classifier(weights_in="network.onnx.data"))
    (folder / "network.onnx.data").write_bytes(np.eye(3, dtype=np.float32).tobytes())
    install(folder, root)
    assert set(load_package(root / "mine" / "1.0.0").card["files"]) == {"model.onnx", "network.onnx.data"}


def test_networks_that_end_in_a_softmax_are_noticed(tmp_path: Path, root: Path) -> None:
    """The card says that the answers are probabilities."""
    install(folder_of(tmp_path / "mine", classifier(softmax=True)), root)
    assert load_package(root / "mine" / "1.0.0").card["answers"] == "probabilities"


def exported(folder: Path, network: torch.nn.Module) -> Path:
    """Write a network for 3×8×8 pictures by torch.export, with labels."""
    folder.mkdir()
    program = torch.export.export(network, (torch.rand(1, 3, 8, 8),))
    torch.export.save(program, folder / "network.pt2")
    (folder / "labels.txt").write_text("\n".join(COLOURS))
    return folder


def net(*more: torch.nn.Module) -> torch.nn.Sequential:
    """Make a small network."""
    torch.manual_seed(1)
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 3, 3), *more, torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()
    )


def test_a_torch_export_is_taken_with_its_size_of_batch(tmp_path: Path, root: Path) -> None:
    """A network that was exported for one picture serves any number."""
    install(exported(tmp_path / "mine", net().eval()), root)
    card = load_package(root / "mine" / "1.0.0").card
    assert (card["input"]["batch"], card["parameters"], list(card["files"])) == (1, 84, ["model.pt2"])


def test_a_network_exported_as_it_is_trained_is_refused(tmp_path: Path, root: Path) -> None:
    """Its answers are left to chance."""
    assert "model.eval()" in refusal(exported(tmp_path / "mine", net(torch.nn.Dropout(0.5)).train()), root)


class Shell:
    """A pickle that runs a command when it is loaded."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        """Return the command."""
        return (os.system, ("touch /tmp/inkqueue-was-here",))


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


def test_two_at_once_make_one_package(tmp_path: Path, root: Path) -> None:
    """Of two different ones of the same version one wins, and it is whole."""
    folders = [
        folder_of(tmp_path / side / "mine", labels=labels) for side, labels in (("a", "xyz"), ("b", "uvw"))
    ]
    outcomes: list[object] = []

    def work(folder: Path) -> None:
        try:
            outcomes.append(install(folder, root))
        except Refused as refused:
            outcomes.append(str(refused))

    threads = [threading.Thread(target=work, args=(folder,)) for folder in folders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count(True) == 1
    assert any("never overwritten" in str(one) for one in outcomes)
    verify(load_package(root / "mine" / "1.0.0"))


def test_killed_in_the_middle_nothing_half_is_left(tmp_path: Path, root: Path) -> None:
    """What was being made is invisible to the service and gone with the next command."""
    code = (
        "import os, signal, sys; from pathlib import Path; from worker.install.store import staging\n"
        f"with staging(Path({str(root)!r})) as stage:\n"
        "    (stage / 'mine' / '1').mkdir(parents=True); (stage / 'mine' / '1' / 'model.json').write_text('{')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    assert any(path.name.startswith(".adding-") for path in root.iterdir())
    assert list(find_packages([root])) == list(find_packages())
    install(folder_of(tmp_path / "mine"), root)
    assert sorted(path.name for path in root.iterdir()) == [".lock", "mine"]


def test_a_version_that_a_job_needs_stays(tmp_path: Path, root: Path) -> None:
    """Refused at once or after everybody has noticed, it is there as before; a free one goes."""
    install(folder_of(tmp_path / "mine"), root)
    asked: list[bool] = []

    def needed_later(name: str, version: str, last: bool) -> None:
        asked.append((root / "mine" / "1.0.0").exists())
        if len(asked) > 1:
            needed(name, version, last)

    for check in (needed, needed_later):
        with pytest.raises(Refused, match="a job needs it"):
            remove("mine@1.0.0", root, check, noticed_s=0)
        verify(load_package(root / "mine" / "1.0.0"))
    assert asked == [True, False]
    remove("mine@1.0.0", root, free, noticed_s=0)
    assert not (root / "mine").exists()


@pytest.mark.parametrize(
    "ref", ["digits@1.0.0", "mine", "mine@", "mine@9", "../x@1", "mine@..", ".lock@x", "/etc@x"]
)
def test_only_what_was_added_can_be_removed(tmp_path: Path, root: Path, ref: str) -> None:
    """Shipped models stay, a version must be named, and no path leads elsewhere."""
    install(folder_of(tmp_path / "mine"), root)
    with pytest.raises(Refused):
        remove(ref, root, free, noticed_s=0)
    assert (root / "mine" / "1.0.0").exists()


def test_a_removal_that_was_killed_is_taken_back(tmp_path: Path, root: Path) -> None:
    """Nobody knows whether a job needs it, so it returns with the next command."""
    install(folder_of(tmp_path / "mine"), root)
    (root / "mine" / "1.0.0").rename(root / ".removing-mine@1.0.0")
    (root / "mine").rmdir()
    with staging(root):
        pass
    verify(load_package(root / "mine" / "1.0.0"))
