"""Set a chunk aside that nobody can work on: its items end as `model_error`, so that the job ends too."""

from __future__ import annotations

from shared.blobs import Blobs
from shared.contracts import Claim, Finished, ItemRow, JobSpec
from shared.errors import BlobMissing, Internal, ModelError
from shared.jobs.stop import manifest_source, nameless
from shared.manifest import read_slice
from shared.status import ItemStatus

DETAIL = "The service could not work on this file, several times in a row; it was set aside."


def set_aside(blobs: Blobs, claim: Claim, spec: JobSpec) -> Finished:
    """Make failed rows for all items of a chunk, with their names where the manifest can still be read."""
    span = range(claim.first_seq, claim.end_seq)
    names: list[tuple[str, str | None, int]] = [(nameless(seq), None, 1) for seq in span]
    try:
        source = manifest_source(blobs, spec.manifest_inline, spec.manifest_key)
        part = read_slice(source, claim.first_seq, claim.end_seq)
        pages = part.records["page"].tolist()
        names = [(part.name(n), part.custom_id(n), pages[n] or 1) for n in range(len(part))]
    except (BlobMissing, Internal):
        pass  # that may be the very reason
    error = ModelError(DETAIL)
    rows = [
        ItemRow(
            seq, ItemStatus.FAILED, name, custom_id, page, error_code=error.code, error_detail=error.detail
        )
        for seq, (name, custom_id, page) in zip(span, names, strict=True)
    ]
    return Finished(claim, rows, None, None, None, None)
