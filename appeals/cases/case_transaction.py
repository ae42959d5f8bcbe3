"""Cases in a write transaction: how they are read and locked, and what changed in them.

There are no listeners and no flush: changes are found by comparing each row with the values that were read.
`appeals/transaction.py` lists what a commit writes, in order.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Executable, bindparam, insert, update
from sqlalchemy.orm import Session

from appeals.accounts.network import NETWORK_VERSION, Network
from appeals.cases.case import Case
from appeals.cases.case_rows import CASE_OF_ID, CaseRows, read_case, rows_of
from appeals.cases.directory import Directory
from appeals.cases.publication import Publication, PublicationConsent
from appeals.database.declarative import Base
from appeals.database.engine import Database
from appeals.database.row_shape import Values, shape_of
from appeals.database.types import AnySelect


@dataclass(frozen=True)
class ChangedRow:
    """A row that differs from what was read, and the names of its changed columns."""

    row: Base
    names: tuple[str, ...]


@dataclass(frozen=True)
class CaseChange:
    """The changes of a case in a transaction: its new rows and its changed rows.

    `beside` is what was read beside the case, in the order of `CaseTransaction.READ_BESIDE`; nothing for a new case.
    """

    case: Case
    added: list[Base]
    altered: list[ChangedRow]
    is_new: bool
    has_other_pages: bool
    beside: list[Any]

    @property
    def rows(self) -> list[Base]:
        """All rows that are written."""
        return [*self.added, *(changed.row for changed in self.altered)]


class CaseTransaction:
    """The cases of one transaction, each once, as they were read and as they are now."""

    READ_BESIDE: tuple[AnySelect, ...] = ()
    """Further statements that are read with a case, with the parameter `case_id`."""

    def __init__(self, database: Database, connection: Connection) -> None:
        self.database, self.connection = database, connection
        self._read: dict[UUID, CaseRows] = {}
        self._new: list[Case] = []
        self._pages: dict[UUID, set[UUID]] = {}
        self._only_seen: dict[UUID, Case] = {}
        self._session: Session | None = None
        self._network_version: tuple[object, ...] | None = None

    @property
    def session(self) -> Session:
        """The session for rows that belong to no case. Its changes are flushed before the cases are written."""
        if self._session is None:
            self._session = self.database.session_on(self.connection)
        return self._session

    def flush_session(self) -> None:
        """Flush the session, if there is one."""
        if self._session is not None:
            self._session.flush()

    def close(self) -> None:
        """Close the session, if there is one."""
        if self._session is not None:
            self._session.close()

    @cached_property
    def directory(self) -> Directory:
        """The directory, as this transaction uses it."""
        return Directory(self.session)

    @property
    def network(self) -> Network:
        """The network as it was when the last case was locked."""
        if self._network_version is None:
            self._network_version = tuple(self.connection.execute(NETWORK_VERSION).scalar_one())
        return Network(self.connection, self.database.network.at(self._network_version))

    def lock(self, query: AnySelect, **values: object) -> Case | None:
        """Return the case of a locking `case_row`, to be written to; None if there is none."""
        row = self.connection.execute(query, values).scalar()
        return self._read_locked(row) if row is not None else None

    def lock_id(self, case_id: UUID) -> Case:
        """Return the case with this id, which exists, locked and to be written to."""
        return self._read_locked(self.connection.execute(_LOCKED, {"case_id": case_id}).scalar_one())

    def lock_if_free(self, case_id: UUID) -> Case | None:
        """Return the case with this id, locked; None if another transaction has locked it."""
        return self.lock(_LOCKED_IF_FREE, case_id=case_id)

    def lock_merged_into(self, case: Case) -> list[Case]:
        """Return the cases that were merged into one, locked in the order of their ids."""
        now = {other.case.id for other in self._read.values() if other.case.merged_into_id == case.id}
        merged = [self.lock_id(row_id) for row_id in sorted({*self._read[case.id].merged_ids, *now})]
        return [other for other in merged if other.merged_into_id == case.id]

    def add(self, case: Case) -> Case:
        """Add a new case."""
        self._new.append(case)
        return case

    def changes(self) -> list[CaseChange]:
        """Return the changes of each case that has any."""
        changes = [self._change(case, {}, []) for case in self._new]
        changes += [self._change(read.case, read.values, read.beside) for read in self._read.values()]
        return [change for change in changes if change.rows]

    def _change(self, case: Case, before: dict[UUID, Values], beside: list[object]) -> CaseChange:
        added, altered = list[Base](), list[ChangedRow]()
        for row in rows_of(case):
            shape = shape_of(type(row))
            as_read = before.get(row.id)  # type: ignore[attr-defined]
            if as_read is None:
                shape.complete(row)
                added.append(row)
            elif (values := shape.values(row)) != as_read:
                differing = zip(shape.names, values, as_read, strict=True)
                altered.append(ChangedRow(row, tuple(name for name, value, was in differing if value != was)))
        other_pages = case.publications_up != self._pages.get(case.id, set())
        return CaseChange(case, added, altered, not before, other_pages, beside)

    def _read_locked(self, row: list[object]) -> Case:
        """Read a locked case; one that was read before its lock is updated in place, because others refer to it."""
        read = read_case(self.connection, row, self.READ_BESIDE)
        known = self._read.get(read.case.id)
        if known is not None:
            return known.case
        seen = self._only_seen.pop(read.case.id, None)
        if seen is not None:
            seen.__dict__.update({name: value for name, value in read.case.__dict__.items() if name[:4] != "_sa_"})
            read = read._replace(case=seen)
        self._read[read.case.id] = read
        self._pages[read.case.id] = read.case.publications_up
        self._network_version = read.network_version
        self._relate(read)
        return read.case

    def _relate(self, read: CaseRows) -> None:
        """Set the entities and the other cases that a case refers to."""
        case = read.case
        self._place(case)
        case.__dict__["merged_here"] = [self.see(row_id) for row_id in read.merged_ids]
        for link in (*case.links, *case.links_here):
            link.__dict__.update(this_case=self.see(link.case_id), other_case=self.see(link.other))

    def see(self, case_id: UUID) -> Case:
        """Return another case for reading. What it refers to is known only for locked cases."""
        if case_id in self._read:
            return self._read[case_id].case
        if case_id not in self._only_seen:
            read = read_case(self.connection, self.connection.execute(CASE_OF_ID, {"case_id": case_id}).scalar_one())
            self._only_seen[case_id] = read.case
            self._place(read.case)
        return self._only_seen[case_id]

    def _place(self, case: Case) -> None:
        """Set the entities of a case, and its survivor."""
        attributes, network = case.__dict__, self.network
        for name in ("lead_entity", "intake_entity", "handover_to"):
            row_id = attributes[f"{name}_id"]
            attributes[name] = network.entity(row_id) if row_id else None
        attributes["merged_into"] = self.see(case.merged_into_id) if case.merged_into_id else None


_LOCKED = CASE_OF_ID.with_for_update(of=Case)
_LOCKED_IF_FREE = CASE_OF_ID.with_for_update(of=Case, skip_locked=True)


# Writing rows


def write_rows(connection: Connection, changes: Collection[CaseChange]) -> None:
    """Write all changes: new cases before rows that refer to them, changed rows before new ones.

    Otherwise SQLite would search tables for rows that wait for a case, and a new publication could not take over a
    token.
    """
    for change in changes:
        for changed in change.altered:
            _update(connection, changed)
    by_table: dict[type[Base], list[Base]] = defaultdict(list)
    for change in changes:
        for row in change.added:
            by_table[type(row)].append(row)
    for table, rows in by_table.items():
        _insert(connection, table, rows)
    relied_on = [
        {"publication_id": row.id, "consent_id": consent.id}
        for row in by_table.get(Publication, ())
        if isinstance(row, Publication)
        for consent in row.relies_on
    ]
    if relied_on:
        connection.execute(_insert_into(PublicationConsent), relied_on)


def _insert(connection: Connection, table: type[Base], rows: Sequence[Base]) -> None:
    shape = shape_of(table)
    connection.execute(_insert_into(table), [dict(zip(shape.keys, shape.values(row), strict=True)) for row in rows])


@cache
def _insert_into(table: type[Base]) -> Executable:
    return insert(table.__table__)  # type: ignore[arg-type]


def _update(connection: Connection, changed: ChangedRow) -> None:
    row, columns = changed.row, shape_of(type(changed.row)).columns
    values = {columns[name].key: row.__dict__[name] for name in changed.names}
    connection.execute(_update_of(type(row), changed.names), {**values, "row_id": row.id})  # type: ignore[attr-defined]


@cache
def _update_of(table: type[Base], names: tuple[str, ...]) -> Executable:
    """Return the statement that updates some columns of the row in the parameter `row_id`."""
    columns = shape_of(table).columns
    values: dict[str, object] = {columns[name].key: bindparam(columns[name].key) for name in names}
    return update(table.__table__).where(table.__table__.c.id == bindparam("row_id")).values(values)  # type: ignore[arg-type]
