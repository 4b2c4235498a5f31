"""A document as Markdown, with its plots and pictures as files beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from training.report.document import Block, Document, Gallery, Plot, Table, Text
from training.report.png import to_png

COLUMNS = 6
ENLARGED = 3


def to_markdown(document: Document) -> tuple[str, Mapping[str, bytes]]:
    """Return the text and the files that it shows, by their names below the report's folder."""
    files: dict[str, bytes] = {}
    parts = [f"# {document.title}"]
    for section in document.sections:
        parts += [f"## {section.title}", *(_block(block, files) for block in section.blocks)]
    return "\n\n".join(part for part in parts if part) + "\n", files


def save_markdown(document: Document, path: Path) -> None:
    """Write the text to `path` and its files beside it."""
    text, files = to_markdown(document)
    for old in path.parent.glob("pictures/*-misread-*.png"):
        old.unlink()  # an earlier report may have had more of them
    path.write_text(text, encoding="utf-8")
    for name, raw in files.items():
        place = path.parent / name
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(raw)


def _block(block: Block, files: dict[str, bytes]) -> str:
    """Write one block by its kind, and note its files."""
    writers: dict[type, Callable[..., str]] = {Text: _text, Table: _table, Plot: _plot, Gallery: _gallery}
    return writers[type(block)](block, files)


def _text(block: Text, files: dict[str, bytes]) -> str:
    return block.text


def _table(table: Table, files: dict[str, bytes]) -> str:
    """Write a table with its caption above."""
    rows = [table.header, ("---",) * len(table.header), *table.rows]
    lines = "\n".join("| " + " | ".join(map(_cell, row)) + " |" for row in rows)
    return f"{table.caption}:\n\n{lines}"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _plot(plot: Plot, files: dict[str, bytes]) -> str:
    files[f"plots/{plot.name}.svg"] = plot.svg.encode()
    return f"![{_alt(plot.alt)}](plots/{plot.name}.svg)"


def _gallery(gallery: Gallery, files: dict[str, bytes]) -> str:
    """Write pictures as a table without a header, each with what is said about it."""
    if not gallery.pictures:
        return f"{gallery.caption}."
    cells = []
    for index, picture in enumerate(gallery.pictures, 1):
        name = f"pictures/{gallery.name}-{index:02d}.png"
        files[name] = to_png(picture.pixels, ENLARGED)
        words = [f"**{picture.lines[0]}**", *picture.lines[1:]]
        cells.append(f"![{_alt(picture.alt)}]({name})<br>" + "<br>".join(map(_cell, words)))
    rows = [cells[start : start + COLUMNS] for start in range(0, len(cells), COLUMNS)]
    width = len(rows[0])
    lines = [[""] * width, ["---"] * width, *(row + [""] * (width - len(row)) for row in rows)]
    return f"{gallery.caption}:\n\n" + "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _alt(text: str) -> str:
    return _cell(text).replace("[", "(").replace("]", ")")
