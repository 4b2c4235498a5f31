"""Submitting: what is sent, and that failures on the way make no second job and lose none."""

from __future__ import annotations

import io
import socket
import time
from pathlib import Path

import numpy as np
import pytest

from inkqueue import Client, RetryPolicy, ServiceUnreachable, SourceError
from inkqueue.exceptions import IdempotencyKeyReused, RateLimited, Unavailable
from tests.inkqueue.conftest import IMPATIENT, PNG, zip_of
from tests.inkqueue.memory import FakeService


def names(client: Client, job_id: str) -> list[str]:
    """Return the names of a job's items."""
    return [item.name for item in client.get(job_id).wait().results()]


def test_a_zip_travels_as_it_is(client: Client, service: FakeService, scans: Path) -> None:
    """One file is the raw body, its type and length told, its name kept, the options in the query."""
    job = client.submit(scans, name="Ballots 17", target_error=0.001, metadata={"box": "4"})

    sent = service.submissions()[0]
    assert scans.read_bytes() == sent.body
    assert sent.headers["Content-Type"] == "application/zip"
    assert sent.headers["Content-Length"] == str(scans.stat().st_size)
    assert sent.query == {"name": "Ballots 17", "target_error": "0.001", "metadata": '{"box": "4"}'}
    assert job.name == "Ballots 17"
    assert job.counts.total == 6


def test_files_and_folders_travel_as_a_form(client: Client, service: FakeService, tmp_path: Path) -> None:
    """Several files are one job in the order given, folders walked in order, litter left out."""
    folder = tmp_path / "page"
    (folder / "sub").mkdir(parents=True)
    for name in ("b.png", "a.png", "sub/c.png", ".DS_Store"):
        (folder / name).write_bytes(PNG)
    single = tmp_path / 'größe "1".png'
    single.write_bytes(PNG)

    job = client.submit([single, folder], priority="high", webhook_events=["job.started", "job.completed"])

    assert names(client, job.id) == ['größe "1".png', "page/a.png", "page/b.png", "page/sub/c.png"]
    sent = service.submissions()[0]
    assert len(sent.body) == int(sent.headers["Content-Length"])
    assert sent.body.count(b'name="webhook_events"') == 2
    assert service.jobs[job.id].options["priority"] == "high"


def test_memory_files_pictures_and_arrays_can_be_submitted(client: Client, tmp_path: Path) -> None:
    """Bytes, open files, named contents and arrays of pixels need no file on disk."""
    path = tmp_path / "open.png"
    path.write_bytes(PNG)
    with path.open("rb") as stream:
        job = client.submit([PNG, stream, ("named.png", PNG), np.zeros((28, 28), np.uint8)])

    assert names(client, job.id) == ["image-1", "open.png", "named.png", "image-4.png"]


def test_an_array_becomes_a_png_with_its_pixels(client: Client, service: FakeService) -> None:
    """The picture that arrives has the array's very pixels."""
    from PIL import Image

    pixels = np.random.default_rng(1).integers(0, 256, (5, 7, 3), dtype=np.uint8)

    client.submit(pixels)

    arrived = Image.open(io.BytesIO(service.submissions()[0].body))
    assert np.array_equal(np.asarray(arrived), pixels)


@pytest.mark.parametrize(
    "value", [3.14, np.zeros((28, 28)), np.zeros((2, 3, 4, 5), np.uint8), io.StringIO("text"), []]
)
def test_what_is_no_image_is_refused_before_anything_is_sent(
    client: Client, service: FakeService, value: object
) -> None:
    """A value that cannot be an image is a clear error at once."""
    with pytest.raises(SourceError):
        client.submit(value)  # type: ignore[arg-type] # that is what the test is about
    assert service.seen == []


def test_a_pipe_is_submitted_and_can_be_sent_again(client: Client, service: FakeService) -> None:
    """A stream that cannot seek is kept for a second try."""

    class Pipe(io.RawIOBase):
        """A stream that gives its content once."""

        def __init__(self) -> None:
            self.left = [PNG, b""]

        def readable(self) -> bool:
            return True

        def read(self, size: int = -1) -> bytes:
            return self.left.pop(0)

    service.reset_before_work()

    client.submit(("piped.png", Pipe()))

    assert [sent.body for sent in service.submissions()] == [PNG, PNG]


def test_a_lost_answer_makes_no_second_job(client: Client, service: FakeService, scans: Path) -> None:
    """A try whose answer got lost is repeated under the same key, whole, and finds the same job."""
    service.reset_after_work()
    service.refuse(503, "unavailable")

    job = client.submit(scans)

    assert [job.id] == list(service.jobs)
    tries = service.submissions()
    assert len(tries) == 3
    assert len({sent.headers["Idempotency-Key"] for sent in tries}) == 1
    assert {sent.body for sent in tries} == {scans.read_bytes()}


def test_two_submissions_are_two_jobs(client: Client, service: FakeService, scans: Path) -> None:
    """Each submission has a key of its own; a key that is given is kept."""
    client.submit(scans)
    client.submit(scans)
    client.submit(scans, idempotency_key="mine")

    keys = [sent.headers["Idempotency-Key"] for sent in service.submissions()]
    assert len(set(keys)) == 3
    assert keys[2] == "mine"


def test_retry_after_is_honoured(client: Client, service: FakeService) -> None:
    """The client waits as long as the service asks."""
    service.refuse(503, "unavailable", {"Retry-After": "1"})
    began = time.monotonic()

    client.submit(PNG)

    assert time.monotonic() - began >= 1.0


def test_a_wish_beyond_all_patience_ends_the_tries(client: Client, service: FakeService) -> None:
    """When the service asks for more time than the client has, the error comes at once and says how long."""
    service.refuse(429, "rate_limited", {"Retry-After": "3600"})

    with pytest.raises(RateLimited) as caught:
        client.submit(PNG)

    assert caught.value.retry_after == 3600
    assert len(service.submissions()) == 1


def test_patience_ends(client: Client, service: FakeService) -> None:
    """After so many tries the service's own error is raised."""
    for _ in range(10):
        service.refuse(503, "unavailable")

    with pytest.raises(Unavailable):
        client.submit(PNG)

    assert len(service.submissions()) == 1 + IMPATIENT.max_retries


def test_a_refusal_for_good_is_not_tried_again(client: Client, service: FakeService) -> None:
    """What will not change by waiting is raised at once."""
    service.refuse(422, "idempotency_key_reused")

    with pytest.raises(IdempotencyKeyReused):
        client.submit(PNG)

    assert len(service.submissions()) == 1


def test_nobody_there_is_one_clear_error() -> None:
    """Without a service the error names the address."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        client = Client(url, retry=RetryPolicy(max_retries=1, first_wait_s=0.01))
        with client, pytest.raises(ServiceUnreachable, match=url):
            client.submit(PNG)


def test_the_upload_tells_how_far_it_is(client: Client, scans: Path) -> None:
    """The callback hears the bytes sent and the bytes in all, to the end."""
    told: list[tuple[int, int]] = []

    client.submit(scans, upload_progress=lambda sent, total: told.append((sent, total)))

    size = scans.stat().st_size
    assert told[0] == (0, size)
    assert told[-1] == (size, size)


def test_a_dry_run_makes_no_job(client: Client, service: FakeService) -> None:
    """It says how many items there would be and which are skipped."""
    plan = client.dry_run(("scans.zip", zip_of(["a.png", "notes.txt"])))

    assert (plan.total, [one.name for one in plan.skipped]) == (2, ["notes.txt"])
    assert service.jobs == {}


def test_a_large_upload_needs_little_memory(client: Client, tmp_path: Path, service: FakeService) -> None:
    """A file is read piece by piece, never as a whole."""
    from inkqueue.client.bodies import PIECE_BYTES, RawBody
    from inkqueue.client.sources import parts_of

    path = tmp_path / "large.bin"
    with path.open("wb") as stream:
        stream.truncate(8 * PIECE_BYTES + 1)

    sizes = [len(piece) for piece in RawBody(parts_of(path)[0]).pieces()]

    assert max(sizes) <= PIECE_BYTES
    assert sum(sizes) == 8 * PIECE_BYTES + 1
