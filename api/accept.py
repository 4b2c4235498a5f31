"""Choose a format by `?format=` or the `Accept` header (RFC 9110, 12.5.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from shared.errors import NotAcceptable

F = TypeVar("F")


def negotiate(accept: str | None, offered: Mapping[str, F]) -> F:
    """Return the best of the offered formats.

    Args:
        accept: the header; None accepts everything.
        offered: media type to format, the preferred one first.

    Raises:
        NotAcceptable: the header excludes all.
    """
    ranges = _ranges(accept or "*/*")
    best: tuple[float, F] | None = None
    for media_type, form in offered.items():
        quality = _quality(media_type, ranges)
        if quality > 0 and (best is None or quality > best[0]):
            best = (quality, form)
    if best is None:
        raise NotAcceptable(f"Available are: {', '.join(offered)}.")
    return best[1]


def prefers(accept: str | None, wanted: str, other: str) -> bool:
    """Tell whether the header likes one media type better than another; without one it likes all the same."""
    ranges = _ranges(accept or "*/*")
    return _quality(wanted, ranges) > _quality(other, ranges)


def _ranges(accept: str) -> list[tuple[str, float]]:
    """Read the header into media ranges with their quality."""
    found = []
    for part in accept.lower().split(","):
        media_range, *parameters = (p.strip() for p in part.split(";"))
        quality = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                try:
                    quality = float(parameter[2:])
                except ValueError:
                    quality = 0.0
        if media_range:
            found.append((media_range, quality))
    return found or [("*/*", 1.0)]


def _quality(media_type: str, ranges: list[tuple[str, float]]) -> float:
    """Return the quality that the most specific matching range gives."""
    for wanted in (media_type, media_type.split("/")[0] + "/*", "*/*"):
        for media_range, quality in ranges:
            if media_range == wanted:
                return quality
    return 0.0
