"""The schema: bringing a database to a revision, founding the network in an empty one, and what stands in the way."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import URL, Connection, inspect, select, text
from sqlalchemy.exc import DBAPIError, ProgrammingError
from sqlalchemy.orm import Session

from appeals import protection
from appeals.database import MIGRATIONS, Database, failure_of, head_revision
from appeals.key import new_key
from appeals.network import Entity, found_network, grant, new_account
from appeals.vocabulary import AccountKind, KeyOrigin, Role

FIRST_KEYS_LAST = timedelta(days=365)
USUAL_PORT = 5432
NO_NETWORK = "there is no network here yet; appeals serve founds it on its first start"
OTHER_SCHEMA = "the database answers, but its schema is another than this release's; run: appeals migrate"


class Unfit(Exception):
    """A database that nothing can be done with as it is; the message says why, and never holds a password."""


@dataclass(frozen=True)
class FirstKeys:
    """The keys of a new network, shown once."""

    admin: str
    coordinator: str


def require_network(database: Database) -> None:
    """See that a network was founded there, making nothing. Raises: Unfit."""
    file = database.file
    if file is not None and not file.exists():
        raise Unfit(f"there is no database {file}; run this where the service runs, or set APPEALS_DATABASE_URL")
    reach(database)
    with database.reading() as session:
        if not inspect(session.connection()).has_table("alembic_version"):
            raise Unfit(NO_NETWORK)
    require_schema(database)
    with database.reading() as session:
        if not _founded(session):
            raise Unfit(NO_NETWORK)


def reach(database: Database) -> None:
    """See that the database answers. Raises: Unfit, saying where it was looked for."""
    try:
        database.engine.connect().close()
    except DBAPIError as error:
        raise Unfit(_unreached(database, reason(error))) from None


def require_schema(database: Database) -> None:
    """See that a database that answers has the schema of this release. Raises: Unfit."""
    if not database.ready():
        raise Unfit(OTHER_SCHEMA)


def reason(error: BaseException | None) -> str:
    """What the database said, in one line; details below it may hold values."""
    return str(getattr(error, "orig", error)).strip().partition("\n")[0]


def _unreached(database: Database, said: str) -> str:
    if database.embedded:
        return f"{database.file} cannot be used: {said}; its folder has to be there, and yours to write to"
    place = _place(database.engine.url)
    _, answered, refusal = said.partition("FATAL:")
    return f"the {place} refuses: {refusal.strip()}" if answered else f"the {place} does not answer"


def _place(url: URL) -> str:
    """Where a server is looked for. An @ in a password that was not encoded would begin what is read as the host."""
    host = str(url.host or url.query.get("host") or "localhost").rpartition("@")[2]
    return f"database {url.database} at {host}, port {url.port or url.query.get('port') or USUAL_PORT},"


def migrate(database: Database, revision: str = "head", service: URL | None = None) -> None:
    """Bring the database to a revision, in one transaction, and protect what it keeps.

    `service` is where the service will connect: to a server as a user of its own, who then may do what the tables
    allow and owns nothing. Raises: Unfit.
    """
    reach(database)
    try:
        _migrate(database, revision, _user_of(database, service))
    except CommandError as error:
        raise Unfit(f"the schema cannot be brought to {revision}: {error}") from None
    except ProgrammingError as error:
        if failure_of(error) is None:
            raise
        user = database.engine.url.username
        who = "set APPEALS_MIGRATION_DATABASE_URL to who may (docs/deployment.md)"
        raise Unfit(f"{user} may not change the schema: {reason(error)}; {who}") from None


def _user_of(database: Database, service: URL | None) -> URL | None:
    """The service's user, where that is another than who migrates. Raises: Unfit, where it uses another database."""
    url = database.engine.url
    if service is None:
        return None
    if (service.get_backend_name(), service.database) != (url.get_backend_name(), url.database):
        raise Unfit(f"the service uses the database {service.database}, and {url.database} is to be migrated")
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
    """While the schema is migrated nothing keeps rows as they are; afterwards what the release asks for does."""
    user = str(service.username) if service else ""
    if service:
        _as_owner(connection, user, partial(protection.take_over, connection, user))
    if revision != "head" or _revision(connection) != head_revision():
        protection.lift(connection)
    yield
    if _revision(connection) != head_revision():
        return
    protection.protect(connection)
    if service:
        _as_owner(connection, user, partial(protection.make_user, connection, user, service.password))
        protection.grant(connection, user)


def _as_owner(connection: Connection, user: str, act: Callable[[], None]) -> None:
    """Do what only an owner may. Raises: Unfit, saying what to do where who migrates may not."""
    try:
        with connection.begin_nested():
            act()
    except ProgrammingError as error:
        owner = connection.engine.url.username
        raise Unfit(
            f"{owner} may not do what is needed ({reason(error)}); as a superuser: CREATE ROLE {user} LOGIN, with its "
            f"password, if there is none; REASSIGN OWNED BY {user} TO {owner}, if it had the tables until now"
        ) from None


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return revision


def found(database: Database, pepper: bytes, now: datetime) -> FirstKeys | None:
    """In an empty database, make the network's entities and its first two accounts; None in any other."""
    with database.writing() as session:
        if _founded(session):
            return None
        root = found_network(session)
        keys = []
        for role in (Role.ADMIN, Role.COORDINATOR):
            account = new_account(session, f"first {role}", AccountKind.PERSON, now)
            grant(session, account, role, root, now)
            ends_at = now + FIRST_KEYS_LAST
            keys.append(new_key(session, account.id, pepper, now, ends_at, origin=KeyOrigin.FIRST_START).text)
        return FirstKeys(*keys)


def _founded(session: Session) -> bool:
    return session.scalar(select(Entity.id).limit(1)) is not None
