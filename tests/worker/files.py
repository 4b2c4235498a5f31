"""Files that tests of workers submit, and the rows that come of them."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import sqlalchemy as sa
from PIL import Image

from shared.db import Database

SAMPLES = Path(__file__).resolve().parents[2] / "samples"


def zip_of(files: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """Make a zip."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def sample_digits(count: int) -> dict[str, bytes]:
    """Return real digit images of the sample zip."""
    with zipfile.ZipFile(SAMPLES / "digits.zip") as archive:
        names = [name for name in archive.namelist() if name.endswith(".png") and "_" in name]
        return {name: archive.read(name) for name in names[:count]}


def tiff_of(pages: int) -> bytes:
    """Make a TIFF of several pages."""
    digit = Image.open(SAMPLES / "three.png").convert("L")
    buffer = io.BytesIO()
    digit.save(buffer, "TIFF", save_all=True, append_images=[digit] * (pages - 1))
    return buffer.getvalue()


def items_of(database: Database, job_id: object) -> list[dict[str, object]]:
    """Return the items of a job in order."""
    with database.transaction() as connection:
        rows = connection.execute(
            sa.text("SELECT * FROM items WHERE job_id = :id ORDER BY seq"), {"id": job_id}
        )
        return [dict(r._mapping) for r in rows]
