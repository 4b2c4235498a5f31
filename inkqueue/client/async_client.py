"""The client for asyncio and trio."""
# Made of sync_client.py by `python -m inkqueue.client.mirror`: change that file instead.

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Self, Unpack

from inkqueue.client import operations, reading, review_operations, watching, webhook_operations
from inkqueue.client.asynchronous import AsyncDriver
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


class AsyncClient:
    """Speaks to one inkqueue service; for one event loop; use it as an async context manager or close it.

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
        self._driver = AsyncDriver(Endpoint.of(base_url, api_key, timeout, retry))
        self._policy = self._driver.endpoint.retry

    @property
    def base_url(self) -> str:
        """Return the service's address."""
        return self._driver.endpoint.base_url

    async def submit(
        self,
        sources: Source | Iterable[Source],
        *,
        idempotency_key: str | None = None,
        upload_progress: Progress | None = None,
        **options: Unpack[SubmitOptions],
    ) -> AsyncJob:
        """Upload files, folders, zips, bytes, open files, pictures or arrays as one job.

        Repeats after failures are safe: they carry one idempotency key, made here unless it is given.

        Raises:
            FileNotFoundError: a path leads nowhere.
            SourceError: there is nothing to send, or a value is no image.
        """
        call = operations.submit(self._policy, sources, options, idempotency_key, upload_progress)
        return AsyncJob(self, await self._driver.run(call))

    async def dry_run(self, sources: Source | Iterable[Source], **options: Unpack[SubmitOptions]) -> DryRun:
        """Upload files and learn what a job of them would be; nothing is kept."""
        return await self._driver.run(operations.dry_run(self._policy, sources, options))

    async def predict(self, image: Source, **options: Unpack[PredictOptions]) -> Prediction:
        """Have one image read, now.

        Raises:
            ImageRefused: the image cannot be read.
        """
        return await self._driver.run(operations.predict(self._policy, image, options))

    async def get(self, job_id: str) -> AsyncJob:
        """Look a job up."""
        return AsyncJob(self, await self._driver.run(operations.get_job(self._policy, job_id)))

    async def jobs(self, limit: int | None = None, **filters: Unpack[JobFilters]) -> AsyncIterator[AsyncJob]:
        """Iterate jobs, newest first, all or `limit` of them."""
        async for state in self._driver.iterate(operations.list_jobs(self._policy, filters, limit)):
            yield AsyncJob(self, state)

    async def cancel(self, job_id: str) -> AsyncJob:
        """Stop a job by its id; see `Job.cancel`."""
        return AsyncJob(self, await self._driver.run(operations.cancel_job(self._policy, job_id)))

    async def retry(self, job_id: str) -> AsyncJob:
        """Make a new job of a job's items that did not succeed; see `Job.retry`."""
        return AsyncJob(self, await self._driver.run(operations.retry_job(self._policy, job_id)))

    async def delete(self, job_id: str) -> None:
        """Delete a finished job by its id; see `Job.delete`."""
        await self._driver.run(operations.delete_job(self._policy, job_id))

    async def models(self) -> list[ModelCard]:
        """List the model packages that the service offers."""
        return await self._driver.run(operations.list_models(self._policy))

    async def model(self, name: str) -> ModelCard:
        """Return one model's card."""
        return await self._driver.run(operations.get_model(self._policy, name))

    async def workers(self) -> list[Worker]:
        """List the workers that are alive."""
        return await self._driver.run(operations.list_workers(self._policy))

    async def export_reviews(
        self, form: ReviewFormat = "ndjson", **filters: Unpack[ReviewFilters]
    ) -> AsyncIterator[bytes]:
        """Iterate a file of what people have settled: lines of JSON, or a zip of pictures and their labels."""
        async for piece in self._driver.iterate(review_operations.export(self._policy, form, filters)):
            yield piece

    async def webhook_secret(self) -> WebhookSecret:
        """Return the secret that signs webhooks; needs a key with the scope `admin`."""
        return await self._driver.run(webhook_operations.secret(self._policy))

    async def rotate_webhook_secret(self) -> WebhookSecret:
        """Make a new secret; the one before it signs too for a day; needs a key with the scope `admin`."""
        return await self._driver.run(webhook_operations.rotate(self._policy))

    async def test_webhook(self, url: str, wait_s: int = 30) -> WebhookDelivery:
        """Send a signed test to an address; wait up to `wait_s` seconds, at most 60, until it was tried.

        Raises:
            WebhookUrlRefused: the address may not be called.
        """
        return await self._driver.run(webhook_operations.send_test(self._policy, url, wait_s))

    async def webhook_deliveries(
        self, limit: int | None = None, **filters: Unpack[DeliveryFilters]
    ) -> AsyncIterator[WebhookDelivery]:
        """Iterate deliveries of webhooks, newest first, all or `limit` of them."""
        call = webhook_operations.deliveries(self._policy, filters, limit)
        async for delivery in self._driver.iterate(call):
            yield delivery

    async def webhook_delivery(self, delivery_id: str) -> WebhookDelivery:
        """Return one delivery with its tries."""
        return await self._driver.run(webhook_operations.delivery(self._policy, delivery_id))

    async def redeliver(self, delivery_id: str) -> WebhookDelivery:
        """Send a delivery again, now, under the same id.

        Raises:
            NothingToRetry: it was canceled.
        """
        return await self._driver.run(webhook_operations.redeliver(self._policy, delivery_id))

    async def health(self) -> Health:
        """Ask, once, whether the service and what it depends on are ready."""
        return await self._driver.run(operations.health())

    async def close(self) -> None:
        """Close all connections."""
        await self._driver.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


class AsyncJob(JobView):
    """One job of the service; `state` is what the service last told, `refresh` and `wait` renew it."""

    def __init__(self, client: AsyncClient, state: JobState) -> None:
        super().__init__(state)
        self._client = client
        self._driver = client._driver
        self._policy = client._policy

    async def refresh(self) -> Self:
        """Read the state again."""
        self.state = await self._driver.run(operations.get_job(self._policy, self.id))
        return self

    async def wait(self, timeout: float | None = None, progress: bool | Watcher = False) -> Self:
        """Wait for the job's end, for `timeout` seconds at most; broken connections are taken up again.

        `progress` shows a bar on the terminal's stderr, or calls a function with each new state.

        Raises:
            WaitTimeout: the job did not end in time; it goes on.
        """
        with shown_progress(progress) as show:
            async for state in self.watch(timeout):
                show(state)
        return self

    async def watch(self, timeout: float | None = None) -> AsyncIterator[JobState]:
        """Iterate the job's states as they change, up to its end."""
        async for state in self._driver.iterate(watching.watch(self._policy, self.id, timeout)):
            self.state = state
            yield state

    async def results(
        self, *, after_seq: int | None = None, follow: bool = True, **filters: Unpack[ResultFilters]
    ) -> AsyncIterator[Item]:
        """Iterate the items in order, after item `after_seq` to go on where an earlier reading stopped.

        Of a running job, items come as they finish; without `follow` it ends at the first unfinished.
        """
        call = reading.items(self._policy, self.id, filters, after_seq, follow=follow)
        async for item in self._driver.iterate(call):
            yield item

    async def export(self, form: Format = "csv", **filters: Unpack[ResultFilters]) -> AsyncIterator[bytes]:
        """Iterate the results as a CSV, NDJSON or XLSX file, in pieces of bytes."""
        async for piece in self._driver.iterate(reading.export(self._policy, self.id, form, filters)):
            yield piece

    async def item(self, seq: int) -> Item:
        """Return one item."""
        return await self._driver.run(operations.get_item(self._policy, self.id, seq))

    async def summary(self) -> Summary:
        """Return the job's figures."""
        return await self._driver.run(operations.summarize(self._policy, self.id))

    async def review(
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
        return await self._driver.run(call)

    async def unreview(self, seq: int, *, reviewer: str) -> None:
        """Take a review back."""
        await self._driver.run(review_operations.take_back(self._policy, self.id, seq, reviewer))

    async def review_many(self, reviews: Iterable[NewReview], *, reviewer: str) -> list[Item]:
        """Say what up to 1,000 items show, all or none."""
        return await self._driver.run(review_operations.review_many(self._policy, self.id, reviews, reviewer))

    async def unreview_many(self, seqs: Iterable[int], *, reviewer: str) -> list[Item]:
        """Take reviews of up to 500 items back, all or none; an item without one stays as it is."""
        return await self._driver.run(review_operations.take_many_back(self._policy, self.id, seqs, reviewer))

    async def reviews(self) -> ReviewSummary:
        """Return how far reviewing has come and how well reviewers agree."""
        return await self._driver.run(review_operations.summarize(self._policy, self.id))

    async def cancel(self) -> Self:
        """Stop the job; what is done is kept; harmless when it has ended."""
        self.state = (await self._client.cancel(self.id)).state
        return self

    async def retry(self) -> AsyncJob:
        """Make a new job of the items that failed, were canceled or expired.

        Raises:
            NothingToRetry: there is no such item.
            JobActive: the job has not ended.
        """
        return await self._client.retry(self.id)

    async def delete(self) -> None:
        """Delete the finished job with its inputs and results.

        Raises:
            JobActive: the job has not ended.
        """
        await self._client.delete(self.id)
