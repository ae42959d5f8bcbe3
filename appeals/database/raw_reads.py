"""Raw reads: the few statements that run all day are sent by the driver itself.

SQLAlchemy writes the SQL once for each statement; the cost of its layers at each run is avoided. Each read is a single
statement, so its result belongs to one snapshot. Nothing is written here. Why this is apart from `database/engine.py`:
docs/decisions/0021-reading.md.
"""

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import thread_time
from typing import Any

import asyncpg
from anyio import to_thread
from sqlalchemy import URL, Dialect
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from appeals.database.engine import CONNECT_TIMEOUT_S, LOG_EVERY_S, Database
from appeals.database.failures import Unavailable
from appeals.database.types import AnySelect

log = logging.getLogger("appeals")
QUERY_TIMEOUT_S = 10
RECONNECT_AFTER_S = 1
"""Seconds after a failed connection in which only the ordinary way is used, since each attempt may take long."""
PAGES_KEPT_KB = 8_000
"""How much of an embedded database is cached in memory."""
SQLITE_CPU_LIMIT_S, OPERATIONS = 0.05, 10_000
"""An embedded database is read in the event loop, where everybody waits. A statement that takes longer is interrupted
and left to the ordinary way, which has threads. The time is checked after each so many SQLite operations.
"""
SESSION = {
    "timezone": "UTC",
    "default_transaction_read_only": "on",
    "jit": "off",
    "plan_cache_mode": "force_generic_plan",  # planning a statement costs as much as running it
    "max_parallel_workers_per_gather": "0",
}
SUPPORTED_PARAMETERS = {"host", "port", "sslmode", "sslrootcert", "sslcert", "sslkey", "application_name"}
"""The parameters of the database URL that both drivers understand alike."""


FAILURES = (
    sqlite3.Error, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, SQLAlchemyError, OSError,
    TimeoutError, Unavailable,
)  # fmt: skip


class ReadUnavailable(Exception):
    """The statement cannot be sent by the driver now; the ordinary way must answer."""


FetchedRow = tuple[Any, ...]
"""A row from the driver: the columns in the order of the statement."""
Processor = Callable[[Any], Any] | None
_NO_POSITIONS: tuple[Processor, list[int]] = (None, [])


@dataclass(frozen=True)
class CompiledQuery:
    """A statement compiled for the driver: its text, its parameters in order, and the conversions of values.

    The statement itself is stored only if the driver cannot run it.
    """

    statement: AnySelect | None
    text: str
    defaults: tuple[Any, ...]
    positions: Mapping[str, tuple[Processor, list[int]]]
    columns: tuple[Processor, ...]

    def bind(self, given: Mapping[str, object]) -> list[object]:
        """Return the values of the parameters. Those that are not given have the values of the compilation."""
        values = list(self.defaults)
        for name, value in given.items():
            process, places = self.positions.get(name, _NO_POSITIONS)
            put = _process(value, process) if places else None
            for place in places:
                values[place] = put
        return values

    def read(self, rows: Sequence[Sequence[Any]]) -> list[FetchedRow]:
        """Return rows with the values of the columns' types."""
        if not any(self.columns):
            return [tuple(row) for row in rows]
        return [
            tuple(
                process(value) if process and value is not None else value
                for process, value in zip(self.columns, row, strict=True)
            )
            for row in rows
        ]


class RawReader:
    """Runs compiled queries on connections of its own, which it opens at the first read."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._embedded: sqlite3.Connection | None = None
        self._pool: asyncpg.Pool | None = None
        self._opening = asyncio.Lock()
        self._url: URL | None = None
        self._until = 0.0
        self._connects_at = 0.0
        self._logs_at = 0.0

    def compile(self, statement: AnySelect) -> CompiledQuery:
        """Compile a statement."""
        dialect: Dialect = sqlite.dialect() if self._database.embedded else postgresql.asyncpg.dialect()  # type: ignore[no-untyped-call]
        compiled = statement.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
        names, values = compiled.positiontup or [], compiled.params
        types = {name: bind.type for bind, name in compiled.bind_names.items()}
        # The members of a list have its name and a number.
        kinds = (types.get(name, types.get(name.rpartition("_")[0])) for name in names)
        processes = [_bind_processor(kind, dialect) for kind in kinds]
        usual = tuple(_process(values[name], process) for name, process in zip(names, processes, strict=True))
        places: dict[str, tuple[Processor, list[int]]] = {}
        for place, (name, process) in enumerate(zip(names, processes, strict=True)):
            places.setdefault(name, (process, []))[1].append(place)
        columns = (column.type.dialect_impl(dialect) for column in statement.selected_columns)
        reading = tuple(kind.result_processor(dialect, None) for kind in columns)
        query = None if self._is_reachable_by_driver(self._database.engine.url) else statement
        return CompiledQuery(query, str(compiled), usual, places, reading)

    def _is_reachable_by_driver(self, url: URL) -> bool:
        """Return whether the driver itself can connect to the database."""
        if self._database.embedded:
            return bool(url.database) and not str(url.database).startswith((":memory:", "file:"))
        return not set(url.query) - SUPPORTED_PARAMETERS

    async def fetch(self, question: CompiledQuery, **values: Any) -> list[FetchedRow]:
        """Run a query and return its rows. Raises: ReadUnavailable."""
        url = self._database.engine.url
        if url is not self._url:
            await self._open(url)
        try:
            if self._embedded is not None:
                self._until = thread_time() + SQLITE_CPU_LIMIT_S
                return question.read(self._embedded.execute(question.text, question.bind(values)).fetchall())
            if self._pool is not None:
                async with asyncio.timeout(QUERY_TIMEOUT_S):  # includes the wait for a free connection
                    rows = await self._pool.fetch(question.text, *question.bind(values))
                return question.read(rows)
            if question.statement is not None:
                return await to_thread.run_sync(self._fetch_by_session, question.statement, values)
        except FAILURES as error:
            self._log_failure("ask", error)
            raise ReadUnavailable from error
        raise ReadUnavailable  # no connection

    def _fetch_by_session(self, statement: AnySelect, values: Mapping[str, Any]) -> list[FetchedRow]:
        """Run a query with SQLAlchemy, if the driver cannot connect to the database."""
        with self._database.reading() as session:
            return [tuple(row) for row in session.execute(statement, values)]

    def _log_failure(self, what: str, error: Exception) -> None:
        """Log a failure once a minute, because long polls read ten times a second."""
        if time.monotonic() >= self._logs_at:
            self._logs_at = time.monotonic() + LOG_EVERY_S
            log.warning("a raw read could not %s: %s", what, type(error).__name__)

    async def close(self) -> None:
        """Close the connections."""
        if self._embedded is not None:
            self._embedded.close()
        if self._pool is not None:
            self._pool.terminate()
        self._embedded = self._pool = self._url = None

    async def _open(self, url: URL) -> None:
        async with self._opening:
            if url is self._url or time.monotonic() < self._connects_at:
                return
            await self.close()
            try:
                if self._is_reachable_by_driver(url) and self._database.embedded:
                    self._embedded = sqlite3.connect(str(url.database), isolation_level=None, check_same_thread=False)
                    self._embedded.execute("PRAGMA query_only=ON")
                    self._embedded.execute(f"PRAGMA cache_size=-{PAGES_KEPT_KB}")
                    self._embedded.set_progress_handler(lambda: thread_time() > self._until, OPERATIONS)
                elif self._is_reachable_by_driver(url):
                    self._pool = await _pool(url)
            except (*FAILURES, ValueError) as error:
                self._connects_at = time.monotonic() + RECONNECT_AFTER_S
                self._log_failure("connect", error)
                return
            self._url = url


async def _pool(url: URL) -> asyncpg.Pool:
    dsn = url.set(drivername="postgresql").render_as_string(hide_password=False)
    return await asyncpg.create_pool(
        dsn,
        min_size=1,
        max_size=4,
        reset=_no_reset,
        server_settings=SESSION,
        timeout=CONNECT_TIMEOUT_S,
    )


def _process(value: object, process: Processor) -> object:
    return process(value) if process and value is not None else value


def _bind_processor(kind: Any, dialect: Dialect) -> Processor:
    return kind.dialect_impl(dialect).bind_processor(dialect) if kind is not None else None


async def _no_reset(_: object) -> None:
    """Skip the reset of a connection, since no query leaves anything behind."""
