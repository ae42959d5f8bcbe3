"""Alembic's environment: the service hands its connection over; the command line opens one from the settings."""

from typing import Any, Literal

from alembic import context
from sqlalchemy import Connection, TypeDecorator, text

from appeals import case, figures, idempotency, network  # noqa: F401 - their tables are part of the metadata
from appeals.app import database_of
from appeals.database import Base
from appeals.settings import Settings


def plainly(kind: str, thing: Any, _: Any) -> str | Literal[False]:
    """A migration that is written for us speaks in SQLAlchemy's types, not in the application's."""
    return f"sa.{thing.impl!r}" if kind == "type" and isinstance(thing, TypeDecorator) else False


def run(connection: Connection) -> None:
    """Run the migrations in one transaction, one process at a time, which looks first how far the others came."""
    with connection.begin():
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(7220914)"))
        context.configure(connection=connection, target_metadata=Base.metadata, render_item=plainly)
        with context.begin_transaction():
            context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    with database_of(Settings()).engine.execution_options(writing=True).connect() as opened:
        run(opened)
