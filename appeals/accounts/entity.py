"""Entities: the tree of the network."""

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
"""Below which kinds each kind of entity may lie; the root below none."""


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


def is_of_root(path: str) -> bool:
    """True for the path of the root, at or below which all entities are."""
    return path.count("/") == 2


class NetworkState(Base):
    """The one row that says which network this is, and how often it changed.

    The database itself counts `version` up whenever an entity, an account, a role or what a key opens is written.
    `epoch` is another after the changes were numbered anew.
    """

    __tablename__ = "network_state"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    auth_version: Mapped[int] = mapped_column(BigInteger)
    epoch: Mapped[UUID]


_AUTH_VERSION = select(NetworkState.__table__.c.auth_version)


def auth_version(reading: Connection | Session) -> int:
    """How often the network changed: what was known in one of this number is so as long as it is this number."""
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
    parent_id: Annotated[UUID | None, Field(description="The entity it lies below; the root has none.")]
    above: Annotated[list[str], Field(description="The names of all it lies below, from the root to its parent.")]
    country: str | None


def new_entity(session: Session, name: str, kind: EntityKind, parent: Entity | None, country: str | None) -> Entity:
    """Add an entity below `parent`; a regional coalition is the region of all below it. Raises: Invalid."""
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
    """See that an entity of this kind may lie there. Raises: Invalid, naming the kinds that it may lie below."""
    may = PARENT_KINDS[kind]
    if parent is None and may:
        raise Invalid([FieldError("/parent", "is missing; only the international_office lies below none")])
    if parent is not None and not may:
        raise Invalid([FieldError("/kind", "is that of the root, which there is one of")])
    if parent is not None and parent.kind not in may:
        raise Invalid([FieldError("/kind", f"has its place below one of: {', '.join(may)}")])


def entity_named(session: Session, name_or_id: str) -> Entity | None:
    """The entity of this name or id."""
    row_id = as_uuid(name_or_id)
    return session.scalar(select(Entity).where(Entity.id == row_id if row_id else Entity.name == name_or_id))


def existing_entity(session: Session, name_or_id: str, pointer: str) -> Entity:
    """The entity of this name or id. Raises: Invalid, pointing at the member that named it."""
    entity = entity_named(session, name_or_id)
    if entity is None:
        raise Invalid([FieldError(pointer, "names no entity of the network")])
    return entity


def entity_outputs(session: Session, entities: Iterable[Entity]) -> list[EntityOutput]:
    """Entities with the names of those above them."""
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
