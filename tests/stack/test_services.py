"""The embedded servers are what the product needs."""

from __future__ import annotations

import psycopg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from inkqueue.local.postgres import SETTINGS
from tests.services import Services


def test_postgres_is_18_and_durable_by_default(services: Services) -> None:
    """The embedded server has uuidv7() and waits for the disk before it says yes."""
    with psycopg.connect(services.postgres.url("postgres")) as connection:
        row = connection.execute("SELECT current_setting('server_version_num')::int, uuidv7()").fetchone()
    assert row is not None
    assert row[0] >= 180000
    assert (SETTINGS["fsync"], SETTINGS["synchronous_commit"]) == ("on", "on")


def test_each_test_has_its_own_database(db_url: str, services: Services) -> None:
    """A row of one test never shows in another."""
    with services.database() as other, psycopg.connect(db_url) as ours, psycopg.connect(other) as theirs:
        ours.execute("CREATE TABLE mark (id int)")
        ours.commit()
        found = theirs.execute("SELECT to_regclass('mark')").fetchone()
    assert found == (None,)


def test_redis_asks_for_the_password(services: Services) -> None:
    """A local user without the password gets nothing, and no key is ever evicted."""
    with redis.Redis.from_url(services.empty_redis()) as client:
        assert client.info("memory")["maxmemory_policy"] == "noeviction"
    stranger = redis.Redis("127.0.0.1", services.redis.port, retry=Retry(NoBackoff(), 0))
    with stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()
