"""The suites: what they draw is what their names say, the same every time, and never changes a label."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from numpy.random import Generator

from shared.packages import find_packages, resolve
from shared.vision import Prepared, prepare
from shared.vision.signature import Pixels
from tests.shared.pictures import digits
from tests.training.reference import fashion, make_reference
from training.evaluate import evaluate_suite
from training.suites import JUNK, MissingDataError, Sources, metamorphic, mnist, preparer, usps
from training.suites.catalogue import CATALOGUE
from training.suites.metamorphic import VARIANTS
from training.suites.mnist_c import CORRUPTIONS, OTHERS, corrupt
from training.suites.no_digits import grounds, letters, strokes
from training.suites.render import bolder, pen_width

pytestmark = pytest.mark.torch
DIGITS = resolve(find_packages(), "digits@1.0.0")
IMAGES = np.stack([image for _, image in digits()])
PAPER = {
    "shot_noise", "impulse_noise", "glass_blur", "motion_blur", "shear", "scale", "rotate", "brightness",
    "translate", "stripe", "fog", "spatter", "dotted_line", "zigzag", "canny_edges",
}  # fmt: skip
DRAWN = (grounds.blank, grounds.noise, strokes.scribble, letters.printed, letters.written)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Sources:
    """Lay out a small folder of every set."""
    return make_reference(tmp_path_factory.mktemp("reference"))


def as_is(images: Iterable[Pixels]) -> list[Prepared]:
    """Prepare nothing."""
    return [Prepared(image) for image in images]


def test_the_corruptions_are_the_fifteen_of_the_paper() -> None:
    """None is left out, none is ours."""
    assert set(CORRUPTIONS) == PAPER
    assert not PAPER & set(OTHERS)


@pytest.mark.parametrize("name", [*sorted(PAPER), *OTHERS])
def test_a_corruption_changes_every_picture_and_is_repeatable(name: str) -> None:
    """Shape and type stay; the same seed gives the same bytes."""
    corrupted = corrupt(IMAGES, name, seed=3)
    assert corrupted.shape == IMAGES.shape
    assert corrupted.dtype == np.uint8
    assert (corrupted != IMAGES).any(axis=(1, 2)).all()
    assert np.array_equal(corrupted, corrupt(IMAGES, name, seed=3))


@pytest.mark.parametrize(
    "name", ["shot_noise", "impulse_noise", "glass_blur", "fog", "spatter", "dotted_line", "zigzag"]
)
def test_another_seed_gives_another_corruption(name: str) -> None:
    """What is drawn at random depends on the seed."""
    assert not np.array_equal(corrupt(IMAGES, name, seed=3), corrupt(IMAGES, name, seed=4))


def test_corruptions_do_what_the_paper_says() -> None:
    """Lift by half, invert the outer quarters, move by three pixels, shrink to 0.7."""
    brighter = corrupt(IMAGES, "brightness", seed=3).astype(int)
    assert np.abs(brighter - (IMAGES.astype(int) + 127).clip(0, 255)).max() <= 1
    striped = corrupt(IMAGES, "stripe", seed=3)
    assert np.array_equal(striped[:, :, 7:21], IMAGES[:, :, 7:21])
    assert np.abs(striped[:, :, :7].astype(int) - (255 - IMAGES[:, :, :7].astype(int))).max() <= 1
    for image, moved in zip(IMAGES, corrupt(IMAGES, "translate", seed=3), strict=True):
        wide = np.pad(image, 3)
        shifts = [wide[down : down + 28, right : right + 28] for down in (0, 6) for right in (0, 6)]
        assert min(np.abs(moved.astype(int) - shift.astype(int)).max() for shift in shifts) <= 1
    ratio = corrupt(IMAGES, "scale", seed=3).sum() / IMAGES.sum()
    assert ratio == pytest.approx(0.7**2, rel=0.03)


def test_salt_and_pepper_hit_a_sixth_of_the_pixels() -> None:
    """Of a grey picture 17 % become black or white, as many the one as the other."""
    salted = corrupt(np.full((40, 28, 28), 100, np.uint8), "impulse_noise", seed=3)
    assert np.mean(salted == 255) == pytest.approx(0.085, abs=0.01)
    assert np.mean(salted == 0) == pytest.approx(0.085, abs=0.01)


def test_corrupted_digits_keep_their_labels(sources: Sources) -> None:
    """Each corruption is a group of all test digits in their order, and its raw pictures are the corrupted."""
    clean = mnist.build(sources, as_is, seed=1)
    suite = CATALOGUE["MNIST-C"].build(sources, as_is, seed=1)
    assert suite.group_names == list(CORRUPTIONS)
    assert suite.raw is not None
    assert clean.raw is not None
    for name in ("shear", "zigzag"):
        assert np.array_equal(suite.labels[suite.members(name)], clean.labels)
        assert np.array_equal(suite.raw[suite.members(name)], corrupt(clean.raw, name, seed=1))


@pytest.mark.parametrize("draw", DRAWN, ids=lambda draw: draw.__name__)
def test_drawn_junk_varies_and_is_repeatable(draw: Callable[[Generator], Pixels]) -> None:
    """The same seed draws the same picture, other seeds draw others."""
    first = [draw(np.random.default_rng(seed)) for seed in range(5)]
    again = [draw(np.random.default_rng(seed)) for seed in range(5)]
    assert all(np.array_equal(one, other) for one, other in zip(first, again, strict=True))
    assert len({picture.tobytes() for picture in first}) > 1
    assert all(picture.dtype == np.uint8 for picture in first)


def test_letters_that_look_like_digits_are_not_asked_for() -> None:
    """O I l S Z B q g, and o s z, which differ from theirs in size alone, are in neither alphabet."""
    assert not set("OIlSZBqgosz") & (set(letters.PRINTED) | set(letters.WRITTEN))
    assert len(letters.PRINTED) == len(set(letters.PRINTED)) == 52 - 11


def test_a_crossed_out_digit_carries_more_ink_than_the_digit() -> None:
    """Something is drawn over it, dark on white."""
    for seed, image in enumerate(IMAGES):
        crossed = strokes.crossed_out(image, np.random.default_rng(seed))
        assert crossed[0, 0] == 255
        assert (255.0 - crossed).mean() > 1.2 * image.mean()


def test_everything_in_the_junk_suite_must_be_refused(sources: Sources) -> None:
    """No picture of any kind carries a digit's label, and all the issue's kinds are there."""
    suite = CATALOGUE["junk"].build(sources, as_is, seed=1, limit=10)
    kinds = {"blank", "noise", "fashion", "scribbles", "crossed out", "letters printed", "letters written"}
    assert set(suite.group_names) == kinds | {"omniglot"}
    assert set(suite.labels) == {JUNK}
    assert np.array_equal(suite.pictures[suite.members("fashion")[0]].image, fashion()[0])


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_is_another_picture(name: str) -> None:
    """No way to show a digit hands in the picture as it was; where a size is named, the picture has it."""
    shown = [VARIANTS[name](image, np.random.default_rng(k)) for k, image in enumerate(IMAGES)]
    assert all(
        one.shape != (28, 28) or not np.array_equal(one, image)
        for one, image in zip(shown, IMAGES, strict=True)
    )
    if name.endswith(" px"):
        assert {one.shape for one in shown} == {(int(name.split()[0]),) * 2}


def test_a_pen_twice_as_wide_doubles_a_stroke() -> None:
    """A bar four pixels wide becomes about eight wide."""
    image = np.zeros((28, 28), np.uint8)
    image[4:24, 12:16] = 255
    drawn = 255 - bolder(image, np.random.default_rng(0))
    assert pen_width(drawn) == pytest.approx(2 * 4 * 5, rel=0.15)


def test_same_answers_and_silent_flips_are_counted_against_the_clean_picture(sources: Sources) -> None:
    """A variant that is read as the clean one is the same, whatever the label says."""
    suite = metamorphic.build(sources, preparer(DIGITS), seed=1, limit=6)
    result = evaluate_suite(DIGITS, suite)
    same, flipped = metamorphic.compare(result)
    assert same[suite.members("clean")].all()
    prediction = result.readings.prediction
    inverted = suite.members("invert")
    assert np.array_equal(same[inverted], prediction[inverted] == prediction[suite.members("clean")])
    assert not (flipped & same).any()


def test_usps_is_handed_in_as_pictures_of_eight_bits(sources: Sources) -> None:
    """Shares of ink become grey levels of 16×16 pictures."""
    seen: list[Pixels] = []

    def keep(images: Iterable[Pixels]) -> list[Prepared]:
        seen.extend(images)
        return [prepare(image) for image in seen]

    suite = usps.build(sources, keep, seed=1)
    assert {image.shape for image in seen} == {(16, 16)}
    assert max(int(image.max()) for image in seen) == 255
    assert len(suite.labels) == len(seen)


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_suite_without_its_data_says_which_is_missing(name: str, tmp_path: Path) -> None:
    """No suite passes over data that is not there."""
    with pytest.raises(MissingDataError, match="is missing"):
        CATALOGUE[name].build(Sources.under(tmp_path), as_is, seed=1)
