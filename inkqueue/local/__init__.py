"""The embedded stack: a real PostgreSQL, a real Redis and every process of inkqueue on one machine."""
