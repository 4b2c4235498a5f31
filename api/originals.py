"""The bytes of an item as they were uploaded: a file, or a member of a zip."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from shared.blobs import Blobs
from shared.contracts import InputRef
from shared.db import Database
from shared.errors import Gone, ItemError, NotFound
from shared.jobs.claim import job_specs
from shared.jobs.stop import manifest_source
from shared.manifest import ManifestSlice, Method, read_slice
from shared.members import read_members
from shared.settings import Settings
from shared.sniff import HEAD_BYTES, content_type, sniff
from shared.sources import ByteSource, BytesSource

PIECE = 256 * 1024


@dataclass(frozen=True, slots=True)
class Original:
    """The bytes of an item and what they are by their signature."""

    name: str
    media_type: str
    size: int
    blocks: Iterator[bytes]


def open_original(db: Database, blobs: Blobs, settings: Settings, job_id: UUID, seq: int) -> Original:
    """Find the bytes of an item; whole files are read as they are sent, members of a zip at once.

    Raises:
        NotFound: the job has no such item.
        Gone: its inputs have expired.
        ItemError: the member cannot be got out of its zip.
    """
    spec = job_specs(db, [job_id]).get(job_id)
    if spec is None or not spec.inputs:
        raise Gone()
    if not 0 <= seq < spec.total:
        raise NotFound("There is no item with this number.")
    part = read_slice(manifest_source(blobs, spec.manifest_inline, spec.manifest_key), seq, seq + 1)
    ref = spec.inputs[int(part.records[0]["input"])]
    source = _source(blobs, ref)
    if int(part.records[0]["method"]) == Method.WHOLE:
        head = source.read(0, HEAD_BYTES)
        return Original(part.name(0), content_type(sniff(head)), source.size, _pieces(source))
    data = _member(source, part, settings)
    return Original(part.name(0), content_type(sniff(data[:HEAD_BYTES])), len(data), iter([data]))


def is_page(db: Database, blobs: Blobs, job_id: UUID, seq: int) -> bool:
    """Tell whether an item is one page of a file that has several."""
    spec = job_specs(db, [job_id]).get(job_id)
    if spec is None or not 0 <= seq < spec.total:
        return False
    part = read_slice(manifest_source(blobs, spec.manifest_inline, spec.manifest_key), seq, seq + 1)
    return int(part.records[0]["pages"]) > 1


def _source(blobs: Blobs, ref: InputRef) -> ByteSource:
    """Return random access to an input, wherever its bytes are."""
    if ref.inline is not None:
        return BytesSource(bytes(ref.inline))
    if ref.storage_key is None:
        raise Gone()
    return blobs.source(ref.storage_key, ref.bytes)


def _member(source: ByteSource, part: ManifestSlice, settings: Settings) -> bytes:
    """Take one file out of an input that holds several."""
    ordinal = int(part.records[0]["input"])
    for _, found in read_members({ordinal: source}, part, settings):
        if isinstance(found, ItemError):
            raise found
        if found is not None:
            return found
    raise NotFound("This file is no image; it was skipped.")


def _pieces(source: ByteSource) -> Iterator[bytes]:
    """Read a file piece by piece."""
    for offset in range(0, source.size, PIECE):
        yield source.read(offset, PIECE)
