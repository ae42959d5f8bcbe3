"""The requirements of a database before it is used: it answers, and has the schema of this release."""

from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError

from appeals.database.engine import Database

USUAL_PORT = 5432
OTHER_SCHEMA = "the database has another schema than this release; run: appeals migrate"


class DatabaseNotReady(Exception):
    """A database that cannot be used as it is. The message says why, and never contains a password."""


def require_connection(database: Database) -> None:
    """Check that the database answers. Raises: DatabaseNotReady, with its location."""
    try:
        database.engine.connect().close()
    except DBAPIError as error:
        raise DatabaseNotReady(_unreachable_text(database, failure_text(error))) from None


def require_schema(database: Database) -> None:
    """Check that a database that answers has the schema of this release. Raises: DatabaseNotReady."""
    if not database.is_ready():
        raise DatabaseNotReady(OTHER_SCHEMA)


def failure_text(error: BaseException | None) -> str:
    """Return the message of the database in one line. Its details could contain values and are left out."""
    return str(getattr(error, "orig", error)).strip().partition("\n")[0]


def _unreachable_text(database: Database, answer: str) -> str:
    if database.embedded:
        return f"{database.file} cannot be used: {answer}; its folder must exist and be writable"
    place = _location(database.engine.url)
    _, answered, refusal = answer.partition("FATAL:")
    return f"the {place} refuses: {refusal.strip()}" if answered else f"the {place} does not answer"


def _location(url: URL) -> str:
    """Return the location of a server. An unencoded @ in a password would begin what is read as the host."""
    host = str(url.host or url.query.get("host") or "localhost").rpartition("@")[2]
    return f"database {url.database} at {host}, port {url.port or url.query.get('port') or USUAL_PORT},"
