"""What training draws: pages, damage and junk are pictures, follow their seed, and are what they are labelled as."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from shared.packages import find_packages, resolve
from shared.vision.prepare import BLANK
from tests.training.tiny import clean_digits
from training import bank, junk, letters, scenes, small
from worker.engines import classify, load_engine

pytestmark = [pytest.mark.torch, pytest.mark.slow, pytest.mark.timeout(300)]
Pixels = NDArray[np.uint8]
Draw = Callable[[np.random.Generator], NDArray[Any]]
IMAGES = list(clean_digits().images)
LIKE_DIGITS = set("OIlSZBqgszoi0123456789|")
WAYS: dict[str, Draw] = {
    "page": lambda rng: scenes.write(IMAGES[int(rng.integers(20))], rng),
    "spoilt": lambda rng: small.spoil(IMAGES[int(rng.integers(20))], rng),
    "junk": lambda rng: junk.draw(IMAGES, rng),
    "letter": letters.write_letter,
    "glyph": letters.write_glyph,
}


def drawn(way: Draw, seed: int, count: int = 40) -> list[bytes]:
    """Draw pictures one after the other from one seed."""
    rng = np.random.default_rng(seed)
    return [way(rng).tobytes() for _ in range(count)]


@pytest.mark.parametrize("way", WAYS)
def test_a_seed_decides_every_picture(way: str) -> None:
    """The same seed draws the same bytes, another one others, and hardly any picture comes twice."""
    first = drawn(WAYS[way], 3)
    assert first == drawn(WAYS[way], 3)
    assert first != drawn(WAYS[way], 4)
    assert len(set(first)) >= 35


def is_picture(picture: Pixels) -> bool:
    """Say whether it is grey or RGB in bytes, with something on it."""
    plane = picture.ndim == 2 or (picture.ndim == 3 and picture.shape[2] == 3)
    return plane and picture.dtype == np.uint8 and min(picture.shape[:2]) > 0


@pytest.mark.parametrize("kind", junk.KINDS, ids=lambda kind: kind.__name__)
def test_every_kind_of_junk_is_a_picture(kind: Callable[..., Pixels]) -> None:
    """Grey or RGB bytes, and not just an even sheet."""
    rng = np.random.default_rng(1)
    pictures = [kind(IMAGES, rng) for _ in range(40)]
    assert all(is_picture(picture) for picture in pictures)
    assert sum(int(picture.min()) < int(picture.max()) for picture in pictures) >= 38


@pytest.mark.parametrize("kind", dict.fromkeys(small.KINDS), ids=lambda kind: kind.__name__)
def test_every_kind_of_damage_leaves_a_changed_picture(kind: Callable[..., NDArray[np.float32]]) -> None:
    """A finite picture of 28×28 that differs from the clean one nearly always."""
    rng = np.random.default_rng(1)
    clean = [image.astype(np.float32) / 255 for image in IMAGES]
    spoilt = [kind(image, rng) for image in clean]
    assert all(image.shape == (28, 28) and np.isfinite(image).all() for image in spoilt)
    assert sum(np.abs(a - b).max() > 0.05 for a, b in zip(spoilt, clean, strict=True)) >= 18


def test_pages_have_every_size_and_colour() -> None:
    """From thumbnails to large photographs, grey and coloured, dark on light and now and then the reverse."""
    rng = np.random.default_rng(2)
    pages = [scenes.write(IMAGES[index % 20], rng) for index in range(200)]
    assert all(is_picture(page) for page in pages)
    heights = [page.shape[0] for page in pages]
    assert min(heights) < 30
    assert max(heights) > 200
    assert 20 < sum(page.ndim == 3 for page in pages) < 90
    assert 5 < sum(np.median(page) < 100 for page in pages) < 60


def test_digits_on_pages_can_still_be_read() -> None:
    """The preparation loses few of them, and a network reads most of what it leaves: labels are not lies."""
    digits = clean_digits(5)
    prepared = bank.on_pages(digits.images, 1)
    assert sum(BLANK in item.reasons for item in prepared) <= 5
    package = resolve(find_packages(), "digits")
    answers = classify(package, load_engine(package, engine="onnxruntime"), prepared).prediction
    assert (answers == digits.labels).mean() > 0.85


def test_kinds_of_junk_have_shares() -> None:
    """Each kind has one, and together they are the whole."""
    assert len(junk._SHARES) == len(junk.KINDS) == len(set(junk.KINDS))
    assert sum(junk._SHARES) == pytest.approx(1)
    assert min(junk._SHARES) > 0


def test_no_letter_that_looks_like_a_digit_is_drawn() -> None:
    """A lone O is a nought to any reader: neither pens nor fonts draw it, nor l, S, Z, B, q or g."""
    assert len(letters.ALPHABET) > 35
    assert not set(letters.ALPHABET) & LIKE_DIGITS
    assert not set(junk._PRINTED + junk.SIGNS) & LIKE_DIGITS
    assert set(letters.ALPHABET) >= letters._NEAR_DIGITS


@pytest.mark.parametrize("letter", letters.ALPHABET)
def test_letters_are_read_as_they_are_written_down(letter: str) -> None:
    """Each stroke has two points or more, all in a box of 10×10 with room for tails."""
    for _, points in letters.ALPHABET[letter]:
        assert points.shape[0] >= 2
        assert points.min() >= 0
        assert points[:, 0].max() <= 10
        assert points[:, 1].max() <= 13
