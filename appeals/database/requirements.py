"""What a database must meet before it is used: it answers, and its schema is that of this release."""

from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError

from appeals.database.engine import Database

USUAL_PORT = 5432
OTHER_SCHEMA = "the database answers, but its schema is another than this release's; run: appeals migrate"


class DatabaseNotReady(Exception):
    """A database that nothing can be done with as it is; the message says why, and never holds a password."""


def require_connection(database: Database) -> None:
    """See that the database answers. Raises: DatabaseNotReady, saying where it was looked for."""
    try:
        database.engine.connect().close()
    except DBAPIError as error:
        raise DatabaseNotReady(_unreachable_text(database, failure_text(error))) from None


def require_schema(database: Database) -> None:
    """See that a database that answers has the schema of this release. Raises: DatabaseNotReady."""
    if not database.is_ready():
        raise DatabaseNotReady(OTHER_SCHEMA)


def failure_text(error: BaseException | None) -> str:
    """What the database said, in one line; details below it may hold values."""
    return str(getattr(error, "orig", error)).strip().partition("\n")[0]


def _unreachable_text(database: Database, answer: str) -> str:
    if database.embedded:
        return f"{database.file} cannot be used: {answer}; its folder has to be there, and yours to write to"
    place = _location(database.engine.url)
    _, answered, refusal = answer.partition("FATAL:")
    return f"the {place} refuses: {refusal.strip()}" if answered else f"the {place} does not answer"


def _location(url: URL) -> str:
    """Where a server is looked for. An @ in a password that was not encoded would begin what is read as the host."""
    host = str(url.host or url.query.get("host") or "localhost").rpartition("@")[2]
    return f"database {url.database} at {host}, port {url.port or url.query.get('port') or USUAL_PORT},"
