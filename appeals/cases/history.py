"""The status history of a case."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from appeals.database.declarative import Base, deferred_fk, new_id
from appeals.json_types import JsonObject


class HistoryEntry(Base):
    """A step that was taken. The table is append-only: the database refuses to change or delete a row."""

    __tablename__ = "status_history"
    __table_args__ = (UniqueConstraint("case_id", "sequence"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    case_id: Mapped[UUID] = mapped_column(deferred_fk("case.id"))
    sequence: Mapped[int]
    step: Mapped[str]
    from_status: Mapped[str | None]
    to_status: Mapped[str]
    account_id: Mapped[UUID] = mapped_column(deferred_fk("account.id"))
    role: Mapped[str]
    entity_id: Mapped[UUID] = mapped_column(deferred_fk("entity.id"))
    occurred_on: Mapped[date]
    occurred_precision: Mapped[str]
    recorded_at: Mapped[datetime]
    reason: Mapped[str | None]
    says: Mapped[str]
    input: Mapped[JsonObject]
    overrides: Mapped[JsonObject]
    left_open: Mapped[JsonObject]

    @property
    def moved(self) -> bool:
        """True if this entry changed the status."""
        return self.from_status != self.to_status
