"""Contact sheets: real pictures, drawn by a real worker, laid out by the API."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import numpy as np
import pytest
import redis
from PIL import Image

from shared.blobs import Blobs
from shared.cells import MOST_WANTED, WANTED
from shared.db import Database
from shared.settings import Settings
from shared.status import Lane
from tests.api.files import PNG, problem, submit_files
from tests.queue_driver import execute
from tests.worker.files import sample_digits, zip_of
from worker.drain import Drainer
from worker.models import Models, load_models
from worker.runtime import build


@pytest.fixture(scope="module")
def models() -> Models:
    """Load the shipped packages once."""
    return load_models(Settings())


@pytest.fixture
def drainer(settings: Settings, models: Models, blobs: Blobs) -> Iterator[Drainer]:
    """Make a worker that works when it is told to, in this very process."""
    made = build(settings, models, [Lane.BULK, Lane.INTERACTIVE], blobs=blobs)
    yield made
    made.heartbeat.close()
    made.db.close()


@contextmanager
def drawing(drainer: Drainer) -> Iterator[None]:
    """Let the worker draw whatever is asked for meanwhile."""
    over = threading.Event()

    def work() -> None:
        while not over.wait(0.01):
            drainer.drain(Lane.BULK)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def read(api: httpx.Client, drainer: Drainer, files: dict[str, bytes]) -> str:
    """Let a zip of these files be read; return the job's address."""
    job = submit_files(api, [("scans.zip", zip_of(files))]).json()
    while drainer.drain(Lane.BULK) + drainer.drain(Lane.INTERACTIVE):
        pass
    return f"/v1/jobs/{job['id']}"


def pixels(answer: httpx.Response) -> np.ndarray:
    """Open a sheet."""
    assert answer.status_code == 200, answer.text
    return np.asarray(Image.open(io.BytesIO(answer.content)))


def cell(sheet: np.ndarray, n: int) -> np.ndarray:
    """Cut the n-th cell out of a sheet."""
    row, column = divmod(n, 25)
    return sheet[row * 28 : row * 28 + 28, column * 28 : column * 28 + 28]


def test_a_sheet_shows_what_the_model_saw(api: httpx.Client, drainer: Drainer) -> None:
    """Each cell is the picture that `view=model` shows, in the order of `seq`; failed items leave theirs empty."""
    job = read(api, drainer, {**sample_digits(120), "broken.png": b"\x89PNG\r\n\x1a\nnothing"})
    with drawing(drainer):
        answer = api.get(f"{job}/sheets/0")
    sheet = pixels(answer)
    assert sheet.shape == (560, 700)
    assert sheet.dtype == np.uint8
    drainer.render(_uuid(job), 57, "model")
    alone = pixels(api.get(f"{job}/items/57/image?view=model"))
    assert np.array_equal(cell(sheet, 57), alone)
    assert all(cell(sheet, n).any() for n in range(120))
    assert not cell(sheet, 120).any()
    assert answer.headers["x-sheet-complete"] == "true"
    assert "immutable" in answer.headers["cache-control"]


def _uuid(job: str):  # type: ignore[no-untyped-def]  # short
    from shared.ids import parse_job_id

    return parse_job_id(job.rsplit("/", 1)[1])
