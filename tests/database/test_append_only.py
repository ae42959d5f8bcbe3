"""Records stay: no row is changed, deleted or replaced, on both databases; each table has its line."""

import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import JSON, Connection, Table, TypeDecorator, bindparam, create_engine, insert, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError

from appeals.database import migrations, protection
from appeals.database.append_only import TABLES, Kept
from appeals.database.declarative import Base
from appeals.database.engine import Database
from appeals.database.types import DecimalText

KEPT = {name: rule for name, rule in TABLES.items() if isinstance(rule, Kept)}
REFUSED = r"append only"
PLAIN: dict[str, Any] = {"case.status": "received", "response.grade": "no_response", "team_member.status": "on"}
"""Values that a column has to have, or without which a rule would not be asked."""
BEFORE = {"team_member.status": "proposed"}
"""What a column holds before it becomes something, where it may not be anything."""


def test_every_table_has_its_line_and_every_column_in_it_is_there() -> None:
    assert TABLES.keys() == Base.metadata.tables.keys()
    for name, rule in KEPT.items():
        columns = Base.metadata.tables[name].columns
        assert rule.updates | rule.masks <= set(columns.keys()), name
        assert not rule.updates & {column.name for column in columns if column.primary_key}, name
        ways = [*rule.once, *rule.becomes, *rule.earlier, *rule.changes]
        assert len(ways) == len(set(ways)), f"a column of {name} may change in two ways"


# A database with two rows in every table that is kept


def value(table: Table, column: str, turn: int) -> Any:
    """Something that may stand in a column, another each turn."""
    python = kind_of(table.columns[column].type)
    if f"{table.name}.{column}" in PLAIN and turn < 2:
        return PLAIN[f"{table.name}.{column}"]
    made: dict[type, Any] = {
        str: f"said {turn}",
        int: 1000 + turn,
        bool: turn == 0,
        uuid.UUID: uuid.UUID(int=turn + 1 + 100 * list(table.columns.keys()).index(column)),
        datetime: datetime(2026, 1, 1 + turn, tzinfo=UTC),
        date: date(2026, 1, 1 + turn),
        dict: {"said": turn},
        bytes: bytes([turn]),
        Decimal: Decimal(turn),
    }
    return made[python]


def kind_of(kind: Any) -> type[Any]:
    """What a type holds, in Python."""
    if isinstance(kind, DecimalText):
        return Decimal
    plain = kind.impl if isinstance(kind, TypeDecorator) else kind
    python: Any = dict if isinstance(plain, JSON) else plain.python_type
    return python  # type: ignore[no-any-return]


def row(name: str, turn: int) -> dict[str, Any]:
    """A row of a table: what may be set once is not yet."""
    rule, table = KEPT[name], Base.metadata.tables[name]
    return {
        column.name: None if column.name in rule.once and column.nullable else value(table, column.name, turn)
        for column in table.columns
    }


@pytest.fixture
def rows(empty_url: str) -> Iterator[Connection]:
    """A connection that the service did not make, to a database with such rows; where they lead nobody looks."""
    database = Database(empty_url)
    migrations.migrate(database)
    engine = create_engine(database.engine.url)
    with engine.connect() as connection:
        if not database.embedded:
            connection.execute(text("SET session_replication_role = replica"))
        for name in KEPT:
            for turn in range(2):
                connection.execute(insert(Base.metadata.tables[name]), row(name, turn))
        if not database.embedded:
            connection.execute(text("SET session_replication_role = origin"))
        connection.commit()
        yield connection
    engine.dispose()
    database.engine.dispose()


def is_refused(connection: Connection, statement: Any, values: Any = None) -> bool:
    """Whether a statement is refused since rows are kept; nothing of it stays."""
    try:
        connection.execute(text(statement) if isinstance(statement, str) else statement, values)
    except DBAPIError as error:
        return "append only" in str(error.orig)
    finally:
        connection.rollback()
    return False


def content(connection: Connection, table: Table) -> list[tuple[Any, ...]]:
    """All that a table holds."""
    found = [tuple(found) for found in connection.execute(select(table).order_by(*table.primary_key))]
    connection.rollback()
    return found


def is_embedded(connection: Connection) -> bool:
    """Whether the database is a file."""
    return connection.dialect.name == "sqlite"


def first(table: Table) -> Any:
    """The condition that holds of the first row alone."""
    key = {column.name: value(table, column.name, 0) for column in table.primary_key}
    return [table.columns[name] == said for name, said in key.items()]


def test_no_row_is_deleted(rows: Connection) -> None:
    for name in KEPT:
        table = Base.metadata.tables[name]
        before = content(rows, table)
        assert is_refused(rows, table.delete()), name
        assert is_refused(rows, table.delete().where(*first(table))), name
        if not is_embedded(rows):
            assert is_refused(rows, f'TRUNCATE "{name}" CASCADE'), name
        assert content(rows, table) == before


def test_no_column_is_changed_that_is_not_said_to_change(rows: Connection) -> None:
    for name, rule in KEPT.items():
        table = Base.metadata.tables[name]
        before = content(rows, table)
        asked_apart = {*rule.earlier, *rule.becomes}
        for column in (column for column in table.columns if column.name not in asked_apart):
            changed = table.update().where(*first(table)).values({column.name: value(table, column.name, 7)})
            assert is_refused(rows, changed) is (column.name not in rule.updates), f"{name}.{column.name}"
            if column.nullable and column.name not in rule.updates:
                emptied = table.update().where(*first(table)).values({column.name: None})
                assert is_refused(rows, emptied), f"{name}.{column.name}"
        assert content(rows, table) == before


def test_what_may_be_set_once_is_not_set_again(rows: Connection) -> None:
    for name, rule in KEPT.items():
        table = Base.metadata.tables[name]
        for column in rule.once:
            known = insert(table).values({**row(name, 5), column: value(table, column, 5)})
            for again in (value(table, column, 6), None):
                with_references_left_alone(rows, known)
                changed = update(table).where(table.columns[column] == value(table, column, 5)).values({column: again})
                assert is_refused(rows, changed), f"{name}.{column}"


def with_references_left_alone(connection: Connection, statement: Any) -> None:
    """Run a statement in a transaction that is still to end."""
    if not is_embedded(connection):
        connection.execute(text("SET session_replication_role = replica"))
    connection.execute(statement)
    if not is_embedded(connection):
        connection.execute(text("SET session_replication_role = origin"))


def test_what_becomes_something_becomes_nothing_else_and_does_not_go_back(rows: Connection) -> None:
    for name, rule in KEPT.items():
        table = Base.metadata.tables[name]
        key = [table.columns[part.name] == value(table, part.name, 5) for part in table.primary_key]
        for column, values in rule.becomes.items():
            plain = not values[0] if isinstance(values[0], bool) else value(table, column, 0)
            states = [BEFORE.get(f"{name}.{column}", plain), *values]
            strange = [] if isinstance(states[0], bool) else [value(table, column, 8)]
            for at, state in enumerate(states):
                for other in (*states, *strange):
                    with_references_left_alone(rows, insert(table).values({**row(name, 5), column: state}))
                    refused = is_refused(rows, update(table).where(*key).values({column: other}))
                    assert refused is (other not in states[at:]), f"{name}.{column}: {state} to {other}"


def test_what_comes_earlier_does_not_come_later(rows: Connection) -> None:
    for name, rule in KEPT.items():
        table = Base.metadata.tables[name]
        for column in rule.earlier:
            for day, refused in ((date(2026, 6, 1), True), (None, True), (date(2025, 1, 1), False)):
                changed = update(table).where(*first(table)).values({column: day})
                assert is_refused(rows, changed) is refused, f"{name}.{column}"


def test_no_row_is_replaced_by_another_in_its_key_or_its_place(rows: Connection) -> None:
    """By a connection that did not ask for triggers to hear of it."""
    if not is_embedded(rows):
        pytest.skip("nothing is replaced there but by an update")
    assert rows.execute(text("PRAGMA recursive_triggers")).scalar_one() == 0
    rows.rollback()
    for name, rule in KEPT.items():
        table = Base.metadata.tables[name]
        before = content(rows, table)
        forged = {**row(name, 9), **{column.name: value(table, column.name, 0) for column in table.primary_key}}
        attempts = [insert(table).prefix_with("OR REPLACE").values(forged)]
        for columns in unique_keys(table):
            same = {*columns, *(column.partition(".")[2] for column in PLAIN if column.startswith(f"{name}."))}
            forged = {**row(name, 9), **{column: row(name, 0)[column] for column in same}}
            attempts.append(insert(table).prefix_with("OR REPLACE").values(forged))
        for attempt in attempts:
            assert rule.is_claimed or is_refused(rows, attempt), name
            rows.execute(attempt) if rule.is_claimed else None
            rows.rollback()
        if next(iter(table.primary_key)).type.python_type is not int:
            assert in_its_place(rows, table, rule), name
        assert content(rows, table) == before


def unique_keys(table: Table) -> list[list[str]]:
    """The columns of each unique key but the primary one."""
    return [[column.name for column in key.columns] for key in protection._unique(table)]


def in_its_place(connection: Connection, table: Table, rule: Kept) -> bool:
    """Whether it is refused to put another row where one lies, by its number, or to move one there."""
    forged = {**row(table.name, 9), "rowid": 1}
    names, marks = ", ".join(f'"{name}"' for name in forged), ", ".join(f":{name}" for name in forged)
    columns = {column.name: column.type for column in table.columns}
    spelled = [bindparam(name, type_=columns.get(name)) for name in forged]
    inserting = text(f'INSERT OR REPLACE INTO "{table.name}" ({names}) VALUES ({marks})')  # noqa: S608
    moving = f'UPDATE OR REPLACE "{table.name}" SET rowid = 1 WHERE rowid = 2'  # noqa: S608
    return (rule.is_claimed or is_refused(connection, inserting.bindparams(*spelled), forged)) and is_refused(
        connection, moving
    )


def test_a_second_row_is_passed_over_where_rows_are_claimed(rows: Connection) -> None:
    for name, rule in KEPT.items():
        table = Base.metadata.tables[name]
        if rule.is_claimed and is_embedded(rows):
            before = content(rows, table)
            rows.execute(insert(table).prefix_with("OR REPLACE").values({**row(name, 0), "name": "forged"}))
            rows.commit()
            assert content(rows, table) == before


def test_no_row_takes_the_label_of_another_and_its_place(rows: Connection) -> None:
    """A label may be corrected; on SQLite `OR REPLACE` would delete the row that has it."""
    for name, rule in KEPT.items():
        table = Base.metadata.tables[name]
        if "label" not in rule.updates or not is_embedded(rows):
            continue
        before = content(rows, table)
        beside = {**row(name, 5), "case_id": row(name, 0)["case_id"]}
        rows.execute(insert(table).values(beside))
        taking = update(table).prefix_with("OR REPLACE").where(table.columns["id"] == beside["id"])
        assert is_refused(rows, taking.values(label=row(name, 0)["label"])), name
        assert content(rows, table) == before


def test_nothing_is_written_over_where_a_row_conflicts(rows: Connection) -> None:
    for name, rule in KEPT.items():
        table = Base.metadata.tables[name]
        fixed = [column for column in table.columns if column.name not in rule.updates and not column.primary_key]
        if not fixed:
            continue
        before = content(rows, table)
        inserting = (sqlite if is_embedded(rows) else postgresql).insert(table).values(row(name, 0))
        key, changed = [column.name for column in table.primary_key], {fixed[-1].name: value(table, fixed[-1].name, 7)}
        writing_over = inserting.on_conflict_do_update(index_elements=key, set_=changed)
        if rule.is_claimed and is_embedded(rows):  # passed over
            rows.execute(writing_over)
            rows.rollback()
        else:
            assert is_refused(rows, writing_over), name
        assert content(rows, table) == before


# Control


@pytest.mark.parametrize("suffix", protection.SUFFIXES)
def test_without_a_trigger_rows_are_not_kept_and_that_is_found(rows: Connection, suffix: str) -> None:
    table, trigger = Base.metadata.tables["consent"], f"consent_{suffix}"
    if suffix == "not_replaced" and not is_embedded(rows):
        pytest.skip("nothing is replaced there but by an update")
    assert protection.differing_triggers(rows) == []
    rows.execute(text(f"DROP TRIGGER {trigger}" if is_embedded(rows) else f"DROP TRIGGER {trigger} ON consent"))
    assert protection.differing_triggers(rows) == [trigger]
    rows.commit()
    forgery: dict[str, Any] = {
        "not_deleted": table.delete().where(*first(table)),
        "not_updated": table.update().where(*first(table)).values(language="another"),
        "not_replaced": insert(table).prefix_with("OR REPLACE").values({**row("consent", 0), "language": "another"}),
    }
    assert not is_refused(rows, forgery[suffix])
    protection.protect(rows)
    rows.commit()
    assert is_refused(rows, forgery[suffix])
