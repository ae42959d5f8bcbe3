"""The schema: bringing a database to the newest revision, and founding the network in an empty one."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from alembic import command
from alembic.config import Config
from sqlalchemy import select

from appeals.database import MIGRATIONS, Database
from appeals.network import Entity, found_network, grant, new_account, new_key
from appeals.vocabulary import AccountKind, Role

FIRST_KEYS_LAST = timedelta(days=365)


@dataclass(frozen=True)
class FirstKeys:
    """The keys of a new network, shown once."""

    admin: str
    coordinator: str


def migrate(database: Database, revision: str = "head") -> None:
    """Bring the database to a revision, in one transaction."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with database.engine.execution_options(writing=True).connect() as connection:
        config.attributes["connection"] = connection
        if revision == "head" or (not revision.startswith("-") and revision != "base"):
            command.upgrade(config, revision)
        else:
            command.downgrade(config, revision)


def found(database: Database, pepper: bytes, now: datetime) -> FirstKeys | None:
    """In an empty database, make the network's entities and its first two accounts; None in any other."""
    with database.writing() as session:
        if session.scalar(select(Entity.id).limit(1)) is not None:
            return None
        root = found_network(session)
        keys = []
        for role in (Role.ADMIN, Role.COORDINATOR):
            account = new_account(session, f"first {role}", AccountKind.PERSON, now)
            grant(session, account, role, root)
            keys.append(new_key(session, account, pepper, now, now + FIRST_KEYS_LAST))
        return FirstKeys(*keys)
