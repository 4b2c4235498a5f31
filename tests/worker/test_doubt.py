"""From a network with a junk class to rows: what is sure, doubtful, no digit, blank or broken."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import cv2
import numpy as np
import pytest
import sqlalchemy as sa

from shared.blobs import Blobs
from shared.db import Database
from shared.jobs.summary import summarize
from shared.packages import CARD, ModelPackage, find_packages, load_package, resolve
from shared.settings import Settings
from shared.status import Lane
from tests.shared.pictures import digits
from tests.uploads import submit_file
from worker.drain import Drainer
from worker.engines.protocol import Floats
from worker.models import Loaded, Models
from worker.runtime import build

DIGITS = resolve(find_packages(), "digits@1.0.0")
ANSWERS = {
    "sure": {7: 20.0},
    "either": {7: 4.0, 1: 3.5},
    "perhaps": {7: 4.0, 10: 3.5},
    "scribble": {7: 4.0, 10: 8.0},
    "broken": {7: float("nan")},
}
"""What the network says to the picture of each name."""
PICTURES = dict(zip(ANSWERS, (image for _, image in digits()), strict=False))


class Scripted:
    """An engine that knows each picture's answer."""

    name, device, engine_class = "scripted", "cpu", "cpu-fp32"

    def infer(self, batch: Floats) -> Floats:
        """Return the logits of the picture that each image is nearest to."""
        logits = np.zeros((len(batch), 11), np.float32)
        for row, image in zip(logits, batch, strict=True):
            name = min(PICTURES, key=lambda name: float(np.abs(image[0] * 255 - PICTURES[name]).sum()))
            for place, value in ANSWERS[name].items():
                row[place] = value
        return logits


def judging(folder: Path) -> ModelPackage:
    """Give the shipped card an output for junk and a regression; 0.99 of confidence keeps 0.001."""
    target = folder / "digits" / "9.0.0"
    target.mkdir(parents=True)
    shutil.copy(DIGITS.path / CARD, target)
    card = json.loads((target / CARD).read_text()) | {"version": "9.0.0", "temperature": 1.0}
    feature = {"name": "margin", "centre": 0.0, "scale": 1.0, "weight": 1.0}
    rows = [
        card["thresholds"][0] | {"target_error": target_error, "threshold": threshold}
        for target_error, threshold in ((0.001, 0.99), (0.1, 0.6))
    ]
    card |= {"outputs": [*card["labels"], "junk"], "thresholds": rows}
    card |= {"confidence": {"bias": 0.0, "features": [feature]}}
    (target / CARD).write_text(json.dumps(card))
    return load_package(target)


@pytest.fixture
def doubting(settings: Settings, blobs: Blobs, tmp_path: Path) -> Iterator[Drainer]:
    """Make a worker that serves this package only."""
    models = Models([Loaded(judging(tmp_path), Scripted())])
    made = build(settings, models, [Lane.BULK], blobs=blobs)
    yield made
    made.heartbeat.close()
    made.db.close()


def upload() -> bytes:
    """Zip the pictures, in their order, and a blank."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, image in {**PICTURES, "white": np.full((60, 60), 255, np.uint8)}.items():
            archive.writestr(f"{name}.png", cv2.imencode(".png", image)[1].tobytes())
    return buffer.getvalue()


def read_all(
    drainer: Drainer, database: Database, blobs: Blobs, settings: Settings, target: float
) -> tuple[UUID, dict[str, sa.Row[tuple[object, ...]]]]:
    """Submit all pictures and return the job's id and its rows by name."""
    job_id = submit_file(database, blobs, settings, "all.zip", upload(), target_error=target)
    drainer.drain(Lane.BULK)
    with database.transaction() as connection:
        rows = connection.execute(sa.text("SELECT * FROM items WHERE job_id = :id"), {"id": job_id}).all()
    return job_id, {Path(row.name).stem: row for row in rows}


def test_doubt_reaches_the_row_with_its_reason(
    doubting: Drainer, database: Database, blobs: Blobs, settings: Settings
) -> None:
    """One row each: accepted, to be reviewed for one reason or two, without a digit, or failed."""
    job_id, rows = read_all(doubting, database, blobs, settings, 0.001)

    told = {name: (row.prediction, row.decision, row.reasons) for name, row in rows.items()}
    assert told == {
        "sure": ("7", "accept", []),
        "either": ("7", "review", ["low_confidence"]),
        "perhaps": ("7", "review", ["low_confidence", "not_a_digit"]),
        "scribble": (None, "review", ["not_a_digit"]),
        "broken": (None, None, None),
        "white": (None, "review", ["blank"]),
    }
    assert rows["broken"].error_code == "model_error"
    assert rows["scribble"].confidence is rows["white"].confidence is None
    assert rows["either"].confidence == pytest.approx(1 / (1 + np.exp(-0.5)), abs=1e-4)
    for name in ("either", "scribble"):
        assert len(rows[name].probabilities) == 10
    assert sum(rows["scribble"].probabilities) < 0.1
    summary = summarize(database, job_id)
    assert summary["by_reason"] == {"blank": 1, "low_confidence": 2, "not_a_digit": 2}
    assert summary["by_prediction"] == {"7": 3}
    assert sum(bar["count"] for bar in summary["confidence"]) == 3


def test_a_job_that_bears_more_errors_has_less_to_review(
    doubting: Drainer, database: Database, blobs: Blobs, settings: Settings
) -> None:
    """The target error of the job picks the threshold; what is no digit stays one."""
    _, rows = read_all(doubting, database, blobs, settings, 0.1)

    assert {name for name, row in rows.items() if row.decision == "accept"} == {"sure", "either", "perhaps"}
    assert rows["scribble"].reasons == ["not_a_digit"]
