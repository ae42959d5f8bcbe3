"""The people of the tests: who they are, the network they work in, their accounts and keys."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import URL, update
from sqlalchemy.orm import Session

from appeals.accounts.account import Membership, grant, new_account
from appeals.accounts.api_key import new_key
from appeals.accounts.bootstrap import create_network
from appeals.accounts.entity import entity_named, new_entity
from appeals.database import migrations
from appeals.database.engine import Database
from appeals.vocabulary import AccountKind, EntityKind, Role

KEYS_LAST = timedelta(days=3000)
"""Tests let years pass, and a key that has ended once is dead for good."""
PEOPLE: dict[str, tuple[Role, str]] = {
    "admin": (Role.ADMIN, "International Office"),
    "coordinator": (Role.COORDINATOR, "International Office"),
    "caseworker": (Role.CASEWORKER, "International Office"),
    "reviewer": (Role.REVIEWER, "International Office"),
    "auditor": (Role.AUDITOR, "International Office"),
    "dashboard": (Role.DASHBOARD, "International Office"),
    "reader": (Role.READER, "International Office"),
    "asia coordinator": (Role.COORDINATOR, "South Asia"),
    "asia caseworker": (Role.CASEWORKER, "South Asia"),
    "asia reader": (Role.READER, "South Asia"),
    "partner": (Role.PARTNER, "Garment Workers Centre"),
    "other partner": (Role.PARTNER, "Tannery Workers Centre"),
    "europe coordinator": (Role.COORDINATOR, "Europe"),
    "europe caseworker": (Role.CASEWORKER, "Europe"),
    "europe reader": (Role.READER, "Europe"),
}
"""Who plays: the name of an account, its role and the entity it holds it in. Names are handles, not persons."""


@dataclass(frozen=True)
class Cast:
    """The keys and account ids of the people."""

    keys: Mapping[str, str]
    accounts: Mapping[str, str]


def found_cast(database: Database, pepper: bytes, service: URL | None = None) -> Cast:
    """Migrate a database, found the network with two members in South Asia, and give everybody a key."""
    migrations.migrate(database, service=service)
    keys, accounts = {}, {}
    with database.writing() as session:
        create_network(session)
        for member in ("Garment Workers Centre", "Tannery Workers Centre"):
            new_entity(session, member, EntityKind.MEMBER, entity_named(session, "South Asia"), "BD")
        for name, (role, entity_name) in PEOPLE.items():
            accounts[name], keys[name] = enter(session, pepper, name, role, entity=entity_name)
        # They are a network in which nothing waits for a confirmation.
        for signer, others in (
            ("coordinator", Membership.account_id != UUID(accounts["coordinator"])),
            ("admin", Membership.account_id == UUID(accounts["coordinator"])),
        ):
            session.execute(update(Membership).where(others).values(confirmed_by=UUID(accounts[signer])))
    return Cast(keys, accounts)


def enter(
    session: Session, pepper: bytes, name: str, *roles: Role, entity: str, kind: AccountKind = AccountKind.PERSON
) -> tuple[str, str]:
    """Make an account with roles in an entity, and a key for it; the account's id, and the key."""
    now = datetime.now(UTC)
    account, place = new_account(session, name, kind, now), entity_named(session, entity)
    assert place is not None
    for role in roles:
        grant(session, account, role, place, now)
    return str(account.id), new_key(session, account.id, pepper, now, now + KEYS_LAST).text
