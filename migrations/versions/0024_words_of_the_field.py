"""Tables, columns and operations get the words of the field; a few columns lose the defaults they were added with."""

import re
from collections.abc import Callable
from functools import partial

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

TABLES = {
    "figure_batch": "suppression_batch",
    "figure_case": "suppression_batch_case",
    "former_member": "previous_team_member",
    "former_sight": "previous_visibility",
    "kept_answer": "idempotent_response",
    "kept_view": "case_snapshot",
    "reliance": "publication_consent",
}
COLUMNS = (
    ("access_log", "door", "operation"),
    ("kept_view", "sight", "visibility_key"),
    ("network_state", "version", "auth_version"),
    ("webhook", "standing", "grants_hash"),
    ("webhook", "network_version", "auth_version"),
    ("webhook", "taken_by", "leased_by"),
    ("webhook", "taken_until", "leased_until"),
)
# Of a column that was renamed before, only this kept the old name.
RENAMED_BEFORE = ("consent", "conditions_list", "conditions")
OPERATIONS = {
    "take_in": "create_case",
    "show_story": "get_timeline",
    "show_figures": "get_public_statistics",
    "list_accesses": "list_access_log",
    "answer_action": "add_response",
    "make_first_key": "create_first_key",
    "replace_secret": "rotate_secret",
    "make_own_key": "create_own_key",
    "make_webhook": "create_webhook",
    "make_enrolment_code": "create_enrolment_code",
    "show_case": "get_case",
    "show_steps": "get_steps",
    "show_history": "get_history",
    "show_counts": "get_counts",
    "show_webhook": "get_webhook",
    "show_attention": "get_attention",
    "show_statistics": "get_statistics",
    "show_statistics_timeline": "get_statistics_timeline",
    "show_published": "get_published",
    "show_vocabulary": "get_vocabulary",
    "show_me": "get_me",
    "show_record_of_brand": "get_record_of_brand",
    "show_record_of_facility": "get_record_of_facility",
    "show_record_of_owner": "get_record_of_owner",
    "show_parties": "get_parties",
    "show_violations": "get_violations",
    "show_demands": "get_demands",
    "show_people": "get_people",
    "show_consents": "get_consents",
    "show_risk_assessments": "get_risk_assessments",
    "show_approvals": "get_approvals",
    "show_actions": "get_actions",
    "show_responses": "get_responses",
    "show_commitments": "get_commitments",
    "show_tallies": "get_tallies",
    "show_payments": "get_payments",
    "show_proceedings": "get_proceedings",
    "show_outcomes": "get_outcomes",
    "show_links": "get_links",
    "show_team": "get_team",
}
# Those that rows of older releases were given when the column was added.
DEFAULTS = {
    "action": {"by": "'network'", "conditions_met": "'[]'"},
    "approval": {
        "shows": "'{}'",
        "for": "'publication'",
        "shown_records": "'{}'",
        "conditions_met": "'[]'",
        "voices_left": "'[]'",
        "no_local_partner": "false",
    },
    "case": {"translations": "'{}'", "share_conditions_met": "'[]'"},
    "consent": {"given_precision": "'exact'", "on_precision": "'exact'", "conditions": "'[]'"},
    "idempotent_response": {"logged": "'[]'"},
    "key": {"origin": "'command'"},
    "publication": {"shown_records": "'{}'", "conditions_met": "'[]'", "voices_left": "'[]'"},
}
FALSE = {"false": "0"}  # on SQLite
COUNT_CHANGES = """CREATE OR REPLACE FUNCTION network_changed() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN UPDATE network_state SET {0} = {0} + 1; RETURN NULL; END $$"""


def upgrade() -> None:
    _settle()
    _rename_operations(OPERATIONS)
    for table, old, new in COLUMNS:
        _rename_column(table, old, new)
    _rename_not_null(*RENAMED_BEFORE)
    _rename_tables(TABLES)
    _set_defaults(False)
    _count_changes_in("auth_version")


def downgrade() -> None:
    _settle()
    _set_defaults(True)
    longest_first = sorted(TABLES.items(), key=lambda names: len(names[1]), reverse=True)  # one begins with another
    _rename_tables({new: old for old, new in longest_first})
    for table, old, new in COLUMNS:
        _rename_column(table, new, old)
    _rename_not_null(RENAMED_BEFORE[0], *reversed(RENAMED_BEFORE[1:]))
    _rename_operations({new: old for old, new in OPERATIONS.items()})
    _count_changes_in("version")


def _is_server() -> bool:
    return op.get_bind().dialect.name == "postgresql"


def _settle() -> None:
    """A table whose references are yet to be checked cannot be altered."""
    if _is_server():
        op.execute("SET CONSTRAINTS ALL IMMEDIATE")


def _rename_operations(names: dict[str, str]) -> None:
    """The access log calls an operation as the API does. Upwards before its column is renamed, downwards after."""
    log = sa.table("access_log", sa.column("door", sa.String()))
    op.execute(log.update().where(log.c.door.in_(names)).values(door=sa.case(names, value=log.c.door)))


def _count_changes_in(column: str) -> None:
    """On SQLite the triggers followed the column when that was renamed."""
    if _is_server():
        op.execute(COUNT_CHANGES.format(column))


def _rename_column(table: str, old: str, new: str) -> None:
    op.execute(f"ALTER TABLE {table} RENAME COLUMN {old} TO {new}")
    _rename_not_null(table, old, new)


def _rename_not_null(table: str, old: str, new: str) -> None:
    """From PostgreSQL 18 on what refuses nulls is a constraint with the name of the column."""
    if _is_server() and f"{table}_{old}_not_null" in _constraints(table):
        op.execute(f"ALTER TABLE {table} RENAME CONSTRAINT {table}_{old}_not_null TO {table}_{new}_not_null")


def _constraints(table: str) -> list[str]:
    query = sa.text("SELECT conname FROM pg_constraint WHERE conrelid = to_regclass(:name) ORDER BY conname")
    return list(op.get_bind().scalars(query, {"name": table}))


def _rename_tables(names: dict[str, str]) -> None:
    """With the names of their keys, constraints and indexes, which hold those of tables."""

    def renamed(text: str) -> str:
        for old, new in names.items():
            text = text.replace(old, new)
        return text

    for old, new in names.items():
        if _is_server():
            _rename_on_server(old, new, renamed)
        else:
            _rebuild(old, new, renamed)


def _rename_on_server(old: str, new: str, renamed: Callable[[str], str]) -> None:
    for constraint in _constraints(old):
        if renamed(constraint) != constraint:
            op.execute(f"ALTER TABLE {old} RENAME CONSTRAINT {constraint} TO {renamed(constraint)}")
    for index in sa.inspect(op.get_bind()).get_indexes(old):
        if renamed(str(index["name"])) != index["name"]:
            op.execute(f"ALTER INDEX {index['name']} RENAME TO {renamed(str(index['name']))}")
    op.rename_table(old, new)


def _set_defaults(given: bool) -> None:
    """Give columns their defaults or take them away."""
    if _is_server():
        for table, columns in DEFAULTS.items():
            for column, default in columns.items():
                change = f"SET DEFAULT {default}" if given else "DROP DEFAULT"
                op.execute(f'ALTER TABLE "{table}" ALTER "{column}" {change}')
        return
    for table, columns in DEFAULTS.items():
        spelled = {column: FALSE.get(default, default) for column, default in columns.items()}
        _rebuild(table, table, partial(_with_defaults if given else _without_defaults, spelled))


def _with_defaults(columns: dict[str, str], text: str) -> str:
    for column, default in columns.items():
        text = _once(text, rf'([\s,]"?{column}"? [A-Z]+(?:\(\d+\))?)(?= )', rf"\1 DEFAULT {default}")
    return text


def _without_defaults(columns: dict[str, str], text: str) -> str:
    for column, default in columns.items():
        text = _once(text, rf'([\s,]"?{column}"? [A-Z]+(?:\(\d+\))?) DEFAULT {re.escape(default)}', r"\1")
    return text


def _once(text: str, pattern: str, by: str) -> str:
    changed, count = re.subn(pattern, by, text)
    if count != 1:
        raise RuntimeError(f"{pattern} stands {count} times in {text}")
    return changed


def _rebuild(old: str, new: str, change: Callable[[str], str]) -> None:
    """Make a table of SQLite anew as its changed definition says, with its rows, indexes and triggers."""
    connection = op.get_bind()
    query = "SELECT sql FROM sqlite_master WHERE tbl_name = ? AND sql IS NOT NULL ORDER BY type <> 'table', name"
    definition, *others = connection.exec_driver_sql(query, (old,)).scalars().all()
    columns = ", ".join(f'"{column["name"]}"' for column in sa.inspect(connection).get_columns(old))
    body = definition[definition.index("(") :]
    connection.exec_driver_sql(f"CREATE TABLE rebuilt {change(body)}")
    connection.exec_driver_sql(f'INSERT INTO rebuilt ({columns}) SELECT {columns} FROM "{old}"')  # noqa: S608
    op.drop_table(old)
    op.rename_table("rebuilt", new)
    for statement in others:
        connection.exec_driver_sql(change(statement) if old != new else statement)
