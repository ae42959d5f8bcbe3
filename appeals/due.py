"""Due dates that act when they pass: kept in a small table, so that the clock need not look at every case.

A row is written in the transaction that sets the day, changed with it, and closed once: when its day has passed and
what follows from that was done, or when nothing follows any more.
"""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from appeals.database import Base, index_among, new_id, refers_to
from appeals.record import Record
from appeals.vocabulary import DueKind

NEVER = date.max


class DueDate(Base):
    """The day after which something follows for a record of a case; `set_at` is when it was put on record."""

    __tablename__ = "due_date"
    __table_args__ = (
        UniqueConstraint("kind", "subject_id"),
        index_among("ix_due_date_open", "due_on", condition="acted_at IS NULL"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    case_id: Mapped[UUID] = mapped_column(refers_to("case.id"), index=True)
    kind: Mapped[str]
    subject_id: Mapped[UUID]
    due_on: Mapped[date]
    set_at: Mapped[datetime]
    acted_at: Mapped[datetime | None]


def set_due(session: Session, kind: DueKind, record: Record, due_on: date | None, now: datetime) -> None:
    """Have something follow for a record when this day has passed; with None, nothing. What followed stays."""
    known = select(DueDate).where(DueDate.kind == kind, DueDate.subject_id == record.id)
    found = None if record in session.new else session.scalar(known)
    if found is None and due_on is not None:
        session.add(DueDate(kind=kind, case_id=record.case_id, subject_id=record.id, due_on=due_on, set_at=now))
    elif found is not None and found.acted_at is None:
        found.due_on = due_on or NEVER
