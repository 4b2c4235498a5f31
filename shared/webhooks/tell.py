"""Put an event into the line that no change of the job's own row tells: the trigger `jobs_tell` tells all others."""

from __future__ import annotations

from uuid import UUID

import sqlalchemy as sa


def tell_reviewed(connection: sa.Connection, tenant: str, job_id: UUID) -> None:
    """Tell that items of a job were reviewed, in the transaction that writes the reviews, after it has changed the job.

    Nothing happens when the job has no webhook, or one that does not want `job.reviewed`.
    """
    connection.execute(_TELL, {"id": job_id, "tenant": tenant})


_TELL = sa.text(
    """SELECT inkqueue_tell(j, 'job.reviewed', to_jsonb(j) || jsonb_build_object('now', clock_timestamp()))
    FROM jobs j WHERE j.id = :id AND j.tenant = :tenant"""
)
