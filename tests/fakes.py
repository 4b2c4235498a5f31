"""A worker that reads no image: it claims, makes rows of the manifest's names, and commits, as a real one does."""

from __future__ import annotations

from shared.blobs import Blobs
from shared.contracts import Claim, Finished, ItemRow
from shared.db import Database
from shared.jobs.claim import Served, claim, job_specs
from shared.jobs.commit import commit_finished
from shared.jobs.stop import manifest_source
from shared.manifest import ManifestSlice, read_slice
from shared.status import Decision, ItemStatus, Lane

SERVED = Served(["digits"], {"digits@1.0.0": "cpu-fp32"})


class FakeWorker:
    """Reads "7" from every file; `bad` in a name fails, `crash` crashes the model, `doubt` goes to review."""

    def __init__(self, db: Database, blobs: Blobs) -> None:
        """Keep the database and the storage."""
        self._db = db
        self._blobs = blobs

    def take(self, lane: Lane) -> list[Claim]:
        """Claim what stands first in the lane."""
        return claim(self._db, lane, SERVED, "fake:1:2", lease_s=15.0)

    def finish(self, claims: list[Claim]) -> None:
        """Write the results of these chunks."""
        done = [Finished(c, self._rows(c), "1.0.0", "ab" * 32, "cpu-fp32", "digits@1") for c in claims]
        commit_finished(self._db, done, results_ttl_s=3600)

    def work(self, most_chunks: int = 1000) -> int:
        """Work until nothing waits, or so many chunks are done; return how many were."""
        done = 0
        while done < most_chunks:
            claims = self.take(Lane.INTERACTIVE) or self.take(Lane.BULK)
            if not claims:
                break
            self.finish(claims)
            done += len(claims)
        return done

    def _rows(self, claimed: Claim) -> list[ItemRow]:
        spec = job_specs(self._db, [claimed.job_id])[claimed.job_id]
        source = manifest_source(self._blobs, spec.manifest_inline, spec.manifest_key)
        part = read_slice(source, claimed.first_seq, claimed.end_seq)
        return [_row(part, i) for i in range(len(part))]


def _row(part: ManifestSlice, i: int) -> ItemRow:
    seq, name, custom_id = part.first_seq + i, part.name(i), part.custom_id(i)
    error = part.error(i)
    if part.skip_reason(i) is not None:
        return ItemRow(seq, ItemStatus.SKIPPED, name, custom_id, 1)
    if error is not None or "bad" in name or "crash" in name:
        code = error.code if error else "model_error" if "crash" in name else "undecodable_image"
        return ItemRow(
            seq, ItemStatus.FAILED, name, custom_id, 1, error_code=code, error_detail="It is broken."
        )
    doubt = "doubt" in name
    return ItemRow(
        seq,
        ItemStatus.SUCCEEDED,
        name,
        custom_id,
        1,
        prediction="7",
        confidence=0.5 if doubt else 0.99812,
        probabilities=[0.0] * 7 + [0.5 if doubt else 0.99812] + [0.0] * 2,
        decision=Decision.REVIEW if doubt else Decision.ACCEPT,
        reasons=["low_confidence"] if doubt else [],
        width=28,
        height=28,
    )
