"""Make a job of the files of a submission: open zips' directories, write the manifest, cut the chunks, commit."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from api.options import Options
from api.stash import PACK_NAME, Stash, StashedFile
from shared.archive import ArchiveLimits, read_directory
from shared.blobs import Blobs
from shared.catalogue import Catalogue
from shared.contracts import PRIORITIES, NewInput, NewJob
from shared.db import Database
from shared.documents import JOB_COMPLETED
from shared.errors import (
    EmptySubmission,
    InkqueueError,
    InvalidRequest,
    MemberTooLarge,
    TooManyItems,
    UnknownModel,
    UnsupportedFormat,
)
from shared.jobs.manifests import store_manifest
from shared.jobs.quotas import Quotas
from shared.jobs.submit import Submitted, find_key, submit_job
from shared.jobs.workers import live_workers, serves
from shared.manifest import ManifestBuilder, cut_chunks
from shared.names import clean_name, ends_with
from shared.outbound import OutboundPolicy, check_url
from shared.settings import Settings
from shared.sniff import MULTI_PAGE, Kind, sniff
from shared.sources import ByteSource, BytesSource
from shared.status import Lane


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What came with a submission beside files and options."""

    tenant: str
    kind: str = "job"
    idempotency_key: str | None = None
    traceparent: str | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """The items of a submission, before anything is promised."""

    inputs: list[NewInput]
    builder: ManifestBuilder
    pages_open: bool

    @property
    def single(self) -> bool:
        """Tell whether it is one image and nothing else, which rides the interactive lane."""
        return len(self.builder) == 1 and len(self.inputs) == 1 and not self.pages_open


class Submissions:
    """Turns stashed files into jobs; synchronous, for a thread."""

    def __init__(
        self,
        db: Database,
        blobs: Blobs,
        catalogue: Catalogue,
        settings: Settings,
        policy: OutboundPolicy,
        quotas: Quotas | None = None,
    ) -> None:
        self._db = db
        self._quotas = quotas
        self._policy = policy
        self._blobs = blobs
        self._catalogue = catalogue
        self._settings = settings

    def submit(self, stash: Stash, options: Options, how: Circumstances) -> tuple[Submitted, NewJob | None]:
        """Make the job durable; also return it as it was made, None for one that was there before.

        Raises:
            InkqueueError: the files or options are refused; then nothing was kept.
        """
        fingerprint = None
        if how.idempotency_key is not None:
            fingerprint = fingerprint_of(stash.files, options)
            first = find_key(self._db, how.tenant, how.idempotency_key, fingerprint)
            if first is not None:
                stash.abandon()
                return Submitted(first, replayed=True), None
        job = self.prepare(self.plan(stash), options, how, fingerprint)
        made = submit_job(self._db, job, self._settings.idempotency_ttl_s, self._quotas)
        return made, None if made.replayed else job

    def submit_one(self, stash: Stash, options: Options, how: Circumstances) -> Submitted:
        """Make the job of exactly one image.

        Raises:
            InvalidRequest: there are more.
            StorageFull: the tenant's uploads would take too many bytes.
        """
        plan = self.plan(stash)
        if len(plan.builder) != 1:
            raise InvalidRequest(f"Exactly one image is read here, not {len(plan.builder)}.")
        if options.webhook_url is not None:
            raise InvalidRequest("A prediction answers by itself and has no webhook.")
        return submit_job(self._db, self.prepare(plan, options, how, None), quotas=self._quotas)

    def rehearse(self, stash: Stash, options: Options) -> dict[str, Any]:
        """Tell what a submission would be, for `dry_run`.

        Raises:
            InkqueueError: as `submit` would.
        """
        self.model_of(options)
        self.webhook_of(options)
        plan = self.plan(stash)
        refused = [item._asdict() for item in plan.builder.refused()]
        for file in stash.files:
            kind = sniff(file.head)
            if file.size and kind is Kind.UNKNOWN and not _is_zip(file, kind):
                error = UnsupportedFormat()
                refused.append({"name": file.name, "code": error.code, "detail": error.detail})
        return {"total": len(plan.builder), "skipped": plan.builder.skipped(), "refused": refused}

    def plan(self, stash: Stash) -> Plan:
        """List the items of all files.

        Raises:
            EmptySubmission: there is nothing, or nothing but skipped members.
            TooManyItems: more items than the limit.
            InkqueueError: a zip is refused as a whole.
        """
        builder = ManifestBuilder()
        inputs: list[NewInput] = []
        pack_ordinal: int | None = None
        for file in stash.files:
            if file.pack_offset is not None:
                if pack_ordinal is None:
                    pack_ordinal = len(inputs)
                    inputs.append(_pack_input(stash))
                self._add(builder, pack_ordinal, file)
            else:
                self._add(builder, len(inputs), file)
                inputs.append(_new_input(file))
            if len(builder) > self._settings.max_zip_members:
                raise TooManyItems()
        counts = builder.counts()
        if counts.total == counts.skipped:
            raise EmptySubmission()
        return Plan(inputs, builder, builder.may_have_pages())

    def prepare(self, plan: Plan, options: Options, how: Circumstances, fingerprint: str | None) -> NewJob:
        """Write the manifest and put the job together."""
        name, version, sha256 = self.model_of(options)
        records = plan.builder.records()
        total = len(records)
        settings = self._settings
        chunks = [(0, total)] if plan.pages_open else cut_chunks(records, **chunk_limits(settings))
        interactive = plan.single or how.kind == "predict"
        state = "inputs" if plan.pages_open else "items"
        return NewJob(
            inputs=plan.inputs,
            manifest=store_manifest(self._db, self._blobs, plan.builder.build(), total, state),
            chunks=chunks,
            lane=Lane.INTERACTIVE if interactive else Lane.BULK,
            model_name=name,
            model_version=version,
            model_sha256=sha256,
            tenant=how.tenant,
            kind=how.kind,
            name=options.name,
            target_error=options.target_error,
            priority=PRIORITIES[options.priority],
            deadline_s=options.deadline_s,
            metadata=options.metadata,
            webhook=self.webhook_of(options),
            traceparent=how.traceparent,
            request_id=how.request_id,
            idempotency_key=how.idempotency_key,
            fingerprint=fingerprint,
        )

    def model_of(self, options: Options) -> tuple[str, str | None, str | None]:
        """Return name, wished version and its sha256 of the model that is asked for.

        Raises:
            UnknownModel: neither this process nor a living worker has it.
        """
        ref = options.model or self._catalogue.default
        name, at, version = ref.partition("@")
        if at and not version:
            raise UnknownModel()
        try:
            package = self._catalogue.resolve(ref)
        except UnknownModel:
            workers = live_workers(self._db, gone_s=self._settings.worker_gone_s)
            if not any(serves(worker, ref) for worker in workers):
                raise
            return name, version or None, None
        return package.name, package.version if version else None, package.sha256 if version else None

    def webhook_of(self, options: Options) -> dict[str, object] | None:
        """Return what the job's row keeps of its webhook, the address in normal form.

        Raises:
            WebhookUrlRefused: the address may not be called.
        """
        if options.webhook_url is None:
            return None
        events: Sequence[str] = options.webhook_events or [JOB_COMPLETED]
        return {
            "url": check_url(options.webhook_url, self._policy).url,
            "events": list(dict.fromkeys(events)),
        }

    def _add(self, builder: ManifestBuilder, ordinal: int, file: StashedFile) -> None:
        """Add the items of one file."""
        kind = sniff(file.head)
        settings = self._settings
        if _is_zip(file, kind):
            limits = ArchiveLimits.of(settings)
            try:
                directory = read_directory(self._source(file), limits)
            except InkqueueError as error:  # of several files the caller must know which one to send again
                raise type(error)(f"{file.name}: {error.detail}") from error
            builder.extend_directory(ordinal, directory)
        elif file.size > settings.max_member_bytes:
            builder.add_failed(ordinal, file.name, MemberTooLarge(), file.size, file.custom_id)
        elif file.pack_offset is not None:
            builder.add_range(
                ordinal,
                file.name,
                file.pack_offset,
                file.size,
                file.custom_id,
                may_have_pages=kind in MULTI_PAGE,
            )
        else:
            builder.add_whole(
                ordinal, file.name, file.size, file.custom_id, may_have_pages=kind in MULTI_PAGE
            )

    def _source(self, file: StashedFile) -> ByteSource:
        """Return random access to a file that is not packed."""
        if file.inline is not None:
            return BytesSource(file.inline)
        assert file.stored is not None
        return self._blobs.source(file.stored.key)


def chunk_limits(settings: Settings) -> dict[str, Any]:
    """Return how chunks are cut."""
    return {
        "target_s": settings.chunk_target_s,
        "max_items": settings.chunk_max_items,
        "max_bytes": settings.chunk_max_bytes,
    }


def fingerprint_of(files: list[StashedFile], options: Options) -> str:
    """Return what two submissions with one idempotency key must share: parts, names and options."""
    parts = [[file.name, file.custom_id, file.sha256] for file in files]
    text = orjson.dumps([parts, options.canonical()], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(text).hexdigest()


def _is_zip(file: StashedFile, kind: Kind) -> bool:
    """Tell a zip by its signature; one with something before it (self-extracting) by what it is said to be."""
    said = ends_with(file.name, (".zip",)) or "zip" in (file.content_type or "")
    return kind is Kind.ZIP or (kind is Kind.UNKNOWN and said and file.size > 0)


def _new_input(file: StashedFile) -> NewInput:
    name = clean_name(file.name) or "file"
    stored = file.stored.id if file.stored else None
    return NewInput(name, file.content_type, file.size, file.sha256, stored, file.inline)


def _pack_input(stash: Stash) -> NewInput:
    assert stash.pack is not None
    return NewInput(PACK_NAME, None, stash.pack.size, stash.pack.sha256, stash.pack.stored.id)
