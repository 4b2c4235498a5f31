"""Following jobs and reading their results."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from inkqueue import Client, JobState, WaitTimeout
from inkqueue.exceptions import JobActive, NotFound, NothingToRetry
from tests.inkqueue.conftest import PNG
from tests.inkqueue.memory import FakeService


def test_a_submission_is_followed_to_its_end(client: Client, scans: Path) -> None:
    """Waiting tells each state and ends with the job's end."""
    states: list[JobState] = []

    job = client.submit(scans).wait(progress=states.append)

    assert [state.status for state in states] == ["queued", "running", "partially_succeeded"]
    assert job.done
    assert (job.counts.succeeded, job.counts.failed, job.counts.skipped) == (4, 1, 1)


def test_a_broken_event_stream_is_resumed(client: Client, service: FakeService) -> None:
    """After each break the client goes on behind the last event that it has seen."""
    service.script = ["queued", "running", "running", "succeeded"]
    service.events_per_stream = 1
    states: list[JobState] = []

    client.submit(PNG).wait(progress=states.append)

    streams = [seen for seen in service.seen if seen.path.endswith("/events")]
    assert [seen.headers.get("Last-Event-ID") for seen in streams] == [None, "0", "1", "2"]
    assert [state.status for state in states] == ["queued", "running", "running", "succeeded"]


def test_without_event_streams_the_job_is_polled(client: Client, service: FakeService) -> None:
    """Where no event stream gets through, long polls follow the job."""
    service.streams_events = False

    job = client.submit(PNG).wait()

    assert job.status == "succeeded"
    assert any(seen.query.get("wait") for seen in service.seen)


def test_a_service_that_restarts_is_waited_for(client: Client, service: FakeService) -> None:
    """Resets and refusals in the middle of waiting are no end."""
    job = client.submit(PNG)
    service.reset_before_work()
    service.reset_before_work()
    service.refuse(503, "unavailable")

    assert job.wait().status == "succeeded"


@pytest.mark.parametrize("streams", [True, False])
def test_waiting_ends_in_time(client: Client, service: FakeService, streams: bool) -> None:
    """A job that does not end makes waiting end with an error when the time is over."""
    service.script = ["running"]
    service.streams_events = streams
    job = client.submit(PNG)
    began = time.monotonic()

    with pytest.raises(WaitTimeout, match=r"did not end within 0\.5 s"):
        job.wait(timeout=0.5)

    assert 0.5 <= time.monotonic() - began < 10


def test_waiting_for_a_deleted_job_ends(client: Client, service: FakeService) -> None:
    """A job that is not there is not waited for."""
    job = client.submit(PNG)
    service.jobs.clear()

    with pytest.raises(NotFound):
        job.wait(timeout=5)


def test_results_come_page_by_page_in_order(client: Client, service: FakeService, scans: Path) -> None:
    """Items are typed, complete and in order, however small the pages are."""
    service.page_size = 2

    items = list(client.submit(scans).wait().results())

    assert [item.seq for item in items] == [0, 1, 2, 3, 4, 5]
    assert items[0].prediction == "7"
    assert items[0].accepted
    assert items[0].probabilities is not None
    assert len(items[0].probabilities) == 10
    assert items[2].error is not None
    assert items[2].error.code == "undecodable_image"
    assert [seen.query.get("after_seq") for seen in service.seen if "results" in seen.path] == [
        None,
        "1",
        "3",
    ]


def test_results_of_a_running_job_come_as_they_finish(
    client: Client, service: FakeService, scans: Path
) -> None:
    """Reading begins before the job has ended and still gives every item once."""
    service.script = ["running", "running", "running", "succeeded"]

    assert [item.seq for item in client.submit(scans).results()] == [0, 1, 2, 3, 4, 5]


def test_results_of_a_running_job_may_stop_at_the_first_unfinished_item(
    client: Client, service: FakeService, scans: Path
) -> None:
    """Without following, only what is there is given."""
    service.script = ["running"]

    assert [item.seq for item in client.submit(scans).results(follow=False)] == [0, 1]


def test_reading_goes_on_where_it_stopped(client: Client, scans: Path) -> None:
    """A reader that remembers its position gets the rest only; filters are passed on."""
    job = client.submit(scans).wait()

    assert [item.seq for item in job.results(after_seq=3)] == [4, 5]
    assert [item.seq for item in job.results(status="failed")] == [2]


def test_an_export_that_breaks_goes_on_where_it_stopped(
    client: Client, service: FakeService, scans: Path
) -> None:
    """Bytes come once each, although the connection broke twice."""
    job = client.submit(scans).wait()
    whole = b"".join(job.export("csv"))
    service.cut_export_at.extend([30, 50])

    assert b"".join(job.export("csv")) == whole
    assert len(whole) > 50


def test_jobs_are_listed_page_by_page(client: Client, service: FakeService) -> None:
    """The list follows cursors, newest first, up to a limit."""
    service.page_size = 2
    made = [client.submit(PNG).id for _ in range(5)]

    assert [job.id for job in client.jobs()] == made[::-1]
    assert [job.id for job in client.jobs(limit=3)] == made[:1:-1]
    assert list(client.jobs(status="canceled")) == []


def test_a_job_can_be_canceled_retried_and_deleted(client: Client, service: FakeService, scans: Path) -> None:
    """Each call changes what it says, and the service's refusals are exceptions of their own."""
    job = client.submit(scans).wait()
    again = job.retry()
    assert [item.name for item in again.wait().results()] == ["bad.png"]
    assert client.submit(PNG).cancel().status == "canceled"
    with pytest.raises(NothingToRetry):
        client.submit(PNG).wait().retry()
    service.refuse(409, "job_active")
    with pytest.raises(JobActive):
        job.delete()
    job.delete()
    with pytest.raises(NotFound):
        job.refresh()


def test_a_delete_whose_answer_is_lost_succeeds(client: Client, service: FakeService) -> None:
    """That the repeat finds the job gone is what was wanted; a first try that finds nothing is an error."""
    job = client.submit(PNG).wait()
    service.reset_after_work()

    job.delete()

    with pytest.raises(NotFound):
        client.delete(job.id)


def test_a_retry_whose_answer_is_lost_is_not_repeated(
    client: Client, service: FakeService, scans: Path
) -> None:
    """A retry has no key, so a second try could make a second job: the caller decides."""
    job = client.submit(scans).wait()
    before = len(service.jobs)
    service.reset_after_work()

    with pytest.raises(Exception, match="connection broke"):
        job.retry()

    assert len(service.jobs) == before + 1


def test_details_of_a_job_can_be_read(client: Client, scans: Path) -> None:
    """Single items, figures and unknown fields are at hand."""
    job = client.submit(scans).wait()

    assert job.item(2).error is not None
    assert job.summary().by_prediction == {"7": 6}
    assert job.state.raw["invented_later"] == {"by": "a newer service"}
    assert str(job.state.model) == "digits@1.0.0"
    assert job.state.created_at is not None
    assert job.state.created_at.tzinfo is not None
