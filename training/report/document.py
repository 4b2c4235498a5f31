"""What a report consists of, before it is written as HTML or Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Text:
    """One paragraph."""

    text: str


@dataclass(frozen=True)
class Table:
    """Rows of cells under a header; cells of numbers stand to the right."""

    caption: str
    header: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    folded: bool = False


@dataclass(frozen=True)
class Plot:
    """A drawing as SVG text, the words that replace it for those who cannot see it, and its file's name."""

    name: str
    alt: str
    svg: str


@dataclass(frozen=True)
class Picture:
    """One picture uint8 (height, width[, channels]) as the model saw it, and what is said about it."""

    pixels: NDArray[np.uint8]
    alt: str
    lines: tuple[str, ...]
    marked: bool


@dataclass(frozen=True)
class Gallery:
    """Pictures side by side."""

    name: str
    caption: str
    pictures: Sequence[Picture]


Block = Text | Table | Plot | Gallery


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it."""

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Document:
    """A title and sections."""

    title: str
    sections: Sequence[Section]
