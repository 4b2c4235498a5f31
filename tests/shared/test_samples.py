"""The shipped samples: enough real digits, labelled in their names, with the usual bad members among them."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from shared.errors import EmptyFile, ItemError, UndecodableImage, UnsupportedFormat
from shared.vision import decode, prepare
from tests.shared.pictures import SAMPLES

BAD = {
    "digits/cut-off.png": UndecodableImage,
    "digits/empty.png": EmptyFile,
    "digits/notes.dat": UnsupportedFormat,
}


def test_the_sample_zip_holds_real_digits_and_a_few_bad_members() -> None:
    """At least 500 images in two guises, every bad member with its own error, all of it small."""
    path = SAMPLES / "digits.zip"
    assert path.stat().st_size < 400_000
    sizes: set[tuple[int, int]] = set()
    failed: dict[str, type[ItemError]] = {}
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if not name.endswith(".txt")]
        assert len(archive.namelist()) == len(names) + 1
        for name in names:
            try:
                pixels = decode(archive.read(name), max_pixels=10**8).pixels
            except ItemError as error:
                failed[name] = type(error)
                continue
            sizes.add(pixels.shape[:2])
            assert Path(name).stem[-1].isdigit()
            assert prepare(pixels).reasons == ()
    assert failed == BAD
    assert len(names) - len(failed) >= 500
    assert (28, 28) in sizes
    assert len(sizes) == 2


def test_the_single_samples_are_a_digit_in_two_guises_and_a_blank() -> None:
    """Each file is what its name says."""
    three, seven, blank = (
        decode((SAMPLES / name).read_bytes(), max_pixels=10**8).pixels
        for name in ("three.png", "seven-on-white.jpg", "blank.png")
    )
    assert three.shape == (28, 28)
    assert int(np.median(seven)) > 200
    assert prepare(seven).reasons == ()
    assert prepare(blank).reasons == ("blank",)
