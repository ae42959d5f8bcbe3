"""Reading a case with all its records in a session, to show it and not to write to it."""

from functools import cache
from typing import Any

from sqlalchemy import (
    Uuid,
    bindparam,
    exists,
    inspect,
    select,
)
from sqlalchemy.orm import (
    RelationshipProperty,
    Session,
    class_mapper,
    joinedload,
)
from sqlalchemy.orm.attributes import set_committed_value

from appeals.accounts.entity import Entity
from appeals.cases.case import Case
from appeals.cases.record import Record
from appeals.database.types import AnySelect


def load_case(session: Session, case: Case) -> None:
    """Load the entities of a case and its non-empty lists. One statement finds which lists have rows."""
    _load_entities(session, case)
    number = {"case_id": case.id}
    there = session.execute(_which_lists_exist(), number).one()
    unloaded = inspect(case).unloaded
    for name, has_rows in there._mapping.items():
        if name not in unloaded:
            continue
        if not has_rows:
            set_committed_value(case, name, [])
        elif issubclass(class_mapper(Case).relationships[name].mapper.class_, Record):
            set_committed_value(case, name, session.scalars(_list_of(name), number).all())


def _load_entities(session: Session, case: Case) -> None:
    unloaded = [place.key for place in _ENTITY_RELATIONS if place.key in inspect(case).unloaded]
    numbers = {name: getattr(case, f"{name}_id") for name in unloaded}
    ids = {number for number in numbers.values() if number}
    entities = {one.id: one for one in session.scalars(_ENTITIES, {"numbers": list(ids)})} if ids else {}
    for name, number in numbers.items():
        set_committed_value(case, name, entities.get(number))


@cache
def _which_lists_exist() -> AnySelect:
    """Return the statement that selects, for each list of the case in the parameter `case_id`, whether it has rows."""
    number = bindparam("case_id", type_=Uuid())
    lists = [relation for relation in class_mapper(Case).relationships if relation.uselist]
    return select(
        *(exists().where(*(there == number for _, there in of.local_remote_pairs)).label(of.key) for of in lists)
    )


_ENTITY_RELATIONS = (Case.lead_entity, Case.intake_entity, Case.handover_to)
WITH_ENTITIES = tuple(map(joinedload, _ENTITY_RELATIONS))
"""Options of a statement for a case that load the entities which decide who may do what.

They must not be used with a row lock: PostgreSQL joins before it waits, and the joined row may have changed by then.
"""
_ENTITIES = select(Entity).where(Entity.id.in_(bindparam("numbers", expanding=True)))


@cache
def _list_of(name: str) -> AnySelect:
    """Return the statement for a list of the case in the parameter `case_id`, cached because building it is as slow as
    running it.
    """
    relation: RelationshipProperty[Any] = class_mapper(Case).relationships[name]
    ((_, there),) = relation.local_remote_pairs
    query = select(relation.mapper.class_).where(there == bindparam("case_id", type_=Uuid()))
    return query.order_by(*relation.order_by or ())
