"""Read a database's schema back, in PostgreSQL's own words, so that two databases can be compared."""

from __future__ import annotations

import re

import psycopg

_OURS = "n.nspname = 'public' AND c.relname <> 'alembic_version' AND c.relname NOT LIKE 'items\\_%'"

_COLUMNS = f"""
SELECT c.relname || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
    || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END
    || CASE a.attidentity WHEN 'a' THEN ' IDENTITY ALWAYS' WHEN 'd' THEN ' IDENTITY' ELSE '' END
    || coalesce(' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid), '')
FROM pg_attribute a
JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p')
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attnum > 0 AND NOT a.attisdropped AND {_OURS}
"""

_CONSTRAINTS = f"""
SELECT c.relname || ' ' || CASE k.contype WHEN 'c' THEN k.conname ELSE k.contype::text END || ' '
    || pg_get_constraintdef(k.oid)
FROM pg_constraint k
JOIN pg_class c ON c.oid = k.conrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE k.contype IN ('p', 'u', 'f', 'c') AND {_OURS}
"""

_INDEXES = f"""
SELECT pg_get_indexdef(i.indexrelid)
FROM pg_index i
JOIN pg_class c ON c.oid = i.indrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid) AND {_OURS}
"""

_FUNCTIONS = """
SELECT pg_get_functiondef(p.oid) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname = 'public'
"""

_TRIGGERS = f"""
SELECT pg_get_triggerdef(t.oid) FROM pg_trigger t
JOIN pg_class c ON c.oid = t.tgrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT t.tgisinternal AND {_OURS}
"""

_SHAPE = (_COLUMNS, _CONSTRAINTS, _INDEXES)
_QUOTED_NUMBER = re.compile(r"DEFAULT '(-?\d+)'::[a-z ]+")  # SQLAlchemy quotes what a person would not
_BEHAVIOUR = (_FUNCTIONS, _TRIGGERS)


def shape(database_url: str) -> list[str]:
    """Return columns, constraints and indexes, sorted; partitions and Alembic's own table left out."""
    return _read(database_url, _SHAPE)


def everything(database_url: str) -> list[str]:
    """Return the shape with functions and triggers."""
    return _read(database_url, _SHAPE + _BEHAVIOUR)


def relations(database_url: str) -> list[str]:
    """Return the names of all that stands in the public schema: tables, partitions, indexes, sequences."""
    return _read(
        database_url,
        (
            "SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE n.nspname = 'public' AND relname NOT LIKE 'alembic%'",
        ),
    )


def _read(database_url: str, queries: tuple[str, ...]) -> list[str]:
    with psycopg.connect(database_url) as connection:
        rows = [str(row[0]) for query in queries for row in connection.execute(query.encode())]
    return sorted(_QUOTED_NUMBER.sub(r"DEFAULT \1", text) for text in rows)
