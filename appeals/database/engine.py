"""The engine of a database: reading and writing transactions, and what differs by dialect in them."""

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

MAX_TRIES = 3  # of a transaction that was rolled back only because another and it waited for each other
DRIVER_STATEMENTS_CACHED = 200  # of each connection, ready to be run again
PAGES_EACH_KB = 500  # by each connection to SQLite; the system has them all once more, and hands them over quickly
SQLITE_POOL_SIZE = 40  # as many as the thread pool has threads: a request never waits for a SQLite connection
RESERVED_CONNECTIONS = 4  # connections to PostgreSQL: one writes the access log, three are kept for those who read
MIN_CONNECTIONS = RESERVED_CONNECTIONS + 1
CONNECT_TIMEOUT_S = 5  # a server that does not answer: nobody waits longer for it
TCP_TIMEOUT_MS = 15_000  # what was sent to a server and is not so much as received
MIN_FREE_BYTES = 65_536  # bytes; with less, SQLite cannot so much as open a log
LOG_EVERY_S = 60
TIMEOUT_TOLERANCE_S = 0.25  # the database is told of another patience only where it differs by more
log = logging.getLogger("appeals")


class _PsycopgConnection(Protocol):
    """What is set of a connection of the driver, which an embedded database does without."""

    prepared_max: int
    closed: bool
    read_only: bool | None


class Database:
    """One engine. `reading()` sees a single snapshot; `writing()` commits as a whole or not at all."""

    def __init__(self, url: str, *, pool_size: int = 10, lock_timeout_s: float = 10.0) -> None:
        self.embedded = make_url(url).get_backend_name() == "sqlite"
        self.lock_timeout_s = lock_timeout_s
        self.failed_at: dict[type[Unavailable], float] = {}
        self.engine = self._sqlite(url) if self.embedded else self._postgresql(url, pool_size)
        self.writes_at_once = 1 if self.embedded else max(1, pool_size - RESERVED_CONNECTIONS)
        self.statements = StatementCache()
        self.network = VersionedCache()
        """What is known of the network, by its version: see `accounts/network.py`."""
        self._info = {_STATEMENTS: self.statements}

    def _sqlite(self, url: str) -> Engine:
        engine = create_engine(
            url,
            pool_size=SQLITE_POOL_SIZE,
            max_overflow=0,
            pool_use_lifo=True,  # the connection used last has the statements and pages at hand
            hide_parameters=True,  # what was sent stands in no log line and no error
            connect_args={"check_same_thread": False, "cached_statements": DRIVER_STATEMENTS_CACHED},
        )

        usual_s = self.lock_timeout_s

        @event.listens_for(engine, "do_connect")
        def make_private(_dialect: object, _record: object, arguments: list[str], _named: object) -> None:
            make_private_file(arguments[0])

        @event.listens_for(engine, "connect")
        def prepare(connection: sqlite3.Connection, _: object) -> None:
            connection.isolation_level = None  # BEGIN is ours to say, see below
            for pragma in (
                "journal_mode=WAL",
                "synchronous=FULL",
                "foreign_keys=ON",
                "recursive_triggers=ON",  # a row that is replaced is deleted, and its triggers say so
                f"cache_size=-{PAGES_EACH_KB}",
                f"busy_timeout={int(self.lock_timeout_s * 1000)}",
            ):
                connection.execute(f"PRAGMA {pragma}")

        event.listen(engine, "begin", partial(self._begin_on_sqlite, usual_s))
        return engine

    def _begin_on_sqlite(self, usual_s: float, connection: Connection) -> None:
        """A deferred transaction that writes later would fail at once when another has written meanwhile."""
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
        """One snapshot: whatever is read inside belongs together. Nothing is written. Raises: Unavailable."""
        options = {} if self.embedded else {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        bind = self.engine.execution_options(**options)
        with self._translating_failures(), Session(bind, info=self._info) as session:
            yield session

    @contextmanager
    def writing(self, *, patience_s: float | None = None, resting: bool = False) -> Iterator[Session]:
        """One transaction, committed when the block ends, rolled back when it raises. Raises: Unavailable.

        SQLite has one writer at a time. On PostgreSQL rows are locked by those who read them `FOR UPDATE`. What is
        added is sent to the database together, by `flush` or at the end. `patience_s` is how long it waits for others
        in all, instead of the usual time for each lock. One that is `resting` asks nothing of the database for a long
        time, and is not ended for it.
        """
        patience = {} if patience_s is None else {"patience_s": patience_s}
        bind = self.engine.execution_options(writing=True, resting=resting, **patience)
        session = Session(bind, expire_on_commit=False, autoflush=False, info=self._info)
        with self._translating_failures(), session, session.begin():
            yield session

    @contextmanager
    def transaction(self, *, patience_s: float | None = None) -> Iterator[Connection]:
        """A connection in a transaction that writes, rolled back unless the block commits it. Raises: Unavailable.

        For `patience_s` see `writing`.
        """
        patience = {} if patience_s is None else {"patience_s": patience_s}
        with self._translating_failures(), self.engine.connect() as connection:
            connection.execution_options(writing=True, **patience)
            connection.begin()
            yield connection

    def session_on(self, connection: Connection) -> Session:
        """A session within the transaction of a connection, which it neither commits nor ends."""
        return Session(connection, expire_on_commit=False, autoflush=False, info=self._info)

    def clear_caches(self) -> None:
        """Forget what was built for it and read from it: another database is served now."""
        self.statements.clear()
        self.network.clear()

    @contextmanager
    def _translating_failures(self) -> Iterator[None]:
        """Have every failure of the database told as what it is. Raises: Unavailable."""
        try:
            yield
        except (SQLAlchemyError, OSError) as error:
            failure = failure_from(error)
            if failure is None:
                raise
            if isinstance(failure, Unreachable) and not self._has_room():
                failure = Full()  # SQLite names the write that failed, not always why
            self._note(failure, error)
            raise failure from error

    def _has_room(self) -> bool:
        """Whether the disk of an embedded database has any left; of another that cannot be seen from here."""
        return self.file is None or disk_usage(self.file.parent).free >= MIN_FREE_BYTES

    def _note(self, failure: Unavailable, error: Exception) -> None:
        """Write it into the log, once a minute each kind: never the message, which could hold what was sent."""
        if isinstance(failure, Busy):
            return
        kind, now = type(failure), time.monotonic()
        if now - self.failed_at.get(kind, -LOG_EVERY_S) >= LOG_EVERY_S:
            log.error("the database fails: %s, %s", kind.__name__, failure_code(error))
        self.failed_at[kind] = now

    @property
    def file(self) -> Path | None:
        """The file of an embedded database; None for one in memory and for a server."""
        name = (self.engine.url.database or ":memory:").removeprefix("file:")
        return Path(name) if self.embedded and name != ":memory:" else None

    def has_schema(self) -> bool:
        """True when the schema is the one this code was written for. Raises: Unavailable."""
        with self.reading() as session:
            if not inspect(session.connection()).has_table("alembic_version"):
                return False
            return bool(session.scalar(text("SELECT version_num FROM alembic_version")) == head_revision())

    def is_ready(self) -> bool:
        """True when the database answers and its schema is the one this code was written for."""
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
    """The server waits so long for each lock; the transaction waits so long for all of them."""
    waits_until, told_s = connection.info.get("waits_until"), connection.info.get("told_s")
    if waits_until is None:
        return
    left_s = waits_until - time.monotonic()
    if told_s - left_s > TIMEOUT_TOLERANCE_S:
        connection.info["told_s"] = left_s
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {max(1, int(left_s * 1000))}")  # 0: without end


def _leave_it_to_the_server(connection: _PsycopgConnection | None, _: object) -> None:
    # After a reading SQLAlchemy has the next transaction say READ WRITE, on a server that is read-only, too.
    if connection is not None and not connection.closed and connection.read_only is False:
        connection.read_only = None


def _tcp_timeouts(url: URL) -> dict[str, int]:
    """How long a server that is not there is waited for, where the URL does not say it."""
    usual = {
        "connect_timeout": CONNECT_TIMEOUT_S,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": TCP_TIMEOUT_MS,
    }
    return {name: value for name, value in usual.items() if name not in url.query}


def make_private_file(name: str) -> None:
    """Make a database file that is not there yet so that others on this machine cannot read it.

    SQLite gives the files of its log, beside it, the same mode. Where it cannot be made, SQLite says why. One that is
    there is not so much as opened: closing it would end the locks that this process holds on it.
    """
    if not name.startswith((":memory:", "file:")):
        with suppress(OSError):
            os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
