"""File names as labels: cleaned of everything that could make them a path, and sorted by their endings."""

from __future__ import annotations

import re

MAX_NAME_BYTES = 1024
"""Longer names lose their beginning: the ending says more."""

SKIPPED = (".txt", ".csv", ".tsv", ".json", ".xml", ".md", ".html", ".log", ".ini", ".yaml", ".yml")
"""Endings of files that accompany images; nobody tries to read them."""
ARCHIVES = (".zip", ".7z", ".rar", ".tar", ".gz", ".tgz", ".bz2", ".xz")
"""Endings of archives within an archive."""
MULTI_PAGE = (".tif", ".tiff", ".pdf")
"""Endings of files that may hold several pages."""

_DRIVE = re.compile(r"^[A-Za-z]:")
# C0 and C1 controls, line and paragraph separators, and the marks that turn the direction of writing.
_CONTROLS = r"\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff"
_CONTROL = re.compile(f"[{_CONTROLS}]")
_SUSPICIOUS = re.compile(rf"[{_CONTROLS}\\:?]|(?:^|/)(?:[\s./]|$)|\s(?:/|$)")


def clean_name(name: str) -> str:
    """Return the name without root, drive and `..` segments, `/` between its parts, controls as `_`.

    The result is a label and never a path; it is empty when nothing is left. Cleaning twice changes nothing.
    """
    if _SUSPICIOUS.search(name) is None:
        return _clip(name)
    parts: list[str] = []
    for part in _CONTROL.sub("_", name).replace("\\", "/").split("/"):
        while _DRIVE.match(part) and not parts:
            part = part[2:]
        if part.strip() not in ("", ".", "..", "?"):
            parts.append(part)
    return _clip("/".join(parts))


def decode_name(raw: bytes, is_utf8: bool) -> str:
    """Decode a zip member's name: UTF-8 where it is (many write it without saying so), else code page 437.

    Never fails. The source is APPNOTE.TXT 6.3.10, appendix D.
    """
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("utf-8", "replace") if is_utf8 else raw.decode("cp437")


def is_hidden(name: str) -> bool:
    """Tell whether a cleaned name is of the operating system's own files, which are no inputs."""
    parts = name.split("/")
    return (
        any(part.startswith(".") or part == "__MACOSX" for part in parts)
        or parts[-1].lower() in ("thumbs.db", "desktop.ini")
    )  # fmt: skip


def ends_with(name: str, endings: tuple[str, ...]) -> bool:
    """Tell whether the name has one of the endings, in capitals or not."""
    return name.lower().endswith(endings)


def _clip(name: str) -> str:
    """Cut a name to `MAX_NAME_BYTES`, keeping its end."""
    if len(name) * 4 <= MAX_NAME_BYTES:
        return name
    raw = name.encode("utf-8")
    if len(raw) <= MAX_NAME_BYTES:
        return name
    return "…" + raw[3 - MAX_NAME_BYTES :].decode("utf-8", "ignore")
