"""The database: one engine, reading and writing transactions, column types, and all that differs by dialect."""

import errno
import json
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from decimal import Decimal
from enum import IntEnum
from functools import lru_cache
from pathlib import Path
from shutil import disk_usage
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

import uuid_utils
import uuid_utils.compat
from sqlalchemy import (
    JSON,
    URL,
    BigInteger,
    ColumnElement,
    DateTime,
    Dialect,
    Engine,
    Executable,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    ScalarSelect,
    String,
    Table,
    TableValuedAlias,
    Text,
    Uuid,
    and_,
    bindparam,
    cast,
    column,
    create_engine,
    event,
    func,
    inspect,
    literal_column,
    make_url,
    or_,
    select,
    table,
    text,
    true,
    type_coerce,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import DeclarativeBase, InstrumentedAttribute, Session, aliased
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine

TRIES = 3  # of a transaction that was rolled back only because another and it waited for each other
STATEMENTS_KEPT = 200  # of each connection, ready to be run again
STATEMENTS_BUILT = 60  # that a database object keeps
PAGES_EACH_KB = 500  # by each connection to SQLite; the system has them all once more, and hands them over quickly
READS_AT_ONCE = 40  # as many as the thread pool has threads: a request never waits for a SQLite connection
NOT_FOR_WRITERS = 4  # connections to PostgreSQL: one writes the access log, three are kept for those who read
FEWEST_CONNECTIONS = NOT_FOR_WRITERS + 1
CONNECTS_WITHIN_S = 5  # a server that does not answer: nobody waits longer for it
ANSWERS_WITHIN_MS = 15_000  # what was sent to a server and is not so much as received
LEAST_ROOM = 65_536  # bytes; with less, SQLite cannot so much as open a log
LOG_EVERY_S = 60
WORTH_TELLING_S = 0.25  # the database is told of another patience only where it differs by more
log = logging.getLogger("appeals")


class Unavailable(Exception):
    """The database cannot do it now; the same call may be tried again. The parent of all that keeps it from that.

    Unavailable
    ├── Busy            others did not give way in time; nothing was changed
    │   └── Entangled   two transactions waited for each other; this one may be run again at once
    ├── Unreachable     away, restarting or read-only; what was being committed may be committed all the same
    └── Full            no room is left; nothing was changed
    """


class Busy(Unavailable):
    """The database did not give way in time; nothing was changed, and the same call may be tried again."""


class Entangled(Busy):
    """Two transactions waited for each other; this one was rolled back, and may be run again at once."""


class Unreachable(Unavailable):
    """The database is away, restarting or read-only. What was being committed may be committed all the same."""


class Full(Unavailable):
    """The database has no room left; nothing was changed."""


class Moment(TypeDecorator[datetime]):
    """An instant, aware and in UTC on both databases."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError("a moment without a time zone")
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Exact(TypeDecorator[Decimal]):
    """A decimal number, kept digit by digit on both databases."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> str | None:
        return None if value is None else f"{value:f}"

    def process_result_value(self, value: str | None, dialect: Dialect) -> Decimal | None:
        return None if value is None else Decimal(value)


Document = JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")


RowNumber = BigInteger().with_variant(Integer(), "sqlite")
"""A key of up to 63 bits, by which the rows lie."""


class Lexemes(TypeDecorator[Iterable[str]]):
    """The words of a document, as they come: a text with spaces about each, or a `tsvector`.

    Of ASCII a word holds small letters and digits alone. So nothing has to be escaped, and neither database cuts it.
    """

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(postgresql.TSVECTOR() if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: Iterable[str] | None, dialect: Dialect) -> str | None:
        if value is None:
            return None
        return " ".join(map(_in_tsvector, value)) if dialect.name == "postgresql" else f" {' '.join(value)} "

    def process_result_value(self, value: str | None, dialect: Dialect) -> list[str] | None:
        return None if value is None else value.replace("'", "").split()


def _in_tsvector(word: str) -> str:
    return f"'{word}'"


class Base(DeclarativeBase):
    """The parent of every table; constraints are named, so that migrations can speak of them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {
        datetime: Moment,
        Decimal: Exact,
        dict[str, Any]: Document,
        list[str]: Document,
        list[dict[str, Any]]: Document,
    }


Serial = BigInteger().with_variant(Integer, "sqlite")
"""A number that the database counts up; where no row is ever deleted, never the same twice."""


LIES_BY_KEY = {"sqlite_with_rowid": False}
"""Arguments of a table of which the primary key holds all there is: it is not kept twice."""


def refers_to(column: str) -> ForeignKey:
    """A reference that is checked when the transaction ends: within it, rows may be written in any order."""
    return ForeignKey(column, deferrable=True, initially="DEFERRED")


def unique_among(name: str, *columns: str, condition: str) -> Index:
    """A unique index over the rows of a table for which a condition holds, in SQL that both databases speak."""
    where = text(condition)
    return Index(name, *columns, unique=True, sqlite_where=where, postgresql_where=where)


def index_among(name: str, *columns: str, condition: str) -> Index:
    """An index over the rows of a table for which a condition holds, in SQL that both databases speak."""
    where = text(condition)
    return Index(name, *columns, sqlite_where=where, postgresql_where=where)


class this_transaction(ColumnElement[int]):  # noqa: N801 - reads as the SQL function it is
    """The number of the transaction that runs: those that begin later have a higher one.

    Where there is one writer at a time it is 0, as they commit in the order of what they write.
    """

    type = BigInteger()
    inherit_cache = True


class settled_below(ColumnElement[int]):  # noqa: N801
    """Below this number every transaction has ended: what they wrote is seen, or will never be."""

    type = BigInteger()
    inherit_cache = True


class next_transaction(ColumnElement[int]):  # noqa: N801
    """The number that no transaction has had yet: what carries it or a higher one was numbered elsewhere."""

    type = BigInteger()
    inherit_cache = True


class follows(FunctionElement[bool]):  # noqa: N801
    """That a place (a transaction, a number in it) comes after another: of four columns or values, two and two.

    It says nothing of its type: as a boolean, SQLite would be given `… = 1`, for which it looks in no index.
    """

    inherit_cache = True


class is_settled(FunctionElement[bool]):  # noqa: N801
    """That a transaction has ended, and every one before it."""

    inherit_cache = True


def _parts(element: FunctionElement[Any], compiler: SQLCompiler, given: dict[str, Any]) -> list[str]:
    return [compiler.process(part, **given) for part in element.clauses]


@compiles(follows, "postgresql")
def _follows(element: follows, compiler: SQLCompiler, **given: Any) -> str:
    transaction, number, after, after_number = _parts(element, compiler, given)
    return f"(({transaction}, {number}) > ({after}, {after_number}))"


@compiles(is_settled, "postgresql")
def _is_settled(element: is_settled, compiler: SQLCompiler, **given: Any) -> str:
    (transaction,) = _parts(element, compiler, given)
    return f"({transaction} < {compiler.process(settled_below(), **given)})"


# Where all transactions have one number, places differ by the numbers in them alone: said so, SQLite finds a place in
# the index of both; a pair it would look for from the beginning.


@compiles(follows, "sqlite")
def _follows_by_number(element: follows, compiler: SQLCompiler, **given: Any) -> str:
    transaction, number, after, after_number = _parts(element, compiler, given)
    return f"({transaction} = {after} AND {number} > {after_number})"


@compiles(is_settled, "sqlite")
def _has_ended(_: object, __: object, **___: object) -> str:
    return "(0 = 0)"


@compiles(this_transaction, "postgresql")
def _this_transaction(_: object, __: object, **___: object) -> str:
    return "pg_current_xact_id()::text::bigint"


@compiles(settled_below, "postgresql")
def _settled_below(_: object, __: object, **___: object) -> str:
    return "pg_snapshot_xmin(pg_current_snapshot())::text::bigint"


@compiles(next_transaction, "postgresql")
def _next_transaction(_: object, __: object, **___: object) -> str:
    return "pg_snapshot_xmax(pg_current_snapshot())::text::bigint"


@compiles(this_transaction, "sqlite")
def _one_writer(_: object, __: object, **___: object) -> str:
    return "0"


@compiles(next_transaction, "sqlite")
@compiles(settled_below, "sqlite")
def _all_is_settled(_: object, __: object, **___: object) -> str:
    return "1"


def new_id() -> UUID:
    """A UUID of version 7: ordered by time within one process, and no count of anything."""
    return uuid_utils.compat.uuid7()


def new_id_spelled() -> str:
    """The 32 digits of a new id, where so many are made that the object counts."""
    return uuid_utils.uuid7().hex


Statement = TypeVar("Statement", bound=Executable)


class StatementCache:
    """The statements built last. It lives as long as its database, so that no rule outlives the service it held in."""

    def __init__(self) -> None:
        self._built = lru_cache(maxsize=STATEMENTS_BUILT)(lambda build, *arguments: build(*arguments))

    def get(self, build: Callable[..., Statement], *arguments: Any) -> Statement:
        """`build(*arguments)`, built once; whatever else the statement depends on must not change."""
        statement: Statement = self._built(build, *arguments)
        return statement

    def clear(self) -> None:
        """Build every statement again."""
        self._built.cache_clear()


_STATEMENTS = "the statement cache of the database of this session"


def statement_cache(session: Session) -> StatementCache:
    """The statement cache of the database of this session."""
    cache: StatementCache = session.info[_STATEMENTS]
    return cache


class Database:
    """One engine. `reading()` sees a single snapshot; `writing()` commits as a whole or not at all."""

    def __init__(self, url: str, *, pool_size: int = 10, lock_timeout_s: float = 10.0) -> None:
        self.embedded = make_url(url).get_backend_name() == "sqlite"
        self.lock_timeout_s = lock_timeout_s
        self.failed_at: dict[type[Unavailable], float] = {}
        self.engine = self._sqlite(url) if self.embedded else self._postgresql(url, pool_size)
        self.writes_at_once = 1 if self.embedded else max(1, pool_size - NOT_FOR_WRITERS)
        self.statements = StatementCache()
        self._info = {_STATEMENTS: self.statements}

    def _sqlite(self, url: str) -> Engine:
        engine = create_engine(
            url,
            pool_size=READS_AT_ONCE,
            max_overflow=0,
            pool_use_lifo=True,  # the connection used last has the statements and pages at hand
            hide_parameters=True,  # what was sent stands in no log line and no error
            connect_args={"check_same_thread": False, "cached_statements": STATEMENTS_KEPT},
        )

        usual_s = self.lock_timeout_s

        @event.listens_for(engine, "do_connect")
        def make_private(_dialect: object, _record: object, arguments: list[Any], _named: object) -> None:
            make_private_file(arguments[0])

        @event.listens_for(engine, "connect")
        def prepare(connection: Any, _: object) -> None:
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

        @event.listens_for(engine, "begin")
        def begin(connection: Any) -> None:
            # A deferred transaction that writes later fails at once when another has written meanwhile.
            options = connection.get_execution_options()
            patience_s = options.get("patience_s", self.lock_timeout_s)
            told_s = connection.info.get("told_s", usual_s)
            if options.get("writing", False) and abs(told_s - patience_s) > WORTH_TELLING_S:
                connection.exec_driver_sql(f"PRAGMA busy_timeout={int(patience_s * 1000)}")
                connection.info["told_s"] = patience_s
            connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get("writing", False) else "BEGIN")

        return engine

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
            connect_args={**_patience_with_the_line(make_url(url)), "options": options},
        )

        @event.listens_for(engine, "connect")
        def prepare(connection: Any, _: object) -> None:
            connection.prepared_max = STATEMENTS_KEPT

        @event.listens_for(engine, "checkin")
        def leave_it_to_the_server(connection: Any, _: object) -> None:
            # After a reading SQLAlchemy has the next transaction say READ WRITE, on a server that is read-only, too.
            if connection is not None and not connection.closed and connection.read_only is False:
                connection.read_only = None

        @event.listens_for(engine, "begin")
        def begin(connection: Any) -> None:
            patience_s = connection.get_execution_options().get("patience_s")
            connection.info["waits_until"] = None if patience_s is None else time.monotonic() + patience_s
            connection.info["told_s"] = usual_s
            lose_patience(connection)
            if connection.get_execution_options().get("resting", False):
                connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")

        @event.listens_for(engine, "after_cursor_execute")
        def lose_patience(connection: Any, *_: object) -> None:
            # The server waits so long for each lock; the transaction waits so long for all of them.
            waits_until, told_s = connection.info.get("waits_until"), connection.info.get("told_s")
            if waits_until is None:
                return
            left_s = waits_until - time.monotonic()
            if told_s - left_s > WORTH_TELLING_S:
                connection.info["told_s"] = left_s
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = {max(1, int(left_s * 1000))}")  # 0: without end

        return engine

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """One snapshot: whatever is read inside belongs together. Nothing is written. Raises: Unavailable."""
        options = {} if self.embedded else {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        bind = self.engine.execution_options(**options)
        with self._telling(), Session(bind, info=self._info) as session:
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
        with self._telling(), session, session.begin():
            yield session

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Have every failure of the database told as what it is. Raises: Unavailable."""
        try:
            yield
        except (SQLAlchemyError, OSError) as error:
            failure = failure_of(error)
            if failure is None:
                raise
            if isinstance(failure, Unreachable) and not self._has_room():
                failure = Full()  # SQLite names the write that failed, not always why
            self._note(failure, error)
            raise failure from error

    def _has_room(self) -> bool:
        """Whether the disk of an embedded database has any left; of another that cannot be seen from here."""
        return self.file is None or disk_usage(self.file.parent).free >= LEAST_ROOM

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

    def ready(self) -> bool:
        """True when the database answers and its schema is the one this code was written for."""
        try:
            return self.has_schema()
        except Unavailable:
            return False


def _patience_with_the_line(url: URL) -> dict[str, int]:
    """How long a server that is not there is waited for, where the URL does not say it."""
    usual = {
        "connect_timeout": CONNECTS_WITHIN_S,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": ANSWERS_WITHIN_MS,
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


STATES: dict[str, type[Unavailable]] = {
    "40P01": Entangled,  # deadlock
    "40001": Entangled,  # serialization
    "55P03": Busy,  # a lock that was not to be had
    "53100": Full,  # disk full
    "25006": Unreachable,  # read-only
    "25P03": Unreachable,  # ended while it rested
    "25P04": Unreachable,  # ended since it took long
    "42501": Unreachable,  # our user may not: the grants are those of another release, or were taken away
    "08": Unreachable,  # connection
    "28": Unreachable,  # who we are
    "3D": Unreachable,  # no such database
    "53": Unreachable,  # connections, memory
    "57": Unreachable,  # stopped by an operator
    "58": Unreachable,  # the system below
    "XX": Unreachable,  # damaged
}
"""What a server's error means, by its code or by the class of that: PostgreSQL, appendix A."""
CODES: dict[int, type[Unavailable]] = {
    sqlite3.SQLITE_BUSY: Busy,
    sqlite3.SQLITE_LOCKED: Busy,
    sqlite3.SQLITE_PROTOCOL: Busy,
    sqlite3.SQLITE_FULL: Full,
    sqlite3.SQLITE_IOERR: Unreachable,
    sqlite3.SQLITE_CANTOPEN: Unreachable,
    sqlite3.SQLITE_PERM: Unreachable,
    sqlite3.SQLITE_READONLY: Unreachable,
    sqlite3.SQLITE_CORRUPT: Unreachable,
    sqlite3.SQLITE_NOTADB: Unreachable,
    sqlite3.SQLITE_NOMEM: Unreachable,
}
"""The same of SQLite, by the primary code."""
NO_ROOM = {errno.ENOSPC, errno.EDQUOT}


def failure_of(error: Exception) -> Unavailable | None:
    """What keeps the database from its work, if an error tells that; None where the mistake is the statement's."""
    if isinstance(error, PoolTimeoutError):
        return Busy()
    if isinstance(error, OSError):
        return Full() if error.errno in NO_ROOM else None
    if not isinstance(error, DBAPIError):
        return None
    if isinstance(error.orig, sqlite3.Error):
        kind = CODES.get(getattr(error.orig, "sqlite_errorcode", 0) & 0xFF)
        return kind() if kind else None
    state = getattr(error.orig, "sqlstate", None)
    if state is None:  # the server has not said it: the line is down
        return Unreachable() if isinstance(error, OperationalError | InterfaceError) else None
    kind = STATES.get(state) or STATES.get(state[:2])
    return kind() if kind else None


def failure_code(error: Exception) -> str:
    """What the database calls a failure, without its message."""
    cause = getattr(error, "orig", error)
    code = getattr(cause, "sqlstate", None) or getattr(cause, "sqlite_errorname", None)
    return f"{type(cause).__name__} {code or ''}".strip()


def insert_if_absent(session: Session, table: type[Base], values: dict[str, Any]) -> bool:
    """Insert a row unless one with the same key stands already; True if it was inserted.

    Whoever adds such rows does so alone until the end of the transaction: two that add the same rows, each in an
    order of its own, would wait for each other for ever.
    """
    take_turn(session, Turn.LISTING)
    return claim_row(session, table, values)


class Turn(IntEnum):
    """What one transaction at a time may do; the numbers are the same in every process."""

    LISTING = 20_260_101
    COUNTING = 20_260_102
    FOLDING = 20_260_103
    MIGRATING = 20_260_104


def take_turn(session: Session, turn: Turn) -> None:
    """Wait until no other transaction has this turn, and keep it to the end of one's own.

    What others wrote in theirs is seen afterwards. A transaction that takes both turns takes LISTING first. SQLite has
    one writer at a time anyway.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(turn)))


def take_turns(session: Session, keys: list[int]) -> None:
    """Wait until no other transaction has a turn of these keys, and keep them to the end of one's own."""
    if session.get_bind().dialect.name == "postgresql":
        ordered = select(func.unnest(cast(keys, postgresql.ARRAY(BigInteger))).label("key")).order_by("key").subquery()
        session.execute(select(func.pg_advisory_xact_lock(ordered.c.key)))


def claim_row(session: Session, table: type[Base], values: dict[str, Any]) -> bool:
    """Insert a row unless one with the same key stands already; True if it was inserted.

    Waits for a transaction that is inserting the same key, so that afterwards the row can be read.
    """
    return bool(claim_rows(session, table, [values], next(iter(table.__table__.primary_key))))


def claim_rows(session: Session, table: type[Base], rows: list[dict[str, Any]], told_by: Any) -> set[Any]:
    """Insert those of some rows of which no key stands already; what the column `told_by` holds in those inserted.

    Waits for transactions that are inserting the same keys, so that afterwards their rows can be read.
    """
    dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    insert = dialect.insert(table.__table__).on_conflict_do_nothing()
    # RETURNING tells for certain; the count of rows is -1 with some drivers.
    return set(session.connection().execute(insert.returning(told_by), rows).scalars())


class Numbers(TypeDecorator[list[int]]):
    """A list of numbers as a parameter: an array, or JSON."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        array = postgresql.ARRAY(BigInteger) if dialect.name == "postgresql" else Text()
        return dialect.type_descriptor(array)

    def process_bind_param(self, value: list[int] | None, dialect: Dialect) -> Any:
        return value if value is None or dialect.name == "postgresql" else json.dumps(value)


class Ids(TypeDecorator[list[UUID]]):
    """A list of ids as a result: an array, or JSON."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        array = postgresql.ARRAY(Uuid()) if dialect.name == "postgresql" else Text()
        return dialect.type_descriptor(array)

    def process_result_value(self, value: Any, dialect: Dialect) -> list[UUID]:
        return [UUID(number) for number in json.loads(value)] if isinstance(value, str) else value or []


class members(FunctionElement[Any]):  # noqa: N801
    """The rows of a list of numbers."""

    inherit_cache = True


class collected(FunctionElement[list[UUID]]):  # noqa: N801
    """The ids of some rows, in one list."""

    type = Ids()
    inherit_cache = True


@compiles(members, "postgresql")
def _unnest(element: members, compiler: SQLCompiler, **given: Any) -> str:
    return f"unnest({', '.join(_parts(element, compiler, given))})"


@compiles(members, "sqlite")
def _json_each(element: members, compiler: SQLCompiler, **given: Any) -> str:
    return f"json_each({', '.join(_parts(element, compiler, given))})"


@compiles(collected, "postgresql")
def _array_agg(element: collected, compiler: SQLCompiler, **given: Any) -> str:
    return f"array_agg({', '.join(_parts(element, compiler, given))})"


@compiles(collected, "sqlite")
def _json_group_array(element: collected, compiler: SQLCompiler, **given: Any) -> str:
    return f"json_group_array({', '.join(_parts(element, compiler, given))})"


def each_of(name: str) -> TableValuedAlias:
    """The numbers of the parameter of this name as a table with the column `value`."""
    return members(bindparam(name, type_=Numbers())).table_valued("value", name="value")


def all_of(ids: ColumnElement[UUID]) -> ScalarSelect[list[UUID]]:
    """The ids of a subquery in one list, in no order."""
    return select(collected(ids)).scalar_subquery()


Wanted = list[list[str]]
"""Lexemes that a document must hold: one of each inner list. `abc*` stands for all that begin with `abc`."""


class Found(NamedTuple):
    """The documents that an index finds: their table, a condition, and the key to order them by.

    Ordered by this key, from the highest down, no more is read than a page takes.
    """

    document: Any
    condition: ColumnElement[bool]
    place: ColumnElement[int]


_SEARCH_INDEX = table("search_index", column("rowid", Integer))


def find_words(session: Session, document: Any, wanted: Wanted, *, before: int | None) -> Found:
    """The documents that hold what is wanted in `words`, by the full-text index; with a `place` below `before`.

    FTS5 yields its hits from the highest place down, one at a time. PostgreSQL plans for the very words: rare ones are
    looked up, and for frequent ones the documents are gone through. They are put in order before anything is joined
    to them; the limit, which is none, cannot be known when it plans, and so it plans for their first tenth.
    """
    if session.get_bind().dialect.name == "sqlite":
        asked = " AND ".join(f"({' OR '.join(map(_in_fts5, group))})" for group in wanted)
        matching: ColumnElement[bool] = literal_column("search_index").op("MATCH", is_comparison=True)(asked)
        return Found(document, and_(matching, document.place == _SEARCH_INDEX.c.rowid), _SEARCH_INDEX.c.rowid)
    session.execute(text("SET LOCAL plan_cache_mode = force_custom_plan"))
    hits = select(document).where(hold_words(session, document.words, wanted))
    if before is not None:
        hits = hits.where(document.place < before)
    found = aliased(
        document, hits.order_by(document.place.desc()).limit(literal_column("(SELECT NULL::bigint)")).subquery()
    )
    return Found(found, true(), found.place)


def hold_words(session: Session, words: InstrumentedAttribute[Any], wanted: Wanted) -> ColumnElement[bool]:
    """That a document holds what is wanted, seen from its row."""
    if session.get_bind().dialect.name == "sqlite":
        return and_(*(or_(*(func.instr(words, _in_text(word)) > 0 for word in group)) for group in wanted))
    asked = " & ".join(f"({' | '.join(map(_in_tsquery, group))})" for group in wanted)
    return words.op("@@", is_comparison=True)(bindparam(None, asked, postgresql.TSQUERY))


def _in_fts5(word: str) -> str:
    return f'"{word[:-1]}"*' if word.endswith("*") else f'"{word}"'


def _in_text(word: str) -> str:
    return f" {word[:-1]}" if word.endswith("*") else f" {word} "


def _in_tsquery(word: str) -> str:
    return f"'{word[:-1]}':*" if word.endswith("*") else f"'{word}'"


def rows_as_spelled(session: Session, table: Table, condition: ColumnElement[bool]) -> list[list[Any]]:
    """Rows of a table as the database spells them: texts, but for numbers where it has them; bytes as UTF-8."""
    connection = session.connection()
    embedded = connection.dialect.name == "sqlite"
    parts: list[ColumnElement[Any]] = []
    for found in table.columns:
        as_bytes = isinstance(found.type, LargeBinary)
        parts.append(found if as_bytes else type_coerce(found, String) if embedded else cast(found, String))
    rows = connection.execute(select(*parts).where(condition).order_by(*table.primary_key))
    return [[value.decode() if isinstance(value, bytes) else value for value in row] for row in rows]


def append_rows(session: Session, table: Table, rows: list[list[Any]]) -> None:
    """Write rows that are spelled as `rows_as_spelled` gives them, as fast as the database takes them."""
    if not rows:
        return
    connection = session.connection()
    for place, found in enumerate(table.columns):
        if isinstance(found.type, LargeBinary):
            for row in rows:
                row[place] = row[place].encode()
    driver: Any = connection.connection.driver_connection
    named = ", ".join(f'"{found.name}"' for found in table.columns)
    if connection.dialect.name == "sqlite":
        marks = ", ".join("?" for _ in table.columns)
        statement = f'INSERT INTO "{table.name}" ({named}) VALUES ({marks})'  # noqa: S608 - names of our own schema
        driver.executemany(statement, rows)
        return
    with driver.cursor() as cursor, cursor.copy(f'COPY "{table.name}" ({named}) FROM STDIN') as copy:
        for row in rows:
            copy.write_row(row)


def add_up(session: Session, table: type[Base], column: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Insert rows; where one with the same key stands, add to its number. Their keys and numbers as they then stand."""
    if not rows:
        return []
    dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    insert, stored = dialect.insert(table.__table__), table.__table__.c[column]
    key = list(table.__table__.primary_key)
    adding = insert.on_conflict_do_update(index_elements=key, set_={column: stored + insert.excluded[column]})
    return [dict(row) for row in session.execute(adding.returning(*key, stored), rows).mappings()]


MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"


def head_revision() -> str:
    """The newest revision under `migrations/`, by its file name (`0001_….py`)."""
    return max(path.name for path in (MIGRATIONS / "versions").glob("*.py")).split("_")[0]
