"""What the reviews of an item come to, in SQL, so that every reader counts the same."""

from __future__ import annotations

AGREED = "count(DISTINCT coalesce('=' || r.value, '')) = 1"
"""All reviewers of a group of reviews gave the same value; none is a value too."""
DISAGREED = f"NOT ({AGREED} OR bool_or(r.by_admin))"
"""They did not, and nobody with scope `admin` has decided."""
FINAL = f"""CASE WHEN {AGREED} THEN min(r.value)
    ELSE (array_agg(r.value ORDER BY r.created_at DESC, r.reviewer) FILTER (WHERE r.by_admin))[1] END"""
"""The value that holds unless they disagree: the common one, else the latest of an admin."""
LISTED = """jsonb_agg(jsonb_build_object('reviewer', r.reviewer, 'field', nullif(r.field, ''), 'value', r.value,
    'reason', r.reason, 'admin', r.by_admin, 'reviewed_at',
    to_char(r.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')) ORDER BY r.created_at, r.reviewer)"""
"""The reviews as clients see them, oldest first."""
TOLD = f"{LISTED} AS reviews, {FINAL} AS final, {DISAGREED} AS disagreed"
"""The three columns that a reader of items adds, grouped by item."""
