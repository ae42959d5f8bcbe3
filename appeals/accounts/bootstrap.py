"""Bootstrap: the first network in an empty database, with its first two accounts and their keys."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import (
    inspect,
    select,
)
from sqlalchemy.orm import Session

from appeals.accounts.account import grant, new_account
from appeals.accounts.api_key import new_key
from appeals.accounts.entity import COALITIONS, ROOT_NAME, Entity, new_entity
from appeals.database.engine import Database
from appeals.database.requirements import DatabaseNotReady, require_connection, require_schema
from appeals.vocabulary import AccountKind, EntityKind, KeyOrigin, Role


def create_network(session: Session) -> Entity:
    """Create the entities every network starts with: the International Office, its coalitions, the subgroup.

    Returns the root.
    """
    root = new_entity(session, ROOT_NAME, EntityKind.INTERNATIONAL_OFFICE, None, None)
    coalitions = {name: new_entity(session, name, EntityKind.REGIONAL_COALITION, root, None) for name in COALITIONS}
    new_entity(session, "Europe Production", EntityKind.SUBGROUP, coalitions["Europe"], None)
    return root


FIRST_KEYS_LAST = timedelta(days=365)
NO_NETWORK = "the database has no network yet; appeals serve creates it on its first start"


@dataclass(frozen=True)
class FirstKeys:
    """The keys of a new network, shown once."""

    admin: str
    coordinator: str


def require_network(database: Database) -> None:
    """Check that the database contains a network, without changing anything. Raises: DatabaseNotReady."""
    file = database.file
    if file is not None and not file.exists():
        raise DatabaseNotReady(
            f"the database {file} does not exist; run this where the service runs, or set APPEALS_DATABASE_URL"
        )
    require_connection(database)
    with database.reading() as session:
        if not inspect(session.connection()).has_table("alembic_version"):
            raise DatabaseNotReady(NO_NETWORK)
    require_schema(database)
    with database.reading() as session:
        if not _has_network(session):
            raise DatabaseNotReady(NO_NETWORK)


def bootstrap(database: Database, pepper: bytes, now: datetime) -> FirstKeys | None:
    """Create the network and its first two accounts in an empty database.

    Returns their keys, or None if it is not empty.
    """
    with database.writing() as session:
        if _has_network(session):
            return None
        root = create_network(session)
        keys = []
        for role in (Role.ADMIN, Role.COORDINATOR):
            account = new_account(session, f"first {role}", AccountKind.PERSON, now)
            grant(session, account, role, root, now)
            ends_at = now + FIRST_KEYS_LAST
            keys.append(new_key(session, account.id, pepper, now, ends_at, origin=KeyOrigin.FIRST_START).text)
        return FirstKeys(*keys)


def _has_network(session: Session) -> bool:
    return session.scalar(select(Entity.id).limit(1)) is not None
