"""Alembic's migrations: the only way that the schema changes."""
