"""What a worker's log says of the jobs that it works on: their ids on every line, and what became of each chunk."""

from __future__ import annotations

from collections.abc import Sequence

from shared.contracts import Claim, Finished, JobEnd, JobSpec
from shared.logs import get_logger, trace_id

log = get_logger(__name__)


def ids(claims: Sequence[Claim], specs: Sequence[JobSpec]) -> dict[str, object]:
    """Return what every line about these chunks carries; a batch of several jobs names all of them."""
    if len(claims) == 1:
        spec = specs[0]
        return {
            "job": spec.id,
            "chunk": claims[0].id,
            "attempt": claims[0].attempt,
            "request_id": spec.request_id,
            "trace_id": trace_id(spec.traceparent),
        }
    return {
        "job": [spec.id for spec in specs],
        "chunk": [claim.id for claim in claims],
        "attempt": max(claim.attempt for claim in claims),
        "request_id": [spec.request_id for spec in specs],
        "trace_id": [trace_id(spec.traceparent) for spec in specs],
    }


def tell(finished: Sequence[Finished], ends: Sequence[JobEnd]) -> None:
    """Say which items were written, and which jobs have ended by that."""
    if finished:
        log.info("items_committed", items=sum(len(one.rows) for one in finished))
    for end in ends:
        if end.terminal:
            log.info("job_ended", job=end.job_id, status=end.status, seconds=round(end.seconds or 0.0, 3))
