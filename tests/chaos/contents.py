"""What is submitted: a few contents of every kind that people send, the same in every run."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from itertools import cycle, islice
from typing import Any

import numpy as np
from PIL import Image

from tests.shared.pictures import digits, paper, photo

Body = dict[str, Any]
"""What httpx takes for a request's body."""


@dataclass(frozen=True)
class Content:
    """One upload, ready to be sent; `weight` is how often it is drawn among small ones."""

    name: str
    items: int
    body: Body
    type: str = ""
    weight: float = 1.0
    headers: dict[str, str] = field(default_factory=dict)


@cache
def pngs() -> tuple[bytes, ...]:
    """Return forty pictures of digits as PNGs, each a little different."""
    chance = np.random.default_rng(7)
    found = []
    for _, image in digits() * 2:
        change = chance.integers(-12, 13, image.shape)
        pixels = np.where(image > 0, np.clip(image + change, 1, 255), 0).astype(np.uint8)
        found.append(encoded(Image.fromarray(pixels)))
    return tuple(found)


def encoded(image: Image.Image, kind: str = "PNG", **more: object) -> bytes:
    """Write a picture."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **more)
    return buffer.getvalue()


def pages(count: int, kind: str) -> bytes:
    """Return a TIFF or PDF of so many pages, a digit on each."""
    sheets = [Image.fromarray(paper(image, 112)) for _, image in islice(cycle(digits()), count)]
    return encoded(sheets[0], kind, save_all=True, append_images=sheets[1:])


def zipped(members: list[tuple[str, bytes]], *, stored: bool = False) -> bytes:
    """Return a zip."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return buffer.getvalue()


def clean(count: int, *, stored: bool = False) -> bytes:
    """Return a zip of so many good pictures."""
    return zipped(
        [(f"{n:05}.png", data) for n, data in enumerate(islice(cycle(pngs()), count))], stored=stored
    )


def flawed(count: int) -> bytes:
    """Return a zip in which every tenth member is broken, foreign or no picture at all."""
    bad = cycle(
        [
            ("cut.png", pngs()[0][:60]),
            ("notes.txt", b"not a picture"),
            ("program.bin", b"\x7fELF" + bytes(40)),
            ("empty.png", b""),
            ("inner.zip", zipped([("a.png", pngs()[1])])),
            ("blank.png", encoded(Image.new("L", (28, 28), 255))),
        ]
    )
    members = []
    for n, data in enumerate(islice(cycle(pngs()), count)):
        name, other = next(bad) if n % 10 == 3 else (f"{n:05}.png", data)
        members.append((f"{n:05}-{name}" if n % 10 == 3 else name, other))
    return zipped(members)


def _raw(name: str, items: int, data: bytes, kind: str, weight: float = 1.0) -> Content:
    return Content(name, items, {"content": data}, kind, weight, {"Content-Type": kind})


def _files(name: str, items: int, files: list[tuple[str, bytes]], weight: float = 1.0) -> Content:
    return Content(name, items, {"files": [("files", entry) for entry in files]}, "multipart", weight)


def _json(name: str, items: int, images: list[dict[str, object]], weight: float = 1.0) -> Content:
    body = json.dumps({"images": images}).encode()
    return Content(name, items, {"content": body}, "json", weight, {"Content-Type": "application/json"})


def small() -> list[Content]:
    """Return the small contents."""
    png, scan = pngs(), encoded(Image.fromarray(photo(digits()[4][1])), "JPEG")
    url = "data:image/png;base64," + base64.b64encode(png[5]).decode()
    many = [{"custom_id": f"p{n}", "pixels": image.tolist()} for n, (_, image) in enumerate(digits()[:6])]
    blank = encoded(Image.new("L", (64, 64), 255))
    mixed = zipped(
        [
            ("a.png", png[1]),
            ("scan.tiff", pages(3, "TIFF")),
            ("form.pdf", pages(2, "PDF")),
            ("bad.png", png[2][:50]),
        ]
    )
    return [
        _raw("one png", 1, png[0], "image/png", 3),
        _raw("one photo", 1, scan, "image/jpeg"),
        _raw("one blank", 1, blank, "image/png"),
        _raw("one cut png", 1, png[3][:70], "image/png"),
        _files("one file", 1, [("three.png", png[6])], 2),
        _files("three files", 3, [(f"{n}.png", png[n]) for n in range(3)]),
        _files("files and zip", 12, [("first.png", png[4]), ("rest.zip", clean(11))]),
        _json("json data", 1, [{"custom_id": "a", "data": url}], 2),
        _json("json pixels", 6, many),
        _raw("zip of 25", 25, clean(25), "application/zip", 3),
        _raw("flawed zip of 40", 40, flawed(40), "application/zip", 4),
        _raw("zip of 160", 160, clean(160), "application/zip"),
        _raw("tiff of 6 pages", 6, pages(6, "TIFF"), "image/tiff"),
        _raw("pdf of 4 pages", 4, pages(4, "PDF"), "application/pdf"),
        _raw("zip with pages", 7, mixed, "application/zip"),
    ]


def large(sizes: list[int]) -> list[Content]:
    """Return zips of so many members, every other one flawed."""
    return [
        _raw(f"zip of {size}", size, flawed(size) if n % 2 else clean(size, stored=True), "application/zip")
        for n, size in enumerate(sizes)
    ]


def refused() -> dict[str, Content]:
    """Return what the service must refuse, by the code that it must give."""
    texts = zipped([("a.txt", b"x"), ("b.csv", b"1")])
    return {
        "empty_submission": _raw("only texts", 0, texts, "application/zip"),
        "corrupt_archive": _raw("cut zip", 0, clean(20)[:-30], "application/zip"),
        "invalid_request": _json("no pixels", 0, [{"custom_id": "a"}]),
    }


def by_name(makers: Callable[[], list[Content]], more: list[Content]) -> dict[str, Content]:
    """Return contents by their names."""
    return {content.name: content for content in [*makers(), *more]}
