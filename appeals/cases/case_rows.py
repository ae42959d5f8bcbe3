"""The rows of a case: the statements that read them all at once, and the objects made of them.

A case to be written belongs to no session, and its lists are never loaded on access. Two statements read it: its own
row, with a lock if it will change, and then all its lists in a snapshot after the lock. The reasons are in
docs/decisions/0046-a-case-that-is-written-to.md.
"""

import secrets
from collections.abc import Iterable, Iterator
from functools import cache
from operator import attrgetter
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, Uuid, bindparam, select
from sqlalchemy.orm import RelationshipProperty, class_mapper
from sqlalchemy.orm.util import identity_key

from appeals.accounts.network import NETWORK_VERSION
from appeals.cases.case import Case
from appeals.cases.consent import Consent
from appeals.cases.directory import CROCKFORD
from appeals.cases.history import HistoryEntry
from appeals.cases.publication import Publication, PublicationConsent
from appeals.cases.response import Response
from appeals.database.declarative import Base
from appeals.database.json_rows import json_row, json_rows
from appeals.database.row_shape import ReadValues, RowShape, Values, read_values, shape_of
from appeals.database.types import AnySelect
from appeals.fields import COUNTRIES


class CaseRows(NamedTuple):
    """A case with its lists, the values of all its rows as they were read, and what was read beside them."""

    case: Case
    values: dict[UUID, Values]
    merged_ids: list[UUID]
    network_version: tuple[Any, ...]
    beside: list[Any]


class CaseList(NamedTuple):
    """A list of a case: its name, the shape of its rows, the column with the id of the case."""

    name: str
    shape: RowShape[Any]
    column: Any


def case_row(*conditions: Any) -> AnySelect:
    """Return the statement for the row of the case that fits some conditions, for `read_case`."""
    return select(json_row(*shape_of(Case).columns.values())).where(*conditions)


CASE_OF_ID = case_row(Case.id == bindparam("case_id", type_=Uuid()))


def read_case(connection: Connection, row: list[object], beside: tuple[AnySelect, ...] = ()) -> CaseRows:
    """Return the case of a row from `case_row` with all its lists, and the results of further statements, `beside`.

    These statements have the parameter `case_id`. Of entities and other cases only the ids are read.
    """
    known = read_values()
    case, values = shape_of(Case).row_of_json(row, known)
    parts = connection.execute(_all_lists(beside), {"case_id": case.id}).scalar_one()
    read = {case.id: values}
    lists = zip(case_lists(), parts, strict=False)
    columns = case.__dict__
    columns |= {part.name: _rows_of_json(part.shape, rows or (), known, read) for part, rows in lists}
    relies_on, merged, network_version, *more = parts[len(case_lists()) :]
    responses = columns.pop("responses")
    for action in case.actions:
        action.__dict__["responses"] = [response for response in responses if response.action == action.id]
    for publication in case.publications:
        publication.__dict__["relies_on"] = _relied_on(publication, case.consents, relies_on or ())
    # Access to what was not read raises. Without a key, SQLAlchemy would return an empty value instead.
    case._sa_instance_state.key = identity_key(Case, case.id)
    return CaseRows(case, read, [UUID(row_id) for (row_id,) in merged or ()], tuple(network_version), more)


def new_case(**columns: object) -> Case:
    """Return a new case with empty lists."""
    relations: dict[str, object] = {of.key: [] if of.uselist else None for of in class_mapper(Case).relationships}
    case: Case = shape_of(Case).new(**relations | columns)
    return case


def new_reference(country: str, year: int) -> str:
    """Return `UA-<alpha-3>-<year>-<5 random symbols>`, random so that no gap reveals a hidden case."""
    return f"UA-{COUNTRIES[country]}-{year}-" + "".join(secrets.choice(CROCKFORD) for _ in range(5))


def rows_of(case: Case) -> Iterator[Base]:
    """Return the case and all rows written with it, ordered so that none refers to a later one of its kind."""
    yield case
    for part in case_lists():
        if part.name == "responses":
            yield from (response for action in case.actions for response in action.responses)
        elif part.name != "links_here":
            yield from getattr(case, part.name)


@cache
def case_lists() -> list[CaseList]:
    """Return the lists of a case, and the responses to its actions."""
    lists = []
    for relation in class_mapper(Case).relationships:
        if relation.uselist and relation.key != "merged_here":
            table: type[Base] = relation.mapper.class_
            lists.append(CaseList(relation.key, shape_of(table), _column_of_case(relation)))
    return [*lists, CaseList("responses", shape_of(Response), Response.case_id)]


def _column_of_case(relation: RelationshipProperty[Any]) -> object:
    ((_, column),) = relation.local_remote_pairs or ()
    return column


@cache
def _all_lists(beside: tuple[AnySelect, ...]) -> AnySelect:
    case_id = bindparam("case_id", type_=Uuid())
    lists = [
        select(json_rows(json_row(*part.shape.columns.values()))).where(part.column == case_id) for part in case_lists()
    ]
    relied_on = select(json_rows(json_row(PublicationConsent.publication_id, PublicationConsent.consent_id))).where(
        PublicationConsent.publication_id == Publication.id, Publication.case_id == case_id
    )
    merged = select(json_rows(json_row(Case.id))).where(Case.merged_into_id == case_id)
    return select(json_row(*(part.scalar_subquery() for part in (*lists, relied_on, merged, NETWORK_VERSION, *beside))))


def _rows_of_json(
    shape: RowShape[Any], rows: Iterable[list[Any]], known: list[ReadValues], read: dict[UUID, Values]
) -> list[object]:
    objects = []
    for values in rows:
        row, as_read = shape.row_of_json(values, known)
        read[row.id] = as_read
        objects.append(row)
    if len(objects) > 1:
        objects.sort(key=_SEQUENCE if shape.table is HistoryEntry else _ID)
    return objects


_SEQUENCE, _ID = attrgetter("sequence"), attrgetter("id")


def _relied_on(publication: Publication, consents: list[Consent], pairs: Iterable[list[str]]) -> list[Consent]:
    ids = {UUID(consent_id) for publication_id, consent_id in pairs if UUID(publication_id) == publication.id}
    return [consent for consent in consents if consent.id in ids]
