"""Publication: what outsiders may see, approved by two people and resting on consents in force.

Who approves sees what would be shown; it is frozen then, and what is published is what two people approved. A
publication may be read while it is up and every consent it rests on is in force, and not a day longer.
"""

import secrets
from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field
from sqlalchemy import ColumnElement, Select, and_, select
from sqlalchemy.orm import Mapped, mapped_column, relationship

from appeals.consent import Consent
from appeals.database import Base, refers_to
from appeals.field import Document, Model, Prose
from appeals.record import Record, RecordInput, RecordOutput
from appeals.vocabulary import PublicationLevel

SIGNED_FOR_DAYS = 14
TOKEN = r"^[A-Za-z0-9_-]{22}$"  # noqa: S105 - how one looks


def new_token() -> str:
    """A random name for a publication (128 bits), that tells nothing of the case."""
    return secrets.token_urlsafe(16)


class Approval(Record):
    """The second signature: somebody else than the coordinator agrees to publish, and to what `shows`, by level."""

    __tablename__ = "approval"

    level: Mapped[str]
    note: Mapped[str | None]
    shows: Mapped[dict[str, Any]]
    used_at: Mapped[datetime | None]


class Reliance(Base):
    """A publication rests on a consent."""

    __tablename__ = "reliance"

    publication_id: Mapped[UUID] = mapped_column(refers_to("publication.id"), primary_key=True)
    consent_id: Mapped[UUID] = mapped_column(refers_to("consent.id"), primary_key=True, index=True)


class Publication(Record):
    """One publication: up from `recorded_at` until `taken_down_at`. `shows` is all that outsiders ever get of it."""

    __tablename__ = "publication"

    token: Mapped[str] = mapped_column(unique=True, default=new_token)
    level: Mapped[str]
    shows: Mapped[dict[str, Any]]
    approved_by: Mapped[UUID] = mapped_column(refers_to("account.id"))
    taken_down_at: Mapped[datetime | None]
    taken_down_why: Mapped[str | None]
    relies_on: Mapped[list[Consent]] = relationship(secondary="reliance", order_by=Consent.id, lazy="selectin")

    @property
    def consents(self) -> list[UUID]:
        """The ids of the consents it rests on."""
        return sorted(consent.id for consent in self.relies_on)

    @property
    def is_up(self) -> bool:
        """True until it is taken down."""
        return self.taken_down_at is None

    def is_readable(self, on: date) -> bool:
        """True while outsiders may read it: up, and resting on consents in force."""
        return self.is_up and all(consent.in_force(on) for consent in self.relies_on)


def readable(on: date) -> ColumnElement[bool]:
    """`Publication.is_readable`, as a condition on the publication table."""
    ended = select(Reliance.publication_id).join(Consent, Consent.id == Reliance.consent_id)
    return and_(Publication.taken_down_at.is_(None), Publication.id.not_in(ended.where(~Consent.in_force_on(on))))


def published(on: date) -> Select[UUID]:
    """The ids of the cases that outsiders may read of."""
    return select(Publication.case_id).where(readable(on))


class ApprovalInput(RecordInput):
    """A reviewer's signature under a publication of at most this level; good for 14 days and one use."""

    level: Annotated[PublicationLevel, Field(description="The widest publication agreed to.")]
    note: Prose | None = None


class ApprovalOutput(RecordOutput):
    level: PublicationLevel
    note: str | None
    shows: Annotated[Document, Field(description="What would be published at each level agreed to.")]
    used_at: datetime | None


class TakingDown(Model):
    """Why a publication comes down. Never a person's name."""

    reason: Prose


class PublicationOutput(RecordOutput):
    token: Annotated[str, Field(description="Where outsiders read it: /public/cases/<token>.")]
    level: PublicationLevel
    shows: Document
    approved_by: UUID
    consents: list[UUID]
    taken_down_at: datetime | None
    taken_down_why: str | None
