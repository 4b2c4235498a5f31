"""What must hold in the database and in the storage when everything has come to rest."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import namedtuple_row

from shared.blobs_root import MARKER
from tests.chaos.client import Violations
from tests.chaos.receiver import Receiver
from tests.chaos.traffic import Record

BATCH = 400
Row = tuple[Any, ...]
_ROWS = """SELECT seq, name, page, status, coalesce(prediction, '') AS prediction,
    coalesce(decision, '') AS decision, coalesce(array_to_string(reasons, ','), '') AS reasons,
    coalesce(error_code, '') AS code FROM items WHERE job_id = %s ORDER BY seq"""
_DIGESTS = """SELECT job_id, count(*) AS rows, md5(string_agg(concat_ws('|', seq, name, page, status,
    coalesce(prediction, ''), coalesce(decision, ''), coalesce(array_to_string(reasons, ','), ''),
    coalesce(error_code, '')), E'\\n' ORDER BY seq)) AS digest FROM items WHERE job_id = ANY (%s) GROUP BY job_id"""
_NEVER = {
    "jobs that have not ended": "status IN ('validating', 'queued', 'running', 'canceling')",
    "jobs ended without an end time": "status NOT IN ('validating', 'queued', 'running', 'canceling')"
    " AND finished_at IS NULL",
}
_OTHER = {
    "stuck leases": "SELECT count(*) FROM chunks WHERE state = 'leased'",
    "open chunks": "SELECT count(*) FROM chunks WHERE state <> 'done'",
    "uploads left receiving": "SELECT count(*) FROM inputs WHERE state <> 'attached'",
    "inputs without a job": "SELECT count(*) FROM inputs i WHERE NOT EXISTS"
    " (SELECT FROM job_inputs ji WHERE ji.input_id = i.id)",
    "webhooks undelivered": "SELECT count(*) FROM webhook_deliveries WHERE state IN ('pending', 'failed')",
    "innocents charged with model_error": "SELECT count(*) FROM items WHERE error_code = 'model_error'",
    "rows in the default partition": "SELECT count(*) FROM items_default",
    "counters unlike their items": """SELECT count(*) FROM jobs j LEFT JOIN LATERAL (
        SELECT count(*) AS n, min(seq) AS low, max(seq) AS high,
            count(*) FILTER (WHERE status = 'succeeded') AS succeeded,
            count(*) FILTER (WHERE status = 'failed') AS failed,
            count(*) FILTER (WHERE status = 'skipped') AS skipped,
            count(*) FILTER (WHERE status = 'canceled') AS canceled,
            count(*) FILTER (WHERE status = 'expired') AS expired,
            count(*) FILTER (WHERE decision = 'accept') AS accepted,
            count(*) FILTER (WHERE decision = 'review') AS review
        FROM items i WHERE i.job_id = j.id) i ON true
        WHERE j.deleted_at IS NULL AND (i.n <> j.total OR i.low <> 0 OR i.high <> j.total - 1
            OR (i.succeeded, i.failed, i.skipped, i.canceled, i.expired, i.accepted, i.review) IS DISTINCT FROM
            (j.succeeded, j.failed, j.skipped, j.canceled, j.expired, j.accepted, j.review))""",
}


class Inside:
    """One connection to the database, past all broken links."""

    def __init__(self, database_url: str, violations: Violations) -> None:
        """Connect at once."""
        self.violations = violations
        self._db = psycopg.connect(database_url, autocommit=True, row_factory=namedtuple_row)

    def close(self) -> None:
        """Disconnect."""
        self._db.close()

    def one(self, statement: str, *values: object) -> Any:
        """Return the first value of the first row."""
        row = self._db.execute(statement, values).fetchone()  # type: ignore[call-overload]  # our own text
        return row[0] if row else None

    def rows(self, job: str) -> list[Row]:
        """Return a job's results without what may differ in its last digits."""
        return [tuple(row) for row in self._db.execute(_ROWS, (uuid_of(job),))]

    def settle(self, timeout_s: float) -> float:
        """Wait until nothing is left to be delivered, collected or purged; return the seconds that it took."""
        began = time.monotonic()
        left = "SELECT (SELECT count(*) FROM webhook_deliveries WHERE state = 'pending')"
        left += (
            " + (SELECT count(*) FROM inputs WHERE state <> 'attached') + (SELECT count(*) FROM tombstones)"
        )
        left += " + (SELECT count(*) FROM jobs WHERE deleted_at IS NOT NULL)"
        while time.monotonic() - began < timeout_s:
            # what was reserved for a submission that died is due in an hour; nothing is under way now
            self._db.execute(
                "UPDATE tombstones SET not_before = clock_timestamp() WHERE not_before > clock_timestamp()"
            )
            if not self.one(left):
                break
            time.sleep(0.5)
        return time.monotonic() - began

    def check_rows(self) -> None:
        """Check what no row may ever be."""
        for what, where in _NEVER.items():
            self._none(what, f"SELECT count(*) FROM jobs WHERE {where}")
        for what, statement in _OTHER.items():
            self._none(what, statement)

    def _none(self, what: str, statement: str) -> None:
        number = self.one(statement)
        if number:
            self.violations.add(f"{what}: {number}")

    def check_jobs(self, records: Sequence[Record], references: Mapping[str, list[Row]]) -> Counter[str]:
        """Hold every acknowledged job's results against the run without faults."""
        digests = {name: digest(rows) for name, rows in references.items()}
        plain = [r for r in records if not (r.deleted or r.may_stop or r.parent)]
        found: Counter[str] = Counter(jobs=len(records))
        for start in range(0, len(plain), BATCH):
            part = plain[start : start + BATCH]
            rows = {row.job_id: row for row in self._db.execute(_DIGESTS, ([uuid_of(r.id) for r in part],))}
            for record in part:
                row = rows.get(uuid_of(record.id))
                found["items"] += row.rows if row else 0
                if row is None or row.digest != digests[record.content]:
                    self._unlike(record, references[record.content])
        for record in records:
            if record.deleted:
                self._check_deleted(record)
            elif record.may_stop or record.parent:
                found["items"] += self._check_by_name(record, references[record.content])
        return found

    def _unlike(self, record: Record, expected: list[Row]) -> None:
        rows = self.rows(record.id)
        different = [(a, b) for a, b in zip(expected, rows, strict=False) if a != b]
        self.violations.add(
            f"{record.id} ({record.content}): {len(rows)} rows for {len(expected)}; unlike: {different[:2]}"
        )

    def _check_by_name(self, record: Record, expected: list[Row]) -> int:
        """A job that was stopped, or a retry: each item is as without faults, or stopped."""
        truth = {row[1:3]: row[3:] for row in expected}
        rows = self.rows(record.id)
        stopped = {"canceled", "expired"} if record.may_stop else set()
        for row in rows:
            if row[3] not in stopped and truth.get(row[1:3]) != row[3:]:
                self.violations.add(f"{record.id} ({record.content}, stopped or retried): {row}")
                break
        if not record.parent and len(rows) != len(expected) and not self._uncounted(record, rows):
            self.violations.add(f"{record.id} ({record.content}): {len(rows)} rows for {len(expected)}")
        if record.parent and [row[1] for row in rows] != self._to_do_again(record.parent, expected):
            self.violations.add(f"{record.id}: {len(rows)} items are not those that its parent left undone")
        return len(rows)

    def _to_do_again(self, parent: str, expected: list[Row]) -> list[str]:
        """Name the items of a retry: each undone one; of files that were never counted, each page."""
        undone = [row[1] for row in self.rows(parent) if row[3] in {"failed", "canceled", "expired"}]
        if self.one("SELECT state FROM manifests WHERE job_id = %s", uuid_of(parent)) == "items":
            return undone
        return [row[1] for row in expected if row[1] in undone]

    @staticmethod
    def _uncounted(record: Record, rows: list[Row]) -> bool:
        """Tell whether the job was stopped before its pages were counted: then each file is one item."""
        return record.may_stop and all(row[3] in {"canceled", "expired", "skipped"} for row in rows)

    def _check_deleted(self, record: Record) -> None:
        if self.one("SELECT count(*) FROM jobs WHERE id = %s", uuid_of(record.id)):
            self.violations.add(f"{record.id} was deleted and is still there")
        if self.one("SELECT count(*) FROM items WHERE job_id = %s", uuid_of(record.id)):
            self.violations.add(f"{record.id} was deleted and its items are still there")

    def check_keys(self, records: Sequence[Record]) -> None:
        """One order made one job, besides its retry; nobody's job came from nowhere."""
        twice = self._db.execute(
            "SELECT metadata->>'chaos' AS number, count(*) AS jobs FROM jobs WHERE metadata ? 'chaos'"
            " AND parent_id IS NULL GROUP BY 1 HAVING count(*) > 1"
        ).fetchall()
        if twice:
            self.violations.add(f"orders that made several jobs: {[tuple(row) for row in twice[:5]]}")
        lost = {uuid_of(r.id) for r in records if not r.deleted}
        lost -= {row.id for row in self._db.execute("SELECT id FROM jobs WHERE deleted_at IS NULL")}
        if lost:
            self.violations.add(f"acknowledged and lost: {len(lost)} jobs, {sorted(lost)[:3]}")

    def check_storage(self, folder: Path) -> int:
        """Every stored file has a row, and every row its file; return how many files there are."""
        keys = "SELECT storage_key FROM {} WHERE storage_key IS NOT NULL"
        rows = {row[0] for table in ("inputs", "manifests") for row in self._db.execute(keys.format(table))}  # type: ignore[call-overload]
        files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
        files = {name for name in files if not name.startswith((".unfinished/probe", "probe-", MARKER))}
        if files - rows:
            self.violations.add(f"orphan objects: {len(files - rows)}, {sorted(files - rows)[:3]}")
        if rows - files:
            self.violations.add(f"objects lost: {len(rows - files)}, {sorted(rows - files)[:3]}")
        return len(files)

    def check_webhooks(self, records: Sequence[Record], receiver: Receiver) -> int:
        """Each that was asked for has come, verified, with one id over all tries, and tells the end."""
        states = {row.id: row for row in self._db.execute("SELECT id, status, started_at FROM jobs")}
        asked = [r for r in records if r.webhook and not r.deleted]
        for record in asked:
            data = receiver.delivered.get((record.id, "job.completed"))
            if data is None:
                self.violations.add(f"{record.id}: its webhook has not come")
            elif data["status"] != states[uuid_of(record.id)].status:
                self.violations.add(f"{record.id}: its webhook says {data['status']}")
            began = record.webhook_started and states[uuid_of(record.id)].started_at is not None
            if began and (record.id, "job.started") not in receiver.delivered:
                self.violations.add(f"{record.id}: its webhook of the start has not come")
        several = [key for key, ids in receiver.ids.items() if len(ids) > 1]
        if several:
            self.violations.add(f"webhooks with several ids: {several[:3]}")
        if receiver.forged:
            self.violations.add(
                f"webhooks that cannot be verified: {len(receiver.forged)}, {receiver.forged[0]}"
            )
        return len(asked)


def uuid_of(job: str) -> UUID:
    """Read the number in a job's id."""
    return UUID(job.partition("_")[2])


def digest(rows: Sequence[Row]) -> str:
    """Sum rows up as the query does."""
    text = "\n".join("|".join(str(value) for value in row) for row in rows)
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
