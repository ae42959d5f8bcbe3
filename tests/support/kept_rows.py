"""Puts the rows of a database on PostgreSQL back as they were, which costs a tenth of copying its files once more.

Its connections stay as they are, too: a new one has to learn the whole schema and to plan each statement anew.
"""

from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

TABLES = """
SELECT table_name, array_agg(column_name::text) FROM information_schema.columns JOIN information_schema.tables
USING (table_schema, table_name) WHERE table_schema = 'public' AND table_type = 'BASE TABLE' AND is_generated = 'NEVER'
GROUP BY table_name ORDER BY table_name
"""
COUNTERS = "SELECT schemaname, sequencename, last_value FROM pg_sequences"
SCHEMA = """
SELECT (SELECT max(xmin::text::bigint) FROM pg_class), (SELECT max(xmin::text::bigint) FROM pg_attribute),
(SELECT max(xmin::text::bigint) FROM pg_trigger), (SELECT max(xmin::text::bigint) FROM pg_proc)
"""
"""The transactions that last changed the schema, its rights and its triggers: the same as long as nobody did."""
CONNECTED = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""


@dataclass(frozen=True)
class KeptRows:
    """All rows of a database, table by table, and where its counters stand."""

    rows: dict[str, bytes]
    counters: dict[tuple[str, str], int | None]


class Rewound:
    """A database that is used by one test after the other. `url` is that of its owner, who has to be a superuser."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True, options="-c lock_timeout=2000")
        self._columns: dict[str, list[str]] = dict(self._connection.execute(TABLES).fetchall())
        self._schema = self._connection.execute(SCHEMA).fetchone()
        self.times = 0

    def rows(self) -> KeptRows:
        """All that is in it now."""
        with self._connection.transaction(), self._connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            rows = {}
            for table in self._columns:
                with cursor.copy(self._copy(table, "TO STDOUT")) as copy:
                    rows[table] = b"".join(map(bytes, copy))
            counters = {(schema, name): value for schema, name, value in cursor.execute(COUNTERS).fetchall()}
        return KeptRows({table: content for table, content in rows.items() if content}, counters)

    def is_as_made(self, connections: int | None) -> bool:
        """Whether nobody changed its schema, and nobody is connected but the service with so many connections."""
        try:
            connected = self._connection.execute(CONNECTED).fetchone()
            return connected == (connections,) and self._connection.execute(SCHEMA).fetchone() == self._schema
        except psycopg.Error:  # a test may have ended every connection, or the server
            return False

    def put_back(self, kept: KeptRows) -> None:
        """Let it hold these rows and no others."""
        self.times += 1
        with self._connection.transaction(), self._connection.cursor() as cursor:
            counters = [
                sql.SQL("SELECT setval({}, {}, {})").format(
                    sql.Literal(sql.Identifier(*name).as_string(cursor)), value or 1, value is not None
                )
                for name, value in kept.counters.items()
            ]
            deletions = [sql.SQL("DELETE FROM {}").format(sql.Identifier(table)) for table in self._written(cursor)]
            # Neither triggers nor foreign keys have a say.
            statements = [sql.SQL("SET LOCAL session_replication_role = replica"), *deletions, *counters]
            cursor.execute(sql.SQL("; ").join(statements))
            for table, content in kept.rows.items():
                with cursor.copy(self._copy(table, "FROM STDIN")) as copy:
                    copy.write(content)

    def _written(self, cursor: psycopg.Cursor[tuple[Any, ...]]) -> list[str]:
        """The tables that were ever written to."""
        sizes = cursor.execute(
            "SELECT relname FROM pg_class WHERE relname = ANY(%s) AND relkind = 'r' AND pg_relation_size(oid) > 0",
            [list(self._columns)],
        )
        return [name for (name,) in sizes.fetchall()]

    def _copy(self, table: str, where: str) -> sql.Composed:
        columns = sql.SQL(", ").join(map(sql.Identifier, self._columns[table]))
        return sql.SQL("COPY {} ({}) {}").format(sql.Identifier(table), columns, sql.SQL(where))

    def close(self) -> None:
        """Hang up."""
        self._connection.close()
