"""The engine of a database: reading and writing transactions, with the differences between the dialects."""

import logging
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from shutil import disk_usage
from typing import Protocol

from sqlalchemy import (
    URL,
    Connection,
    Engine,
    create_engine,
    event,
    inspect,
    make_url,
    text,
)
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from appeals.database.failures import Busy, Full, Unavailable, Unreachable, failure_code, failure_from
from appeals.database.schema_version import head_revision
from appeals.database.statement_cache import _STATEMENTS, StatementCache
from appeals.database.versioned_cache import VersionedCache

MAX_TRIES = 3  # of a transaction that was rolled back by a deadlock
DRIVER_STATEMENTS_CACHED = 200  # prepared statements of each connection
PAGES_EACH_KB = 500  # cache of each SQLite connection; the system's cache holds the whole file anyway
SQLITE_POOL_SIZE = 40  # as many as the thread pool has threads, so that no request waits for one
RESERVED_CONNECTIONS = 4  # on PostgreSQL: one for the access log, three for reads
MIN_CONNECTIONS = RESERVED_CONNECTIONS + 1
CONNECT_TIMEOUT_S = 5  # for a server that does not answer
TCP_TIMEOUT_MS = 15_000  # for data that the server does not acknowledge
MIN_FREE_BYTES = 65_536  # with less, SQLite cannot open its log
LOG_EVERY_S = 60
TIMEOUT_TOLERANCE_S = 0.25  # a smaller difference from the usual timeout is not sent to the database
log = logging.getLogger("appeals")


class _PsycopgConnection(Protocol):
    """The attributes of a psycopg connection that the engine sets."""

    prepared_max: int
    closed: bool
    read_only: bool | None


class Database:
    """A database with its engine. `reading()` sees one snapshot; `writing()` commits as a whole or not at all."""

    def __init__(self, url: str, *, pool_size: int = 10, lock_timeout_s: float = 10.0) -> None:
        self.embedded = make_url(url).get_backend_name() == "sqlite"
        self.lock_timeout_s = lock_timeout_s
        self.failed_at: dict[type[Unavailable], float] = {}
        self.engine = self._sqlite(url) if self.embedded else self._postgresql(url, pool_size)
        self.writes_at_once = 1 if self.embedded else max(1, pool_size - RESERVED_CONNECTIONS)
        self.statements = StatementCache()
        self.network = VersionedCache()
        """The cached rows of the network by its version, see `accounts/network.py`."""
        self._info = {_STATEMENTS: self.statements}

    def _sqlite(self, url: str) -> Engine:
        engine = create_engine(
            url,
            pool_size=SQLITE_POOL_SIZE,
            max_overflow=0,
            pool_use_lifo=True,  # the last used connection has its statements and pages cached
            hide_parameters=True,  # no parameters in log lines and errors
            connect_args={"check_same_thread": False, "cached_statements": DRIVER_STATEMENTS_CACHED},
        )

        usual_s = self.lock_timeout_s

        @event.listens_for(engine, "do_connect")
        def make_private(_dialect: object, _record: object, arguments: list[str], _named: object) -> None:
            make_private_file(arguments[0])

        @event.listens_for(engine, "connect")
        def prepare(connection: sqlite3.Connection, _: object) -> None:
            connection.isolation_level = None  # the engine sends BEGIN itself, see below
            for pragma in (
                "journal_mode=WAL",
                "synchronous=FULL",
                "foreign_keys=ON",
                "recursive_triggers=ON",  # the delete triggers also fire for replaced rows
                f"cache_size=-{PAGES_EACH_KB}",
                f"busy_timeout={int(self.lock_timeout_s * 1000)}",
            ):
                connection.execute(f"PRAGMA {pragma}")

        event.listen(engine, "begin", partial(self._begin_on_sqlite, usual_s))
        return engine

    def _begin_on_sqlite(self, usual_s: float, connection: Connection) -> None:
        """Begin with a write lock. A deferred transaction fails at its first write if another has written meanwhile."""
        options = connection.get_execution_options()
        patience_s = options.get("patience_s", self.lock_timeout_s)
        told_s = connection.info.get("told_s", usual_s)
        if options.get("writing", False) and abs(told_s - patience_s) > TIMEOUT_TOLERANCE_S:
            connection.exec_driver_sql(f"PRAGMA busy_timeout={int(patience_s * 1000)}")
            connection.info["told_s"] = patience_s
        connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get("writing", False) else "BEGIN")

    def _postgresql(self, url: str, pool_size: int) -> Engine:
        usual_s = self.lock_timeout_s
        options = f"-c timezone=UTC -c lock_timeout={int(usual_s * 1000)} -c idle_in_transaction_session_timeout=30000"
        engine = create_engine(
            make_url(url).set(drivername="postgresql+psycopg"),
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=usual_s,
            pool_use_lifo=True,
            pool_pre_ping=True,
            hide_parameters=True,
            connect_args={**_tcp_timeouts(make_url(url)), "options": options},
        )

        event.listen(engine, "connect", _cache_statements)
        event.listen(engine, "checkin", _leave_it_to_the_server)
        event.listen(engine, "begin", partial(_begin_on_postgresql, usual_s))
        event.listen(engine, "after_cursor_execute", _lose_patience)
        return engine

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Open one snapshot, in which nothing is written. Raises: Unavailable."""
        options = {} if self.embedded else {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        bind = self.engine.execution_options(**options)
        with self._translating_failures(), Session(bind, info=self._info) as session:
            yield session

    @contextmanager
    def writing(self, *, patience_s: float | None = None, resting: bool = False) -> Iterator[Session]:
        """Open a transaction that commits when the block ends, and rolls back if it raises. Raises: Unavailable.

        SQLite has one writer at a time. On PostgreSQL, reads `FOR UPDATE` lock rows. New rows are sent together, by
        `flush` or at the end. `patience_s` is the time that it may wait for others in total, in place of the usual time
        for each lock. A `resting` transaction may be idle for long without being ended by the server.
        """
        patience = {} if patience_s is None else {"patience_s": patience_s}
        bind = self.engine.execution_options(writing=True, resting=resting, **patience)
        session = Session(bind, expire_on_commit=False, autoflush=False, info=self._info)
        with self._translating_failures(), session, session.begin():
            yield session

    @contextmanager
    def transaction(self, *, patience_s: float | None = None) -> Iterator[Connection]:
        """Open a connection in a write transaction, rolled back unless the block commits it. Raises: Unavailable.

        For `patience_s` see `writing`.
        """
        patience = {} if patience_s is None else {"patience_s": patience_s}
        with self._translating_failures(), self.engine.connect() as connection:
            connection.execution_options(writing=True, **patience)
            connection.begin()
            yield connection

    def session_on(self, connection: Connection) -> Session:
        """Return a session in the transaction of a connection, which it neither commits nor ends."""
        return Session(connection, expire_on_commit=False, autoflush=False, info=self._info)

    def clear_caches(self) -> None:
        """Clear the caches of statements and rows, when another database is served."""
        self.statements.clear()
        self.network.clear()

    @contextmanager
    def _translating_failures(self) -> Iterator[None]:
        """Raise every failure of the database as one of `failures`. Raises: Unavailable."""
        try:
            yield
        except (SQLAlchemyError, OSError) as error:
            failure = failure_from(error)
            if failure is None:
                raise
            if isinstance(failure, Unreachable) and not self._has_room():
                failure = Full()  # SQLite reports the write that failed, but not always the reason
            self._note(failure, error)
            raise failure from error

    def _has_room(self) -> bool:
        """Return whether the disk of an embedded database has free space; always true for a server."""
        return self.file is None or disk_usage(self.file.parent).free >= MIN_FREE_BYTES

    def _note(self, failure: Unavailable, error: Exception) -> None:
        """Log a failure, each kind once a minute, without its message, which could contain parameters."""
        if isinstance(failure, Busy):
            return
        kind, now = type(failure), time.monotonic()
        if now - self.failed_at.get(kind, -LOG_EVERY_S) >= LOG_EVERY_S:
            log.error("the database fails: %s, %s", kind.__name__, failure_code(error))
        self.failed_at[kind] = now

    @property
    def file(self) -> Path | None:
        """The file of an embedded database; None for one in memory or on a server."""
        name = (self.engine.url.database or ":memory:").removeprefix("file:")
        return Path(name) if self.embedded and name != ":memory:" else None

    def has_schema(self) -> bool:
        """Return whether the database has the schema of this release. Raises: Unavailable."""
        with self.reading() as session:
            if not inspect(session.connection()).has_table("alembic_version"):
                return False
            return bool(session.scalar(text("SELECT version_num FROM alembic_version")) == head_revision())

    def is_ready(self) -> bool:
        """Return whether the database answers and has the schema of this release."""
        try:
            return self.has_schema()
        except Unavailable:
            return False


def _cache_statements(connection: _PsycopgConnection, _: object) -> None:
    connection.prepared_max = DRIVER_STATEMENTS_CACHED


def _begin_on_postgresql(usual_s: float, connection: Connection) -> None:
    options = connection.get_execution_options()
    patience_s = options.get("patience_s")
    connection.info["waits_until"] = None if patience_s is None else time.monotonic() + patience_s
    connection.info["told_s"] = usual_s
    _lose_patience(connection)
    if options.get("resting", False):
        connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")


def _lose_patience(connection: Connection, *_: object) -> None:
    """Reduce the lock timeout of the server by the time that the transaction has waited already."""
    waits_until, told_s = connection.info.get("waits_until"), connection.info.get("told_s")
    if waits_until is None:
        return
    left_s = waits_until - time.monotonic()
    if told_s - left_s > TIMEOUT_TOLERANCE_S:
        connection.info["told_s"] = left_s
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {max(1, int(left_s * 1000))}")  # 0 means no limit


def _leave_it_to_the_server(connection: _PsycopgConnection | None, _: object) -> None:
    # After a read-only transaction SQLAlchemy would send READ WRITE, even to a server that is read-only.
    if connection is not None and not connection.closed and connection.read_only is False:
        connection.read_only = None


def _tcp_timeouts(url: URL) -> dict[str, int]:
    """Return the TCP timeouts for a server that is unreachable, unless the URL sets them."""
    usual = {
        "connect_timeout": CONNECT_TIMEOUT_S,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": TCP_TIMEOUT_MS,
    }
    return {name: value for name, value in usual.items() if name not in url.query}


def make_private_file(name: str) -> None:
    """Create a missing database file so that others on this machine cannot read it.

    SQLite gives the same mode to its log files. If the file cannot be created, SQLite reports the reason. An existing
    file is not opened: closing it would release the locks of this process on it.
    """
    if not name.startswith((":memory:", "file:")):
        with suppress(OSError):
            os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
