"""How numbers and names are written in a report."""

from __future__ import annotations

import math
import re

NONE = "–"


def share(value: float, digits: int = 2) -> str:
    """Write a share as a percentage, a dash for none."""
    return NONE if math.isnan(value) else f"{100 * value:.{digits}f} %"


def number(value: float, digits: int = 4) -> str:
    """Write a number to so many significant digits, a dash for none."""
    if math.isnan(value):
        return NONE
    return "never" if math.isinf(value) else f"{value:.{digits}g}"


def count(value: int) -> str:
    """Write a whole number with its thousands apart."""
    return f"{value:,}"


def slug(name: str) -> str:
    """Return a name as part of a file's name."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
