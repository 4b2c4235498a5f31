"""Zips as people make them, good and bad."""

from __future__ import annotations

import io
import struct
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


def directory_of(count: int) -> bytes:
    """Return the directory of a zip64 with so many empty pictures, and nothing before it."""
    names = [f"{n:06}.png".encode() for n in range(count)]
    head = struct.pack("<4s6H3I5H2I", b"PK\x01\x02", 45, 45, *[0] * 7, 10, *[0] * 6)
    entries = b"".join(head + name for name in names)
    end64 = struct.pack("<4sQ2H2I4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, len(entries), 0)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, len(entries), 1)
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return entries + end64 + locator + end
