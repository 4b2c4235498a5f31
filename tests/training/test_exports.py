"""Exports: every engine gives the training graph's answers, and files tell nothing of their maker."""

from __future__ import annotations

import hashlib
import json
import math
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from shared.packages import ModelPackage, find_packages, load_package, resolve
from shared.vision import Prepared, prepare
from shared.vision.readings import Floats, Readings, read
from tests.shared.pictures import digits, photo
from tests.training.tiny import parts_of, some_digits
from training.course import JUNK_SHARE, School
from training.export import TOLERANCE, ExportDiffersError, export
from training.network import JUNK, DigitNet, count_parameters, count_products, fold
from training.package import SERVED_JUNK, Origin, make_package, odds
from training.train import to_tensor
from worker.engines import classify, load_engine

pytestmark = [pytest.mark.torch, pytest.mark.slow, pytest.mark.timeout(300)]
ENGINES = ("onnxruntime", "openvino", "torch")
SHIPPED = list(find_packages().values())
COUNT = 10_000


@pytest.fixture(scope="module")
def pictures() -> list[Prepared]:
    """Bend the sample digits into 10,000 pictures, clear ones and doubtful ones."""
    return [Prepared(image) for image in some_digits(COUNT, seed=3).images]


def answers(package: ModelPackage, prepared: list[Prepared]) -> list[Readings]:
    """Read pictures with each engine that a worker may choose."""
    return [classify(package, load_engine(package, engine=name, device="cpu"), prepared) for name in ENGINES]


def hold_equal(expected: Readings, got: Readings) -> None:
    """Hold probabilities within the tolerance, and labels, decisions and reasons equal."""
    assert len(expected) == COUNT
    assert np.abs(expected.probabilities - got.probabilities).max() <= TOLERANCE
    assert np.array_equal(expected.prediction, got.prediction)
    assert np.array_equal(expected.accept, got.accept)
    assert expected.reasons == got.reasons


def test_engines_answer_as_the_graph_that_was_trained(
    school: School, mnist: Path, tmp_path: Path, pictures: list[Prepared]
) -> None:
    """On 10,000 pictures all engines keep to the network before it was folded, with the prior of forms."""
    network = school.graduate(1)
    origin = Origin("7.0.0", school.course.student, "python -m training train", "None.")
    make_package(school.graduate(1), parts_of(mnist), tmp_path, origin)
    package = load_package(tmp_path / "digits" / "7.0.0")

    def graph(batch: Floats) -> Floats:
        with torch.no_grad():
            logits = np.array(network(torch.from_numpy(batch)).numpy(), np.float32)
        logits[:, JUNK] -= math.log(odds(JUNK_SHARE) / odds(SERVED_JUNK))
        return logits

    expected = read(package, graph, pictures)
    assert len(set(expected.prediction.tolist())) > 2
    for got in answers(package, pictures):
        hold_equal(expected, got)


@pytest.mark.parametrize("package", SHIPPED, ids=lambda package: package.ref)
def test_engines_agree_on_every_shipped_package(package: ModelPackage, pictures: list[Prepared]) -> None:
    """10,000 pictures, some of them refused, get the same answers from each engine."""
    first, *others = answers(package, pictures)
    assert 0.3 < first.accept.mean() < 1
    for got in others:
        hold_equal(first, got)


def test_the_folded_network_is_the_same_function() -> None:
    """Serving without normalisation and dropout changes no answer."""
    torch.manual_seed(0)
    network = DigitNet()
    network.train()
    images = to_tensor(some_digits(64).images)
    network(images)
    network.eval()
    with torch.no_grad():
        assert (fold(network)(images) - network(images)).abs().max() < 1e-4


def test_the_usual_network_is_small() -> None:
    """At most 165,000 parameters and seven million products an image."""
    assert 100_000 <= count_parameters(DigitNet()) <= 165_000
    assert 4_000_000 <= count_products() <= 7_000_000


def test_an_export_that_differs_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that answer otherwise than the network are not shipped."""
    torch.manual_seed(0)
    network = fold(DigitNet().eval())
    monkeypatch.setattr("training.export.TOLERANCE", -1.0)
    with pytest.raises(ExportDiffersError):
        export(network, tmp_path)


def test_a_network_of_other_size_and_colour_is_served_by_every_engine(tmp_path: Path) -> None:
    """A package is all that a user's own classifier needs: colour, another size, other labels, plain preparation."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)
    )
    path = tmp_path / "fruit" / "1"
    export(network, path, shape=(3, 32, 24))
    shipped = resolve(find_packages(), "digits@1.0.0")
    card = json.loads((shipped.path / "model.json").read_text()) | {
        "name": "fruit",
        "version": "1",
        "labels": ["apple", "pear", "plum"],
        "outputs": ["apple", "pear", "plum"],
        "input": {"shape": [3, 32, 24], "scale": 1 / 255, "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.2, 0.2]},
        "preparation": {"name": "plain", "version": "1"},
        "files": {
            name: hashlib.sha256((path / name).read_bytes()).hexdigest()
            for name in ("model.onnx", "model.pt2")
        },
    }
    (path / "model.json").write_text(json.dumps(card))
    package = resolve(find_packages([tmp_path]), "fruit")
    photos = [photo(image) for _, image in digits()]
    prepared = [prepare(one, **package.card["preparation"], shape=package.shape) for one in photos]
    first, *others = answers(package, prepared)
    assert first.probabilities.shape == (len(photos), 3)
    for got in others:
        assert np.abs(first.probabilities - got.probabilities).max() <= TOLERANCE
        assert np.array_equal(first.prediction, got.prediction)


@pytest.mark.parametrize("folder", ["exported", *(package.path for package in SHIPPED)], ids=str)
def test_files_name_no_folder_of_their_maker(folder: Path | str, tmp_path: Path) -> None:
    """What is exported, and what ships, says nothing of the machine that made it."""
    if isinstance(folder, str):
        folder = tmp_path
        export(fold(DigitNet().eval()), folder)
    with zipfile.ZipFile(folder / "model.pt2") as archive:
        files = [archive.read(name) for name in archive.namelist()]
    files += [path.read_bytes() for path in (folder / "model.onnx", folder / "model.json") if path.is_file()]
    for content in files:
        for place in (b"site-packages", b"/home/", b"/tmp/", str(Path(__file__).parents[2]).encode()):
            assert place not in content
