"""Zips as people make them, good and bad."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

from tests.api.files import PNG


def zipped(members: Mapping[str, bytes], *, prefix: bytes = b"", comment: bytes = b"") -> bytes:
    """Return a zip, with something before or behind it."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
        archive.comment = comment
    return prefix + out.getvalue()


def mixed(images: int = 12) -> dict[str, bytes]:
    """Return members of which three are skipped and two leave no trace."""
    digits = {f"scans/{n:04}.png": PNG for n in range(images)}
    return {
        **digits,
        "a.txt": b"x",
        "b.txt": b"x",
        "c.json": b"{}",
        "__MACOSX/x": b"x",
        "scans/.DS_Store": b"x",
    }


def written(folder: Path, name: str, data: bytes) -> Path:
    """Write a file; return its path."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path
