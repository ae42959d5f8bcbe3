"""Alembic's environment: the service hands its connection over; the command line opens one from the settings."""

from alembic import context
from sqlalchemy import Connection, text

from appeals import case, idempotency, network  # noqa: F401 - their tables are part of the metadata
from appeals.app import database_of
from appeals.database import Base
from appeals.settings import Settings


def run(connection: Connection) -> None:
    """Run the migrations in one transaction; on PostgreSQL one process at a time."""
    context.configure(connection=connection, target_metadata=Base.metadata)
    with context.begin_transaction():
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(7220914)"))
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
    given.commit()
else:
    with database_of(Settings()).engine.connect() as opened:
        run(opened)
        opened.commit()
