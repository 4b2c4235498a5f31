"""The documents inside the service: Markdown that travels with it, written as pages without scripts or styles."""

from __future__ import annotations

import re
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass
from functools import cache

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import OptionsDict
from markupsafe import Markup

from shared.bundled import bundled

PAGES = {
    "confidence": "Which answers need no eyes",
    "reviews": "Reviewing together",
    "api": "The HTTP API, a guide",
    "errors": "Errors explained",
    "webhooks": "Webhooks",
    "limits": "Limits",
    "keys": "Keys",
    "models": "Models of your own",
    "configuration": "Settings",
}
"""Names and titles of the documents that people read here, in the order of a table of contents."""
_LOCAL = re.compile(r"(?:([\w-]+)\.md)?(#[\w-]+)?")
_OUTER = re.compile(r"https?://")
_REMARK = re.compile(r"^<!--.*?-->$\n?", re.MULTILINE | re.DOTALL)

Environment = MutableMapping[str, list[bool]]


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading of the second level: where it is and what it says."""

    anchor: str
    text: str


@dataclass(frozen=True, slots=True)
class Guide:
    """A document as a page: its title, its text without it, and what is in it."""

    title: str
    body: Markup
    headings: Sequence[Heading]


@cache
def guide(name: str) -> Guide | None:
    """Return one of `PAGES` or the tour; None when there is none of this name."""
    path = bundled("docs") / f"{name}.md"
    if name not in (*PAGES, "tour") or not path.is_file():
        return None
    return written(path.read_text())


def available() -> dict[str, str]:
    """Return names and titles of the documents that are here."""
    return {name: title for name, title in PAGES.items() if guide(name) is not None}


def written(text: str) -> Guide:
    """Write Markdown as HTML; HTML in it is shown as text, and only links that lead somewhere stay links."""
    parser = _parser()
    tokens = parser.parse(_REMARK.sub("", text))
    _anchor(tokens)
    title = ""
    if tokens and tokens[0].tag == "h1":
        title, tokens = _words(tokens[1]), tokens[3:]
    found = [
        Heading(str(one.attrs["id"]), _words(tokens[place + 1]))
        for place, one in enumerate(tokens)
        if one.type == "heading_open" and one.tag == "h2"
    ]
    body = parser.renderer.render(tokens, parser.options, {})
    return Guide(title, Markup(body), found)  # noqa: S704  # the parser escapes every text of it


def inline(text: str) -> Markup:
    """Write a short text of a description: paragraphs, code and emphasis."""
    return written(text).body


def _parser() -> MarkdownIt:
    """Make the parser (CommonMark with tables, no HTML), whose tables need no inline style."""
    parser = MarkdownIt("commonmark", {"html": False, "linkify": False}).enable("table")
    rules = parser.renderer.rules  # type: ignore[attr-defined]  # the protocol of renderers has it not
    rules |= {
        "table_open": _table,
        "table_close": lambda *_: "</table></div>\n",
        "th_open": _cell,
        "td_open": _cell,
        "fence": _fence,
        "link_open": _link,
        "link_close": _link_end,
    }
    return parser


def _table(tokens: Sequence[Token], place: int, options: OptionsDict, env: Environment) -> str:
    """Begin a table in a frame that can be scrolled by keys."""
    frame = '<div class="scrolled" role="region" aria-label="{}" tabindex="0"><table>'
    return str(Markup(frame).format(tokens[place].attrs["label"]))  # noqa: S704  # the name is escaped


def _cell(tokens: Sequence[Token], place: int, options: OptionsDict, env: Environment) -> str:
    """Write a cell; the alignment becomes a class, since the policy of the pages allows no style."""
    token = tokens[place]
    marks = ' scope="col"' if token.tag == "th" else ""
    if "right" in str(token.attrs.get("style", "")):
        marks += ' class="number"'
    return f"<{token.tag}{marks}>"


def _fence(tokens: Sequence[Token], place: int, options: OptionsDict, env: Environment) -> str:
    """Write a block of code that can be scrolled by keys, with room for a button that copies it."""
    token = tokens[place]
    shown = Markup('<pre tabindex="0"><code>{}</code></pre>\n').format(token.content)
    copied = token.info in ("sh", "console", "python", "sql", "javascript")
    return f'<div class="copyable">{shown}</div>\n' if copied else str(shown)


def _link(tokens: Sequence[Token], place: int, options: OptionsDict, env: Environment) -> str:
    """Write a link that leads to a page of this service or to the web; others are text here."""
    address = _address(str(tokens[place].attrs.get("href", "")))
    env.setdefault("links", []).append(address is not None)
    if address is None:
        return ""
    outer = ' rel="noopener noreferrer"' if _OUTER.match(address) else ""
    return str(Markup('<a href="{}"').format(address)) + f"{outer}>"


def _link_end(tokens: Sequence[Token], place: int, options: OptionsDict, env: Environment) -> str:
    return "</a>" if env["links"].pop() else ""


def _address(target: str) -> str | None:
    """Return where a link of a document leads here; None for a file that is no page of the service."""
    if _OUTER.match(target):
        return target
    local = _LOCAL.fullmatch(target)
    if local is None:
        return None
    name, anchor = local[1], local[2] or ""
    if name is None:
        return anchor or None
    return f"/docs/{name}{anchor}" if name in PAGES else None


def _anchor(tokens: Sequence[Token]) -> None:
    """Give each heading the anchor that GitHub gives it, and each table a name of its own."""
    above, tables = "", 0
    for place, token in enumerate(tokens):
        if token.type == "heading_open":
            above = _words(tokens[place + 1])
            token.attrs["id"] = re.sub(r"[^\w\- ]", "", above.lower()).replace(" ", "-")
        elif token.type == "table_open":
            tables += 1
            token.attrs["label"] = f"Table {tables}: {above}" if above else f"Table {tables}"


def _words(token: Token) -> str:
    """Return the text of a heading without its marks."""
    return RendererHTML().renderInlineAsText(token.children or [], OptionsDict({}), {}) or token.content  # type: ignore[typeddict-item]
