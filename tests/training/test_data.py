"""Data: MNIST is read as it lies, prepared as it is served, and parted so that no writer is on both sides."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shared.vision import prepare
from tests.training.tiny import some_digits
from training import data
from training.samples import make_samples
from training.torchvision_ops import declare_missing_operators

pytestmark = pytest.mark.torch


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
    test = data.load(data_dir, "test")
    made = data.Set(np.tile(test.images, (10, 1, 1)), np.tile(test.labels, 10))
    for name in ("a", "b"):
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
    """A tenth is held out: whole writers where they are known, each named beside its image."""
    numbered = data.Set(np.arange(400).reshape(400, 1, 1).astype(np.uint8), np.arange(400))
    parts = data.split(numbered, data_dir, seed=1)
    assert parts.by_writer
    assert not set(parts.train.labels // 10) & set(parts.held_out.labels // 10)
    assert len(parts.train.labels) + len(parts.held_out.labels) == 400
    assert 40 <= len(parts.held_out.labels) <= 60
    assert np.array_equal(parts.writers, parts.held_out.labels // 10)


def test_without_writers_a_seed_parts_the_images(data_dir: Path) -> None:
    """The same seed holds the same images out, another one others."""
    whole = data.load(data_dir, "train")
    (data_dir / data.WRITERS).unlink()
    first, second, other = (data.split(whole, data_dir, seed=seed) for seed in (3, 3, 4))
    assert not first.by_writer
    assert np.array_equal(first.held_out.images, second.held_out.images)
    assert not np.array_equal(first.writers, other.writers)
