"""Due dates: a small table of days after which something follows, so that not every case must be checked.

A row is written and changed in the transaction that sets the day. It is closed once: when its day has passed and its
consequence was done, or when there is none any more.
"""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from appeals.cases.record import Record
from appeals.database.declarative import Base, deferred_fk, new_id, partial_index
from appeals.vocabulary import DueKind

NEVER = date.max


class DueDate(Base):
    """A day after which something follows for a record of a case. `set_at` is when it was recorded."""

    __tablename__ = "due_date"
    __table_args__ = (
        UniqueConstraint("kind", "subject_id"),
        partial_index("ix_due_date_open", "due_on", condition="acted_at IS NULL"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    case_id: Mapped[UUID] = mapped_column(deferred_fk("case.id"), index=True)
    kind: Mapped[str]
    subject_id: Mapped[UUID]
    due_on: Mapped[date]
    set_at: Mapped[datetime]
    acted_at: Mapped[datetime | None]


def set_due(due_dates: list[DueDate], kind: DueKind, record: Record, due_on: date | None, now: datetime) -> None:
    """Set the day after which something follows for a record, or no day with None. A closed due date stays closed."""
    due_date = next((due for due in due_dates if due.kind == kind and due.subject_id == record.id), None)
    if due_date is None and due_on is not None:
        due_dates.append(
            DueDate(id=new_id(), kind=kind, case_id=record.case_id, subject_id=record.id, due_on=due_on, set_at=now)
        )
    elif due_date is not None and due_date.acted_at is None:
        due_date.due_on = due_on or NEVER
