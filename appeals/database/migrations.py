"""Migrations: changing a database to a revision of the schema, and the errors that prevent it.

Only this module needs Alembic.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from warnings import catch_warnings, simplefilter

from alembic import command, context
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import URL, Connection, inspect, text
from sqlalchemy.exc import ProgrammingError, SAWarning

from appeals.database import protection
from appeals.database.declarative import Base
from appeals.database.engine import Database
from appeals.database.failures import failure_from
from appeals.database.requirements import DatabaseNotReady, failure_text, require_connection
from appeals.database.schema_version import LAST_SQUASHED, MIGRATIONS, head_revision, revisions


def migrate(database: Database, revision: str = "head", service: URL | None = None) -> None:
    """Migrate the database to a revision in one transaction, and protect its rows again.

    `service` is the URL of the service. On PostgreSQL it names a user of its own, who gets the rights that the tables
    allow and owns nothing. Raises: DatabaseNotReady.
    """
    require_connection(database)
    try:
        _migrate(database, revision, _user_of(database, service))
    except CommandError as error:
        raise DatabaseNotReady(f"the schema cannot be migrated to {revision}: {error}") from None
    except ProgrammingError as error:
        if failure_from(error) is None:
            raise
        user = database.engine.url.username
        who = "set APPEALS_MIGRATION_DATABASE_URL to a user who may (docs/deployment.md)"
        raise DatabaseNotReady(f"{user} may not change the schema: {failure_text(error)}; {who}") from None


def _user_of(database: Database, service: URL | None) -> URL | None:
    """Return the database user of the service, if it is not the one who migrates.

    Raises: DatabaseNotReady, if it uses another database.
    """
    url = database.engine.url
    if service is None:
        return None
    if (service.get_backend_name(), service.database) != (url.get_backend_name(), url.database):
        raise DatabaseNotReady(
            f"the service uses the database {service.database}, and {url.database} is to be migrated"
        )
    return service if service.username not in (None, url.username) else None


def _migrate(database: Database, revision: str, service: URL | None) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with database.engine.execution_options(writing=True).connect() as connection:
        config.attributes["connection"] = connection
        config.attributes["protected"] = partial(_protected, revision=revision, service=service)
        if revision == "head" or (not revision.startswith("-") and revision != "base"):
            command.upgrade(config, revision)
        else:
            command.downgrade(config, revision)


@contextmanager
def _protected(connection: Connection, revision: str, service: URL | None) -> Iterator[None]:
    """Remove the triggers while the schema is migrated, and create those of this release afterwards."""
    user = str(service.username) if service else ""
    if service:
        _as_owner(connection, user, partial(protection.take_over, connection, user))
    adopts = revision == "head" and _adopt(connection)
    if revision.startswith("-"):
        _require_so_many_before(connection, revision)
    if revision != "head" or _revision(connection) != head_revision():
        protection.lift(connection)
    yield
    if adopts:
        _require_schema_of_models(connection)
    if _revision(connection) != head_revision():
        return
    protection.protect(connection)
    if service:
        _as_owner(connection, user, partial(protection.make_user, connection, user, service.password))
        protection.grant(connection, user)


def _adopt(connection: Connection) -> bool:
    """Stamp a database at the last squashed revision with the first new one, which has the same schema. Returns whether
    it did.

    Raises: DatabaseNotReady, if the database is older.
    """
    current, first = _revision(connection), revisions()[0]
    if current is None or current >= first:
        return False
    if current != LAST_SQUASHED:
        raise DatabaseNotReady(
            f"the schema is at revision {current}, too old for this release: "
            f"bring it to {LAST_SQUASHED} with the release before (appeals migrate), then migrate it with this one"
        )
    connection.execute(text("UPDATE alembic_version SET version_num = :first"), {"first": first})
    return True


def _require_schema_of_models(connection: Connection) -> None:
    """Check that a stamped database has the schema of the models. Raises: DatabaseNotReady."""
    with catch_warnings():  # an index over an expression cannot be compared
        simplefilter("ignore", SAWarning)
        differences = compare_metadata(context.get_context(), Base.metadata)
    if differences:
        raise DatabaseNotReady(
            f"the schema says it is at revision {LAST_SQUASHED}, and is not as that leaves it "
            f"({', '.join(map(_difference_text, differences))}); restore a backup, or mend that first"
        )


def _difference_text(difference: Any) -> str:
    """Return what Alembic would do, and to which table, column, constraint or index."""
    change = difference[0] if isinstance(difference, list) else difference
    names = [getattr(part, "name", part) for part in change]
    return " ".join(name for name in names if isinstance(name, str))


def _require_so_many_before(connection: Connection, steps: str) -> None:
    """Check that there are so many older revisions. Raises: DatabaseNotReady."""
    older = [revision for revision in revisions() if revision < (_revision(connection) or "")]
    if steps[1:].isdigit() and int(steps[1:]) > len(older):
        raise DatabaseNotReady(
            f"there are {len(older)} older revisions to go back to, not {steps[1:]}; base drops the whole schema"
        )


def _as_owner(connection: Connection, user: str, act: Callable[[], None]) -> None:
    """Do what only an owner may. Raises: DatabaseNotReady, with what a superuser must do first."""
    try:
        with connection.begin_nested():
            act()
    except ProgrammingError as error:
        owner = connection.engine.url.username
        raise DatabaseNotReady(
            f"{owner} may not do what is needed ({failure_text(error)}); as a superuser: CREATE ROLE {user} LOGIN, "
            "with its "
            f"password, if there is none; REASSIGN OWNED BY {user} TO {owner}, if it had the tables until now"
        ) from None


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return revision
