"""Publication: what outsiders may see, approved by two people and resting on consents in force."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field
from sqlalchemy.orm import Mapped, mapped_column

from appeals.database import refers_to
from appeals.field import Prose
from appeals.record import Record, RecordInput, RecordOutput
from appeals.vocabulary import PublicationLevel

SIGNED_FOR_DAYS = 14


class Approval(Record):
    """The second signature: somebody else than the coordinator agrees to publish at a level."""

    __tablename__ = "approval"

    level: Mapped[str]
    note: Mapped[str | None]
    used_at: Mapped[datetime | None]


class Publication(Record):
    """One publication: up from `recorded_at` until `taken_down_at`."""

    __tablename__ = "publication"

    level: Mapped[str]
    approved_by: Mapped[UUID] = mapped_column(refers_to("account.id"))
    consents: Mapped[list[str]]
    taken_down_at: Mapped[datetime | None]
    taken_down_why: Mapped[str | None]

    @property
    def is_up(self) -> bool:
        """True while it may be read by outsiders."""
        return self.taken_down_at is None


class ApprovalInput(RecordInput):
    """A reviewer's signature under a publication of at most this level; good for 14 days and one use."""

    level: Annotated[PublicationLevel, Field(description="The widest publication agreed to.")]
    note: Prose | None = None


class ApprovalOutput(RecordOutput):
    level: PublicationLevel
    note: str | None
    used_at: datetime | None
