"""Case snapshots: a case is written rarely and read often, so each write renders its views once, in its own
transaction.

A stored view is what a reader with that view gets who sees no other case. The survivor is inserted for those who may
see it (`insert_survivor`), and links for those who see the other end (`insert_links`). With the views, a write stores a
row of the change log (`cases/change_log.py`), the search words (`read_models/search.py`), the blocking keys
(`read_models/name_similarity.py`), and how the case is counted (`read_models/statistics.py`).
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple, cast
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import Connection, LargeBinary, Table, bindparam, insert, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from appeals.access.visibility import links
from appeals.accounts.caller import Caller, anonymous_caller
from appeals.cases.case import Case
from appeals.cases.case_reading import load_case
from appeals.cases.change_log import Change, PreviousTeamMember, PreviousVisibility
from appeals.cases.link import LinkOutput
from appeals.database.declarative import Base, deferred_fk
from appeals.database.engine import Database
from appeals.database.json_rows import json_row
from appeals.database.xid_order import current_xid
from appeals.json_types import JsonObject
from appeals.read_models import name_similarity, search, statistic_counts, views
from appeals.read_models.name_similarity import BlockingKey
from appeals.vocabulary import TeamStatus, View

ANONYMOUS = anonymous_caller(datetime(1970, 1, 1, tzinfo=UTC))
"""A caller who sees no other case, for whom stored views are rendered."""


class CaseSnapshot(Base):
    """The views of a case as JSON, one row for each case: as lines of lists, and whole with their tags.

    `visibility_key` holds the columns that decided who saw the case at its last write. `counted` is how statistics
    count it, null while it is sealed. `indexed` is the digest of its search words.
    """

    __tablename__ = "case_snapshot"

    case_id: Mapped[UUID] = mapped_column(deferred_fk("case.id"), primary_key=True)
    status_tag: Mapped[str]
    work_tag: Mapped[str]
    status_line: Mapped[bytes] = mapped_column(LargeBinary)
    work_line: Mapped[bytes] = mapped_column(LargeBinary)
    visibility_key: Mapped[JsonObject]
    counted: Mapped[JsonObject | None]
    status_view: Mapped[bytes] = mapped_column(LargeBinary)
    work_view: Mapped[bytes] = mapped_column(LargeBinary)
    indexed: Mapped[str | None]


@dataclass(frozen=True)
class RenderedView:
    """A rendered view, as it is stored."""

    tag: str
    line: bytes
    view: bytes


class SnapshotKeys(NamedTuple):
    """The columns of a snapshot that the next write compares. The views are written, not read."""

    visibility_key: JsonObject
    counted: JsonObject | None
    indexed: str | None


_TABLE = cast(Table, CaseSnapshot.__table__)
SELECT_KEYS = select(json_row(_TABLE.c.visibility_key, _TABLE.c.counted, _TABLE.c.indexed)).where(
    _TABLE.c.case_id == bindparam("case_id")
)
"""The `SnapshotKeys` of the case in the parameter `case_id`, as a JSON array."""


def write_snapshot(connection: Connection, case_id: UUID, snapshot: dict[str, object], *, is_new: bool) -> None:
    """Store the views of a case."""
    if is_new:
        connection.execute(_INSERT_SNAPSHOT, {"case_id": case_id, **snapshot})
    else:
        connection.execute(_UPDATE_SNAPSHOT, {"case": case_id, **snapshot})


_INSERT_SNAPSHOT = insert(_TABLE)
_UPDATE_SNAPSHOT = (
    update(_TABLE)
    .where(_TABLE.c.case_id == bindparam("case"))
    .values({column.name: bindparam(column.name) for column in _TABLE.columns if not column.primary_key})
)


def log_change(connection: Connection, case: Case, now: datetime) -> int:
    """Write a row of the change log, and return its id."""
    number: int = connection.execute(
        _INSERT_CHANGE, {"case_id": case.id, "at": now, "version": case.version}
    ).scalar_one()
    return number


_INSERT_CHANGE = insert(Change).values(transaction_id=current_xid()).returning(Change.id)


def log_previous_visibility(connection: Connection, change: int, values: JsonObject) -> None:
    """Store the columns that decided who saw the case before a change, from the visibility key of that time."""
    columns = {name: UUID(value) if value and name != "visibility" else value for name, value in values["case"].items()}
    connection.execute(_INSERT_VISIBILITY, {"change_id": change, **columns})
    team = [
        {"change_id": change, "account": UUID(account), "until": datetime.fromisoformat(until) if until else None}
        for account, until in values["team"].items()
    ]
    if team:
        connection.execute(_INSERT_TEAM, team)


_INSERT_VISIBILITY, _INSERT_TEAM = insert(PreviousVisibility), insert(PreviousTeamMember)
VISIBILITY_COLUMNS = tuple(column.name for column in PreviousVisibility.__table__.columns if not column.primary_key)


def visibility_key(case: Case) -> JsonObject:
    """Return the columns that decide who sees the case, as JSON."""
    members = {
        str(member.account): member.until and member.until.isoformat()
        for member in case.team
        if member.status == TeamStatus.ON
    }
    columns = {name: getattr(case, name) for name in VISIBILITY_COLUMNS}
    return {"case": {name: value and str(value) for name, value in columns.items()}, "team": members}


def snapshot_of(case: Case) -> JsonObject:
    """Return the snapshot of a case; the digest of its search words is written elsewhere."""
    return snapshot_columns(case, {view: render(case, view) for view in View})


def snapshot_columns(case: Case, rendered: Mapping[View, RenderedView]) -> JsonObject:
    """Return the columns of the snapshot of a case with these views."""
    status, work = rendered[View.STATUS], rendered[View.WORK]
    return {
        "status_tag": status.tag,
        "work_tag": work.tag,
        "status_line": status.line,
        "work_line": work.line,
        "visibility_key": visibility_key(case),
        "counted": statistic_counts.counted_dimensions(case),
        "status_view": status.view,
        "work_view": work.view,
    }


def render(case: Case, view: View) -> RenderedView:
    """Render a view of the case for a reader who sees no other case. The view begins with its line."""
    whole = _VIEWS[view].dump_json(views.of_case(ANONYMOUS, case, view))
    return RenderedView(views.tag_of(case.version, whole), whole[: whole.index(_AFTER_LINE)] + b"}", whole)


_VIEWS: dict[View, TypeAdapter[object]] = {
    View.STATUS: TypeAdapter(views.StatusView),
    View.WORK: TypeAdapter(views.WorkView),
}
_AFTER_LINE = b',"counts":['
"""The first member of a view that is not in its line. Inside a text its quotes would be escaped."""


def for_reader(rendered: RenderedView, caller: Caller, case: Case, view: View) -> RenderedView:
    """Return a rendered view with the other cases that the caller may see."""
    seen_links = links(caller, case) if view is View.WORK else []
    content = insert_links(insert_survivor(rendered.view, views.survivor_reference(caller, case)), seen_links)
    if content is rendered.view:
        return rendered
    return RenderedView(views.tag_of(case.version, content), rendered.line, content)


UNNAMED = b'"merged_into_reference":null'


NO_LINKS = b'"links":[]'
_LINKS = TypeAdapter(list[LinkOutput])


def insert_links(shown: bytes, links: list[LinkOutput]) -> bytes:
    """Return a stored work view with these links."""
    return shown.replace(NO_LINKS, NO_LINKS[:-2] + _LINKS.dump_json(links), 1) if links else shown


def insert_survivor(shown: bytes, reference: str | None) -> bytes:
    """Return a stored view or line with the reference of the survivor, or without if it is None.

    Inside a text the quotes would be escaped, so only the member itself matches.
    """
    return shown.replace(UNNAMED, UNNAMED[:-4] + json.dumps(reference).encode(), 1) if reference else shown


def stale_snapshots(session: Session, cases: Iterable[Case]) -> Iterator[Case]:
    """Yield those of these cases whose snapshot is missing or differs from a fresh rendering."""
    for case in cases:
        load_case(session, case)
        snapshot, fresh = session.get(CaseSnapshot, case.id), snapshot_of(case)
        if snapshot is None or any(getattr(snapshot, name) != value for name, value in fresh.items()):
            yield case


BATCH_SIZE = 100


def rebuild(database: Database, *, all_of_them: bool) -> int:
    """Render the snapshots of all cases, or of those that have none, and return how many.

    It is for a release that renders differently, or the first one with snapshots. The cases do not change, so the
    change log gets no rows.
    """
    done, last = 0, UUID(int=0)
    while True:
        with database.writing() as session:
            query = select(Case).where(Case.id > last).order_by(Case.id).limit(BATCH_SIZE)
            if not all_of_them:
                whole = select(CaseSnapshot.case_id).where(CaseSnapshot.case_id.in_(select(BlockingKey.case_id)))
                query = query.where(Case.id.not_in(whole))
            cases = session.scalars(query.with_for_update(of=Case)).all()
            connection = session.connection()
            indexed = search.reindex(connection, cases)
            for case in cases:
                load_case(session, case)
                snapshot, rendered = session.get(CaseSnapshot, case.id), snapshot_of(case)
                name_similarity.index_names(connection, case, is_new=False)
                statistic_counts.log_delta(connection, snapshot.counted if snapshot else None, rendered["counted"])
                session.merge(CaseSnapshot(case_id=case.id, **rendered, indexed=indexed[case.id]))
        if not cases:
            return done
        done, last = done + len(cases), cases[-1].id


def all_counted_cases(session: Session) -> Iterator[JsonObject]:
    """Yield how every counted case is counted, for the statistics."""
    query = select(CaseSnapshot.counted).where(CaseSnapshot.counted.is_not(None)).execution_options(yield_per=1000)
    return (counted for counted in session.scalars(query) if counted is not None)
