"""Kept views: a case is written seldom and read often, so each write renders its views once, in its own transaction.

What is kept is what everybody gets who has that view and sees no other case. The case that it was merged into is put
in for those who may see that (`naming_survivor`), and so are links for those who see the other end (`telling_links`).
With the views go a row of the feed (`change.py`), the words by which the case is found (`search.py`), the keys by
which cases like it are found (`likeness.py`), and how it is counted (`statistics.py`).
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

from appeals import likeness, search, statistics, views
from appeals.case import Case
from appeals.change import Change, FormerMember, FormerSight
from appeals.database import Base, Database, refers_to, this_transaction
from appeals.likeness import BlockingKey
from appeals.link import LinkOutput
from appeals.network import outsider
from appeals.record import Record
from appeals.revision import keep_revisions
from appeals.views import CaseOutput
from appeals.vocabulary import TeamStatus, View

NOBODY = outsider(datetime(1970, 1, 1, tzinfo=UTC))
"""Who sees no other case: for them a view is rendered that is to be kept."""
FIELDS = set(CaseOutput.model_fields)


class KeptView(Base):
    """The views of a case as JSON, one row each case: as lines of lists, and whole with the tag of each.

    `sight` is what decides who sees the case, as it stood at the last write; `counted` how statistics count it, null
    while it is sealed; `indexed` the digest of the words it is found by.
    """

    __tablename__ = "kept_view"

    case_id: Mapped[UUID] = mapped_column(refers_to("case.id"), primary_key=True)
    status_tag: Mapped[str]
    work_tag: Mapped[str]
    status_line: Mapped[bytes] = mapped_column(LargeBinary)
    work_line: Mapped[bytes] = mapped_column(LargeBinary)
    sight: Mapped[dict[str, Any]]
    counted: Mapped[dict[str, Any] | None]
    status_view: Mapped[bytes] = mapped_column(LargeBinary)
    work_view: Mapped[bytes] = mapped_column(LargeBinary)
    indexed: Mapped[str | None]


@dataclass(frozen=True)
class Rendered:
    """A view as it is kept."""

    tag: str
    line: bytes
    view: bytes


def keep(session: Session, now: datetime, by: UUID) -> None:
    """Have this transaction keep what it writes of cases: revisions, the views as they then stand, and the changes.

    Views are rendered when it is about to commit, once for each case however often it was written to.
    """
    keep_revisions(session, now, by)
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
        for number, case in written.items():
            keep_case(session, case or session.get_one(Case, number), now, is_new=number in logged)
        written.clear()
        logged.clear()

    event.listen(session, "after_flush", note)
    event.listen(session, "before_commit", render)


def keep_case(session: Session, case: Case, now: datetime, *, is_new: bool) -> None:
    """Keep the views of a case as it stands, and that it changed."""
    connection = session.connection()  # plain statements: each write of a case waits for these
    kept = None if is_new else connection.execute(_KEPT, {"case": case.id}).one_or_none()
    change = _note_change(session, case, now)
    rendered = kept_of(case)
    if kept is not None and kept.sight != rendered["sight"]:
        _note_former_sight(session, change, kept.sight)
    rendered["indexed"] = search.index(session, case, kept.indexed if kept else None, is_new=is_new)
    if kept is None or kept.indexed != rendered["indexed"]:  # among its words are the names of its parties
        likeness.index(session, case, is_new=is_new)
    statistics.note(session, kept.counted if kept else None, rendered["counted"])
    if kept is None:
        connection.execute(_ADDED, {"case_id": case.id, **rendered})
    else:
        connection.execute(_REPLACED, {"case": case.id, **rendered})


_TABLE = cast(Table, KeptView.__table__)
_KEPT = select(_TABLE.c.sight, _TABLE.c.counted, _TABLE.c.indexed).where(_TABLE.c.case_id == bindparam("case"))
"""Without the views: those are written, not read."""
_ADDED = insert(_TABLE)
_REPLACED = update(_TABLE).where(_TABLE.c.case_id == bindparam("case"))
_CHANGED = insert(Change).values(transaction_id=this_transaction()).returning(Change.id)


def _note_change(session: Session, case: Case, now: datetime) -> int:
    values = {"case_id": case.id, "at": now, "version": case.version}
    number: int = session.connection().execute(_CHANGED, values).scalar_one()
    return number


def _note_former_sight(session: Session, change: int, held: dict[str, Any]) -> None:
    columns = {name: UUID(value) if value and name != "visibility" else value for name, value in held["case"].items()}
    connection = session.connection()
    connection.execute(insert(FormerSight), {"change_id": change, **columns})
    team = [
        {"change_id": change, "account": UUID(account), "until": datetime.fromisoformat(until) if until else None}
        for account, until in held["team"].items()
    ]
    if team:
        connection.execute(insert(FormerMember), team)


SIGHT = tuple(column.name for column in FormerSight.__table__.columns if not column.primary_key)


def sight_of(case: Case) -> dict[str, Any]:
    """What decides who sees the case, as JSON has it."""
    members = {
        str(member.account): member.until and member.until.isoformat()
        for member in case.team
        if member.status == TeamStatus.ON
    }
    columns = {name: getattr(case, name) for name in SIGHT}
    return {"case": {name: value and str(value) for name, value in columns.items()}, "team": members}


def kept_of(case: Case) -> dict[str, Any]:
    """What is kept of a case, as it stands."""
    status, work = render(case, View.STATUS), render(case, View.WORK)
    return {
        "status_tag": status.tag,
        "work_tag": work.tag,
        "status_line": status.line,
        "work_line": work.line,
        "sight": sight_of(case),
        "counted": statistics.counted(case),
        "status_view": status.view,
        "work_view": work.view,
    }


def render(case: Case, view: View) -> Rendered:
    """A view of the case, as somebody gets it who sees no other case."""
    shown = views.of_case(NOBODY, case, view)
    line, whole = shown.model_dump_json(include=FIELDS).encode(), shown.model_dump_json().encode()
    return Rendered(views.tag_of(case.version, whole), line, whole)


UNNAMED = b'"merged_into_reference":null'


NO_LINKS = b'"links":[]'
_LINKS = TypeAdapter(list[LinkOutput])


def telling_links(shown: bytes, links: list[LinkOutput]) -> bytes:
    """A kept work view that tells of links."""
    return shown.replace(NO_LINKS, NO_LINKS[:-2] + _LINKS.dump_json(links), 1) if links else shown


def naming_survivor(shown: bytes, reference: str | None) -> bytes:
    """A kept view or line that names the case which its case was merged into, or (None) does not.

    Within a text its quotes would be escaped, so that this is the member and nothing else.
    """
    return shown.replace(UNNAMED, UNNAMED[:-4] + json.dumps(reference).encode(), 1) if reference else shown


def differing(session: Session, cases: Iterable[Case]) -> Iterator[Case]:
    """Those of these cases of which something else is kept than a fresh rendering gives, or nothing."""
    for case in cases:
        case.load(session)
        kept, fresh = session.get(KeptView, case.id), kept_of(case)
        if kept is None or any(getattr(kept, name) != value for name, value in fresh.items()):
            yield case


AT_ONCE = 100


def render_anew(database: Database, *, all_of_them: bool) -> int:
    """Render what is kept of cases, of all or of those of which nothing is kept yet; of how many.

    For a release that renders otherwise, or that is the first to keep views. Nothing of the cases changed, so the feed
    is told nothing.
    """
    done, last = 0, UUID(int=0)
    while True:
        with database.writing() as session:
            query = select(Case).where(Case.id > last).order_by(Case.id).limit(AT_ONCE)
            if not all_of_them:
                whole = select(KeptView.case_id).where(KeptView.case_id.in_(select(BlockingKey.case_id)))
                query = query.where(Case.id.not_in(whole))
            cases = session.scalars(query.with_for_update(of=Case)).all()
            indexed = search.reindex(session, cases)
            for case in cases:
                case.load(session)
                kept, rendered = session.get(KeptView, case.id), kept_of(case)
                likeness.index(session, case, is_new=False)
                statistics.note(session, kept.counted if kept else None, rendered["counted"])
                session.merge(KeptView(case_id=case.id, **rendered, indexed=indexed[case.id]))
        if not cases:
            return done
        done, last = done + len(cases), cases[-1].id


def all_counted(session: Session) -> Iterator[dict[str, Any]]:
    """How every case is counted that is, as the statistics keep it."""
    query = select(KeptView.counted).where(KeptView.counted.is_not(None)).execution_options(yield_per=1000)
    return (counted for counted in session.scalars(query) if counted is not None)
