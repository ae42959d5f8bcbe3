"""Case snapshots: a case is written seldom and read often, so each write renders its views once, in its own
transaction.

What is kept is what everybody gets who has that view and sees no other case. The case that it was merged into is put
in for those who may see that (`insert_survivor`), and so are links for those who see the other end (`insert_links`).
With the views go a row of the feed (`cases/change_log.py`), the words by which the case is found
(`read_models/search.py`), the keys by which cases like it are found (`read_models/name_similarity.py`), and how it is
counted (`read_models/statistics.py`).
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import LargeBinary, Table, bindparam, event, insert, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from appeals.accounts.caller import anonymous_caller
from appeals.cases.case import Case
from appeals.cases.change_log import Change, PreviousTeamMember, PreviousVisibility
from appeals.cases.link import LinkOutput
from appeals.cases.record import Record
from appeals.cases.revision import track_revisions
from appeals.database.declarative import Base, deferred_fk
from appeals.database.engine import Database
from appeals.database.xid_order import current_xid
from appeals.read_models import name_similarity, search, statistics, views
from appeals.read_models.name_similarity import BlockingKey
from appeals.read_models.views import CaseOutput
from appeals.vocabulary import TeamStatus, View

ANONYMOUS = anonymous_caller(datetime(1970, 1, 1, tzinfo=UTC))
"""Who sees no other case: for them a view is rendered that is to be kept."""
FIELDS = set(CaseOutput.model_fields)


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
    visibility_key: Mapped[dict[str, Any]]
    counted: Mapped[dict[str, Any] | None]
    status_view: Mapped[bytes] = mapped_column(LargeBinary)
    work_view: Mapped[bytes] = mapped_column(LargeBinary)
    indexed: Mapped[str | None]


@dataclass(frozen=True)
class RenderedView:
    """A view as it is kept."""

    tag: str
    line: bytes
    view: bytes


def track_writes(session: Session, now: datetime, by: UUID) -> None:
    """Have this transaction keep what it writes of cases: revisions, the views as they then stand, and the changes.

    Views are rendered when it is about to commit, once for each case however often it was written to.
    """
    track_revisions(session, now, by)
    rendered = session.info[views.RENDERED] = {}
    written: dict[UUID, Case | None] = {}  # held on to, so that nothing that was read is read again
    logged: set[UUID] = set()

    def note(_: Session, __: object) -> None:
        rendered.clear()
        logged.update(row.id for row in session.new if isinstance(row, Case))
        for row in (*session.new, *session.dirty):
            if isinstance(row, Case):
                written[row.id] = row
            elif isinstance(row, Record):  # a link tells at its other end only those who see this one
                written.setdefault(row.case_id, None)

    def render(_: Session) -> None:
        session.flush()
        for case_id, case in written.items():
            refresh_snapshot(session, case or session.get_one(Case, case_id), now, is_new=case_id in logged)
        written.clear()
        logged.clear()

    event.listen(session, "after_flush", note)
    event.listen(session, "before_commit", render)


def refresh_snapshot(session: Session, case: Case, now: datetime, *, is_new: bool) -> None:
    """Keep the views of a case as it stands, and that it changed."""
    connection = session.connection()  # plain statements: each write of a case waits for these
    kept = None if is_new else connection.execute(_SELECT_SNAPSHOT, {"case": case.id}).one_or_none()
    change = _log_change(session, case, now)
    rendered = snapshot_of(case)
    if kept is not None and kept.visibility_key != rendered["visibility_key"]:
        _log_previous_visibility(session, change, kept.visibility_key)
    rendered["indexed"] = search.index(session, case, kept.indexed if kept else None, is_new=is_new)
    if kept is None or kept.indexed != rendered["indexed"]:  # among its words are the names of its parties
        name_similarity.index_names(session, case, is_new=is_new)
    statistics.log_delta(session, kept.counted if kept else None, rendered["counted"])
    if kept is None:
        connection.execute(_INSERT_SNAPSHOT, {"case_id": case.id, **rendered})
    else:
        connection.execute(_UPDATE_SNAPSHOT, {"case": case.id, **rendered})


_TABLE = cast(Table, CaseSnapshot.__table__)
_SELECT_SNAPSHOT = select(_TABLE.c.visibility_key, _TABLE.c.counted, _TABLE.c.indexed).where(
    _TABLE.c.case_id == bindparam("case")
)
"""Without the views: those are written, not read."""
_INSERT_SNAPSHOT = insert(_TABLE)
_UPDATE_SNAPSHOT = update(_TABLE).where(_TABLE.c.case_id == bindparam("case"))
_INSERT_CHANGE = insert(Change).values(transaction_id=current_xid()).returning(Change.id)


def _log_change(session: Session, case: Case, now: datetime) -> int:
    values = {"case_id": case.id, "at": now, "version": case.version}
    number: int = session.connection().execute(_INSERT_CHANGE, values).scalar_one()
    return number


def _log_previous_visibility(session: Session, change: int, values: dict[str, Any]) -> None:
    columns = {name: UUID(value) if value and name != "visibility" else value for name, value in values["case"].items()}
    connection = session.connection()
    connection.execute(insert(PreviousVisibility), {"change_id": change, **columns})
    team = [
        {"change_id": change, "account": UUID(account), "until": datetime.fromisoformat(until) if until else None}
        for account, until in values["team"].items()
    ]
    if team:
        connection.execute(insert(PreviousTeamMember), team)


VISIBILITY_COLUMNS = tuple(column.name for column in PreviousVisibility.__table__.columns if not column.primary_key)


def visibility_key(case: Case) -> dict[str, Any]:
    """What decides who sees the case, as JSON has it."""
    members = {
        str(member.account): member.until and member.until.isoformat()
        for member in case.team
        if member.status == TeamStatus.ON
    }
    columns = {name: getattr(case, name) for name in VISIBILITY_COLUMNS}
    return {"case": {name: value and str(value) for name, value in columns.items()}, "team": members}


def snapshot_of(case: Case) -> dict[str, Any]:
    """What is kept of a case, as it stands."""
    status, work = render(case, View.STATUS), render(case, View.WORK)
    return {
        "status_tag": status.tag,
        "work_tag": work.tag,
        "status_line": status.line,
        "work_line": work.line,
        "visibility_key": visibility_key(case),
        "counted": statistics.counted_dimensions(case),
        "status_view": status.view,
        "work_view": work.view,
    }


def render(case: Case, view: View) -> RenderedView:
    """A view of the case, as somebody gets it who sees no other case."""
    shown = views.of_case(ANONYMOUS, case, view)
    line, whole = shown.model_dump_json(include=FIELDS).encode(), shown.model_dump_json().encode()
    return RenderedView(views.tag_of(case.version, whole), line, whole)


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
        case.load(session)
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
            indexed = search.reindex(session, cases)
            for case in cases:
                case.load(session)
                snapshot, rendered = session.get(CaseSnapshot, case.id), snapshot_of(case)
                name_similarity.index_names(session, case, is_new=False)
                statistics.log_delta(session, snapshot.counted if snapshot else None, rendered["counted"])
                session.merge(CaseSnapshot(case_id=case.id, **rendered, indexed=indexed[case.id]))
        if not cases:
            return done
        done, last = done + len(cases), cases[-1].id


def all_counted_cases(session: Session) -> Iterator[dict[str, Any]]:
    """How every case is counted that is, as the statistics keep it."""
    query = select(CaseSnapshot.counted).where(CaseSnapshot.counted.is_not(None)).execution_options(yield_per=1000)
    return (counted for counted in session.scalars(query) if counted is not None)
