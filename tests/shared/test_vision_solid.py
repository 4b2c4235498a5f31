"""Filled shapes: seen as they are, and never by the outline that evening out the light would leave of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import cv2
import numpy as np
import pytest

from shared.packages import find_packages, resolve
from shared.vision import prepare, prepare_many
from tests.shared.pictures import Pixels, digits, ink, paper
from worker.engines import classify, load_engine

SIDE = 240
SHAPES = {
    "disc": lambda plane: cv2.circle(plane, (125, 118), 62, 1.0, -1, cv2.LINE_AA),
    "half a disc": lambda plane: cv2.ellipse(plane, (120, 120), (70, 70), 0, 30, 210, 1.0, -1, cv2.LINE_AA),
    "three quarters": lambda plane: cv2.ellipse(plane, (120, 120), (60, 60), 0, 0, 280, 1.0, -1, cv2.LINE_AA),
    "tile": lambda plane: cv2.rectangle(plane, (60, 70), (180, 170), 1.0, -1),
    "kite": lambda plane: cv2.fillPoly(
        plane, [np.array([(120, 40), (190, 110), (120, 200), (60, 110)])], 1.0
    ),
}
LIGHTS = ("even", "sloping", "grainy", "light on dark")


def shape(name: str) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Draw a filled shape as a plane of 0 to 1."""
    return np.asarray(SHAPES[name](np.zeros((SIDE, SIDE), np.float32)), np.float32)


def lit(plane: np.ndarray[tuple[int, ...], np.dtype[np.float32]], light: str) -> Pixels:
    """Put a plane on a sheet under some light."""
    sheet = np.where(light == "light on dark", 60 + 160 * plane, 215 - 160 * plane)
    if light == "sloping":
        sheet = sheet * np.linspace(0.8, 1.0, SIDE)
    if light == "grainy":
        sheet = sheet + np.random.default_rng(3).normal(0, 6, sheet.shape)
    return np.asarray(sheet.clip(0, 255), np.uint8)


def filled(picture: Pixels) -> float:
    """Return which share of its own hull a picture's ink fills."""
    mask = np.asarray((picture >= 128) * 255, np.uint8)
    hull = cv2.convexHull(np.argwhere(mask)[:, ::-1].astype(np.int32))
    whole = cv2.fillConvexPoly(np.zeros_like(mask), hull, 255)
    return cv2.countNonZero(mask) / cv2.countNonZero(whole)


@pytest.mark.parametrize("light", LIGHTS)
@pytest.mark.parametrize("name", SHAPES)
def test_a_filled_shape_stays_filled(name: str, light: str) -> None:
    """On plain and on badly lit sheets, dark or light."""
    seen = prepare(lit(shape(name), light), name="digits", version="4").image
    assert filled(seen) > 0.9 * filled(np.asarray(shape(name) * 255, np.uint8))


def test_the_version_before_read_the_outline() -> None:
    """What version 4 is there for; version 3 stays as it was for the packages that name it."""
    assert filled(prepare(lit(shape("disc"), "even"), name="digits", version="3").image) < 0.6


@pytest.mark.parametrize(("label", "image"), digits())
def test_a_digit_on_a_dark_note_is_what_is_found(label: int, image: Pixels) -> None:
    """A dark patch with writing on it is lit badly or coloured; it is not the shape that counts."""
    sheet = np.full((480, 480), 230, np.uint8)
    sheet[90:390, 90:390] = 150
    sheet[128:352, 128:352][ink(image) > 128] = 30
    new, old = (prepare(sheet, name="digits", version=version) for version in ("4", "3"))
    assert np.array_equal(new.image, old.image)
    assert filled(new.image) < 0.85


@pytest.mark.parametrize(("label", "image"), digits())
def test_ordinary_digits_are_prepared_as_before(label: int, image: Pixels) -> None:
    """On a plain sheet, and in a soft shadow that crosses it."""
    sheet = paper(image)
    shadow = (sheet * np.linspace(1.0, 0.45, sheet.shape[1])).astype(np.uint8)
    for picture in (sheet, shadow):
        new, old = (prepare(picture, name="digits", version=version) for version in ("4", "3"))
        assert np.array_equal(new.image, old.image)


@pytest.fixture(scope="module")
def accepted() -> Callable[[Iterable[Pixels]], int]:
    """Lend the default model: it counts which pictures it accepts as digits."""
    package = resolve(find_packages(), "digits")
    engine = load_engine(package, engine="onnxruntime")

    def count(pictures: Iterable[Pixels]) -> int:
        prepared = prepare_many(pictures, **package.card["preparation"])
        return int(np.asarray(classify(package, engine, prepared).accept).sum())

    return count


@pytest.mark.parametrize("name", SHAPES)
def test_a_blot_is_no_digit(accepted: Callable[[Iterable[Pixels]], int], name: str) -> None:
    """The default model accepts no filled shape as a digit."""
    assert accepted(lit(shape(name), light) for light in LIGHTS) == 0


def test_no_slice_of_a_disc_is_a_digit(accepted: Callable[[Iterable[Pixels]], int]) -> None:
    """From a quarter to nearly all of it: the moving figure of a browser's test camera, which is drawn so."""
    planes = (np.zeros((SIDE, SIDE), np.float32) for _ in range(90, 350, 4))
    slices = [
        cv2.ellipse(plane, (120, 120), (60, 60), 0, 0, angle, 1.0, -1, cv2.LINE_AA)
        for angle, plane in zip(range(90, 350, 4), planes, strict=True)
    ]
    assert accepted(lit(np.asarray(one, np.float32), "light on dark") for one in slices) == 0
