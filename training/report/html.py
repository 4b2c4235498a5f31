"""A document as one HTML file: no script, nothing from elsewhere, readable in light and dark."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from html import escape
from itertools import groupby

from training.report.document import Block, Document, Gallery, Picture, Plot, Section, Table, Text
from training.report.png import to_png

NUMERIC = re.compile(r"([≥≤] )?[-−]?[\d,.]+(e[-+]\d+)?( %)?( (of|to) [\d,.]+( %)?)?|–|never")
CSS = """
:root{color-scheme:light dark;--ink:#1f2933;--dim:#52606d;--ground:#fff;--line:#cbd2d9;--bad:#b3261e;--link:#1769aa}
@media(prefers-color-scheme:dark){:root{--ink:#e4e7eb;--dim:#9aa5b1;--ground:#14191f;--line:#3e4c59;
--bad:#ff8a80;--link:#7cc4fa}}
body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--ground);max-width:68rem;margin:0 auto;
padding:1.5rem}
h1{font-size:1.7rem;margin:.2em 0}h2{margin:2.5rem 0 .5rem;border-bottom:1px solid var(--line)}
a{color:var(--link)}nav ul{padding:0;display:flex;flex-wrap:wrap;gap:.3rem 1rem;list-style:none}
.scroll{overflow-x:auto;margin:1rem 0}table{border-collapse:collapse;font-size:.9rem}
caption,summary,figcaption{text-align:left;color:var(--dim);font-size:.9rem}caption{padding:.2rem 0}
summary{cursor:pointer}th,td{padding:.2rem .7rem;border-bottom:1px solid var(--line);text-align:left;
vertical-align:top;overflow-wrap:break-word}thead th{vertical-align:bottom}td.n,th.n{text-align:right;
font-variant-numeric:tabular-nums;white-space:nowrap}
.plots{display:flex;flex-wrap:wrap;gap:1rem;align-items:start}.plot{background:#fff;border:1px solid var(--line);
border-radius:6px;padding:.4rem;width:31.5rem;max-width:100%;height:auto;
box-sizing:border-box}
figure{margin:1rem 0}
.gallery{display:grid;grid-template-columns:repeat(auto-fill,minmax(10.5rem,1fr));gap:.8rem;margin:.6rem 0;
padding:0;list-style:none}.gallery li{font-size:.8rem;line-height:1.35}.gallery img{width:84px;height:84px;
display:block;
image-rendering:pixelated;border:2px solid var(--line);object-fit:contain;background:#000}
.gallery .bad img{border-color:var(--bad)}.gallery .bad b{color:var(--bad)}
""".strip()
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><style>{css}</style></head>
<body><header><h1>{title}</h1>{nav}</header>
<main>
{sections}
</main></body></html>
"""


def to_html(document: Document) -> str:
    """Write a document as one page."""
    numbered = list(enumerate(document.sections, 1))
    links = "".join(f'<li><a href="#s{number}">{escape(part.title)}</a></li>' for number, part in numbered)
    nav = f'<nav aria-label="Sections"><ul>{links}</ul></nav>' if len(numbered) > 1 else ""
    sections = "\n".join(_section(number, part) for number, part in numbered)
    return PAGE.format(title=escape(document.title), css=CSS, nav=nav, sections=sections)


def _section(number: int, section: Section) -> str:
    """Write a heading and its blocks; plots that follow each other stand side by side."""
    parts = [f'<section aria-labelledby="s{number}"><h2 id="s{number}">{escape(section.title)}</h2>']
    for drawn, blocks in groupby(section.blocks, key=lambda block: isinstance(block, Plot)):
        body = "\n".join(map(_block, blocks))
        parts.append(f"<div class=plots>{body}</div>" if drawn else body)
    return "\n".join((*parts, "</section>"))


def _block(block: Block) -> str:
    """Write one block by its kind."""
    writers: dict[type, Callable[..., str]] = {Text: _text, Table: _table, Plot: _plot, Gallery: _gallery}
    return writers[type(block)](block)


def _text(block: Text) -> str:
    return f"<p>{escape(block.text)}</p>"


def _table(table: Table) -> str:
    """Write a table; a folded one opens on a click."""
    columns = zip(*table.rows, strict=True)
    kinds = [" class=n" if all(map(NUMERIC.fullmatch, column)) else "" for column in columns]
    kinds = kinds or [""] * len(table.header)
    head = "".join(f"<th scope=col{k}>{escape(t)}</th>" for k, t in zip(kinds, table.header, strict=True))
    body = "\n".join(_row(row, kinds) for row in table.rows)
    grid = f"<thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></div>"
    caption = escape(table.caption)
    if table.folded:
        return f"<details><summary>{caption}</summary><div class=scroll><table>{grid}</details>"
    return f"<div class=scroll><table><caption>{caption}</caption>{grid}"


def _row(row: tuple[str, ...], kinds: list[str]) -> str:
    cells = (f"<td{kind}>{escape(text)}</td>" for kind, text in zip(kinds, row, strict=True))
    return f"<tr>{''.join(cells)}</tr>"


def _plot(plot: Plot) -> str:
    return _image(plot.svg.encode(), "svg+xml", plot.alt, "plot")


def _gallery(gallery: Gallery) -> str:
    """Write pictures with what is said about each."""
    items = "".join(map(_picture, gallery.pictures))
    listing = f"<ul class=gallery>{items}</ul>" if items else ""
    return f"<figure><figcaption>{escape(gallery.caption)}</figcaption>{listing}</figure>"


def _picture(picture: Picture) -> str:
    kind = " class=bad" if picture.marked else ""
    first, *rest = map(escape, picture.lines)
    words = "<br>".join((f"<b>{first}</b>", *rest))
    return f"<li{kind}>{_image(to_png(picture.pixels), 'png', picture.alt)}{words}</li>"


def _image(raw: bytes, kind: str, alt: str, style: str = "") -> str:
    """Write an image into the page itself."""
    data = base64.b64encode(raw).decode()
    return f'<img class="{style}" alt="{escape(alt)}" src="data:image/{kind};base64,{data}">'
