"""The client for ordinary programs; every method blocks."""
# ruff: noqa: UP028 - `yield from` has no asynchronous counterpart, and `mirror.py` makes the other client of this one.

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Self, Unpack

from inkqueue.client import operations, reading, review_operations, watching, webhook_operations
from inkqueue.client.blocking import BlockingDriver
from inkqueue.client.bodies import Progress
from inkqueue.client.endpoint import Endpoint
from inkqueue.client.jobs import JobView, Watcher
from inkqueue.client.options import (
    DeliveryFilters,
    JobFilters,
    PredictOptions,
    ResultFilters,
    ReviewFilters,
    SubmitOptions,
)
from inkqueue.client.progress import shown_progress
from inkqueue.client.reading import Format
from inkqueue.client.retries import RetryPolicy
from inkqueue.client.review_operations import ReviewFormat
from inkqueue.client.sources import Source
from inkqueue.models import (
    DryRun,
    Health,
    Item,
    JobState,
    ModelCard,
    Prediction,
    Summary,
    WebhookDelivery,
    WebhookSecret,
    Worker,
)
from inkqueue.review_models import NewReview, NoValue, ReviewSummary


class Client:
    """Speaks to one inkqueue service; thread-safe; use it as a context manager or close it.

    `base_url` and `api_key` default to INKQUEUE_URL (else http://127.0.0.1:8000) and INKQUEUE_API_KEY.
    `timeout` is in seconds, for each read and write.

    Every method may raise `ServiceUnreachable` and the `ApiError`s.
    """

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        timeout: float = 30.0,
        retry: RetryPolicy | None = None,
    ) -> None:
        self._driver = BlockingDriver(Endpoint.of(base_url, api_key, timeout, retry))
        self._policy = self._driver.endpoint.retry

    @property
    def base_url(self) -> str:
        """Return the service's address."""
        return self._driver.endpoint.base_url

    def submit(
        self,
        sources: Source | Iterable[Source],
        *,
        idempotency_key: str | None = None,
        upload_progress: Progress | None = None,
        **options: Unpack[SubmitOptions],
    ) -> Job:
        """Upload files, folders, zips, bytes, open files, pictures or arrays as one job.

        Repeats after failures are safe: they carry one idempotency key, made here unless it is given.

        Raises:
            FileNotFoundError: a path leads nowhere.
            SourceError: there is nothing to send, or a value is no image.
        """
        call = operations.submit(self._policy, sources, options, idempotency_key, upload_progress)
        return Job(self, self._driver.run(call))

    def dry_run(self, sources: Source | Iterable[Source], **options: Unpack[SubmitOptions]) -> DryRun:
        """Upload files and learn what a job of them would be; nothing is kept."""
        return self._driver.run(operations.dry_run(self._policy, sources, options))

    def predict(self, image: Source, **options: Unpack[PredictOptions]) -> Prediction:
        """Have one image read, now.

        Raises:
            ImageRefused: the image cannot be read.
        """
        return self._driver.run(operations.predict(self._policy, image, options))

    def get(self, job_id: str) -> Job:
        """Look a job up."""
        return Job(self, self._driver.run(operations.get_job(self._policy, job_id)))

    def jobs(self, limit: int | None = None, **filters: Unpack[JobFilters]) -> Iterator[Job]:
        """Iterate jobs, newest first, all or `limit` of them."""
        for state in self._driver.iterate(operations.list_jobs(self._policy, filters, limit)):
            yield Job(self, state)

    def cancel(self, job_id: str) -> Job:
        """Stop a job by its id; see `Job.cancel`."""
        return Job(self, self._driver.run(operations.cancel_job(self._policy, job_id)))

    def retry(self, job_id: str) -> Job:
        """Make a new job of a job's items that did not succeed; see `Job.retry`."""
        return Job(self, self._driver.run(operations.retry_job(self._policy, job_id)))

    def delete(self, job_id: str) -> None:
        """Delete a finished job by its id; see `Job.delete`."""
        self._driver.run(operations.delete_job(self._policy, job_id))

    def models(self) -> list[ModelCard]:
        """List the model packages that the service offers."""
        return self._driver.run(operations.list_models(self._policy))

    def model(self, name: str) -> ModelCard:
        """Return one model's card."""
        return self._driver.run(operations.get_model(self._policy, name))

    def workers(self) -> list[Worker]:
        """List the workers that are alive."""
        return self._driver.run(operations.list_workers(self._policy))

    def export_reviews(
        self, form: ReviewFormat = "ndjson", **filters: Unpack[ReviewFilters]
    ) -> Iterator[bytes]:
        """Iterate a file of what people have settled: lines of JSON, or a zip of pictures and their labels."""
        for piece in self._driver.iterate(review_operations.export(self._policy, form, filters)):
            yield piece

    def webhook_secret(self) -> WebhookSecret:
        """Return the secret that signs webhooks; needs a key with the scope `admin`."""
        return self._driver.run(webhook_operations.secret(self._policy))

    def rotate_webhook_secret(self) -> WebhookSecret:
        """Make a new secret; the one before it signs too for a day; needs a key with the scope `admin`."""
        return self._driver.run(webhook_operations.rotate(self._policy))

    def test_webhook(self, url: str, wait_s: int = 30) -> WebhookDelivery:
        """Send a signed test to an address; wait up to `wait_s` seconds, at most 60, until it was tried.

        Raises:
            WebhookUrlRefused: the address may not be called.
        """
        return self._driver.run(webhook_operations.send_test(self._policy, url, wait_s))

    def webhook_deliveries(
        self, limit: int | None = None, **filters: Unpack[DeliveryFilters]
    ) -> Iterator[WebhookDelivery]:
        """Iterate deliveries of webhooks, newest first, all or `limit` of them."""
        call = webhook_operations.deliveries(self._policy, filters, limit)
        for delivery in self._driver.iterate(call):
            yield delivery

    def webhook_delivery(self, delivery_id: str) -> WebhookDelivery:
        """Return one delivery with its tries."""
        return self._driver.run(webhook_operations.delivery(self._policy, delivery_id))

    def redeliver(self, delivery_id: str) -> WebhookDelivery:
        """Send a delivery again, now, under the same id.

        Raises:
            NothingToRetry: it was canceled.
        """
        return self._driver.run(webhook_operations.redeliver(self._policy, delivery_id))

    def health(self) -> Health:
        """Ask, once, whether the service and what it depends on are ready."""
        return self._driver.run(operations.health())

    def close(self) -> None:
        """Close all connections."""
        self._driver.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Job(JobView):
    """One job of the service; `state` is what the service last told, `refresh` and `wait` renew it."""

    def __init__(self, client: Client, state: JobState) -> None:
        super().__init__(state)
        self._client = client
        self._driver = client._driver
        self._policy = client._policy

    def refresh(self) -> Self:
        """Read the state again."""
        self.state = self._driver.run(operations.get_job(self._policy, self.id))
        return self

    def wait(self, timeout: float | None = None, progress: bool | Watcher = False) -> Self:
        """Wait for the job's end, for `timeout` seconds at most; broken connections are taken up again.

        `progress` shows a bar on the terminal's stderr, or calls a function with each new state.

        Raises:
            WaitTimeout: the job did not end in time; it goes on.
        """
        with shown_progress(progress) as show:
            for state in self.watch(timeout):
                show(state)
        return self

    def watch(self, timeout: float | None = None) -> Iterator[JobState]:
        """Iterate the job's states as they change, up to its end."""
        for state in self._driver.iterate(watching.watch(self._policy, self.id, timeout)):
            self.state = state
            yield state

    def results(
        self, *, after_seq: int | None = None, follow: bool = True, **filters: Unpack[ResultFilters]
    ) -> Iterator[Item]:
        """Iterate the items in order, after item `after_seq` to go on where an earlier reading stopped.

        Of a running job, items come as they finish; without `follow` it ends at the first unfinished.
        """
        call = reading.items(self._policy, self.id, filters, after_seq, follow=follow)
        for item in self._driver.iterate(call):
            yield item

    def export(self, form: Format = "csv", **filters: Unpack[ResultFilters]) -> Iterator[bytes]:
        """Iterate the results as a CSV, NDJSON or XLSX file, in pieces of bytes."""
        for piece in self._driver.iterate(reading.export(self._policy, self.id, form, filters)):
            yield piece

    def item(self, seq: int) -> Item:
        """Return one item."""
        return self._driver.run(operations.get_item(self._policy, self.id, seq))

    def summary(self) -> Summary:
        """Return the job's figures."""
        return self._driver.run(operations.summarize(self._policy, self.id))

    def review(
        self,
        seq: int,
        value: str | None,
        *,
        reviewer: str,
        reason: NoValue | None = None,
    ) -> Item:
        """Say what an item shows: a label of the model, or None with a reason; a later review replaces it.

        Raises:
            NotReviewable: there is nothing to see of this item.
        """
        call = review_operations.review(self._policy, self.id, seq, value, reviewer, reason)
        return self._driver.run(call)

    def unreview(self, seq: int, *, reviewer: str) -> None:
        """Take a review back."""
        self._driver.run(review_operations.take_back(self._policy, self.id, seq, reviewer))

    def review_many(self, reviews: Iterable[NewReview], *, reviewer: str) -> list[Item]:
        """Say what up to 1,000 items show, all or none."""
        return self._driver.run(review_operations.review_many(self._policy, self.id, reviews, reviewer))

    def unreview_many(self, seqs: Iterable[int], *, reviewer: str) -> list[Item]:
        """Take reviews of up to 500 items back, all or none; an item without one stays as it is."""
        return self._driver.run(review_operations.take_many_back(self._policy, self.id, seqs, reviewer))

    def reviews(self) -> ReviewSummary:
        """Return how far reviewing has come and how well reviewers agree."""
        return self._driver.run(review_operations.summarize(self._policy, self.id))

    def cancel(self) -> Self:
        """Stop the job; what is done is kept; harmless when it has ended."""
        self.state = (self._client.cancel(self.id)).state
        return self

    def retry(self) -> Job:
        """Make a new job of the items that failed, were canceled or expired.

        Raises:
            NothingToRetry: there is no such item.
            JobActive: the job has not ended.
        """
        return self._client.retry(self.id)

    def delete(self) -> None:
        """Delete the finished job with its inputs and results.

        Raises:
            JobActive: the job has not ended.
        """
        self._client.delete(self.id)
