"""The twenty samples that people try first: digits as they come, one larger on white, one blank sheet."""

from __future__ import annotations

import zipfile
from functools import cache

from shared.bundled import bundled

NAME = "20 samples"
DIGITS = 18


@cache
def samples() -> tuple[tuple[str, bytes], ...]:
    """Return name and bytes of each; they travel with the package."""
    folder = bundled("samples")
    with zipfile.ZipFile(folder / "digits.zip") as archive:
        names = [name for name in archive.namelist() if name[-6:-5] == "_" and name.endswith(".png")]
        chosen = names[:: max(1, len(names) // DIGITS)][:DIGITS]
        digits = [(name, archive.read(name)) for name in chosen]
    rest = [(name, (folder / name).read_bytes()) for name in ("seven-on-white.jpg", "blank.png")]
    return (*digits, *rest)
