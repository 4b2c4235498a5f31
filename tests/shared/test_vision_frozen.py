"""Preparations that models were trained with: each version gives the same bytes for ever."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from shared.vision import prepare
from tests.shared.pictures import Pixels, coloured, digits, paper, photo

FILE = Path(__file__).parent / "frozen_preparations.json"
FROZEN: dict[str, dict[str, str]] = json.loads(FILE.read_text())


def scenes() -> Iterator[tuple[str, Pixels]]:
    """Yield named pictures of every kind that a preparation treats differently."""
    rng = np.random.default_rng(7)
    for label, image in digits()[::2]:
        sheet = paper(image)
        framed, grain = sheet.copy(), sheet + rng.normal(0, 12, sheet.shape)
        cv2.rectangle(framed, (3, 3), (444, 332), 0, 3)
        cv2.line(framed, (0, 300), (447, 302), 0, 2)
        yield f"mnist {label}", image
        yield f"inverted {label}", 255 - image
        yield f"sheet {label}", sheet
        yield f"photo {label}", photo(image)
        yield f"blue {label}", coloured(image, (40, 60, 200), (250, 240, 160))
        yield f"framed {label}", framed
        yield f"grain {label}", grain.clip(0, 255).astype(np.uint8)
        yield f"alpha {label}", np.dstack((sheet * 0, sheet * 0, sheet * 0, 255 - sheet))
        yield f"pair {label}", np.hstack((sheet, sheet))
        yield f"large {label}", paper(image, 900)
        yield f"small {label}", cv2.resize(255 - image, (13, 13), interpolation=cv2.INTER_AREA)
    for shape in ((4, 4), (9, 300), (200, 150, 3), (90, 70, 4)):
        yield f"noise {shape}", rng.integers(0, 256, shape, dtype=np.uint8)
        yield f"even {shape}", np.full(shape, 200, np.uint8)


def digest(pixels: Pixels, version: str) -> str:
    """Return a fingerprint of everything that a preparation answers but the quality."""
    got = prepare(pixels, name="digits", version=version)
    return hashlib.sha256(got.image.tobytes() + repr(got.reasons).encode()).hexdigest()[:16]


@pytest.mark.parametrize("version", sorted(FROZEN))
def test_a_version_of_a_preparation_never_changes(version: str) -> None:
    """A package names the preparation it was trained with; its pictures stay the same to the last bit."""
    assert {name: digest(pixels, version) for name, pixels in scenes()} == FROZEN[version]


def freeze(version: str) -> None:
    """Write down what a version makes of every scene, once; a version that is there already is not touched."""
    if version in FROZEN:
        raise SystemExit(f"digits@{version} is frozen already")
    FROZEN[version] = {name: digest(pixels, version) for name, pixels in scenes()}
    FILE.write_text(json.dumps(FROZEN, indent=1) + "\n")


if __name__ == "__main__":
    freeze(sys.argv[1])
