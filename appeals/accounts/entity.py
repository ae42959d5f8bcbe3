"""Entities: the organisations and groups of the network, which form a tree."""

from collections.abc import Iterable
from typing import Annotated
from uuid import UUID

from pydantic import Field
from sqlalchemy import BigInteger, Connection, ForeignKey, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from appeals.database.declarative import Base, new_id
from appeals.errors import FieldError, Invalid
from appeals.fields import Country, Model, Name, NameOrId, as_uuid
from appeals.vocabulary import (
    EntityKind,
)

ROOT_NAME = "International Office"
COALITIONS = ("South Asia", "South East Asia", "East Asia", "Europe")
PARENT_KINDS: dict[EntityKind, tuple[EntityKind, ...]] = {
    EntityKind.INTERNATIONAL_OFFICE: (),
    EntityKind.REGIONAL_COALITION: (EntityKind.INTERNATIONAL_OFFICE,),
    EntityKind.SUBGROUP: (EntityKind.REGIONAL_COALITION,),
    EntityKind.WORKING_GROUP: (EntityKind.INTERNATIONAL_OFFICE, EntityKind.REGIONAL_COALITION),
    EntityKind.NATIONAL_COALITION: (
        EntityKind.INTERNATIONAL_OFFICE,
        EntityKind.REGIONAL_COALITION,
        EntityKind.SUBGROUP,
    ),
    EntityKind.MEMBER: tuple(kind for kind in EntityKind if kind is not EntityKind.MEMBER),
}
"""The kinds of entity below which each kind may be; the root is below none."""


class Entity(Base):
    """An organisation or group of the network. `path` contains the ids from the root to it."""

    __tablename__ = "entity"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    parent_id: Mapped[UUID | None] = mapped_column(ForeignKey("entity.id"))
    country: Mapped[str | None]
    path: Mapped[str] = mapped_column(index=True)
    region_id: Mapped[UUID | None] = mapped_column(ForeignKey("entity.id"))


def is_of_root(path: str) -> bool:
    """Return whether a path is that of the root, which contains all entities."""
    return path.count("/") == 2


class NetworkState(Base):
    """The only row that identifies the network, with a version that counts its changes.

    The database increases `version` whenever an entity, an account, a role or the scopes of a key are written. `epoch`
    changes when the change log is numbered again.
    """

    __tablename__ = "network_state"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    auth_version: Mapped[int] = mapped_column(BigInteger)
    epoch: Mapped[UUID]


_AUTH_VERSION = select(NetworkState.__table__.c.auth_version)


def auth_version(reading: Connection | Session) -> int:
    """Return the version of the network. What was read at one version holds as long as the version is the same."""
    version: int = reading.execute(_AUTH_VERSION).scalar_one()
    return version


class EntityInput(Model):
    name: Name
    kind: EntityKind
    parent: NameOrId
    country: Country | None = None


class EntityOutput(Model):
    id: UUID
    name: str
    kind: EntityKind
    parent_id: Annotated[UUID | None, Field(description="The entity above it; null for the root.")]
    above: Annotated[list[str], Field(description="The names of all entities above it, from the root to its parent.")]
    country: str | None


def new_entity(session: Session, name: str, kind: EntityKind, parent: Entity | None, country: str | None) -> Entity:
    """Add an entity below `parent`. A regional coalition is the region of all entities below it. Raises: Invalid."""
    check_parent_kind(kind, parent)
    entity = Entity(id=new_id(), name=name, kind=kind, country=country, parent_id=parent.id if parent else None)
    entity.path = f"{parent.path if parent else '/'}{entity.id.hex}/"
    session.add(entity)
    session.flush()
    is_region = kind is EntityKind.REGIONAL_COALITION
    entity.region_id = entity.id if is_region else parent.region_id if parent else None
    session.flush()
    return entity


def check_parent_kind(kind: EntityKind, parent: Entity | None) -> None:
    """Check that an entity of this kind may be below `parent`. Raises: Invalid, with the kinds that it may be below."""
    may = PARENT_KINDS[kind]
    if parent is None and may:
        raise Invalid([FieldError("/parent", "is missing; only the international_office has none")])
    if parent is not None and not may:
        raise Invalid([FieldError("/kind", "is that of the root, and the network has only one root")])
    if parent is not None and parent.kind not in may:
        raise Invalid([FieldError("/kind", f"must be below one of: {', '.join(may)}")])


def entity_named(session: Session, name_or_id: str) -> Entity | None:
    """Return the entity with this name or id, or None."""
    row_id = as_uuid(name_or_id)
    return session.scalar(select(Entity).where(Entity.id == row_id if row_id else Entity.name == name_or_id))


def existing_entity(session: Session, name_or_id: str, pointer: str) -> Entity:
    """Return the entity with this name or id. Raises: Invalid, with the pointer of the member that names it."""
    entity = entity_named(session, name_or_id)
    if entity is None:
        raise Invalid([FieldError(pointer, "names no entity of the network")])
    return entity


def entity_outputs(session: Session, entities: Iterable[Entity]) -> list[EntityOutput]:
    """Return the wire form of entities, with the names of those above them."""
    shown = list(entities)
    above = {entity.id: [UUID(part) for part in entity.path.strip("/").split("/")[:-1]] for entity in shown}
    ids = {row_id for numbers in above.values() for row_id in numbers}
    names = {entity.id: entity.name for entity in session.scalars(select(Entity).where(Entity.id.in_(ids)))}
    return [
        EntityOutput(
            id=entity.id,
            name=entity.name,
            kind=EntityKind(entity.kind),
            parent_id=entity.parent_id,
            above=[names[row_id] for row_id in above[entity.id]],
            country=entity.country,
        )
        for entity in shown
    ]
