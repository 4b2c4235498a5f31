"""Connections to Postgres: one engine a process, short transactions, and what may be tried again."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import psycopg
import sqlalchemy as sa
from sqlalchemy import pool
from sqlalchemy.exc import DBAPIError, DisconnectionError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from shared.errors import StorageFull, Unavailable

Role = Literal["api", "worker", "steward", "tool"]
T = TypeVar("T")

# lock, statement and idle-in-transaction timeouts in milliseconds
_TIMEOUTS: dict[Role, tuple[int, int, int]] = {
    "api": (5_000, 20_000, 10_000),
    "worker": (5_000, 30_000, 10_000),
    "steward": (2_000, 60_000, 10_000),
    "tool": (5_000, 60_000, 60_000),
}
_RETRIED = {"40P01", "40001", "55P03"}  # deadlock, serialization failure, lock not available
_FULL = "53100"
_READ_ONLY = "25006"
_PASSING = {"08", "53", "57", "58"}  # connection, resources, operator, system: the classes of outages
_TRIES = 6
REST_S = 1.0


@dataclass(frozen=True, slots=True)
class Connections:
    """How many connections a process holds, and how many it may hold."""

    in_use: int
    idle: int
    limit: int


class Database:
    """The one door to Postgres of a process.

    Args:
        sqlalchemy_url: address with the driver in it.
        role: which process this is; sets its timeouts and its `application_name`.
        pool_size: most connections held at once; a worker has two.
        quick: every statement is a transaction of its own, and its commit does not wait for the disk; only for work
            of one statement on which nothing acknowledged rests.
        prepared: statements that come again are prepared; not behind a PgBouncer that knows no prepared statements.
    """

    def __init__(
        self,
        sqlalchemy_url: str,
        role: Role,
        pool_size: int = 2,
        *,
        quick: bool = False,
        prepared: bool = False,
    ) -> None:
        lock, statement, idle = _TIMEOUTS[role]
        options = (
            f"-c lock_timeout={lock} -c statement_timeout={statement}"
            f" -c idle_in_transaction_session_timeout={idle} -c timezone=UTC"
            f"{' -c synchronous_commit=off' if quick else ''}"
        )
        self.engine = sa.create_engine(
            sqlalchemy_url,
            poolclass=pool.QueuePool,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=10,
            # a client must not pay for a restart; a worker just takes its next ticket
            pool_pre_ping=role == "api" and not quick,
            pool_use_lifo=True,
            **({"isolation_level": "AUTOCOMMIT"} if quick else {}),
            connect_args={
                "options": options,
                "application_name": f"inkqueue-{role}",
                "connect_timeout": 3,
                "keepalives_idle": 5,
                "keepalives_interval": 2,
                "keepalives_count": 3,
                "tcp_user_timeout": 15_000,
                "prepare_threshold": 2 if prepared else None,
            },
        )
        if quick:
            _ping_after_rest(self.engine)

        self._single = self.engine.execution_options(isolation_level="AUTOCOMMIT")

    @contextmanager
    def statement(self) -> Iterator[sa.Connection]:
        """Lend a connection on which each statement is a transaction of its own; spares BEGIN and COMMIT.

        Raises:
            Unavailable: the database cannot be reached.
            StorageFull: it has no room left.
        """
        try:
            with self._single.connect() as connection:
                yield connection
        except (DBAPIError, PoolTimeout) as error:
            raise translated(error) from error

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """Open one short transaction; it commits when the block ends.

        Raises:
            Unavailable: the database cannot be reached.
            StorageFull: it has no room left.
        """
        try:
            with self.engine.begin() as connection:
                yield connection
        except (DBAPIError, PoolTimeout) as error:
            raise translated(error) from error

    def run(self, work: Callable[[sa.Connection], T], *, single: bool = False) -> T:
        """Run `work` in one transaction; begin again after a deadlock or a lock that did not come.

        Only for work that may be repeated as a whole: a transaction that failed has left nothing.

        Args:
            single: the work is one statement, which is a transaction by itself.
        """
        for attempt in range(_TRIES):
            try:
                with self._single.connect() if single else self.engine.begin() as connection:
                    return work(connection)
            except DBAPIError as error:
                if sqlstate(error) not in _RETRIED or attempt == _TRIES - 1:
                    raise translated(error) from error
                time.sleep(random.uniform(0.005, 0.02) * 2**attempt)
            except PoolTimeout as error:
                raise translated(error) from error
        raise AssertionError("unreachable")

    def connections(self) -> Connections:
        """Count the connections of this process; asks nobody."""
        held = self.engine.pool
        assert isinstance(held, pool.QueuePool)
        return Connections(held.checkedout(), held.checkedin(), held.size())

    def close(self) -> None:
        """Give every connection back."""
        self.engine.dispose()


def _ping_after_rest(engine: sa.Engine) -> None:
    """Ask a connection whether it lives only when it has rested for a second; asking each time costs a round trip."""

    @sa.event.listens_for(engine, "checkin")
    def rest(connection: object, record: pool.ConnectionPoolEntry) -> None:
        record.info["rested_at"] = time.monotonic()

    @sa.event.listens_for(engine, "checkout")
    def ask(connection: Any, record: pool.ConnectionPoolEntry, proxy: object) -> None:
        if time.monotonic() - record.info.get("rested_at", 0.0) < REST_S:
            return
        try:
            connection.execute("SELECT 1")
        except psycopg.Error as error:
            raise DisconnectionError() from error


def sqlstate(error: DBAPIError) -> str | None:
    """Return Postgres' five-letter code of an error, if it has one."""
    return getattr(error.orig, "sqlstate", None)


def translated(error: Exception) -> Exception:
    """Turn an outage into `Unavailable`, a full disk into `StorageFull`; leave defects as they are."""
    if isinstance(error, PoolTimeout):
        return Unavailable("The database is too busy at the moment.")
    if not isinstance(error, DBAPIError):
        return error
    state = sqlstate(error) or ""
    if state == _FULL:
        return StorageFull("The database has no room left.")
    lost = isinstance(error, (OperationalError, InterfaceError)) or error.connection_invalidated
    if state == _READ_ONLY:
        return Unavailable("The database takes no changes at the moment.")
    if lost or state[:2] in _PASSING or state in _RETRIED:
        return Unavailable("The database cannot be reached at the moment.")
    return error


def raw_cursor(connection: sa.Connection) -> psycopg.Cursor[tuple[Any, ...]]:
    """Return a psycopg cursor inside the transaction of `connection`, for COPY."""
    driver = connection.connection.driver_connection
    if not isinstance(driver, psycopg.Connection):
        raise TypeError("COPY needs psycopg 3")
    return driver.cursor()
