"""The network: entities in a tree, accounts of people and machines, memberships, keys."""

import hashlib
import hmac
import secrets
import zlib
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field
from sqlalchemy import ForeignKey, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from appeals.database import Base, new_id
from appeals.errors import Fault, Invalid, Unauthenticated
from appeals.field import Country, Model, Name, NameOrId, as_uuid
from appeals.vocabulary import AccountKind, EntityKind, Role

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
ROOT_NAME = "International Office"
COALITIONS = ("South Asia", "South East Asia", "East Asia", "Europe")


class Entity(Base):
    """An organisation of the network, in its place in the tree. `path` holds the ids from the root to it."""

    __tablename__ = "entity"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    parent_id: Mapped[UUID | None] = mapped_column(ForeignKey("entity.id"))
    country: Mapped[str | None]
    path: Mapped[str] = mapped_column(index=True)
    region_id: Mapped[UUID | None] = mapped_column(ForeignKey("entity.id"))


class Account(Base):
    """A person or a machine that holds roles. The name is a handle, not a person's name."""

    __tablename__ = "account"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    active: Mapped[bool] = mapped_column(default=True)
    recorded_at: Mapped[datetime]


class Membership(Base):
    """A role held within an entity, good for it and the entities below it."""

    __tablename__ = "membership"
    __table_args__ = (UniqueConstraint("account_id", "entity_id", "role"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"), index=True)
    entity_id: Mapped[UUID] = mapped_column(ForeignKey("entity.id"))
    role: Mapped[str]


class Key(Base):
    """A credential of an account: only its HMAC is kept."""

    __tablename__ = "key"

    id: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"), index=True)
    digest: Mapped[bytes]
    recorded_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class EntityInput(Model):
    name: Name
    kind: EntityKind
    parent: NameOrId
    country: Country | None = None


class EntityOutput(Model):
    id: UUID
    name: str
    kind: EntityKind
    parent_id: Annotated[UUID | None, Field(description="The entity it lies below; the root has none.")]
    country: str | None


@dataclass(frozen=True)
class Held:
    """A role a caller holds, and the place in the tree it is held at."""

    role: Role
    entity_id: UUID
    path: str


@dataclass(frozen=True)
class Caller:
    """Who is calling: an account and the roles it holds."""

    account_id: UUID
    name: str
    held: tuple[Held, ...]

    def roles_over(self, path: str) -> frozenset[Role]:
        """The roles good for the entity at `path`: those held there or above."""
        return frozenset(held.role for held in self.held if path.startswith(held.path))


class MembershipOutput(Model):
    role: Role
    entity: UUID
    entity_name: str


class AccountOutput(Model):
    """An account and what it may do where."""

    id: UUID
    name: str
    kind: AccountKind
    memberships: list[MembershipOutput]


def new_entity(session: Session, name: str, kind: EntityKind, parent: Entity | None, country: str | None) -> Entity:
    """Add an entity below `parent`; a regional coalition is the region of all below it."""
    entity = Entity(id=new_id(), name=name, kind=kind, country=country, parent_id=parent.id if parent else None)
    entity.path = f"{parent.path if parent else '/'}{entity.id.hex}/"
    session.add(entity)
    session.flush()
    is_region = kind is EntityKind.REGIONAL_COALITION
    entity.region_id = entity.id if is_region else parent.region_id if parent else None
    session.flush()
    return entity


def found_network(session: Session) -> Entity:
    """The entities every network starts with: the International Office, its coalitions, the subgroup."""
    root = new_entity(session, ROOT_NAME, EntityKind.INTERNATIONAL_OFFICE, None, None)
    coalitions = {name: new_entity(session, name, EntityKind.REGIONAL_COALITION, root, None) for name in COALITIONS}
    new_entity(session, "Europe Production", EntityKind.SUBGROUP, coalitions["Europe"], None)
    return root


def entity_named(session: Session, name_or_id: str) -> Entity | None:
    """The entity of this name or id."""
    number = as_uuid(name_or_id)
    return session.scalar(select(Entity).where(Entity.id == number if number else Entity.name == name_or_id))


def account_named(session: Session, name_or_id: str) -> Account | None:
    """The active account of this name or id."""
    number = as_uuid(name_or_id)
    return session.scalar(
        select(Account).where(Account.active, Account.id == number if number else Account.name == name_or_id)
    )


def existing_entity(session: Session, name_or_id: str, pointer: str) -> Entity:
    """The entity of this name or id. Raises: Invalid, pointing at the member that named it."""
    entity = entity_named(session, name_or_id)
    if entity is None:
        raise Invalid([Fault(pointer, "names no entity of the network")])
    return entity


def existing_account(session: Session, name_or_id: str, pointer: str) -> Account:
    """The active account of this name or id. Raises: Invalid, pointing at the member that named it."""
    account = account_named(session, name_or_id)
    if account is None:
        raise Invalid([Fault(pointer, "names no account of the network")])
    return account


def new_account(session: Session, name: str, kind: AccountKind, now: datetime) -> Account:
    """Add an account that holds no role yet."""
    account = Account(name=name, kind=kind, recorded_at=now)
    session.add(account)
    session.flush()
    return account


def new_handle() -> str:
    """A short random name for an account that was given none."""
    return secrets.token_hex(3)


def grant(session: Session, account: Account, role: Role, entity: Entity) -> None:
    """Let the account hold the role within the entity."""
    held = select(Membership).filter_by(account_id=account.id, entity_id=entity.id, role=role)
    if session.scalar(held) is None:
        session.add(Membership(account_id=account.id, entity_id=entity.id, role=role))
        session.flush()


def held_by(session: Session, account_id: UUID) -> tuple[Held, ...]:
    """Every role the account holds."""
    rows = session.execute(
        select(Membership.role, Entity.id, Entity.path)
        .join(Entity, Entity.id == Membership.entity_id)
        .where(Membership.account_id == account_id)
        .order_by(Membership.id)
    )
    return tuple(Held(Role(role), entity_id, path) for role, entity_id, path in rows)


def account_output(session: Session, account: Account) -> AccountOutput:
    """The account with the entities it holds roles in, by name."""
    rows = session.execute(
        select(Membership.role, Entity.id, Entity.name)
        .join(Entity, Entity.id == Membership.entity_id)
        .where(Membership.account_id == account.id)
        .order_by(Membership.id)
    )
    held = [MembershipOutput(role=Role(role), entity=id, entity_name=name) for role, id, name in rows]
    return AccountOutput(id=account.id, name=account.name, kind=AccountKind(account.kind), memberships=held)


def _checksum(text: str) -> str:
    rest, digits = zlib.crc32(text.encode()), ""
    for _ in range(6):
        rest, digit = divmod(rest, 62)
        digits = BASE62[digit] + digits
    return digits


def _digest(secret: str, pepper: bytes) -> bytes:
    return hmac.digest(pepper, secret.encode(), hashlib.sha256)


def new_key(session: Session, account: Account, pepper: bytes, now: datetime, expires_at: datetime) -> str:
    """Make a key `ua_<id><secret><checksum>` and return it, the only time it is seen."""
    key_id = "".join(secrets.choice(BASE62) for _ in range(8))
    secret = "".join(secrets.choice(BASE62) for _ in range(43))
    text = f"ua_{key_id}_{secret}"
    session.add(
        Key(
            id=key_id,
            account_id=account.id,
            digest=_digest(secret, pepper),
            recorded_at=now,
            expires_at=expires_at,
        )
    )
    session.flush()
    return text + _checksum(text)


def authenticate(session: Session, key: str | None, pepper: bytes, now: datetime) -> Caller:
    """Who holds this key. Raises: Unauthenticated, alike for every reason."""
    key_id, secret = _parts(key or "")
    row = session.execute(
        select(Key, Account).join(Account, Account.id == Key.account_id).where(Key.id == key_id)
    ).one_or_none()
    if row is None:
        raise Unauthenticated
    found, account = row
    genuine = hmac.compare_digest(found.digest, _digest(secret, pepper))
    alive = account.active and found.revoked_at is None and now < found.expires_at
    if not (genuine and alive):
        raise Unauthenticated
    return Caller(account.id, account.name, held_by(session, account.id))


def _parts(key: str) -> tuple[str, str]:
    """The id and secret of a well-formed key; a mistyped one fails here, before the database is asked."""
    text, checksum = key[:-6], key[-6:]
    parts = text.split("_")
    if len(key) != 61 or parts[0] != "ua" or len(parts) != 3 or not key.isascii() or _checksum(text) != checksum:
        raise Unauthenticated
    return parts[1], parts[2]
