"""Case snapshots: a case is written seldom and read often, so each write renders its views once, in its own
transaction.

What is kept is what everybody gets who has that view and sees no other case. The case that it was merged into is put
in for those who may see that (`insert_survivor`), and so are links for those who see the other end (`insert_links`).
With the views go a row of the feed (`cases/change_log.py`), the words by which the case is found
(`read_models/search.py`), the keys by which cases like it are found (`read_models/name_similarity.py`), and how it is
counted (`read_models/statistics.py`).
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
"""Who sees no other case: for them a view is rendered that is to be kept."""


class CaseSnapshot(Base):
    """The views of a case as JSON, one row each case: as lines of lists, and whole with the tag of each.

    `visibility_key` is what decides who sees the case, as it stood at the last write; `counted` how statistics count
    it, null while it is sealed; `indexed` the digest of the words it is found by.
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
    """A view as it is kept."""

    tag: str
    line: bytes
    view: bytes


class SnapshotKeys(NamedTuple):
    """What of a snapshot the next write of its case is compared with; the views are written, not read."""

    visibility_key: JsonObject
    counted: JsonObject | None
    indexed: str | None


_TABLE = cast(Table, CaseSnapshot.__table__)
SELECT_KEYS = select(json_row(_TABLE.c.visibility_key, _TABLE.c.counted, _TABLE.c.indexed)).where(
    _TABLE.c.case_id == bindparam("case_id")
)
"""The `SnapshotKeys` of the case in the parameter `case_id`, as a JSON array."""


def write_snapshot(connection: Connection, case_id: UUID, snapshot: dict[str, object], *, is_new: bool) -> None:
    """Keep the views of a case as it stands."""
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
    """Put on record that the case changed, for the feed; the number of the change."""
    number: int = connection.execute(
        _INSERT_CHANGE, {"case_id": case.id, "at": now, "version": case.version}
    ).scalar_one()
    return number


_INSERT_CHANGE = insert(Change).values(transaction_id=current_xid()).returning(Change.id)


def log_previous_visibility(connection: Connection, change: int, values: JsonObject) -> None:
    """Keep what decided who saw the case before a change, of which the visibility key was this."""
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
    """What decides who sees the case, as JSON has it."""
    members = {
        str(member.account): member.until and member.until.isoformat()
        for member in case.team
        if member.status == TeamStatus.ON
    }
    columns = {name: getattr(case, name) for name in VISIBILITY_COLUMNS}
    return {"case": {name: value and str(value) for name, value in columns.items()}, "team": members}


def snapshot_of(case: Case) -> JsonObject:
    """What is kept of a case, as it stands; of the words it is found by another part writes the digest."""
    return snapshot_columns(case, {view: render(case, view) for view in View})


def snapshot_columns(case: Case, rendered: Mapping[View, RenderedView]) -> JsonObject:
    """The columns of what is kept of a case, of which the views are rendered."""
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
    """A view of the case, as somebody gets it who sees no other case. Its line is what the view begins with."""
    whole = _VIEWS[view].dump_json(views.of_case(ANONYMOUS, case, view))
    return RenderedView(views.tag_of(case.version, whole), whole[: whole.index(_AFTER_LINE)] + b"}", whole)


_VIEWS: dict[View, TypeAdapter[object]] = {
    View.STATUS: TypeAdapter(views.StatusView),
    View.WORK: TypeAdapter(views.WorkView),
}
_AFTER_LINE = b',"counts":['
"""The first member of a view that a line does not have. Within a text its quotes would be escaped."""


def for_reader(rendered: RenderedView, caller: Caller, case: Case, view: View) -> RenderedView:
    """A rendered view with the other cases that it names to those who see them."""
    seen_links = links(caller, case) if view is View.WORK else []
    content = insert_links(insert_survivor(rendered.view, views.survivor_reference(caller, case)), seen_links)
    if content is rendered.view:
        return rendered
    return RenderedView(views.tag_of(case.version, content), rendered.line, content)


UNNAMED = b'"merged_into_reference":null'


NO_LINKS = b'"links":[]'
_LINKS = TypeAdapter(list[LinkOutput])


def insert_links(shown: bytes, links: list[LinkOutput]) -> bytes:
    """A kept work view that tells of links."""
    return shown.replace(NO_LINKS, NO_LINKS[:-2] + _LINKS.dump_json(links), 1) if links else shown


def insert_survivor(shown: bytes, reference: str | None) -> bytes:
    """A case snapshot or line that names the case which its case was merged into, or (None) does not.

    Within a text its quotes would be escaped, so that this is the member and nothing else.
    """
    return shown.replace(UNNAMED, UNNAMED[:-4] + json.dumps(reference).encode(), 1) if reference else shown


def stale_snapshots(session: Session, cases: Iterable[Case]) -> Iterator[Case]:
    """Those of these cases of which something else is kept than a fresh rendering gives, or nothing."""
    for case in cases:
        load_case(session, case)
        snapshot, fresh = session.get(CaseSnapshot, case.id), snapshot_of(case)
        if snapshot is None or any(getattr(snapshot, name) != value for name, value in fresh.items()):
            yield case


BATCH_SIZE = 100


def rebuild(database: Database, *, all_of_them: bool) -> int:
    """Render what is kept of cases, of all or of those of which nothing is kept yet; of how many.

    For a release that renders otherwise, or that is the first to keep views. Nothing of the cases changed, so the feed
    is told nothing.
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
    """How every case is counted that is, as the statistics keep it."""
    query = select(CaseSnapshot.counted).where(CaseSnapshot.counted.is_not(None)).execution_options(yield_per=1000)
    return (counted for counted in session.scalars(query) if counted is not None)
