"""What every record of a case has in common: an id, a label, and who recorded it when."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, declared_attr, mapped_column

from appeals.database.declarative import Base, deferred_fk, new_id
from appeals.fields import Label, Model


class Record(Base):
    """The parent of every record kept under a case. Records are added and superseded, never deleted."""

    __abstract__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    case_id: Mapped[UUID] = mapped_column(deferred_fk("case.id"), index=True)
    label: Mapped[str | None]
    recorded_at: Mapped[datetime]
    recorded_by: Mapped[UUID] = mapped_column(deferred_fk("account.id"))

    @declared_attr.directive
    @classmethod
    def __table_args__(cls) -> tuple[object, ...]:
        return (UniqueConstraint("case_id", "label"),)

    def contradiction(self) -> tuple[str, str] | None:
        """The member that contradicts another, and how; None when all agree."""
        return None

    def may_become(self, name: str, value: object) -> bool:
        """Whether a member may still be changed to this; the small lifecycle of its state is asked apart."""
        return True


class RecordInput(Model):
    """What a caller may say of any record."""

    label: Label | None = None


class RecordOutput(RecordInput):
    """What an answer says of any record."""

    id: UUID
    recorded_at: datetime
    recorded_by: UUID
