"""Preparation: MNIST passes as it is, everything else becomes like it, and blank is blank."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from shared.vision import PREPARATIONS, prepare, prepare_many
from tests.shared.pictures import Pixels, coloured, digits, paper, photo

THREE = next(image for label, image in digits() if label == 3)


def likeness(one: Pixels, other: Pixels) -> float:
    """Return the correlation of two pictures, at best within a pixel of one another."""
    padded = cv2.copyMakeBorder(one, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    return float(cv2.matchTemplate(padded, other, cv2.TM_CCOEFF_NORMED).max())


def test_an_mnist_picture_passes_byte_for_byte() -> None:
    """What already is prepared is not prepared again, also as RGB and RGBA with equal channels."""
    for _, image in digits():
        opaque = np.full_like(image, 255)
        for form in (image, np.dstack([image] * 3), np.dstack([image, image, image, opaque])):
            got = prepare(form)
            assert np.array_equal(got.image, image)
            assert got.reasons == ()
            assert got.quality is None


def test_a_28_pixel_picture_in_black_on_white_is_turned_round() -> None:
    """Size alone makes no MNIST picture: the ground decides."""
    for _, image in digits():
        assert likeness(prepare(255 - image).image, image) > 0.9


def test_a_digit_in_the_corner_is_brought_to_the_middle() -> None:
    """The centre of mass comes to the middle, the longer side to twenty pixels, wherever it stood."""
    for _, image in digits():
        sheet = np.full((300, 500), 255, np.uint8)
        sheet[250:278, 10:38] = 255 - image
        got = prepare(sheet).image
        mass = cv2.moments(got)
        assert mass["m10"] / mass["m00"] == pytest.approx(14, abs=0.6)
        assert mass["m01"] / mass["m00"] == pytest.approx(14, abs=0.6)
        assert max(cv2.boundingRect(got)[2:]) in (19, 20)
        assert got.max() == 255


@pytest.mark.parametrize("side", [56, 112, 280, 560, 1400, 4000])
def test_size_does_not_matter(side: int) -> None:
    """The same drawing at any size is prepared to nearly the same picture."""
    assert likeness(prepare(paper(THREE, side)).image, prepare(paper(THREE)).image) > 0.93


def test_polarity_colour_and_shadow_do_not_matter() -> None:
    """White on black, coloured pens and a photographed sheet give the picture of black on white."""
    wanted = prepare(paper(THREE)).image
    pens = [((0, 0, 255), (255, 255, 255)), ((255, 240, 0), (255, 255, 255)), ((255, 255, 255), (0, 90, 0))]
    pictures = [255 - paper(THREE), photo(THREE), *(coloured(THREE, *pair) for pair in pens)]
    for picture in pictures:
        assert likeness(prepare(picture).image, wanted) > 0.95


def test_dust_and_grain_are_not_ink() -> None:
    """A few specks and scanner noise change nothing."""
    rng = np.random.default_rng(3)
    sheet = paper(THREE)
    noisy = (sheet.astype(float) + rng.normal(0, 6, sheet.shape)).clip(0, 255).astype(np.uint8)
    for y, x in rng.integers(5, 300, (12, 2)):
        noisy[y : y + 2, x : x + 2] = 0
    assert likeness(prepare(noisy).image, prepare(sheet).image) > 0.97


def test_a_hairline_is_drawn_with_a_wider_pen() -> None:
    """A one-pixel line on a big sheet stays visible in 28 pixels."""
    sheet = np.full((1000, 1000), 255, np.uint8)
    cv2.line(sheet, (500, 200), (480, 800), 0, 1)
    got = prepare(sheet)
    assert (got.image > 128).sum() > 20
    assert got.reasons == ()


@pytest.mark.parametrize("level", [0, 1, 127, 254, 255])
@pytest.mark.parametrize("shape", [(1, 1), (4, 4), (28, 28), (3508, 2480), (300, 400, 3), (300, 400, 4)])
def test_a_sheet_without_ink_is_blank(shape: tuple[int, ...], level: int) -> None:
    """An even sheet of any brightness and size is blank, never a digit."""
    got = prepare(np.full(shape, level, np.uint8))
    assert got.reasons == ("blank",)
    assert not got.image.any()


def test_grain_and_slopes_of_light_are_blank() -> None:
    """Paper texture, scanner noise and uneven light alone are no ink."""
    rng = np.random.default_rng(4)
    for deviation in (1, 3, 8, 20):
        grain = rng.normal(200, deviation, (400, 300)).clip(0, 255).astype(np.uint8)
        assert prepare(grain).reasons == ("blank",)
    slope = np.tile(np.linspace(250, 120, 400), (300, 1)).astype(np.uint8)
    assert prepare(slope).reasons == ("blank",)


def test_a_dark_digit_on_nothing_is_no_blank() -> None:
    """Black and white ink on a transparent ground are both seen."""
    for colour in (0, 255):
        alpha = 255 - paper(THREE)
        plane = np.full_like(alpha, colour)
        got = prepare(np.dstack((plane, plane, plane, alpha)))
        assert likeness(got.image, prepare(paper(THREE)).image) > 0.97


def test_two_digits_side_by_side_are_told() -> None:
    """Several digits in one picture ask for a person; one digit, broken or not, does not."""
    pair = np.hstack((paper(THREE), paper(THREE)))
    assert prepare(pair).reasons == ("multiple_digits",)
    assert not any(prepare(paper(image)).reasons for _, image in digits())


def test_quality_tells_what_the_ink_was_like() -> None:
    """A thick pen is wider than a thin one; a picture cut at its edge touches the border."""
    sheet = np.full((400, 400), 255, np.uint8)
    thin, thick, cut = sheet.copy(), sheet.copy(), sheet.copy()
    cv2.line(thin, (200, 60), (200, 340), 0, 14)
    cv2.line(thick, (200, 60), (200, 340), 0, 56)
    cv2.line(cut, (200, 0), (200, 400), 0, 20)
    qualities = [prepare(picture).quality for picture in (thin, thick, cut)]
    first, second, third = (quality for quality in qualities if quality is not None)
    assert first.stroke_width == pytest.approx(1.0, abs=0.4)
    assert second.stroke_width == pytest.approx(3.4, abs=0.6)
    assert (first.edge_contact, first.components) == (0.0, 1)
    assert third.edge_contact > 0.02


@settings(max_examples=200, deadline=None)
@given(
    arrays.arrays(
        np.uint8,
        st.tuples(st.integers(1, 70), st.integers(1, 70), st.sampled_from([0, 3, 4])).map(
            lambda s: s[:2] if not s[2] else s
        ),
    )
)
def test_any_picture_gives_a_prepared_one(pixels: Pixels) -> None:
    """Whatever the pixels: 28×28 light on dark, blank exactly when nothing is in it."""
    got = prepare(pixels)
    assert got.image.shape == (28, 28)
    assert got.image.dtype == np.uint8
    assert ("blank" in got.reasons) == (not got.image.any())


def test_extreme_shapes_are_prepared() -> None:
    """A line of pixels and a picture of a hundred million are pictures."""
    strip = np.full((1, 5000), 255, np.uint8)
    strip[0, 2000:2010] = 0
    assert prepare(strip).image.shape == (28, 28)
    sheet = np.full((10_000, 10_000), 255, np.uint8)
    sheet[6000:6560, 7000:7560] = 255 - cv2.resize(THREE, (560, 560), interpolation=cv2.INTER_CUBIC)
    assert likeness(prepare(sheet).image, prepare(paper(THREE)).image) > 0.93


def test_many_are_prepared_as_one_by_one() -> None:
    """The batch gives what single calls give, in order."""
    pictures = [paper(image) for _, image in digits()] + [image for _, image in digits()]
    for one, got in zip(pictures, prepare_many(pictures), strict=True):
        assert np.array_equal(prepare(one).image, got.image)


@pytest.mark.parametrize("shape", [(1, 32, 40), (3, 24, 20)])
@pytest.mark.parametrize("picture", [paper(THREE), photo(THREE), np.dstack([photo(THREE), paper(THREE)])])
def test_plain_preparation_only_resizes(shape: tuple[int, int, int], picture: Pixels) -> None:
    """A user's own network gets its channels, height and width; nothing is cropped or turned round."""
    channels, height, width = shape
    got = prepare(picture, name="plain", version="1", shape=shape)
    assert got.image.shape == ((height, width) if channels == 1 else (height, width, channels))
    assert abs(float(got.image.mean()) - float(np.asarray(picture)[..., :3].mean())) < 60


def test_an_unknown_preparation_is_refused() -> None:
    """A package that asks for a preparation of the future fails at once."""
    assert ("digits", "1") in PREPARATIONS
    with pytest.raises(KeyError):
        prepare(THREE, name="digits", version="99")


def test_a_printed_frame_and_ruled_lines_are_no_ink() -> None:
    """A digit in a box of a form reads as without the box; a thin 1 alone is no ruled line."""
    wanted = prepare(paper(THREE)).image
    boxed, ruled = paper(THREE).copy(), paper(THREE).copy()
    cv2.rectangle(boxed, (3, 3), (444, 332), 0, 3)
    cv2.line(ruled, (0, 300), (447, 302), 0, 3)
    for picture in (boxed, ruled):
        got = prepare(picture)
        assert likeness(got.image, wanted) > 0.97
        assert got.quality is not None
        assert got.quality.components == 1
    one = np.full((300, 300), 255, np.uint8)
    cv2.line(one, (150, 10), (150, 290), 0, 5)
    assert prepare(one).image.any()
