"""The line of deliveries: claim what is due, keep its body, record what became of it.

A claim is a lease: `next_attempt_at` moves behind it, so that another steward takes the row when this one is lost, and
a token fences what the lost one may still write. No statement here waits for the disk: should Postgres itself crash,
what it forgets is sent again, which receivers have to expect anyway.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from shared.db import Database
from shared.jobs.binding import array_of
from shared.jobs.read import InputView
from shared.webhooks.bodies import MOST_INPUTS

MOST_ATTEMPTS = 50
"""So many attempts are kept in the log of a delivery, the newest."""
MOST_RECEIVERS = 1000
"""So many receivers are looked at by one claim; the next one goes on behind them."""


class Receiver(NamedTuple):
    """Whom a delivery is for: what is limited and held back together. Tenants are apart: none can spoil another's."""

    tenant: str
    host: str


FIRST = Receiver("", "")


class Places(NamedTuple):
    """How many deliveries a receiver may get in one claim: in all, on their first try, on a further one."""

    all: int
    first: int
    again: int


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that this steward may try once; `(id, token)` is the fence, `now` the database's clock."""

    id: UUID
    token: UUID
    tenant: str
    host: str
    kind: str
    job_id: UUID | None
    event: str
    url: str
    body: str | None
    snapshot: dict[str, Any] | None
    inputs: list[InputView]
    input_count: int
    step: int
    created_at: datetime
    traceparent: str | None
    request_id: str | None
    now: datetime

    @property
    def receiver(self) -> Receiver:
        """Return whom it is for."""
        return Receiver(self.tenant, self.host)

    @property
    def again(self) -> bool:
        """Tell whether it was tried before."""
        return self.step > 0


@dataclass(frozen=True, slots=True)
class Round:
    """What one claim took, and behind which receiver the next one begins; `FIRST` when all were looked at."""

    claimed: Sequence[Claimed]
    after: Receiver


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one attempt; `wait_s` until the next, None when there is none."""

    id: UUID
    token: UUID
    state: str
    reason: str | None
    wait_s: float | None
    step: int
    attempt: Mapping[str, object]


def claim_due(
    db: Database,
    worker: str,
    *,
    lease_s: float,
    most: int,
    free: Places,
    limits: Mapping[Receiver, Places],
    held: Sequence[str] = (),
    after: Receiver = FIRST,
) -> Round:
    """Lease deliveries that are due, in turns among receivers; of each the first tries first, the oldest of them first.

    Committed at once. No two stewards get the same row (`FOR UPDATE SKIP LOCKED`), and the backlog of a receiver that
    gets none costs one look at the index, however long it is. A first try never waits behind further ones of others.

    Args:
        most: deliveries of this claim.
        free: how many each receiver may get.
        limits: other numbers for some of them; zeros hold one back.
        held: tenants that get none now.
        after: where the round before has stopped.
    """
    values = {
        "worker": worker,
        "lease": lease_s,
        "most": most,
        "free_all": free.all,
        "free_first": free.first,
        "free_again": free.again,
        "tenants": [receiver.tenant for receiver in limits],
        "hosts": [receiver.host for receiver in limits],
        "alls": [places.all for places in limits.values()],
        "firsts": [places.first for places in limits.values()],
        "agains": [places.again for places in limits.values()],
        "held": list(held),
        "after_tenant": after.tenant,
        "after_host": after.host,
    }
    rows = db.run(lambda connection: connection.execute(_CLAIM, values).all(), single=True)
    taken = [row for row in rows if row.id is not None]
    claimed = [Claimed(*row[:17]) for row in taken]
    if len(claimed) >= most:
        last = max(taken, key=lambda row: row.place)
        return Round(claimed, Receiver(last.tenant, last.host))
    if rows and rows[0].looked_at >= MOST_RECEIVERS:
        return Round(claimed, Receiver(rows[0].last_tenant, rows[0].last_host))
    return Round(claimed, FIRST)


def keep_bodies(db: Database, bodies: Sequence[tuple[Claimed, str]]) -> None:
    """Store what is about to be sent, so that every later try sends the same bytes; the snapshots go."""
    if not bodies:
        return
    values = {
        "ids": [claimed.id for claimed, _ in bodies],
        "tokens": [claimed.token for claimed, _ in bodies],
        "bodies": [body for _, body in bodies],
    }
    db.run(lambda connection: connection.execute(_KEEP, values), single=True)


def record(db: Database, outcomes: Sequence[Outcome]) -> set[UUID]:
    """Write what became of attempts; return the ids that were still ours.

    A row whose lease was lost to another steward is not touched. A delivery that was canceled while it was on its way
    stays canceled, unless it arrived. One that was asked for again meanwhile is due at once, unless it arrived.
    """
    values = {
        "ids": [o.id for o in outcomes],
        "tokens": [o.token for o in outcomes],
        "states": [o.state for o in outcomes],
        "reasons": [o.reason for o in outcomes],
        "waits": [o.wait_s for o in outcomes],
        "steps": [o.step for o in outcomes],
        "attempts": [orjson.dumps(o.attempt).decode() for o in outcomes],
        "kept": MOST_ATTEMPTS,
    }
    return set(db.run(lambda connection: connection.execute(_RECORD, values).scalars().all(), single=True))


def release(db: Database, claims: Sequence[Claimed]) -> None:
    """Give deliveries back that were not tried to their end; another steward takes them at once."""
    if claims:
        values = {"ids": [c.id for c in claims], "tokens": [c.token for c in claims]}
        db.run(lambda connection: connection.execute(_RELEASE, values), single=True)


_OF_OURS = "FROM unnest(:ids, :tokens) AS o (id, token) WHERE d.id = o.id AND d.token = o.token"
_QUICK = "quick AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true) AS is_set)"
_fence = (array_of("ids", pg.UUID()), array_of("tokens", pg.UUID()))
_NEXT = """SELECT d.tenant, d.host FROM webhook_deliveries d
            WHERE d.state = 'pending' AND (d.tenant, d.host) > ({0}) ORDER BY d.tenant, d.host LIMIT 1"""
_DUE = """SELECT x.id FROM (SELECT d.id FROM webhook_deliveries d
                WHERE (SELECT is_set = 'off' FROM quick) AND d.state = 'pending' AND d.tenant = r.tenant
                    AND d.host = r.host AND least(d.step, 1) = {0} AND d.next_attempt_at <= now()
                ORDER BY d.next_attempt_at, d.id LIMIT {1} FOR UPDATE SKIP LOCKED) x"""
_CLAIM = sa.text(
    f"""WITH RECURSIVE {_QUICK}, receivers AS (
        (SELECT x.tenant, x.host, 1 AS n FROM ({_NEXT.format(":after_tenant, :after_host")}) x)
        UNION ALL
        SELECT x.tenant, x.host, r.n + 1
        FROM receivers r CROSS JOIN LATERAL ({_NEXT.format("r.tenant, r.host")}) x WHERE r.n < {MOST_RECEIVERS}
    ), due AS MATERIALIZED (
        SELECT x.id, r.n FROM receivers r
        LEFT JOIN unnest(:tenants, :hosts, :alls, :firsts, :agains) AS l (tenant, host, most, first, again)
            ON l.tenant = r.tenant AND l.host = r.host
        CROSS JOIN LATERAL (
            {_DUE.format(0, "coalesce(l.first, :free_first)")}
            UNION ALL {_DUE.format(1, "coalesce(l.again, :free_again)")}
            LIMIT coalesce(l.most, :free_all)) x
        WHERE r.tenant <> ALL (:held)
        LIMIT :most
    ), claimed AS (
        UPDATE webhook_deliveries d SET token = gen_random_uuid(), worker = :worker, claimed_at = clock_timestamp(),
            next_attempt_at = clock_timestamp() + :lease * interval '1 second'
        FROM due WHERE d.id = due.id
        RETURNING d.id, d.token, d.tenant, d.host, d.kind, d.job_id, d.event, d.url, d.body,
            CASE WHEN d.body IS NULL THEN coalesce(d.snapshot, (SELECT to_jsonb(j)
                || jsonb_build_object('now', clock_timestamp()) FROM jobs j WHERE j.id = d.job_id)) END AS snapshot,
            CASE WHEN d.body IS NULL THEN (SELECT coalesce(jsonb_agg(jsonb_build_object('name', i.name, 'bytes',
                    i.bytes, 'sha256', i.sha256) ORDER BY ji.ordinal), '[]'::jsonb)
                FROM (SELECT ji.ordinal, ji.input_id FROM job_inputs ji WHERE ji.job_id = d.job_id
                    ORDER BY ji.ordinal LIMIT {MOST_INPUTS}) ji JOIN inputs i ON i.id = ji.input_id) END AS inputs,
            CASE WHEN d.body IS NULL THEN
                (SELECT count(*) FROM job_inputs ji WHERE ji.job_id = d.job_id) END AS input_count,
            d.step, d.created_at, d.traceparent, d.request_id, clock_timestamp() AS now,
            due.n AS place
    ), last AS (SELECT tenant, host, n FROM receivers ORDER BY n DESC LIMIT 1)
    SELECT claimed.*, last.n AS looked_at, last.tenant AS last_tenant, last.host AS last_host
    FROM last LEFT JOIN claimed ON true"""
).bindparams(
    array_of("tenants", sa.Text()),
    array_of("hosts", sa.Text()),
    *(array_of(name, sa.Integer()) for name in ("alls", "firsts", "agains")),
    array_of("held", sa.Text()),
)
_KEEP = sa.text(
    f"""WITH {_QUICK} UPDATE webhook_deliveries d SET body = o.body, snapshot = NULL
    FROM unnest(:ids, :tokens, :bodies) AS o (id, token, body)
    WHERE (SELECT is_set = 'off' FROM quick) AND d.id = o.id AND d.token = o.token AND d.body IS NULL"""
).bindparams(*_fence, array_of("bodies", sa.Text()))
_RECORD = sa.text(
    f"""WITH {_QUICK}, o AS MATERIALIZED (
        SELECT d.id, o.wait, o.attempt, d.step < o.step AND d.state = 'pending' AND o.state <> 'delivered' AS again,
            CASE WHEN d.state = 'canceled' AND o.state <> 'delivered' THEN d.state ELSE o.state END AS state,
            CASE WHEN d.state = 'canceled' AND o.state <> 'delivered' THEN d.reason ELSE o.reason END AS reason
        FROM webhook_deliveries d
        JOIN unnest(:ids, :tokens, :states, :reasons, :waits, :steps, :attempts)
            AS o (id, token, state, reason, wait, step, attempt) ON d.id = o.id AND d.token = o.token
        WHERE (SELECT is_set = 'off' FROM quick) ORDER BY d.id FOR UPDATE OF d
    )
    UPDATE webhook_deliveries d SET token = NULL, attempt_count = d.attempt_count + 1,
        attempts = CASE WHEN jsonb_array_length(d.attempts) >= :kept THEN d.attempts - 0 ELSE d.attempts END
            || jsonb_build_array(CAST(o.attempt AS jsonb)),
        step = CASE WHEN o.again THEN 0 ELSE d.step + 1 END,
        state = CASE WHEN o.again THEN 'pending' ELSE o.state END,
        reason = CASE WHEN o.again THEN NULL ELSE o.reason END,
        finished_at = CASE WHEN o.again OR o.state = 'pending' THEN NULL ELSE clock_timestamp() END,
        next_attempt_at = CASE WHEN o.again THEN clock_timestamp()
            ELSE clock_timestamp() + o.wait * interval '1 second' END
    FROM o WHERE d.id = o.id RETURNING d.id"""
).bindparams(
    *_fence,
    *(array_of(name, sa.Text()) for name in ("states", "reasons", "attempts")),
    array_of("waits", sa.Double()),
    array_of("steps", sa.Integer()),
)
_RELEASE = sa.text(
    f"UPDATE webhook_deliveries d SET token = NULL, next_attempt_at = clock_timestamp() {_OF_OURS}"
).bindparams(*_fence)
