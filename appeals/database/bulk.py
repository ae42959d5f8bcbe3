"""Upserts, and reading and writing rows in bulk."""

from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Executable, LargeBinary, String, Table, cast, select, type_coerce
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from appeals.database.declarative import Base
from appeals.database.locks import AdvisoryLock, acquire_lock


def insert_if_absent(connection: Connection, table: type[Base], values: dict[str, object]) -> bool:
    """Insert a row unless one with the same key exists. Returns whether it was inserted.

    The caller must hold a lock to the end of the transaction: two transactions that insert the same rows in different
    orders would deadlock.
    """
    acquire_lock(connection, AdvisoryLock.LISTING)
    return insert_ignore(connection, table, values)


def insert_ignore(connection: Connection, table: type[Base], values: dict[str, object]) -> bool:
    """Insert a row unless one with the same key exists. Returns whether it was inserted.

    Waits for a transaction that is inserting the same key, so that the row can be read afterwards.
    """
    return bool(insert_ignore_all(connection, table, [values], next(iter(table.__table__.primary_key))))


def insert_ignore_all(
    connection: Connection, table: type[Base], rows: list[dict[str, object]], told_by: object
) -> set[object]:
    """Insert those of some rows whose key does not exist. Returns the values of column `told_by` of the inserted ones.

    Waits for transactions that are inserting the same keys, so that their rows can be read afterwards.
    """
    # RETURNING is reliable; the row count is -1 with some drivers.
    return set(connection.execute(_insert_ignore(connection.dialect.name, table, told_by), rows).scalars())


@cache
def _insert_ignore(dialect: str, table: type[Base], told_by: object) -> Executable:
    insert: Any = (sqlite if dialect == "sqlite" else postgresql).insert(table.__table__)
    ignoring: Executable = insert.on_conflict_do_nothing().returning(told_by)
    return ignoring


def dump_rows(session: Session, table: Table, condition: ColumnElement[bool]) -> list[list[Any]]:
    """Return the rows of a table as the database spells them: as texts, except its numbers; bytes as UTF-8."""
    connection = session.connection()
    embedded = connection.dialect.name == "sqlite"
    parts: list[ColumnElement[Any]] = []
    for column in table.columns:
        as_bytes = isinstance(column.type, LargeBinary)
        parts.append(column if as_bytes else type_coerce(column, String) if embedded else cast(column, String))
    rows = connection.execute(select(*parts).where(condition).order_by(*table.primary_key))
    return [[value.decode() if isinstance(value, bytes) else value for value in row] for row in rows]


def bulk_insert(session: Session, table: Table, rows: list[list[Any]]) -> None:
    """Write rows that are spelled as by `dump_rows`, as fast as the database can."""
    if not rows:
        return
    connection = session.connection()
    for place, column in enumerate(table.columns):
        if isinstance(column.type, LargeBinary):
            for row in rows:
                row[place] = row[place].encode()
    driver: Any = connection.connection.driver_connection
    named = ", ".join(f'"{column.name}"' for column in table.columns)
    if connection.dialect.name == "sqlite":
        marks = ", ".join("?" for _ in table.columns)
        statement = f'INSERT INTO "{table.name}" ({named}) VALUES ({marks})'  # noqa: S608 - names of our own schema
        driver.executemany(statement, rows)
        return
    with driver.cursor() as cursor, cursor.copy(f'COPY "{table.name}" ({named}) FROM STDIN') as copy:
        for row in rows:
            copy.write_row(row)


def upsert_add(
    session: Session, table: type[Base], column: str, rows: list[dict[str, object]]
) -> list[dict[str, object]]:
    """Insert rows, or add to the number of an existing one with the same key.

    Returns the keys with their new numbers.
    """
    if not rows:
        return []
    dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    insert, stored = dialect.insert(table.__table__), table.__table__.c[column]
    key = list(table.__table__.primary_key)
    adding = insert.on_conflict_do_update(index_elements=key, set_={column: stored + insert.excluded[column]})
    return [dict(row) for row in session.execute(adding.returning(*key, stored), rows).mappings()]
