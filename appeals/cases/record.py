"""The common columns and members of records: the id, a label, who recorded it and when."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, declared_attr, mapped_column

from appeals.database.declarative import Base, deferred_fk, new_id
from appeals.fields import Label, Model


class Record(Base):
    """The base class of records of a case. Records are added and superseded, never deleted."""

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
        """Return the member that contradicts another and the sentence; None if all agree."""
        return None

    def may_become(self, name: str, value: object) -> bool:
        """Return whether a member may be changed to this value. The lifecycle of its state is checked elsewhere."""
        return True


class RecordInput(Model):
    """The common input of records."""

    label: Label | None = None


class RecordOutput(RecordInput):
    """The common output of records."""

    id: UUID
    recorded_at: datetime
    recorded_by: UUID
