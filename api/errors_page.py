"""The page that explains every code, which `type` of a problem document leads to: docs/errors.md as HTML."""

from __future__ import annotations

import re
from functools import cache
from html import escape

from markupsafe import Markup

from shared.bundled import bundled

_CODE = re.compile(r"`([^`]+)`")
_HEADING = re.compile(r"(#{1,3}) (.+)")


@cache
def errors_body() -> Markup:
    """Return what the page holds; each code has an anchor of its name."""
    text = (bundled("docs") / "errors.md").read_text()
    blocks = re.split(r"\n{2,}", text.partition("\n")[2].strip())
    return Markup("".join(_block(block) for block in blocks))  # noqa: S704  # every text in it is escaped


def _block(block: str) -> str:
    """Write one block of the little Markdown that the page uses."""
    heading = _HEADING.fullmatch(block)
    if heading:
        name, level = heading[2].strip("`"), len(heading[1])
        return f'<h{level} id="{escape(name)}">{_inline(heading[2])}</h{level}>'
    if block.startswith("```"):
        return f"<pre>{escape(block.partition(chr(10))[2].removesuffix('```'))}</pre>"
    return f"<p>{_inline(block)}</p>"


def _inline(text: str) -> str:
    return _CODE.sub(r"<code>\1</code>", escape(text, quote=False))
