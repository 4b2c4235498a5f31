"""A stock of pictures for training: digits on pages and junk, prepared once and kept beside the run."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from shared.vision import Prepared, prepare
from shared.vision.prepare import BLANK
from training import junk, numerals, scenes, small
from training.data import Images, Labels, Set
from training.network import JUNK

COSTS = "costs.jsonl"
PREPARATION = ("digits", "4")
SORTS = ("scenes", "junk", "small", "numerals")
PART = 2000
"""Pictures that one process draws from one seed; the stock is the same however many processes there are."""


@dataclass(frozen=True)
class Stock:
    """How many pictures of each sort, and the seed that decides them all."""

    scenes: int = 80_000
    small: int = 60_000
    junk: int = 50_000
    numerals: int = 16_000
    seed: int = 1

    def scaled(self, share: float) -> Stock:
        """Return a share of it, at least one picture of each sort."""
        return replace(self, **{sort: max(round(getattr(self, sort) * share), 1) for sort in SORTS})


Task = tuple[str, int, np.random.SeedSequence]
"""A portion: its sort, how many pictures, and its seed."""


class Drawn(NamedTuple):
    """Prepared pictures with the label each should get: a digit, or `JUNK`."""

    prepared: list[Prepared]
    labels: Labels


def stock(digits: Set, what: Stock, folder: Path | None = None, *, processes: int | None = None) -> Set:
    """Return pictures made of the given digits, from the folder's file if it is of the same making.

    Blank pictures are left out: they never reach a network. So there are a little fewer than asked for.
    """
    path = folder / f"stock-{_key(digits, what)}.npz" if folder else None
    if path and path.is_file():
        with np.load(path) as saved:
            return Set(saved["images"], saved["labels"])
    before = _worked()
    made = draw(digits, what, processes=processes)
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
        note(folder, f"stock of seed {what.seed}", _worked() - before)
    kept = [index for index, item in enumerate(made.prepared) if BLANK not in item.reasons]
    result = Set(np.stack([made.prepared[index].image for index in kept]), made.labels[kept])
    if path:
        temporary = path.with_name(f".{path.name}")
        with temporary.open("wb") as file:
            np.savez(file, images=result.images, labels=result.labels)
        temporary.replace(path)
    return result


def note(folder: Path, what: str, cpu_seconds: float) -> None:
    """Write down what a piece of work cost, for the card: processor time, which other work does not stretch."""
    line = {"made": what, "cpu_seconds": round(cpu_seconds, 1)}
    with (folder / COSTS).open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def _worked() -> float:
    """Return the processor time of this process and of those that it started and that are gone, in seconds."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def draw(digits: Set, what: Stock, *, processes: int | None = None) -> Drawn:
    """Draw and prepare scenes, junk and spoilt small pictures, blanks included; the same for the same seed."""
    sizes = [(kind, part) for kind in SORTS for part in _parts(getattr(what, kind))]
    seeds = np.random.SeedSequence(what.seed).spawn(len(sizes))
    tasks = [(kind, size, seed) for (kind, size), seed in zip(sizes, seeds, strict=True)]
    few = sum(size for _, size in sizes) <= PART
    results = _in_turn(digits, tasks) if few else _shared(digits, tasks, processes)
    prepared = [item for part in results for item in part.prepared]
    return Drawn(
        prepared, np.concatenate([part.labels for part in results]) if results else digits.labels[:0]
    )


def _in_turn(digits: Set, tasks: Sequence[Task]) -> list[Drawn]:
    """Draw a few portions here: to start processes would take longer."""
    return [_draw_part(digits, task) for task in tasks]


def _shared(digits: Set, tasks: Sequence[Task], processes: int | None) -> list[Drawn]:
    """Draw portions in several processes, in their order."""
    with multiprocessing.get_context("spawn").Pool(processes, _start, (digits,)) as pool:
        return list(pool.imap(_draw_mine, tasks))


def on_pages(images: Images, seed: int) -> list[Prepared]:
    """Write each digit (N, 28, 28) once on a page of its own and prepare it; the same for the same seed."""
    rng = np.random.default_rng(seed)
    name, version = PREPARATION
    return [prepare(scenes.write(image, rng), name=name, version=version) for image in images]


def scanned(images: Images, seed: int) -> list[Prepared]:
    """Scan each digit (N, 28, 28) once from a clean sheet and prepare it; the same for the same seed."""
    rng = np.random.default_rng(seed)
    name, version = PREPARATION
    return [prepare(scenes.scan(image, rng), name=name, version=version) for image in images]


def worn(images: Images, seed: int) -> list[Prepared]:
    """Write each digit on a page that fares badly, or spoil it as a small picture, by turns."""
    made = on_pages(images[::2], seed), spoilt(images[1::2], seed)
    return [made[place % 2][place // 2] for place in range(len(images))]


def spoilt(images: Images, seed: int) -> list[Prepared]:
    """Spoil each digit (N, 28, 28) as a small picture and prepare it; the same for the same seed."""
    rng = np.random.default_rng(seed)
    name, version = PREPARATION
    return [prepare(small.spoil(image, rng), name=name, version=version) for image in images]


def foreign(count: int, seed: int) -> Drawn:
    """Draw and prepare so many digits in the forms of other schools; the same for the same seed."""
    rng = np.random.default_rng(seed)
    name, version = PREPARATION
    drawn = [numerals.write_numeral(rng) for _ in range(count)]
    pages = (junk.on_paper(junk.in_square(junk.tight(ink)), rng) for ink, _ in drawn)
    prepared = [prepare(page, name=name, version=version) for page in pages]
    return Drawn(prepared, np.array([digit for _, digit in drawn], np.int64))


def nothing(digits: Sequence[Images], count: int, seed: int) -> list[Prepared]:
    """Draw and prepare so many pictures that are no digit; the same for the same seed."""
    rng = np.random.default_rng(seed)
    name, version = PREPARATION
    return [prepare(junk.draw(digits, rng), name=name, version=version) for _ in range(count)]


def stacked(prepared: Sequence[Prepared]) -> Images:
    """Return the pictures as one array uint8 (N, 28, 28)."""
    return np.stack([item.image for item in prepared])


def _parts(count: int) -> Iterator[int]:
    """Part a count into portions of one seed each."""
    for start in range(0, count, PART):
        yield min(PART, count - start)


def _key(digits: Set, what: Stock) -> str:
    """Name everything that decides the stock: digits, counts, seed, and the code that draws and prepares."""
    digest = hashlib.sha256(json.dumps([asdict(what), PREPARATION]).encode())
    digest.update(digits.images.tobytes())
    root = Path(__file__).resolve().parent
    sources = [root / f"{name}.py" for name in ("scenes", "paper", "small", "junk", "letters", "numerals")]
    for source in [*sources, *sorted((root.parent / "shared" / "vision").glob("*.py"))]:
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


_digits: Set


def _start(digits: Set) -> None:
    """Give a process the digits, and keep it to one core."""
    global _digits
    _digits = digits
    cv2.setNumThreads(1)


def _draw_mine(task: Task) -> Drawn:
    """Draw one portion of the digits that the process was given."""
    return _draw_part(_digits, task)


def _draw_part(digits: Set, task: Task) -> Drawn:
    """Draw one portion."""
    kind, size, seed = task
    number = int(seed.generate_state(1)[0])
    if kind == "junk":
        return Drawn(nothing(list(digits.images), size, number), np.full(size, JUNK, np.int64))
    if kind == "numerals":
        return foreign(size, number)
    chosen = np.random.default_rng(number).integers(len(digits.labels), size=size)
    make = on_pages if kind == "scenes" else spoilt
    return Drawn(make(digits.images[chosen], number), digits.labels[chosen])
