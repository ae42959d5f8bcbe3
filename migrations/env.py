"""Alembic's environment: the service hands its connection over; the command line opens one from the settings."""

from contextlib import nullcontext
from typing import Any, Literal

from alembic import context
from sqlalchemy import Connection, TypeDecorator, text

import appeals.app  # noqa: F401 - with the application come all its tables
from appeals.database.declarative import Base
from appeals.database.locks import AdvisoryLock
from appeals.settings import Settings, database_of


def plainly(kind: str, thing: Any, _: Any) -> str | Literal[False]:
    """A migration that is written for us speaks in SQLAlchemy's types, not in the application's."""
    return f"sa.{thing.impl!r}" if kind == "type" and isinstance(thing, TypeDecorator) else False


def is_of_the_model(name: str | None, kind: str, _: Any) -> bool:
    """False for what each database has in a form of its own, or cannot be compared: the migration alone makes it."""
    return not (kind == "table" and str(name).startswith("search_index")) and name not in MADE_BY_MIGRATION


MADE_BY_MIGRATION = {"ix_search_document_words", "ix_case_urgency_id"}


def run(connection: Connection) -> None:
    """Run the migrations in one transaction, one process at a time, which looks first how far the others came.

    SQLite rebuilds a table by dropping it, which its foreign keys would forbid: they are checked at the end instead.
    """
    embedded = connection.dialect.name == "sqlite"
    if embedded:
        _enforce_foreign_keys(connection, False)
    try:
        _migrate(connection)
    finally:
        if embedded:
            _enforce_foreign_keys(connection, True)


def _enforce_foreign_keys(connection: Connection, on: bool) -> None:
    """Outside a transaction: within one SQLite ignores it."""
    driver: Any = connection.connection.driver_connection
    driver.execute(f"PRAGMA foreign_keys={'ON' if on else 'OFF'}")


def _migrate(connection: Connection) -> None:
    with connection.begin():
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:turn)"), {"turn": AdvisoryLock.MIGRATING})
        context.configure(
            connection=connection, target_metadata=Base.metadata, render_item=plainly, include_name=is_of_the_model
        )
        protected = context.config.attributes.get("protected", nullcontext)
        with protected(connection), context.begin_transaction():
            context.run_migrations()
        if connection.dialect.name == "sqlite" and connection.execute(text("PRAGMA foreign_key_check")).first():
            raise RuntimeError("a migration left a row that refers to none")


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    with database_of(Settings()).engine.execution_options(writing=True).connect() as opened:
        run(opened)
