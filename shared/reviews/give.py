"""Write reviews and take them back: items first, then reviews, the job's row last (the lock order).

An item is locked before its reviews are looked at, so of two reviewers at once the second sees the first, and the
job's counters are right whoever comes when.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from shared.catalogue import Catalogue
from shared.db import Database
from shared.errors import FieldError, Forbidden, Gone, InvalidRequest, NotFound, NotReviewable, UnknownModel
from shared.jobs.binding import array_of
from shared.status import Decision, ItemStatus

NO_VALUE = ("blank", "not_a_digit", "crossed_out")
"""Why an item may have no value."""
MOST_ITEMS = 1000
MOST_REVIEWERS = 20
MOST_NAME = 64
SHOWABLE = frozenset({"undecodable_image", "image_too_large", "model_error", "template_not_matched"})
"""Failures of files that hold something a person can look at."""
MARGIN_S = 30
"""No review is taken so shortly before results expire: its transaction must end before the purge begins."""


@dataclass(frozen=True, slots=True)
class Review:
    """What a reviewer says of one item: a label, or none and why."""

    seq: int
    value: str | None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class By:
    """Who reviews: a name, and the key behind it; `is_admin` decides where reviewers disagree."""

    tenant: str
    reviewer: str
    key_id: UUID | None = None
    is_admin: bool = False


def reviewer_name(text: str, loc: str) -> str:
    """Return a reviewer's name in one spelling (NFC).

    Raises:
        InvalidRequest: it is empty, too long, or holds what no name in an address holds.
    """
    name = unicodedata.normalize("NFC", text)
    hidden = any(unicodedata.category(c) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"} for c in name)
    if (
        hidden
        or name != name.strip()
        or not 0 < len(name) <= MOST_NAME
        or name in {".", ".."}
        or set(name) & set("/\\")
    ):
        msg = f"is to be 1 to {MOST_NAME} characters, without slashes, control characters and space around it"
        raise InvalidRequest(errors=[{"loc": loc, "msg": msg}])
    return name


def give_reviews(
    db: Database, catalogue: Catalogue, job_id: UUID, by: By, given: Sequence[Review], loc: str
) -> bool:
    """Write one reviewer's reviews of several items, all or none; tell whether anything has changed.

    Giving the same again changes nothing, not even the time. A later value of the same reviewer replaces the former.

    Args:
        loc: where a review stands in the request, with `{n}` for its place.

    Raises:
        NotFound: no such job, or an item has not been worked on yet.
        Gone: the results have expired.
        InvalidRequest: a value is no label of the job's model, or an item is named twice.
        UnknownModel: the model's labels are not known here.
        NotReviewable: there is nothing to see of an item, or it has too many reviewers.
        Forbidden: a review of this name was given with another key that is valid still.
    """

    def work(connection: sa.Connection) -> bool:
        head = _head(connection, by.tenant, job_id)
        _check_values(catalogue, head, given, loc)
        items = _lock_items(connection, job_id, [one.seq for one in given])
        before = _before(connection, job_id, list(items))
        _check_items(items, before, by, given)
        changed = [one for one in given if _changes(before.get(one.seq, {}).get(by.reviewer), one, by)]
        if not changed:
            return False
        connection.execute(_WRITE, _columns(job_id, by, changed))
        _count(connection, by.tenant, job_id, items, [s for s in items if not before.get(s)], 1)
        return True

    return db.run(work)


def take_back(db: Database, job_id: UUID, by: By, seqs: Sequence[int]) -> int:
    """Remove one reviewer's reviews of these items, all or none; an admin may remove anybody's.

    Returns:
        How many there were; taking back again what is gone changes nothing.

    Raises:
        NotFound: no such job, or an item has not been worked on yet.
        Gone: the results have expired.
        Forbidden: one was given with another key that is valid still.
    """

    def work(connection: sa.Connection) -> int:
        _head(connection, by.tenant, job_id)
        items = _lock_items(connection, job_id, seqs)
        before = _before(connection, job_id, seqs)
        found = {seq: given[by.reviewer] for seq, given in before.items() if by.reviewer in given}
        if not found:
            return 0
        if not by.is_admin:
            for row in found.values():
                _check_owner(row, by)
        connection.execute(_REMOVE, {"id": job_id, "seqs": list(found), "reviewer": by.reviewer})
        _count(connection, by.tenant, job_id, items, [seq for seq in found if len(before[seq]) == 1], -1)
        return len(found)

    return db.run(work)


Row = sa.Row[tuple[Any, ...]]


def _head(connection: sa.Connection, tenant: str, job_id: UUID) -> Row:
    """Return the job if its items can be reviewed."""
    head = connection.execute(_HEAD, {"id": job_id, "tenant": tenant}).one_or_none()
    if head is None:
        raise NotFound("There is no job with this id.")
    if head.gone:
        raise Gone()
    return head


def _check_values(catalogue: Catalogue, head: Row, given: Sequence[Review], loc: str) -> None:
    """Refuse what the model could not have said."""
    package = catalogue.find(head.model_name, head.model_version)
    if package is None:
        raise UnknownModel("The model of this job is not installed here, so its labels are not known.")
    wrong = list(_wrong(given, frozenset(package.labels), loc))
    if wrong:
        raise InvalidRequest(errors=wrong[:100])


def _wrong(given: Sequence[Review], labels: frozenset[str], where: str) -> Iterator[FieldError]:
    """Yield what is wrong with each."""
    seen: set[int] = set()
    for n, one in enumerate(given):
        loc = where.format(n=n)
        if one.seq in seen:
            yield {"loc": f"{loc}.seq", "msg": "stands twice in the list"}
        seen.add(one.seq)
        if one.value is not None and one.value not in labels:
            yield {"loc": f"{loc}.value", "msg": "is no label of the job's model"}
        if (one.value is None) == (one.reason is None):
            msg = f"goes with `value: null`, and only with it: {', '.join(NO_VALUE)}"
            yield {"loc": f"{loc}.reason", "msg": msg}


def _lock_items(connection: sa.Connection, job_id: UUID, seqs: Sequence[int]) -> dict[int, Row]:
    """Hold the items until the end of the transaction, in the order of `seq`.

    Raises:
        NotFound: one has not been worked on yet, or there is none.
    """
    rows = connection.execute(_LOCK, {"id": job_id, "seqs": sorted(seqs)}).all()
    if len(rows) < len(seqs):
        found = {row.seq for row in rows}
        missing = next(seq for seq in seqs if seq not in found)
        raise NotFound(f"There is no finished item with the number {missing}.")
    return {row.seq: row for row in rows}


def _before(connection: sa.Connection, job_id: UUID, seqs: Sequence[int]) -> dict[int, dict[str, Row]]:
    """Return the reviews that these items have, by item and reviewer."""
    found: dict[int, dict[str, Row]] = {}
    for row in connection.execute(_BEFORE, {"id": job_id, "seqs": seqs}):
        found.setdefault(row.seq, {})[row.reviewer] = row
    return found


def _check_items(
    items: dict[int, Row], before: dict[int, dict[str, Row]], by: By, given: Sequence[Review]
) -> None:
    """Refuse items of which there is nothing to see, and a crowd of reviewers."""
    for one in given:
        item = items[one.seq]
        is_seen = item.status == ItemStatus.FAILED and item.error_code in SHOWABLE
        if item.status != ItemStatus.SUCCEEDED and not is_seen:
            raise NotReviewable(f"There is nothing to see of item {one.seq}: it is {item.status}.")
        reviewers = before.get(one.seq, {})
        if by.reviewer not in reviewers and len(reviewers) >= MOST_REVIEWERS:
            raise NotReviewable(f"Item {one.seq} has {MOST_REVIEWERS} reviews already; more are not kept.")


def _changes(found: Row | None, one: Review, by: By) -> bool:
    """Tell whether a review says something new."""
    if found is None:
        return True
    _check_owner(found, by)
    return bool((found.value, found.reason, found.by_admin) != (one.value, one.reason, by.is_admin))


def _check_owner(found: Row, by: By) -> None:
    """Keep one key from speaking for another; a key that is not valid any more has no say."""
    if found.key_is_valid and found.key_id != by.key_id:
        raise Forbidden("This reviewer's review of the item was given with another API key.")


def _columns(job_id: UUID, by: By, given: Sequence[Review]) -> dict[str, Any]:
    """Lay reviews out for `unnest`."""
    return {
        "id": job_id,
        "tenant": by.tenant,
        "reviewer": by.reviewer,
        "key": by.key_id,
        "admin": by.is_admin,
        "seqs": [one.seq for one in given],
        "values": [one.value for one in given],
        "reasons": [one.reason for one in given],
    }


def _count(
    connection: sa.Connection,
    tenant: str,
    job_id: UUID,
    items: dict[int, Row],
    seqs: Sequence[int],
    sign: int,
) -> None:
    """Change the job's counters and, with them, its version; these items were or are now without any review."""
    values = {
        "id": job_id,
        "tenant": tenant,
        "reviewed": sign * len(seqs),
        "done": sign * sum(items[seq].decision == Decision.REVIEW for seq in seqs),
    }
    if connection.execute(_COUNT, values).rowcount != 1:
        raise Gone()


_LIVING = f"""deleted_at IS NULL AND purged_at IS NULL
    AND (results_expire_at > clock_timestamp() + {MARGIN_S} * interval '1 second') IS NOT FALSE"""
_HEAD = sa.text(
    f"""SELECT model_name, model_version, NOT ({_LIVING}) AS gone FROM jobs
    WHERE id = :id AND tenant = :tenant AND deleted_at IS NULL"""
)
_SEQS = array_of("seqs", sa.Integer())
_LOCK = sa.text(
    """SELECT seq, status, error_code, decision FROM items WHERE job_id = :id AND seq = ANY (:seqs)
    ORDER BY seq FOR NO KEY UPDATE"""
).bindparams(_SEQS)
_BEFORE = sa.text(
    """SELECT r.seq, r.reviewer, r.value, r.reason, r.by_admin, r.key_id, EXISTS (SELECT FROM api_keys k
            WHERE k.id = r.key_id AND k.revoked_at IS NULL AND (k.expires_at > clock_timestamp()) IS NOT FALSE)
        AS key_is_valid
    FROM reviews r WHERE r.job_id = :id AND r.seq = ANY (:seqs) AND r.field = ''"""
).bindparams(_SEQS)
_WRITE = sa.text(
    """INSERT INTO reviews (job_id, seq, reviewer, tenant, value, reason, by_admin, key_id)
    SELECT :id, g.seq, :reviewer, :tenant, g.value, g.reason, :admin, :key
    FROM unnest(:seqs, :values, :reasons) AS g (seq, value, reason)
    ON CONFLICT (job_id, seq, field, reviewer) DO UPDATE SET value = excluded.value, reason = excluded.reason,
        by_admin = excluded.by_admin, key_id = excluded.key_id, created_at = clock_timestamp()"""
).bindparams(
    _SEQS, array_of("values", sa.Text()), array_of("reasons", sa.Text()), sa.bindparam("key", type_=pg.UUID())
)
_REMOVE = sa.text(
    "DELETE FROM reviews WHERE job_id = :id AND seq = ANY (:seqs) AND field = '' AND reviewer = :reviewer"
).bindparams(_SEQS)
_COUNT = sa.text(
    f"""UPDATE jobs SET reviewed = reviewed + :reviewed, review_done = review_done + :done
    WHERE id = :id AND tenant = :tenant AND {_LIVING}"""
)
