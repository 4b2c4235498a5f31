"""Contact sheets: real pictures, drawn by a real worker, laid out by the API."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import numpy as np
import pytest
import redis
from PIL import Image

from shared.blobs import Blobs
from shared.cells import MOST_WANTED, WANTED
from shared.db import Database
from shared.ids import parse_job_id
from shared.jobs.sweep import due_tombstones, purge_rest
from shared.settings import Settings
from shared.status import Lane
from tests.api.conftest import serving
from tests.api.files import problem, submit_files, submitted
from tests.fakes import FakeWorker
from tests.worker.files import sample_digits, zip_of
from worker.cells import Drawer
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
    with repeating(lambda: drainer.drain(Lane.BULK)):
        yield


@contextmanager
def drawing_only(drainer: Drainer) -> Iterator[None]:
    """Let the worker draw and leave its chunks alone."""
    drawer = Drawer(drainer.settings, drainer.db, drainer.blobs, drainer.models, drainer.hints.client)
    with repeating(drawer.turn):
        yield


@contextmanager
def repeating(turn: Callable[[], object]) -> Iterator[None]:
    """Take one turn after the other in a thread."""
    over = threading.Event()

    def work() -> None:
        while not over.wait(0.01):
            turn()

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
    drainer.render(parse_job_id(job.rsplit("/", 1)[1]), 57, "model")
    alone = pixels(api.get(f"{job}/items/57/image?view=model"))
    assert np.array_equal(cell(sheet, 57), alone)
    assert all(cell(sheet, n).any() for n in range(120))
    assert not cell(sheet, 120).any()
    assert answer.headers["x-sheet-complete"] == "true"
    assert "immutable" in answer.headers["cache-control"]


def test_chosen_items_keep_their_order(api: httpx.Client, drainer: Drainer) -> None:
    """The k-th number is the k-th cell, and the picture ends with its last row."""
    job = read(api, drainer, sample_digits(60))
    chosen = [41, 3, 59, 0, *range(4, 30)]
    with drawing(drainer):
        whole = pixels(api.get(f"{job}/sheets/0"))
        sheet = pixels(api.get(f"{job}/sheets?seqs={','.join(map(str, chosen))}"))
    assert sheet.shape == (56, 700)
    for n, seq in enumerate(chosen):
        assert np.array_equal(cell(sheet, n), cell(whole, seq))
    assert not cell(sheet, len(chosen)).any()


@pytest.mark.parametrize("seqs", ["", "1,", "a", "1,1", "-1", " 1", "1,,2", ",".join(map(str, range(501)))])
def test_numbers_are_checked(api: httpx.Client, worker: FakeWorker, seqs: str) -> None:
    """What is no list of up to 500 numbers is refused, and so are repetitions."""
    job = f"/v1/jobs/{submitted(api, 'a.png')['id']}"
    worker.work()
    problem(api.get(f"{job}/sheets", params={"seqs": seqs}), 422, "invalid_request")


def test_what_is_not_there_has_no_sheet(api: httpx.Client, worker: FakeWorker) -> None:
    """Neither a sheet after the last item nor an item that does not exist."""
    job = f"/v1/jobs/{submitted(api, 'a.png')['id']}"
    worker.work()
    problem(api.get(f"{job}/sheets/1"), 404, "not_found")
    problem(api.get(f"{job}/sheets?seqs=0,1"), 404, "not_found")


def test_a_final_sheet_is_drawn_once(api: httpx.Client, drainer: Drainer) -> None:
    """Afterwards it needs no worker, and whoever has it gets nothing again."""
    job = read(api, drainer, sample_digits(30))
    with drawing(drainer):
        first = api.get(f"{job}/sheets/0")
    again = api.get(f"{job}/sheets/0")
    assert (again.content, again.headers["etag"]) == (first.content, first.headers["etag"])
    known = api.get(f"{job}/sheets/0", headers={"If-None-Match": first.headers["etag"]})
    assert (known.status_code, known.content) == (304, b"")


def test_items_that_are_not_finished_are_empty_cells(
    api: httpx.Client, worker: FakeWorker, drainer: Drainer
) -> None:
    """A running job shows what is done and says that more will come; no such sheet is kept for long."""
    [digit] = sample_digits(1).values()
    files = zip_of({f"{n}.png": digit for n in range(1100)})
    job = f"/v1/jobs/{submit_files(api, [('scans.zip', files)]).json()['id']}"
    first = worker.take(Lane.BULK)
    worker.finish(first)
    done = first[0].end_seq
    with drawing_only(drainer):
        answer = api.get(f"{job}/sheets/{done // 500}")
        seqs = api.get(f"{job}/sheets?seqs=0,{done}")
    sheet, place = pixels(answer), done % 500
    assert answer.headers["x-sheet-complete"] == seqs.headers["x-sheet-complete"] == "false"
    assert answer.headers["cache-control"] == "private, no-cache"
    assert not cell(sheet, place).any()
    assert place == 0 or cell(sheet, place - 1).any()
    assert cell(pixels(seqs), 0).any()
    assert not cell(pixels(seqs), 1).any()


def test_without_workers_the_answer_says_so(
    settings: Settings, worker: FakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes after a set time and asks to try again."""
    monkeypatch.setattr("api.sheets.WAIT_S", 0.2)
    with serving(settings) as api:
        job = f"/v1/jobs/{submitted(api, 'a.png')['id']}"
        worker.work()
        answer = api.get(f"{job}/sheets/0")
        problem(answer, 503, "unavailable")
        assert int(answer.headers["retry-after"]) > 0


def test_a_storm_of_sheets_is_bounded(
    api: httpx.Client, worker: FakeWorker, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When as many units wait as may, further ones are refused at once; those that were asked for twice wait once."""
    monkeypatch.setattr("api.sheets.WAIT_S", 0.2)
    job = f"/v1/jobs/{submitted(api, *(f'{n}.png' for n in range(101)))['id']}"
    worker.work()
    with redis.Redis.from_url(settings.redis_url) as client:
        for _ in range(3):
            problem(api.get(f"{job}/sheets/0"), 503, "unavailable")
        assert client.zcard(WANTED) == 2
        client.zadd(WANTED, {f"{n}": n for n in range(MOST_WANTED - 2)})
        problem(api.get(f"{job}/sheets?seqs=5"), 429, "queue_full")
        assert client.zcard(WANTED) == MOST_WANTED


def test_a_unit_that_takes_long_is_drawn_in_turns(
    api: httpx.Client, drainer: Drainer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two turns the worker sees to its chunks, and a later turn goes on where the former ended."""
    job = read(api, drainer, sample_digits(30))
    monkeypatch.setattr("worker.cells.TURN_S", 0.002)
    with drawing(drainer):
        sheet = pixels(api.get(f"{job}/sheets/0"))
    assert all(cell(sheet, n).any() for n in range(30))


def test_what_is_in_the_line_and_no_unit_stops_nobody(
    api: httpx.Client, drainer: Drainer, settings: Settings
) -> None:
    """A worker throws away what it cannot read."""
    job = read(api, drainer, sample_digits(3))
    with redis.Redis.from_url(settings.redis_url) as client:
        client.zadd(WANTED, {"nonsense": 1, '["zz", []]': 2, "[1": 3, "[]": 4})
    with drawing(drainer):
        assert cell(pixels(api.get(f"{job}/sheets/0")), 2).any()


def test_a_deleted_job_leaves_no_pictures(
    api: httpx.Client, drainer: Drainer, settings: Settings, database: Database, blobs: Blobs
) -> None:
    """What was drawn is collected with the job, not a day later."""
    job = read(api, drainer, sample_digits(3))
    with drawing(drainer):
        api.get(f"{job}/sheets/0")
    assert api.delete(job).status_code == 204
    purge_rest(database, parse_job_id(job.rsplit("/", 1)[1]))
    views = [key for key in due_tombstones(database) if key.startswith("views/")]
    assert len(views) == 2
