"""Make `async_client.py` of `sync_client.py` (`python -m inkqueue.client.mirror`); a test compares them."""

from __future__ import annotations

import re
from pathlib import Path

SOURCE = Path(__file__).with_name("sync_client.py")
TARGET = Path(__file__).with_name("async_client.py")

_WORDS = (
    (
        r'"""The client for ordinary programs; every method blocks\."""',
        '"""The client for asyncio and trio."""',
    ),
    (
        r"# ruff: noqa: UP028.*\n",
        "# Made of sync_client.py by `python -m inkqueue.client.mirror`: change that file instead.\n",
    ),
    (r"`mirror\.py`.*\n", ""),
    (r"\b(Client|Job)\b(?=[\(:\],\n`]|$)", r"Async\1"),
    (r"\bBlockingDriver\b", "AsyncDriver"),
    (r"client\.blocking\b", "client.asynchronous"),
    (r"\bIterator\b", "AsyncIterator"),
    (r"Iterable, AsyncIterator", "AsyncIterator, Iterable"),
    (r"thread-safe; use it as a context", "for one event loop; use it as an async context"),
    (r"__(enter|exit)__", r"__a\1__"),
    (r"(?<!@property\n    )def (?!__init__|base_url)(\w+)\(", r"async def \1("),
    (r"(self\._driver\.run\()", r"await \1"),
    (r"(self\._client\.\w+\()", r"await \1"),
    (r"(self\._driver\.close\(|self\.close\()", r"await \1"),
    (r"\bfor (\w+) in self\.(_driver\.iterate|watch)", r"async for \1 in self.\2"),
)


def mirrored(source: str) -> str:
    """Return the asynchronous counterpart of the client's source."""
    for pattern, replacement in _WORDS:
        source = re.sub(pattern, replacement, source, flags=re.MULTILINE)
    return source


if __name__ == "__main__":
    TARGET.write_text(mirrored(SOURCE.read_text(encoding="utf-8")), encoding="utf-8")
