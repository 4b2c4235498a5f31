"""Digits that lie in the network's picture as MNIST's do, with something else around them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from shared.vision import prepare
from shared.vision.placed import is_placed
from tests.shared.pictures import Pixels, digits


def crossed(image: Pixels, row: int = 2) -> Pixels:
    """Draw a crooked line from margin to margin."""
    drawn = image.copy()
    points = np.array([(x, row + (x // 3) % 2 * 3) for x in range(1, 27)], np.int32)
    cv2.polylines(drawn, [points], False, 255)
    return drawn


def barred(image: Pixels) -> Pixels:
    """Turn black into white in two bars, left and right of the middle."""
    drawn = image.copy()
    drawn[:, :7] = 255 - drawn[:, :7]
    drawn[:, 21:] = 255 - drawn[:, 21:]
    return drawn


def grown(image: Pixels, side: int) -> Pixels:
    """Draw a digit so large that its longer side measures so many pixels, in the middle."""
    rows, columns = np.nonzero(image)
    cut = image[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    scale = side / max(cut.shape)
    cut = cv2.resize(cut, (round(cut.shape[1] * scale), round(cut.shape[0] * scale)))
    height, width = cut.shape
    drawn = np.zeros((28, 28), np.uint8)
    drawn[(28 - height) // 2 :, (28 - width) // 2 :][:height, :width] = cut
    return drawn


@pytest.mark.parametrize("row", [1, 12, 22])
def test_a_line_across_does_not_move_a_digit(row: int) -> None:
    """Cut out anew with the line, nearly every digit would shrink."""
    drawn = [crossed(image, row) for _, image in digits()]
    kept = [np.array_equal(prepare(picture).image, picture) for picture in drawn]
    assert np.mean(kept) >= 0.9


def test_bars_at_both_sides_do_not_hide_a_digit() -> None:
    """The bars' ends tell them, even where a stroke cuts into a bar."""
    drawn = [barred(image) for _, image in digits()]
    assert all(np.array_equal(prepare(picture).image, picture) for picture in drawn)


def test_a_grey_ground_is_no_bar() -> None:
    """A light digit on middle grey is cut out, never passed as its negative."""
    for _, image in digits():
        picture = np.maximum(image, 127)
        assert not is_placed(picture)
        assert not is_placed(np.asarray(255 - picture, np.uint8))
        assert float(np.median(prepare(picture).image)) == 0


def test_a_digit_drawn_over_the_whole_picture_is_cut_out() -> None:
    """It has ink all around the box, not in a narrow line; only tall and narrow digits may pass for that."""
    drawn = [grown(image, 28) for label, image in digits() if label in (0, 2, 3, 5, 6, 8)]
    assert not any(is_placed(picture) for picture in drawn)


def test_a_digit_in_a_corner_is_not_in_its_place() -> None:
    """Only the middle counts as MNIST's place."""
    for _, image in digits():
        assert not is_placed(np.roll(image, (6, 6), (0, 1)))


@pytest.mark.parametrize("level", [0, 90, 255])
def test_an_even_picture_shows_no_digit(level: int) -> None:
    """Nothing lies in it."""
    assert not is_placed(np.full((28, 28), level, np.uint8))
