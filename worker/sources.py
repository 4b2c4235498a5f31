"""Where the bytes of a job's inputs are."""

from __future__ import annotations

from shared.blobs import Blobs
from shared.contracts import JobSpec
from shared.sources import ByteSource, BytesSource


def job_sources(blobs: Blobs, spec: JobSpec) -> dict[int, ByteSource]:
    """Return random access to every input of a job, by its ordinal."""
    return {number: _source_of(blobs, ref.inline, ref.storage_key) for number, ref in enumerate(spec.inputs)}


def _source_of(blobs: Blobs, inline: bytes | None, storage_key: str | None) -> ByteSource:
    """Return random access to one input."""
    if inline is not None:
        return BytesSource(bytes(inline))
    if storage_key is None:
        raise ValueError("an input is in its row or in the storage")
    return blobs.source(storage_key)
