"""Protection: the triggers that enforce `database/append_only.py`, and the rights of the service's database user.

They are created after the migrations, from the table of this release, so a migration that changes rows meets none.
`differing_triggers` and `differing_rights` return where a database differs from that table.
"""

# ruff: noqa: S608 - statements of the names of our own tables

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Index, Table, UniqueConstraint, text

from appeals.database.append_only import TABLES, Kept, Value, Values, Working
from appeals.database.declarative import Base

FUNCTION = "append_only"
BODY = "BEGIN RAISE EXCEPTION '% is append only', TG_TABLE_NAME; END"
SUFFIXES = ("not_deleted", "not_updated", "not_replaced")
VERBS = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")


@dataclass(frozen=True)
class Trigger:
    """A trigger of a table: its name, and the statement that creates it."""

    name: str
    table: str
    sql: str


def triggers(*, embedded: bool) -> list[Trigger]:
    """Return all triggers of this release."""
    made = _embedded_triggers if embedded else _server_triggers
    return [
        Trigger(f"{name}_{suffix}", name, sql)
        for name, rule in sorted(TABLES.items())
        if isinstance(rule, Kept)
        for suffix, sql in made(Base.metadata.tables[name], rule)
    ]


def is_embedded(connection: Connection) -> bool:
    """Return whether the database is SQLite."""
    return connection.dialect.name == "sqlite"


# SQLite. A row is also replaced by inserting or updating another one with the same key, another unique key, or the row
# number. Delete triggers fire for that only if the connection asked for it.


def _embedded_triggers(table: Table, rule: Kept) -> Iterator[tuple[str, str]]:
    name = table.name
    refuse = f"BEGIN SELECT RAISE(ABORT, '{name} is append only'); END"
    begin = f'CREATE TRIGGER "{name}'
    yield "not_deleted", f'{begin}_not_deleted" BEFORE DELETE ON "{name}" {refuse}'
    changed = [f'OLD."{column}" IS NOT NEW."{column}"' for column in ("rowid", *_fixed(table, rule))]
    changed += _refused_changes(rule, "IS NOT")
    taken = [f'EXISTS (SELECT 1 FROM "{name}" WHERE {same} AND rowid <> OLD.rowid)' for same in _same_key(table)]
    yield "not_updated", f'{begin}_not_updated" BEFORE UPDATE ON "{name}" WHEN {" OR ".join(changed + taken)} {refuse}'
    stands = [f'EXISTS (SELECT 1 FROM "{name}" WHERE {same})' for same in ("rowid = NEW.rowid", *_same_key(table))]
    how = "BEGIN SELECT RAISE(IGNORE); END" if rule.is_claimed else refuse
    yield "not_replaced", f'{begin}_not_replaced" BEFORE INSERT ON "{name}" WHEN {" OR ".join(stands)} {how}'


def _same_key(table: Table) -> Iterator[str]:
    """Return the condition that a row has a key of the new row: the primary key, or another unique one."""
    keys = [(table.primary_key.columns, ""), *((index.columns, _condition(index)) for index in _unique(table))]
    for columns, condition in keys:
        same = [f'"{column.name}" = NEW."{column.name}"' for column in columns]
        if condition:
            new = ", ".join(f'NEW."{column.name}" AS "{column.name}"' for column in table.columns)
            same += [f"({condition})", f"EXISTS (SELECT 1 FROM (SELECT {new}) WHERE {condition})"]
        yield " AND ".join(same)


def _unique(table: Table) -> list[UniqueConstraint | Index]:
    constraints = [found for found in table.constraints if isinstance(found, UniqueConstraint)]
    indexes = [found for found in table.indexes if found.unique]
    return sorted([*constraints, *indexes], key=lambda found: str(found.name))


def _condition(key: UniqueConstraint | Index) -> str:
    where = key.dialect_options["sqlite"].get("where") if isinstance(key, Index) else None
    return "" if where is None else str(where)


# PostgreSQL


def _server_triggers(table: Table, rule: Kept) -> Iterator[tuple[str, str]]:
    begin, refuse = f'CREATE TRIGGER "{table.name}', f"EXECUTE FUNCTION {FUNCTION}()"
    yield "not_deleted", f'{begin}_not_deleted" BEFORE DELETE OR TRUNCATE ON "{table.name}" FOR EACH STATEMENT {refuse}'
    changed = [f'OLD."{column}" IS DISTINCT FROM NEW."{column}"' for column in _fixed(table, rule)]
    changed += _refused_changes(rule, "IS DISTINCT FROM")
    when = f'BEFORE UPDATE ON "{table.name}" FOR EACH ROW WHEN ({" OR ".join(changed)})'
    yield "not_updated", f'{begin}_not_updated" {when} {refuse}'


def _fixed(table: Table, rule: Kept) -> list[str]:
    return [column.name for column in table.columns if column.name not in rule.updates]


def _refused_changes(rule: Kept, differs: str) -> list[str]:
    """Return the conditions under which an update of an updatable column is refused."""
    once = [f'OLD."{name}" IS NOT NULL AND OLD."{name}" {differs} NEW."{name}"' for name in sorted(rule.once)]
    becomes = [
        condition for name, values in sorted(rule.becomes.items()) for condition in _steps_back(name, values, differs)
    ]
    earlier = [
        f'OLD."{name}" IS NOT NULL AND (NEW."{name}" IS NULL OR NEW."{name}" > OLD."{name}")'
        for name in sorted(rule.earlier)
    ]
    return [f"({condition})" for condition in (*once, *becomes, *earlier)]


def _steps_back(name: str, values: Values, differs: str) -> Iterator[str]:
    """Return the condition that a column would take an unknown value, or one that comes before its present one."""
    others = " AND ".join(_is_not(name, value, differs) for value in values)
    yield f'OLD."{name}" {differs} NEW."{name}" AND {others}'
    for place, value in enumerate(values):
        for later in values[place + 1 :]:
            yield f'OLD."{name}" = {_spelled(later)} AND NEW."{name}" = {_spelled(value)}'


def _is_not(name: str, value: Value, differs: str) -> str:
    return f'NEW."{name}" IS NOT NULL' if value is None else f'NEW."{name}" {differs} {_spelled(value)}'


def _spelled(value: Value) -> str:
    return f"'{value}'" if isinstance(value, str) else str(value).lower()


# Creating and comparing triggers


def lift(connection: Connection) -> None:
    """Remove all triggers, so that a migration can change the rows."""
    for name, table in _standing(connection):
        connection.execute(
            text(f'DROP TRIGGER "{name}"' if is_embedded(connection) else f'DROP TRIGGER "{name}" ON "{table}"')
        )
    if not is_embedded(connection):
        connection.execute(text(f"DROP FUNCTION IF EXISTS {FUNCTION}()"))


def protect(connection: Connection) -> None:
    """Create all triggers of this release; writes nothing if they exist already."""
    if not differing_triggers(connection):
        return
    lift(connection)
    if not is_embedded(connection):
        making = f"CREATE FUNCTION {FUNCTION}() RETURNS trigger LANGUAGE plpgsql AS"
        connection.execute(text(f"{making} $${BODY}$$"))
    for trigger in triggers(embedded=is_embedded(connection)):
        connection.exec_driver_sql(trigger.sql)


def differing_triggers(connection: Connection) -> list[str]:
    """Return the triggers that are missing, different or disabled; on PostgreSQL also the function that they call."""
    found = _definitions(connection)
    wanted = {trigger.name: trigger.sql for trigger in triggers(embedded=is_embedded(connection))}
    if not is_embedded(connection):
        wanted[FUNCTION] = BODY
    return sorted(name for name, sql in wanted.items() if _plain(found.get(name, "")) != _plain(sql))


def _definitions(connection: Connection) -> dict[str, str]:
    if is_embedded(connection):
        rows = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
    else:
        rows = connection.exec_driver_sql(
            """SELECT tgname, CASE tgenabled WHEN 'O' THEN pg_get_triggerdef(t.oid, true) ELSE '' END
               FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid
               WHERE relnamespace = current_schema()::regnamespace AND NOT tgisinternal
               UNION ALL SELECT proname, prosrc FROM pg_proc
               WHERE proname = 'append_only' AND pronamespace = current_schema()::regnamespace"""
        )
    return {str(row[0]): str(row[1]) for row in rows}


def _plain(sql: str) -> str:
    """Return a definition without what the server adds: casts, brackets and spaces."""
    return re.sub(
        r"::(text|charactervarying)|[\s\"()]", "", sql.lower().replace("character varying", "charactervarying")
    )


def _standing(connection: Connection) -> list[tuple[str, str]]:
    """Return the existing triggers of this service with their tables, even of tables that are no longer kept."""
    if is_embedded(connection):
        query = "SELECT name, tbl_name FROM sqlite_master WHERE type = 'trigger'"
    else:
        query = f"""SELECT tgname, relname FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid
            WHERE tgfoid = to_regproc('{FUNCTION}')"""
    rows = connection.exec_driver_sql(query)
    return [(name, table) for name, table in rows if name in {f"{table}_{suffix}" for suffix in SUFFIXES}]


# The service's database user on PostgreSQL


def take_over(connection: Connection, user: str) -> None:
    """Make the present user the owner of what the service's user owns."""
    owned = f"""SELECT format('ALTER %s %s OWNER TO CURRENT_USER', kind, thing) FROM (
        SELECT 'TABLE' AS kind, oid::regclass::text AS thing FROM pg_class
        WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace AND relowner = {ROLE}
        UNION ALL SELECT 'FUNCTION', oid::regprocedure::text FROM pg_proc
        WHERE pronamespace = current_schema()::regnamespace AND proowner = {ROLE}
        UNION ALL SELECT 'SCHEMA', quote_ident(nspname) FROM pg_namespace
        WHERE oid = current_schema()::regnamespace AND nspowner = {ROLE}
        UNION ALL SELECT 'DATABASE', quote_ident(datname) FROM pg_database
        WHERE datname = current_database() AND datdba = {ROLE}) AS theirs"""
    for (statement,) in connection.execute(text(owned), {"user": user}).all():
        connection.exec_driver_sql(statement)


ROLE = "(SELECT oid FROM pg_roles WHERE rolname = :user)"


def make_user(connection: Connection, user: str, password: str | None) -> None:
    """Create the service's user unless it exists.

    Its password is sent as a hash, because a server may log statements.
    """
    if connection.scalar(text(f"SELECT {ROLE} IS NOT NULL"), {"user": user}):
        return
    quoted = connection.dialect.identifier_preparer.quote_identifier(user)
    making = f"CREATE ROLE {quoted} LOGIN"
    if password is not None:
        driver: Any = connection.connection.driver_connection
        secret = driver.pgconn.encrypt_password(password.encode(), user.encode(), b"scram-sha-256").decode()
        making += f" PASSWORD '{secret}'"
    connection.exec_driver_sql(making)


def grant(connection: Connection, user: str) -> None:
    """Grant the service's user the rights that the tables allow, and revoke all others."""
    to = f"TO {connection.dialect.identifier_preparer.quote_identifier(user)}"
    schema = connection.exec_driver_sql("SELECT quote_ident(current_schema())").scalar_one()
    connection.exec_driver_sql(f"REVOKE ALL ON ALL TABLES IN SCHEMA {schema} {to.replace('TO', 'FROM', 1)}, PUBLIC")
    connection.exec_driver_sql(f"GRANT USAGE ON SCHEMA {schema} {to}")
    connection.exec_driver_sql(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} {to}")
    connection.exec_driver_sql(f"GRANT SELECT ON alembic_version {to}")
    for name, rule in TABLES.items():
        connection.exec_driver_sql(f'GRANT {", ".join(sorted(_verbs(rule)))} ON "{name}" {to}')
        if isinstance(rule, Kept) and rule.updates:
            columns = ", ".join(f'"{column}"' for column in sorted(rule.updates))
            connection.exec_driver_sql(f'GRANT UPDATE ({columns}) ON "{name}" {to}')


def _verbs(rule: Kept | Working) -> frozenset[str]:
    return frozenset({"SELECT"}) | (frozenset({"INSERT"}) if isinstance(rule, Kept) else rule.may)


def is_owner(connection: Connection) -> bool:
    """Return whether the present user could remove the protection: a superuser, or an owner of a table, schema or
    database.
    """
    owned = """SELECT rolsuper FROM pg_roles WHERE rolname = current_user
        UNION SELECT pg_has_role(relowner, 'MEMBER') FROM pg_class
        WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace
        UNION SELECT pg_has_role(nspowner, 'MEMBER') FROM pg_namespace WHERE oid = current_schema()::regnamespace
        UNION SELECT pg_has_role(datdba, 'MEMBER') FROM pg_database WHERE datname = current_database()"""
    return True in connection.exec_driver_sql(owned).scalars().all()


def differing_rights(connection: Connection) -> list[str]:
    """Return the rights to tables that the present user has and should not have, or lacks."""
    have = set(_rights_had(connection))
    want = set(_rights_wanted())
    return sorted(f"may {right}" for right in have - want) + sorted(f"may not {right}" for right in want - have)


def _rights_wanted() -> Iterator[str]:
    for name, rule in TABLES.items():
        yield from (f"{verb} {name}" for verb in _verbs(rule))
        if isinstance(rule, Kept):
            yield from (f"UPDATE {name}.{column}" for column in rule.updates)
        elif "UPDATE" in rule.may:
            yield from (f"UPDATE {name}.{column.name}" for column in Base.metadata.tables[name].columns)


def _rights_had(connection: Connection) -> Iterator[str]:
    ours = "relkind = 'r' AND relnamespace = current_schema()::regnamespace AND relname = ANY(:names)"
    tables = f"""SELECT verb || ' ' || relname FROM pg_class, unnest(CAST(:verbs AS text[])) AS verb
        WHERE {ours} AND has_table_privilege(pg_class.oid, verb)"""
    columns = f"""SELECT 'UPDATE ' || relname || '.' || attname
        FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
        WHERE {ours} AND has_column_privilege(pg_class.oid, attnum, 'UPDATE')"""
    names = list(TABLES)
    yield from connection.scalars(text(tables), {"names": names, "verbs": list(VERBS)})
    yield from connection.scalars(text(columns), {"names": names})
