"""A job of any size, written straight into the database, with contact sheets as workers draw them."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import numpy as np
import numpy.typing as npt
import psycopg

from api.sheets import PER_SHEET, ROWS, sheet_png
from benchmarks.pictures import samples
from shared.blobs import open_blobs
from shared.ids import job_id_text
from shared.settings import Settings

_JOB = """INSERT INTO jobs (status, lane, model_name, model_version, name, total, succeeded, failed, accepted, review,
    created_at, started_at, finished_at, results_expire_at)
    VALUES ('partially_succeeded', 'bulk', 'digits', '2.1.0', %(name)s, %(total)s, %(total)s - %(failed)s, %(failed)s,
        %(accepted)s, %(total)s - %(failed)s - %(accepted)s, now(), now(), now(), now() + interval '30 days')
    RETURNING id"""
_ITEMS = """COPY items (job_id, seq, status, name, page, prediction, confidence, probabilities, decision, reasons,
    error_code, error_detail, width, height) FROM STDIN"""
FAILED_EVERY = 997


def insert_big_job(settings: Settings, total: int) -> str:
    """Write a job of so many items that has ended, and all its sheets; return the job's id."""
    chance = np.random.default_rng(7)
    digits = chance.integers(0, 10, total)
    sure = np.clip(1 - chance.exponential(0.004, total), 0.05, 0.99999)
    failed = len(range(0, total, FAILED_EVERY))
    kept = np.ones(total, bool)
    kept[::FAILED_EVERY] = False
    accepted = int(((sure >= 0.99) & kept).sum())
    with psycopg.connect(settings.database_url) as connection:
        connection.execute(
            "SET session_replication_role = replica"
        )  # the guards want a life, not a picture of one
        values = {"name": f"{total:,} digits", "total": total, "failed": failed, "accepted": accepted}
        row = connection.execute(_JOB, values).fetchone()
        assert row is not None
        with connection.cursor().copy(_ITEMS) as copy:
            for item in _rows(row[0], digits, sure):
                copy.write_row(item)
    _keep_sheets(settings, row[0], digits)
    return job_id_text(row[0])


def _rows(
    job: UUID, digits: npt.NDArray[np.int64], sure: npt.NDArray[np.float64]
) -> Iterator[tuple[object, ...]]:
    for seq, (digit, p) in enumerate(zip(digits.tolist(), sure.tolist(), strict=True)):
        name = f"scans/{seq:06}.png"
        if seq % FAILED_EVERY == 0:
            detail = "The PNG is cut off."
            yield (
                job,
                seq,
                "failed",
                name,
                1,
                None,
                None,
                None,
                None,
                None,
                "undecodable_image",
                detail,
                None,
                None,
            )
            continue
        weights = [(1 - p) / 9] * 10
        weights[digit] = p
        accepts = p >= 0.99
        reasons: list[str] = [] if accepts else ["low_confidence"]
        decision = "accept" if accepts else "review"
        yield job, seq, "succeeded", name, 1, str(digit), p, weights, decision, reasons, None, None, 28, 28


def _keep_sheets(settings: Settings, job: UUID, digits: npt.NDArray[np.int64]) -> None:
    """Store what the API stores once workers have drawn the items."""
    blobs = open_blobs(settings)
    known = _pictures()
    for n in range(-(-len(digits) // PER_SHEET)):
        part = digits[n * PER_SHEET : (n + 1) * PER_SHEET]
        cells = np.stack([known[str(d)][i % len(known[str(d)])] for i, d in enumerate(part)])
        blobs.put(f"views/{job.hex}/sheet-{n}-{len(part)}.png", sheet_png(cells, ROWS))


def _pictures() -> dict[str, list[npt.NDArray[np.uint8]]]:
    found: dict[str, list[npt.NDArray[np.uint8]]] = {}
    for pixels, label in samples():
        found.setdefault(label, []).append(pixels)
    return found
