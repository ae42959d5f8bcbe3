"""Revisions: every former state of a case and its records, to read what was on record at a time.

Every row that a transaction writes is also stored as a revision, append-only and without the sealed columns. A revision
says since when something was on record, which is not the time at which it happened.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Connection, Index, func, insert, select
from sqlalchemy.orm import Mapped, RelationshipDirection, Session, class_mapper, mapped_column
from sqlalchemy.orm.attributes import set_committed_value

from appeals.accounts.entity import Entity
from appeals.cases.case import Case
from appeals.cases.case_transaction import CaseChange
from appeals.cases.history import HistoryEntry
from appeals.cases.link import Link
from appeals.cases.record import Record
from appeals.database.declarative import Base, deferred_fk, new_id
from appeals.database.row_shape import shape_of
from appeals.json_types import JsonObject

SEALED = {
    "case": frozenset({"narrative"}),
    "person": frozenset({"name", "contacts"}),
    "proceeding": frozenset({"number"}),
    "safe_contact_rule": frozenset({"rule"}),
}
"""Columns that are not copied into revisions, by table."""


class Revision(Base):
    """The state of a row of a case from a moment on. Append-only."""

    __tablename__ = "revision"
    __table_args__ = (Index(None, "case_id", "at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    case_id: Mapped[UUID] = mapped_column(deferred_fk("case.id"))
    kind: Mapped[str]
    record_id: Mapped[UUID]
    at: Mapped[datetime]
    by: Mapped[UUID] = mapped_column(deferred_fk("account.id"))
    holds: Mapped[JsonObject]


def write_revisions(connection: Connection, changes: Iterable[CaseChange], now: datetime, by: UUID) -> None:
    """Store a revision of each row of a case that a transaction writes.

    A transaction that waited for another's write to the case gets a later time, whenever it began.
    """
    revisions = [
        _revision(row, max(now, change.case.updated_at), by)
        for change in changes
        for row in change.rows
        if isinstance(row, Case | Record)
    ]
    if revisions:
        connection.execute(_INSERT, revisions)


_INSERT = insert(Revision)


def _revision(row: Case | Record, at: datetime, by: UUID) -> dict[str, object]:
    case_id = row.id if isinstance(row, Case) else row.case_id
    kept = {"case_id": case_id, "kind": row.__tablename__, "record_id": row.id, "at": at, "by": by}
    return {"id": new_id(), **kept, "holds": state_of(row)}


def state_of(row: Case | Record) -> dict[str, object]:
    """Return the columns of a row that may be stored, in their JSON form."""
    return shape_of(type(row)).document(row, SEALED.get(row.__tablename__, frozenset()))


def as_of(session: Session, case: Case, at: datetime) -> Case | None:
    """Return the case with its records as they were on record at a moment; None if it was not on record yet.

    The result belongs to no session, is for reading only, and has no sealed columns.
    """
    if case.recorded_at > at:
        return None
    standing = _current_state(session, case, at)
    then: Case = _row_of(Case, standing.pop((Case.__tablename__, case.id)))
    rows: dict[str, list[Any]] = defaultdict(list)
    for (kind, _), holds in sorted(standing.items(), key=lambda kept: kept[0][1]):
        rows[kind].append(_row_of(_TABLES[kind], holds))
    for relation in class_mapper(Case).relationships:
        value = getattr(case, relation.key)
        if relation.direction is RelationshipDirection.MANYTOONE:
            (column,) = relation.local_columns
            number = getattr(then, str(column.key))
            value = session.get(relation.mapper.class_, number) if number else None
        elif relation.mapper.class_ in _AS_THEY_ARE:
            value = [row for row in value if row.recorded_at <= at]
        else:
            value = rows[relation.mapper.class_.__tablename__]
        set_committed_value(then, relation.key, value)
    for action in then.actions:
        set_committed_value(action, "responses", [row for row in rows["response"] if row.action == action.id])
    resting = {publication.id: publication.relies_on for publication in case.publications}
    for published in then.publications:
        set_committed_value(published, "relies_on", resting[published.id])
    return then


def visibility_history(session: Session, case: Case) -> list[tuple[datetime, Case]]:
    """Return the former columns that decided who sees the case, with their times, oldest first. The first also holds
    before.

    Each is a row that belongs to no session and has only these columns. If there are no revisions, it is the present
    one.
    """
    columns = (Revision.holds[name].as_string() for name in VISIBILITY_COLUMNS)
    query = select(Revision.at, *columns).where(Revision.record_id == case.id).order_by(Revision.at, Revision.id)
    rules: list[tuple[datetime, Case]] = []
    last: Sequence[object] = ()
    for at, *values in session.execute(query):
        if values != last:
            rules.append((at, _visibility_at(session, dict(zip(VISIBILITY_COLUMNS, values, strict=True)))))
            last = values
    return rules or [(case.recorded_at, case)]


VISIBILITY_COLUMNS = ("visibility", "lead_entity_id", "intake_entity_id", "handover_to_id", "region_id")


def _visibility_at(session: Session, holds: dict[str, object]) -> Case:
    then: Case = _row_of(Case, holds)
    for name in ("lead_entity", "intake_entity", "handover_to"):
        entity_id = getattr(then, f"{name}_id")
        set_committed_value(then, name, session.get(Entity, entity_id) if entity_id else None)
    return then


States = dict[UUID, list[tuple[datetime, object]]]
"""The states of each changed record with the times since when they were on record, oldest first."""


def states_of(session: Session, case: Case, until: datetime | None) -> States:
    """Return the states of the records of the case that were on record, up to a moment."""
    query = select(Revision.record_id, Revision.at, Revision.kind, Revision.holds)
    query = query.where(Revision.case_id == case.id, Revision.record_id != case.id)
    if until is not None:
        query = query.where(Revision.at <= until)
    history: dict[UUID, list[tuple[datetime, str, JsonObject]]] = defaultdict(list)
    for record_id, since, kind, holds in session.execute(query.order_by(Revision.at, Revision.id)):
        history[record_id].append((since, kind, holds))
    return {
        row_id: [(at, _row_of(_TABLES[kind], holds)) for at, kind, holds in states]
        for row_id, states in history.items()
        if len(states) > 1
    }


_AS_THEY_ARE: tuple[type[Base], ...] = (HistoryEntry, Link)
"""Tables whose rows never change, and need no revisions."""
_TABLES = {mapper.class_.__tablename__: mapper.class_ for mapper in Base.registry.mappers}


def _current_state(session: Session, case: Case, at: datetime) -> dict[tuple[str, UUID], dict[str, object]]:
    """Return the columns of the case and its records at that moment, by kind and id.

    What was on record before revisions existed is returned as it is now.
    """
    rows: list[Case | Record] = [case, *_records_of(case)]
    before = {(row.__tablename__, row.id): state_of(row) for row in rows if row.recorded_at <= at}
    return before | {(kind, number): holds for kind, number, holds in _newest(session, case.id, at)}


def _records_of(case: Case) -> list[Record]:
    lists = (getattr(case, relation.key) for relation in class_mapper(Case).relationships if relation.uselist)
    records = [row for rows in lists for row in rows if isinstance(row, Record) and row.case_id == case.id]
    return [*records, *(response for action in case.actions for response in action.responses)]


def _newest(session: Session, case_id: UUID, at: datetime) -> Iterable[tuple[str, UUID, JsonObject]]:
    """Return kind, id and content of the newest revision of each row of the case up to that moment."""
    newest_first = (Revision.at.desc(), Revision.id.desc())
    turn = func.row_number().over(partition_by=(Revision.kind, Revision.record_id), order_by=newest_first)
    revisions = select(Revision.id, turn.label("turn")).where(Revision.case_id == case_id, Revision.at <= at).subquery()
    newest = select(Revision.kind, Revision.record_id, Revision.holds).join(revisions, revisions.c.id == Revision.id)
    return session.execute(newest.where(revisions.c.turn == 1))


Row = TypeVar("Row", bound=Base)


def _row_of(table: type[Row], holds: Mapping[str, object]) -> Row:
    """Return a row that belongs to no session."""
    row: Row = shape_of(table).row_of_document(holds)
    return row
