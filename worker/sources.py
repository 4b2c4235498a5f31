"""Where the bytes of a job's inputs are."""

from __future__ import annotations

from shared.blobs import Blobs
from shared.contracts import InputRef, JobSpec
from shared.sources import ByteSource, BytesSource


def job_sources(blobs: Blobs, spec: JobSpec) -> dict[int, ByteSource]:
    """Return random access to every input of a job, by its ordinal."""
    return {number: _source_of(blobs, ref) for number, ref in enumerate(spec.inputs)}


def _source_of(blobs: Blobs, ref: InputRef) -> ByteSource:
    """Return random access to one input."""
    if ref.inline is not None:
        return BytesSource(bytes(ref.inline))
    if ref.storage_key is None:
        raise ValueError("an input is in its row or in the storage")
    return blobs.source(ref.storage_key, ref.bytes)
