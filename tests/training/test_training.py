"""Training: a seed decides the network, an interruption changes nothing, the package is complete."""

from __future__ import annotations

import gzip
import hashlib
import json
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from shared.bundled import bundled
from shared.packages import find_packages, load_package, resolve, verify
from shared.vision import prepare
from tests.shared.pictures import digits, photo
from training import data
from training.augment import Augmentation, augment
from training.commands import app
from training.export import TOLERANCE, ExportDiffersError, export
from training.network import DigitNet, count_parameters, fold
from training.package import AlreadyThereError, Origin, make_package
from training.samples import make_samples
from training.torchvision_ops import declare_missing_operators
from training.train import Recipe, Run, infer, to_tensor, train
from worker.engines import classify, load_engine

pytestmark = [pytest.mark.torch, pytest.mark.timeout(300)]
DIGITS = resolve(find_packages(), "digits@1.0.0")


def some_digits(count: int, *, seed: int = 0) -> data.Set:
    """Make a small training set: the sample digits, bent a little."""
    rng = np.random.default_rng(seed)
    chosen = rng.integers(0, len(digits()), count)
    images = np.stack([digits()[k][1] for k in chosen])
    bent = augment(to_tensor(images), Augmentation(), torch.Generator().manual_seed(seed))
    labels = np.array([digits()[k][0] for k in chosen], np.int64)
    return data.Set((bent[:, 0].numpy() * 255).astype(np.uint8), labels)


def write_idx(path: Path, values: np.ndarray) -> None:  # type: ignore[type-arg]  # any shape
    """Write an idx file, packed when its name says so."""
    raw = (
        struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape)
        + values.astype(np.uint8).tobytes()
    )
    path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """Lay out a small MNIST: 400 training images by 40 writers, 60 test images."""
    folder = tmp_path / "mnist"
    folder.mkdir()
    for part, count, seed in (("train", 400, 1), ("test", 60, 2)):
        made = some_digits(count, seed=seed)
        images, labels = data.FILES[part]
        write_idx(folder / f"{images}.gz", made.images)
        write_idx(folder / labels, made.labels)
    np.save(folder / data.WRITERS, np.repeat(np.arange(40), 10).astype(np.int32))
    return folder


def weights(network: nn.Module) -> torch.Tensor:
    """Return all parameters as one vector."""
    return torch.cat([p.detach().flatten() for p in network.parameters()])


def test_idx_files_are_read_packed_and_unpacked(data_dir: Path) -> None:
    """Images and labels come out as written; a file that is cut off is refused."""
    made, read = some_digits(60, seed=2), data.load(data_dir, "test")
    assert np.array_equal(read.labels, made.labels)
    assert read.images.shape == (60, 28, 28)
    path = data_dir / data.FILES["test"][1]
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match="idx"):
        data.load(data_dir, "test")
    with pytest.raises(FileNotFoundError, match="--download"):
        data.load(data_dir / "nowhere", "train")


def test_downloaded_data_is_checked_and_found(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside a CPU torch torchvision still fetches by checksum, and its folders are read as they lie."""
    declare_missing_operators()
    declare_missing_operators()
    from torchvision import datasets

    assert all(len(md5) == 32 for _, md5 in datasets.MNIST.resources)
    asked: list[tuple[str, bool]] = []
    monkeypatch.setattr(datasets, "MNIST", lambda root, *, train, download: asked.append((root, download)))
    data.fetch(data_dir)
    assert asked == [(str(data_dir), True)]
    raw = data_dir / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for path in data_dir.glob("*-ubyte*"):
        path.rename(raw / path.name)
    assert len(data.load(data_dir, "train").labels) == 400


def test_the_samples_are_made_anew_byte_for_byte(data_dir: Path, tmp_path: Path) -> None:
    """The same data and seed give the same zip: 520 labelled digits and the four members that are none."""
    for name, copies in (("a", 10), ("b", 10)):
        test = data.load(data_dir, "test")
        made = data.Set(np.tile(test.images, (copies, 1, 1)), np.tile(test.labels, copies))
        make_samples(made, tmp_path / name, seed=1)
    for file in ("digits.zip", "three.png", "seven-on-white.jpg", "blank.png"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_training_and_serving_prepare_alike(data_dir: Path) -> None:
    """What the network learns from went through the very function that workers call."""
    raw = data.read_idx(data_dir / f"{data.FILES['train'][0]}.gz")
    loaded = data.load(data_dir, "train").images
    assert all(
        np.array_equal(prepare(one).image, got) for one, got in zip(raw[:50], loaded[:50], strict=True)
    )


def test_no_writer_is_both_trained_and_calibrated_on(data_dir: Path) -> None:
    """The split is by writers where they are known, by a seed where not, and always the same."""
    whole = data.load(data_dir, "train")
    numbered = data.Set(np.arange(400).reshape(400, 1, 1).astype(np.uint8), np.arange(400))
    parts = data.split(numbered, data_dir, seed=1)
    assert parts.by_writer
    assert not set(parts.train.labels // 10) & set(parts.held_out.labels // 10)
    assert len(parts.train.labels) + len(parts.held_out.labels) == 400
    assert 40 <= len(parts.held_out.labels) <= 60
    (data_dir / data.WRITERS).unlink()
    first, second = (data.split(whole, data_dir, seed=3) for _ in range(2))
    assert not first.by_writer
    assert np.array_equal(first.held_out.images, second.held_out.images)


def test_augmented_digits_stay_pictures_and_follow_their_seed() -> None:
    """Values stay in 0..1, most pictures change, and the same generator gives the same batch."""
    images = to_tensor(some_digits(64).images)
    one, two = (augment(images, Augmentation(), torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(one, two)
    assert 0 <= float(one.min()) <= float(one.max()) <= 1
    changed = (one - images).abs().amax(dim=(1, 2, 3)) > 0.05
    assert 0.6 < float(changed.float().mean()) < 1


def test_an_interrupted_run_ends_where_an_unbroken_one_does(tmp_path: Path) -> None:
    """Stopped after one epoch and started again, training arrives at the same weights."""
    recipe, learn, check = (
        Recipe(epochs=2, batch=32, seed=4, bf16=False),
        some_digits(96),
        some_digits(20, seed=9),
    )
    torch.set_num_threads(1)
    unbroken = train(Run(tmp_path / "a", recipe, 96), learn, check)
    train(Run(tmp_path / "b", recipe, 96), learn, check, until=1)
    resumed = Run(tmp_path / "b", recipe, 96)
    assert resumed.epoch == 1
    assert torch.equal(weights(train(resumed, learn, check)), weights(unbroken))
    history = (tmp_path / "b" / "history.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in history] == [1, 2]


def test_another_recipe_never_goes_on_with_a_run(tmp_path: Path) -> None:
    """A checkpoint belongs to its recipe."""
    Run(tmp_path, Recipe(epochs=1), 256).save()
    with pytest.raises(ValueError, match="another recipe"):
        Run(tmp_path, Recipe(epochs=2), 256)


def test_a_small_network_learns_the_samples(tmp_path: Path) -> None:
    """A few epochs suffice to tell the sample digits apart: the loop does learn."""
    learn, recipe = some_digits(640), Recipe(epochs=8, batch=32, average=0.9, bf16=False)
    network = train(Run(tmp_path, recipe, 640), learn, some_digits(20, seed=9))
    assert (infer(network, learn.images).argmax(1) == learn.labels).mean() > 0.9


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
    assert 100_000 <= count_parameters(network) <= 165_000


def test_an_export_that_differs_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that answer otherwise than the network are not shipped."""
    torch.manual_seed(0)
    network = fold(DigitNet().eval())
    export(network, tmp_path)
    monkeypatch.setattr("training.export.TOLERANCE", -1.0)
    with pytest.raises(ExportDiffersError):
        export(network, tmp_path)


def test_a_package_is_whole_and_never_overwritten(tmp_path: Path) -> None:
    """The card carries what the workers need; the same version cannot be made twice."""
    torch.manual_seed(0)
    origin = Origin("7.0.0", Recipe(), "python -m training train", by_writer=True)
    make_package(DigitNet().eval(), some_digits(200), tmp_path, origin)
    package = load_package(tmp_path / "digits" / "7.0.0")
    verify(package)
    assert classify(package, load_engine(package), [prepare(digits()[0][1])]).probabilities.shape == (1, 10)
    with pytest.raises(AlreadyThereError):
        make_package(DigitNet().eval(), some_digits(200), tmp_path, origin)


def test_a_network_of_other_size_and_colour_is_served_by_both_engines(tmp_path: Path) -> None:
    """A package is all that a user's own classifier needs: colour, another size, other labels, plain preparation."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)
    )
    path = tmp_path / "fruit" / "1"
    export(network, path, shape=(3, 32, 24))
    card = json.loads((DIGITS.path / "model.json").read_text()) | {
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
    onnx, torch_cpu = (
        classify(package, load_engine(package, engine=name, device="cpu"), prepared)
        for name in ("onnxruntime", "torch")
    )
    assert onnx.probabilities.shape == (len(photos), 3)
    assert np.abs(onnx.probabilities - torch_cpu.probabilities).max() < TOLERANCE
    assert np.array_equal(onnx.prediction, torch_cpu.prediction)


def test_the_shipped_files_agree_with_each_other() -> None:
    """ONNX Runtime and torch.export give the same probabilities within 1e-4, and the same decisions."""
    prepared = [prepare(image) for image in some_digits(1000, seed=3).images]
    onnx, torch_cpu = (
        classify(DIGITS, load_engine(DIGITS, engine=name, device="cpu"), prepared)
        for name in ("onnxruntime", "torch")
    )
    assert np.abs(onnx.probabilities - torch_cpu.probabilities).max() < TOLERANCE
    assert np.array_equal(onnx.prediction, torch_cpu.prediction)
    assert np.array_equal(onnx.accept, torch_cpu.accept)
    assert onnx.reasons == torch_cpu.reasons


def test_the_commands_make_a_package_from_data_alone(data_dir: Path, tmp_path: Path) -> None:
    """train, package, evaluate, export and samples work one after the other, as the card says."""
    run, models = str(tmp_path / "run"), str(tmp_path / "models")
    common = ["--data-dir", str(data_dir), "--out", run, "--epochs", "1"]
    steps = [
        ["train", *common, "--threads", "1"],
        ["package", "--version", "3.0.0", "--models", models, *common],
        ["export", str(tmp_path / "files"), *common],
        ["evaluate", "--data-dir", str(data_dir), "--models", models, "--model", "digits@3.0.0", "--write"],
    ]
    for step in steps:
        done = CliRunner().invoke(app, step, catch_exceptions=False)
        assert done.exit_code == 0, done.output
    metrics = load_package(tmp_path / "models" / "digits" / "3.0.0").card["metrics"]
    assert {"accuracy", "accepted", "error_among_accepted"} <= {
        m["name"] for m in metrics if m["data"] == "MNIST test"
    }
    assert (tmp_path / "files" / "model.pt2").is_file()
    assert CliRunner().invoke(app, ["package", "--version", "4.0.0", *common[:-1], "2"]).exit_code != 0


def test_shipped_and_exported_files_name_no_folder_of_their_maker(tmp_path: Path) -> None:
    """A package says nothing of the machine that made it."""
    export(DigitNet(), tmp_path)
    shipped = bundled("models") / "digits" / "1.0.0"
    for folder in (tmp_path, shipped):
        with zipfile.ZipFile(folder / "model.pt2") as archive:
            files = [archive.read(name) for name in archive.namelist()]
        for content in (*files, (folder / "model.onnx").read_bytes()):
            assert b"site-packages" not in content
