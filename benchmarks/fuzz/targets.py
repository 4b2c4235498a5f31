"""What is fuzzed: how an input of each kind is made, what reads it, and what must hold then.

A reader may refuse with an error of our own tree, and with nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache, partial
from random import Random
from typing import Any

import cv2
import numpy as np

from api.accept import negotiate, prefers
from api.idempotency import sound_key
from api.json_body import read_json
from api.multipart import MultipartReader
from api.options import from_json, from_pairs, preferred_wait
from api.routes.submit import sound_traceparent
from api.stash import Stash
from benchmarks.fuzz import pictures, texts
from benchmarks.fuzz.archives import make_zip
from benchmarks.fuzz.mutation import mutate
from benchmarks.fuzz.target import Broken, Target
from benchmarks.fuzz.traps import TRAPS
from shared.archive import ArchiveLimits, read_directory
from shared.errors import InkqueueError
from shared.ids import parse_cursor, parse_delivery_id, parse_job_id
from shared.manifest import ManifestBuilder, read_all
from shared.members import read_members
from shared.names import MAX_NAME_BYTES, clean_name, decode_name, is_hidden
from shared.outbound import OutboundPolicy, check_url
from shared.outbound.addresses import is_public
from shared.outbound.urls import parse
from shared.settings import Settings
from shared.sniff import HEAD_BYTES, sniff
from shared.sources import BytesSource
from shared.vision import PREPARATIONS, count_pages, decode, prepare

cv2.setNumThreads(1)

MOST_PIXELS = 4_000_000
MOST_PAGES = 50
_LIMITS = ArchiveLimits(max_members=1000, max_member_bytes=1_000_000, max_inflated_bytes=10_000_000)
_SETTINGS = Settings(max_member_bytes=1_000_000)
_POLICY = OutboundPolicy()
_BOX = 1024 * 1024


def _hold(law: bool, text: str) -> None:
    if not law:
        raise Broken(text)


def read_zip(data: bytes) -> None:
    """Read a zip as the service does: directory, manifest, members."""
    source, builder = BytesSource(data), ManifestBuilder()
    directory = read_directory(source, _LIMITS)
    builder.extend_directory(0, directory)
    part = read_all(builder.build())
    seen = []
    for i, member in read_members({0: source}, part, _SETTINGS):
        seen.append(i)
        name = part.name(i)
        _hold(clean_name(name) == name, "a member's name is no label")
        _hold(part.custom_id(i) is None, "a custom id that nobody gave")
        _hold(
            not isinstance(member, bytes) or len(member) <= _LIMITS.max_member_bytes, "a member is too large"
        )
    _hold(sorted(seen) == list(range(len(directory))), "a member came twice or never")


def read_picture(data: bytes) -> None:
    """Sniff, count pages, decode the first and the last, and prepare what is small."""
    sniff(data[:HEAD_BYTES])
    pages = count_pages(data, max_pages=MOST_PAGES)
    for page in {1, pages}:
        image = decode(data, page=page, max_pixels=MOST_PIXELS)
        _hold(image.pixels.dtype == np.uint8, "not 8 bits")
        _hold(image.pixels.shape[:2] == (image.height, image.width), "another size than said")
        _hold(image.width * image.height <= MOST_PIXELS, "too many pixels")
        if image.width * image.height <= 4096:
            _prepared(image.pixels, ("digits", "2"))


def _prepared(pixels: Any, how: tuple[str, str]) -> None:
    name, version = how
    made = prepare(pixels, name=name, version=version).image
    _hold(made.dtype == np.uint8 and made.shape[:2] == (28, 28), "no picture for the network")


_SIDES = (1, 2, 3, 5, 8, 19, 20, 21, 27, 28, 29, 40, 64, 130, 300)


def make_pixels(chance: Random) -> bytes:
    """Make a picture of any size and channels: two sides, channels, preparation, then its bytes."""
    height, width = chance.choice(_SIDES), chance.choice(_SIDES)
    if chance.random() < 0.05:
        height, width = chance.choice(((1, 5000), (5000, 1), (2, 3000)))
    channels = chance.choice((0, 3, 4))
    random = np.random.default_rng(chance.randrange(2**32))
    shape = (height, width, channels) if channels else (height, width)
    pixels = np.full(shape, chance.choice((0, 7, 128, 255)), np.uint8)
    match chance.randrange(4):
        case 0:
            pixels = random.integers(0, 256, shape, np.uint8)
        case 1:
            pixels[height // 4 : height * 3 // 4, width // 3 : width // 2 + 1] = chance.choice((0, 90, 255))
        case 2:
            spots = random.random((height, width)) < chance.choice((0.001, 0.05, 0.5))
            pixels[spots] = chance.choice((0, 255))
    if channels == 4:
        pixels[..., 3] = chance.choice((0, 128, 255))
    head = np.array([height, width, channels, chance.randrange(len(PREPARATIONS) - 1)], "<u4")
    return head.tobytes() + pixels.tobytes()


def read_pixels(data: bytes) -> None:
    """Prepare a picture."""
    height, width, channels, how = np.frombuffer(data[:16], "<u4").tolist()
    pixels = np.frombuffer(data[16:], np.uint8).reshape(
        (height, width, channels) if channels else (height, width)
    )
    _prepared(pixels, [way for way in PREPARATIONS if way[0] == "digits"][how])


@cache
def _manifests() -> tuple[bytes, ...]:
    """Return sound manifests."""
    chance = Random("manifests")
    found: list[bytes] = []
    while len(found) < 20:
        builder = ManifestBuilder()
        try:
            builder.extend_directory(0, read_directory(BytesSource(make_zip(chance)), _LIMITS))
        except Exception:  # noqa: S112  # only sound zips are wanted here
            continue
        found.append(builder.build())
    return tuple(found)


def make_manifest(chance: Random) -> bytes:
    """Damage a manifest, as a failing disk would."""
    return mutate(chance.choice(_manifests()), chance)


def read_manifest(data: bytes) -> None:
    """Read everything in a manifest."""
    part = read_all(data)
    for i in range(min(len(part), 100)):
        part.name(i), part.custom_id(i), part.error(i), part.skip_reason(i)


def _stash() -> Stash:
    """Return a stash with room for all, so that it needs no database."""
    nothing: Any = None
    return Stash(nothing, nothing, "default", _BOX)


def read_json_body(data: bytes) -> None:
    """Read a submission in JSON."""
    stash = _stash()
    from_json(read_json(data, stash, 1000)).canonical()
    document = json.loads(data)
    _hold(len(stash.files) == len(document["images"]), "an image is missing")


def read_form(data: bytes) -> None:
    """Read a multipart body in blocks of odd sizes."""
    stash = _stash()
    reader = MultipartReader("multipart/form-data; boundary=b", stash, 1000)
    step = 1 + sum(data[:8]) % 97
    for at in range(0, len(data), step):
        reader.feed(data[at : at + step])
    reader.close()
    from_pairs(reader.fields, "body").canonical()


def read_pairs(data: bytes) -> None:
    """Read options."""
    pairs = [(str(key), str(value)) for key, value in json.loads(data)]
    options = from_pairs(pairs, "query")
    _hold(json.loads(json.dumps(options.canonical())) is not None, "options that cannot be kept")


def read_name(data: bytes) -> None:
    """Clean a name."""
    for name in (decode_name(data, is_utf8=True), decode_name(data, is_utf8=False), _with_halves(data)):
        label = clean_name(name)
        _hold(clean_name(label) == label, "cleaned twice differs")
        _hold(all(part.strip() not in ("", ".", "..") for part in label.split("/")) or not label, "a path")
        _hold(len(label.encode()) <= MAX_NAME_BYTES, "too long")
        is_hidden(label)


def _with_halves(data: bytes) -> str:
    """Read bytes as UTF-8 with half surrogates, as JSON may bring them; else as Latin-1."""
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def read_url(data: bytes) -> None:
    """Check a webhook's URL."""
    text = data.decode("utf-8", "replace")
    checked = parse(text, _POLICY)
    _hold(parse(checked.url, _POLICY) == checked, "checked twice differs")
    found = check_url(text, _POLICY, resolve=lambda name: ["93.184.215.14"])
    _hold(all(is_public(address) for address in found.addresses), "an inner address")


def read_header(data: bytes) -> None:
    """Read a value as each of the headers and parameters that we parse ourselves."""
    text = data.decode("latin-1")
    preferred_wait(text)
    prefers(text, "text/csv", "application/json")
    sound_traceparent(text)
    refused: list[InkqueueError] = []
    readers: tuple[Callable[[str], object], ...] = (
        parse_job_id, parse_delivery_id, parse_cursor, sound_key, partial(negotiate, offered={"text/csv": 1})
    )  # fmt: skip
    for reader in readers:
        try:
            reader(text)
        except InkqueueError as error:
            refused.append(error)
    if len(refused) == len(readers):
        raise refused[0]


TARGETS: tuple[Target, ...] = (
    Target("zip", make_zip, read_zip, 140),
    *(Target(kind, partial(pictures.make, kind), read_picture, share) for kind, share in (
        ("png", 80), ("jpeg", 50), ("tiff", 90), ("gif", 40), ("bmp", 40), ("webp", 30), ("pdf", 20),
    )),
    Target("pixels", make_pixels, read_pixels, 10),
    Target("manifest", make_manifest, read_manifest, 40),
    Target("json", texts.make_json, read_json_body, 110),
    Target("form", texts.make_form, read_form, 120),
    Target("options", texts.make_pairs, read_pairs, 70),
    Target("names", texts.make_name, read_name, 60),
    Target("urls", texts.make_url, read_url, 60),
    Target("headers", texts.make_header, read_header, 40),
)  # fmt: skip
BY_NAME = {target.name: target for target in (*TARGETS, *TRAPS)}
