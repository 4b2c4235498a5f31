"""Preparation in the field: what lies around the ink changes nothing, and nothing is read where nothing is."""

from __future__ import annotations

from functools import cache
from zlib import crc32

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from shared.vision import prepare
from tests.shared.nuisances import EMPTY, NUISANCES, bytes_of, sheet
from tests.shared.pictures import Pixels, digits, paper

IMAGES = [image for _, image in digits()[::2]]


@cache
def plain(index: int) -> Pixels:
    """Return the picture of a digit in black on white."""
    return prepare(paper(IMAGES[index])).image


def likeness(one: Pixels, other: Pixels) -> float:
    """Return the correlation of two pictures, at best within a pixel of one another."""
    padded = cv2.copyMakeBorder(one, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    return float(cv2.matchTemplate(padded, other, cv2.TM_CCOEFF_NORMED).max())


def rng_of(name: str, index: int = 0) -> np.random.Generator:
    """Return the same noise for the same scene."""
    return np.random.default_rng([crc32(name.encode()), index])


@pytest.mark.parametrize("name", sorted(NUISANCES))
def test_nuisances_leave_the_digit_as_it_is(name: str) -> None:
    """Light, lines, frames, dirt, colour and cut: the network sees the digit that was written."""
    for index, image in enumerate(IMAGES):
        got = prepare(NUISANCES[name](image, rng_of(name, index)))
        assert got.reasons == ()
        assert likeness(got.image, plain(index)) > 0.8


@pytest.mark.parametrize("name", sorted(EMPTY))
def test_empty_sheets_are_blank(name: str) -> None:
    """Paper, print, shadow and dust are no writing."""
    for index in range(5):
        assert prepare(EMPTY[name](rng_of(name, index))).reasons == ("blank",)


@pytest.mark.parametrize("pixels", [2, 3, 7])
def test_enlarging_changes_nothing(pixels: int) -> None:
    """A picture whose pixels are drawn larger is the same picture."""
    for index, image in enumerate(IMAGES):
        small = paper(image)
        large = np.kron(small, np.ones((pixels, pixels), np.uint8))
        assert likeness(prepare(large).image, plain(index)) > 0.97


def test_more_paper_around_changes_nothing() -> None:
    """A wide margin on any side is only margin."""
    for index, image in enumerate(IMAGES):
        wide = cv2.copyMakeBorder(paper(image), 300, 20, 10, 900, cv2.BORDER_CONSTANT, value=255)
        assert likeness(prepare(wide).image, plain(index)) > 0.95


def test_the_negative_gives_the_same_picture() -> None:
    """White on black is black on white, to the last bit where nothing is in doubt."""
    for image in IMAGES:
        assert np.array_equal(prepare(255 - image).image, image)
        assert likeness(prepare(255 - paper(image)).image, prepare(paper(image)).image) > 0.99


def test_a_thick_pen_leaves_no_thicker_strokes_than_usual() -> None:
    """Strokes three times as wide come out hardly wider than those of any pen."""
    for image in IMAGES:
        thick = cv2.erode(bytes_of(sheet(image)), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (17, 17)))
        got = prepare(thick)
        assert got.quality is not None
        assert got.quality.stroke_width > 4 or (got.image > 128).mean() < 0.25
        assert (got.image > 128).mean() < 0.33


@pytest.mark.parametrize("heights", [(100, 100), (100, 60), (80, 100, 90)])
def test_several_digits_are_told(heights: tuple[int, ...]) -> None:
    """Two or three digits side by side, of different heights too, ask for a person."""
    page = np.full((140, 130 * len(heights)), 255, np.uint8)
    for at, height in enumerate(heights):
        page[20 : 20 + height, 15 + 130 * at : 15 + 130 * at + height] = 255 - cv2.resize(
            IMAGES[3], (height, height)
        )
    assert prepare(page).reasons == ("multiple_digits",)


def test_a_broken_stroke_is_one_digit() -> None:
    """A gap in a stroke, or a five whose flag stands apart, makes no second digit."""
    for image in IMAGES:
        page = bytes_of(sheet(image))
        cv2.line(page, (0, 60), (219, 150), 235, 4)
        assert prepare(page).reasons == ()


def test_what_was_left_out_is_told() -> None:
    """The quality says how much of the dark was no digit, and how strong the ink was."""
    clean, crowded = (prepare(NUISANCES[name](IMAGES[3], rng_of(name))).quality for name in ("jpeg", "box"))
    faint = prepare(NUISANCES["pencil"](IMAGES[3], rng_of("pencil"))).quality
    assert clean is not None
    assert crowded is not None
    assert faint is not None
    assert clean.dropped < 0.05 < crowded.dropped
    assert faint.contrast < 0.25 < clean.contrast


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_picture_gives_a_prepared_one(data: st.DataObject) -> None:
    """Whatever the pixels, also where large even areas invite lines and shadows: 28×28, blank only if empty."""
    rows, columns, channels = (data.draw(st.integers(1, 90)) for _ in range(2)), None, None
    rows, columns = rows
    channels = data.draw(st.sampled_from([0, 3, 4]))
    shape = (rows, columns, channels) if channels else (rows, columns)
    values = data.draw(st.sampled_from([(0, 255), (0, 3), (250, 255)]))
    pixels = data.draw(
        arrays.arrays(np.uint8, shape, elements=st.integers(*values), fill=st.integers(*values))
    )
    got = prepare(pixels)
    assert got.image.shape == (28, 28)
    assert got.image.dtype == np.uint8
    assert ("blank" in got.reasons) == (not got.image.any())
