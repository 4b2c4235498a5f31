"""Work off a lane: claim, work, commit, again, until nothing is claimable or the slice of time is over."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from uuid import UUID

import structlog

from shared.blobs import Blobs
from shared.contracts import Claim, Finished, JobSpec
from shared.db import Database
from shared.errors import InkqueueError, StorageFull, Unavailable, UnknownModel
from shared.jobs import batch, commit, sweep
from shared.jobs import claim as claims_of
from shared.logs import get_logger
from shared.settings import Settings
from shared.status import Lane
from worker import journal
from worker.aside import set_aside
from worker.board import Board
from worker.cells import Drawer
from worker.expand import expand_job
from worker.groups import Group, Limits, by_model, limits_of
from worker.heartbeat import Heartbeat, Held
from worker.hints import Hints
from worker.metrics import Metrics
from worker.models import Loaded, Models
from worker.parts import Outcome
from worker.patience import through_outage
from worker.pipeline import Pipeline
from worker.recycle import Growth
from worker.render import render

log = get_logger(__name__)
_SPECS_KEPT = 64
MOST_FAILURES = 5
STAND_IN_LOOK_S = 1.0


@dataclass
class Drainer:
    """One worker process at work."""

    settings: Settings
    db: Database
    blobs: Blobs
    models: Models
    worker: str
    heartbeat: Heartbeat
    hints: Hints
    metrics: Metrics
    is_stopping: Callable[[], bool]
    board: Board
    growth: Growth
    _looked: float = 0.0
    _specs: dict[UUID, JobSpec] = field(default_factory=dict)

    def drain(self, lane: Lane) -> int:
        """Serve one ticket; return how many chunks were worked on. An outage ends the ticket, not the worker."""
        self.heartbeat.ticket_taken()
        done = 0
        over = time.monotonic() + self.settings.ticket_slice_s
        try:
            while not self.is_stopping():
                if time.monotonic() > over:
                    self.hints.ticket(lane)
                    break
                drawn = self._draw(lane)
                done += self._stand_in(lane)
                worked = self._next(lane)
                done += worked
                if self.growth.look(list(self.models.served.references)):
                    self.hints.ticket(lane)
                    break
                if not worked and not drawn:
                    break
        except InkqueueError as error:
            log.warning("drain_interrupted", lane=str(lane), reason=error.detail)
        finally:
            self.heartbeat.ticket_done()
        return done

    def render(self, job_id: UUID, seq: int, view: str) -> None:
        """Render one item for somebody who looks at it."""
        self.board.begin(self.settings.interactive_limit_s, self.settings.chunk_memory_bytes)
        try:
            render(self.db, self.blobs, self.settings, self.models, job_id, seq, view)
        finally:
            self.board.end()

    def _draw(self, lane: Lane) -> int:
        """From the lane `bulk`, draw for a short turn what people look at; return how many units that were."""
        if lane is not Lane.BULK:
            return 0
        self.board.begin(self.settings.chunk_limit_s, self.settings.chunk_memory_bytes)
        try:
            return Drawer(self.settings, self.db, self.blobs, self.models, self.hints.client).turn()
        finally:
            self.board.end()

    def _next(self, lane: Lane) -> int:
        """Claim and work; return how many chunks that were."""
        claims, specs = self._claim(lane)
        if claims:
            self._work(claims, specs, lane)
        return len(claims)

    def _stand_in(self, lane: Lane) -> int:
        """From the lane `bulk`, read single images that have waited too long: their own workers hang or are gone."""
        now = time.monotonic()
        if lane is not Lane.BULK or now < self._looked + STAND_IN_LOOK_S:
            return 0
        self._looked = now
        waited_s = sweep.oldest_claimable_s(self.db, Lane.INTERACTIVE, self.models.served.names)
        return self._next(Lane.INTERACTIVE) if waited_s > self.settings.stand_in_s else 0

    def _claim(self, lane: Lane) -> tuple[list[Claim], dict[UUID, JobSpec]]:
        """Take the next chunk, in the interactive lane all that wait; return jobs that came along with them."""
        lease_s = self.settings.lease_s
        if lane is Lane.INTERACTIVE:
            most = self.settings.interactive_batch
            return batch.claim_batch(
                self.db, lane, self.models.served, self.worker, lease_s=lease_s, most=most
            )
        return claims_of.claim(self.db, lane, self.models.served, self.worker, lease_s=lease_s), {}

    def _work(self, claims: Sequence[Claim], known: dict[UUID, JobSpec], lane: Lane) -> None:
        """Work on what one claim took, under a heartbeat; whatever goes wrong, nothing stays leased by accident."""
        self.board.begin(self.settings.chunk_limit_s, self.settings.chunk_memory_bytes)
        held = self.heartbeat.hold(claims)
        specs: dict[UUID, JobSpec] = known
        try:
            specs = known | self._specs_of([c for c in claims if c.job_id not in known])
            for group in by_model(held, specs, self.models):
                self._work_group(group, limits_of(self.settings, lane))
        except (Unavailable, StorageFull, UnknownModel) as error:
            log.warning("chunk_interrupted", chunks=[c.id for c in claims], reason=error.detail)
            self._hand_back(claims, claims_of.hand_back_resting)
        except Exception:  # no defect of one chunk may keep the others of its lane from their turn
            log.exception("chunk_failed", chunks=[c.id for c in claims])
            self._fail(claims, specs)
        finally:
            self.heartbeat.release(held)
            self.board.end()

    def _fail(self, claims: Sequence[Claim], specs: dict[UUID, JobSpec]) -> None:
        """Let chunks rest that failed for no passing reason; after some tries their items end as `model_error`."""
        spent = [c for c in claims if c.failures >= MOST_FAILURES and c.job_id in specs]
        self._hand_back([c for c in claims if c not in spent], claims_of.hand_back_failed)
        for claim in spent:
            try:
                finished = set_aside(self.blobs, claim, specs[claim.job_id])
                self._commit([Outcome(finished, complete=True, lost=False)])
                log.error("chunk_set_aside", chunk=claim.id, job=claim.job_id.hex)
            except Exception:  # it stays in the line and rests; the log tells
                log.exception("chunk_not_set_aside", chunk=claim.id)
                self._hand_back([claim], claims_of.hand_back_failed)

    def _work_group(self, group: Group, limits: Limits) -> None:
        """Work on chunks that share a model; all but the interactive lane's have one chunk."""
        known = journal.ids([one.claim for one in group.held], group.specs)
        with structlog.contextvars.bound_contextvars(**known):
            if group.loaded is None:
                self._expand(group.held[0], group.specs[0], limits)
            elif self._pin(group, group.loaded):
                self._classify(group, group.loaded, limits)

    def _expand(self, held: Held, spec: JobSpec, limits: Limits) -> None:
        """Count pages and cut the job."""
        with self.metrics.stage("expand"):
            done = expand_job(
                self.db,
                self.blobs,
                self.settings,
                held,
                spec,
                self.is_stopping,
                self.board,
                limits.item_s,
            )
        self.hints.ticket(Lane.BULK)
        if done:
            self.hints.changed(spec.id)

    def _pin(self, group: Group, loaded: Loaded) -> bool:
        """Give a queued job its model for good; a job that another version has won goes back to the line.

        A job of one chunk is pinned by its commit, which is its only one.
        """
        spec, claim = group.specs[0], group.held[0].claim
        whole = claim.first_seq == 0 and claim.end_seq == spec.total
        if len(group.held) > 1 or whole or (spec.status != "queued" and spec.engine_class is not None):
            return True
        pinned = claims_of.start(
            self.db,
            spec.id,
            model_version=loaded.package.version,
            model_sha256=loaded.package.sha256,
            engine_class=loaded.engine.engine_class,
            preparation=loaded.preparation,
        )
        self._specs.pop(spec.id, None)
        self.hints.changed(spec.id)
        ours = (loaded.package.version, loaded.engine.engine_class)
        if pinned is None or (pinned.model_version, pinned.engine_class) != ours:
            self._hand_back([claim])
            return False
        return True

    def _classify(self, group: Group, loaded: Loaded, limits: Limits) -> None:
        """Read, prepare and infer, then commit whatever is complete."""
        pipeline = Pipeline(
            self.settings,
            self.db,
            self.blobs,
            loaded,
            self.metrics,
            self.is_stopping,
            self.board,
            limit_s=limits.item_s,
            budget_s=limits.budget_s,
        )
        with self.metrics.stage("work"):
            outcomes = pipeline.run(group.held, group.specs)
        with self.metrics.stage("commit"):
            self._commit(outcomes)

    def _commit(self, outcomes: Sequence[Outcome]) -> None:
        """Write complete chunks together and cut those that ran out of time; tell who waits."""
        changed: set[UUID] = set()
        whole = [o.finished for o in outcomes if o.complete]
        results = []
        if whole:
            few = sum(len(f.rows) for f in whole) <= batch.MOST_ROWS
            write = batch.commit_batch if few else commit.commit_finished
            results.append(self._through_outage(partial(write, self.db, whole)))
        for part in (o for o in outcomes if not o.complete):
            if part.finished.rows:
                results.append(self._through_outage(partial(commit.commit_prefix, self.db, part.finished)))
                self.hints.ticket(Lane.BULK)
            elif not part.lost:
                self._hand_back([part.finished.claim])
        lost = {claim.id for result in results for claim in result.lost}
        for result in results:
            changed.update(end.job_id for end in result.jobs)
            for end in result.jobs:
                if end.terminal:
                    self._specs.pop(end.job_id, None)
                    self.metrics.job(end.seconds or 0.0)
        self.hints.changed(*changed)
        for chunk in lost:
            log.info("lease_lost", chunk=chunk)
        written = [o.finished for o in outcomes if o.finished.claim.id not in lost and not o.lost]
        journal.tell(written, [end for result in results for end in result.jobs])
        self._count(written)

    def _through_outage(self, write: Callable[..., commit.Committed]) -> commit.Committed:
        """Commit; wait up to the length of a lease for a database that is away."""
        patient = partial(write, results_ttl_s=self.settings.results_ttl_s)
        return through_outage(patient, self.settings.lease_s, self.is_stopping)

    def _count(self, finished: Sequence[Finished]) -> None:
        """Count what was written."""
        statuses = Counter(str(row.status) for one in finished for row in one.rows)
        self.metrics.count_items(dict(statuses))

    def _hand_back(self, claims: Sequence[Claim], back: Callable[..., int] = claims_of.hand_back) -> None:
        """Return chunks to the line, unharmed or to rest; if even that fails, their leases run out."""
        try:
            back(self.db, claims)
        except InkqueueError as error:
            log.warning("hand_back_failed", chunks=[c.id for c in claims], reason=error.detail)

    def _specs_of(self, claims: Sequence[Claim]) -> dict[UUID, JobSpec]:
        """Read the jobs of these chunks, from memory where nothing can have changed."""
        wanted = {c.job_id for c in claims}
        missing = [job for job in wanted if job not in self._specs]
        if missing:
            fresh = claims_of.job_specs(self.db, missing)
            # while pages are being counted, total and manifest will change
            lasting = {job: spec for job, spec in fresh.items() if spec.manifest_state == "items"}
            while len(self._specs) + len(lasting) > _SPECS_KEPT and self._specs:
                self._specs.pop(next(iter(self._specs)))
            self._specs.update(lasting)
            return fresh | {job: self._specs[job] for job in wanted if job in self._specs}
        return {job: self._specs[job] for job in wanted}
