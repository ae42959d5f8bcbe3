"""Publication: what outsiders may see, approved by two people and resting on consents in force.

Who approves sees what would be shown; it is frozen then, and what is published is what two people approved. After
every write to its case and when days pass it is asked again whether it may be up (`lifecycle/steps.py`, `MAY_BE_UP`);
what may not comes down in the same transaction and never goes up by itself. Source: domain.md 8.
"""

import secrets
from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field
from sqlalchemy import ColumnElement, Select, UniqueConstraint, and_, select
from sqlalchemy.orm import Mapped, mapped_column, relationship

from appeals.cases.consent import ConditionMet, ConditionsMet, Consent, Met
from appeals.cases.record import Record, RecordInput, RecordOutput
from appeals.database.declarative import Base, deferred_fk, partial_unique
from appeals.fields import ConsentRef, Document, Flag, Model, Prose
from appeals.json_types import JsonObject
from appeals.vocabulary import ApprovalPurpose, PublicationLevel

SIGNED_FOR_DAYS = 14
TOKEN = r"^[A-Za-z0-9_-]{22}$"  # noqa: S105 - how one looks


def new_token() -> str:
    """A random name for a publication (128 bits), that tells nothing of the case."""
    return secrets.token_urlsafe(16)


def met_of(conditions_met: list[JsonObject]) -> Met:
    """The conditions that are said to be met, as JSON has them."""
    return frozenset((UUID(condition["consent"]), condition["condition"]) for condition in conditions_met)


class Signable(Record):
    """What a signature says besides what is shown: of an approval, and of the publication that went up on it.

    `voices_left` are the noes whose voice has left the case for good, as who signs says, each with the words of that
    voice that were on record: what it says later counts.
    """

    __abstract__ = True

    conditions_met: Mapped[list[JsonObject]]
    voices_left: Mapped[list[JsonObject]]

    @property
    def met(self) -> Met:
        """The conditions that it says are met."""
        return met_of(self.conditions_met)

    @property
    def silent(self) -> frozenset[UUID]:
        """The words that count no more for it, as their voice had left for good when it was signed."""
        return frozenset(UUID(word) for left in self.voices_left for word in left["words"])


class Approval(Signable):
    """The second signature: somebody else than who acts agrees, and to what `shows`, by level.

    `shown_records` holds by level the ids of the violations, parties and persons that are shown.
    """

    __tablename__ = "approval"

    purpose: Mapped[str] = mapped_column("for")
    level: Mapped[str]
    note: Mapped[str | None]
    shows: Mapped[JsonObject]
    shown_records: Mapped[JsonObject]
    no_local_partner: Mapped[bool]
    used_at: Mapped[datetime | None]


class PublicationConsent(Base):
    """A publication rests on a consent."""

    __tablename__ = "publication_consent"

    publication_id: Mapped[UUID] = mapped_column(deferred_fk("publication.id"), primary_key=True)
    consent_id: Mapped[UUID] = mapped_column(deferred_fk("consent.id"), primary_key=True, index=True)


class Publication(Signable):
    """One publication: up from `recorded_at` until `taken_down_at`. `shows` is all that outsiders ever get of it.

    `up_until` is the last day on which it may be read if nothing more is said, by the consents it rests on;
    `outdated_on` the day since when it no longer shows the case as it stands.
    """

    __tablename__ = "publication"
    __table_args__ = (
        UniqueConstraint("case_id", "label"),
        partial_unique("uq_publication_token_up", "token", condition="taken_down_at IS NULL"),
    )

    token: Mapped[str] = mapped_column(default=new_token)
    level: Mapped[str]
    shows: Mapped[JsonObject]
    shown_records: Mapped[JsonObject]
    no_local_partner: Mapped[str | None]
    approved_by: Mapped[UUID] = mapped_column(deferred_fk("account.id"))
    up_until: Mapped[date | None]
    outdated_on: Mapped[date | None]
    taken_down_at: Mapped[datetime | None]
    taken_down_why: Mapped[str | None]
    relies_on: Mapped[list[Consent]] = relationship(
        secondary="publication_consent", order_by=Consent.id, lazy="selectin"
    )

    @property
    def consents(self) -> list[UUID]:
        """The ids of the consents it was signed on."""
        return sorted(consent.id for consent in self.relies_on)

    @property
    def is_up(self) -> bool:
        """True until it is taken down."""
        return self.taken_down_at is None

    def is_readable(self, on: date) -> bool:
        """True while outsiders may read it: up, and no consent it rests on has run out."""
        return self.is_up and self.up_until is not None and self.up_until >= on


def readable(on: date) -> ColumnElement[bool]:
    """`Publication.is_readable`, as a condition on the publication table."""
    return and_(Publication.taken_down_at.is_(None), Publication.up_until >= on)


def published(on: date) -> Select[UUID]:
    """The ids of the cases that outsiders may read of."""
    return select(Publication.case_id).where(readable(on))


class VoiceLeft(Model):
    """Says that the voice of a no has left the case for good, so that its no counts no more. Never a person's name."""

    consent: Annotated[ConsentRef, Field(description="The no.")]
    why: Prose


class VoiceLeftOutput(VoiceLeft):
    words: Annotated[list[UUID], Field(description="What that voice had said when this was signed; it counts no more.")]


class ApprovalInput(RecordInput):
    """A reviewer's signature under a publication of at most this level: for 14 days and one use, void after a no."""

    model_config = ConfigDict(serialize_by_alias=True)

    purpose: Annotated[ApprovalPurpose, Field(alias="for")] = ApprovalPurpose.PUBLICATION
    level: Annotated[PublicationLevel, Field(description="The widest publication agreed to.")]
    conditions_met: ConditionsMet = []
    voices_left: Annotated[
        list[VoiceLeft],
        Field(max_length=20, description="Noes whose voice left for good: what it said until now counts no more."),
    ] = []
    no_local_partner: Annotated[
        Flag, Field(description="Agrees that there is no partner's side but the workers, for the reason then given.")
    ] = False
    note: Prose | None = None


class ApprovalOutput(RecordOutput):
    model_config = ConfigDict(serialize_by_alias=True, validate_by_alias=True, validate_by_name=True)

    purpose: Annotated[ApprovalPurpose, Field(alias="for")]
    level: PublicationLevel
    note: str | None
    shows: Annotated[Document, Field(description="What would be published at each level agreed to.")]
    conditions_met: list[ConditionMet]
    voices_left: list[VoiceLeftOutput]
    no_local_partner: bool
    used_at: datetime | None


class TakingDown(Model):
    """Why a publication comes down. Never a person's name."""

    reason: Prose


class PublicationOutput(RecordOutput):
    token: Annotated[str, Field(description="Where outsiders read it: /public/cases/<token>.")]
    level: PublicationLevel
    shows: Document
    approved_by: UUID
    consents: Annotated[list[UUID], Field(description="The consents it was signed on.")]
    conditions_met: list[ConditionMet]
    voices_left: list[VoiceLeftOutput]
    no_local_partner: str | None
    up_until: Annotated[
        date | None, Field(description="The last day on which a consent it rests on is good; 9999-12-31: no end.")
    ]
    outdated_on: Annotated[date | None, Field(description="Since when the case stands otherwise: sign again.")]
    taken_down_at: datetime | None
    taken_down_why: str | None
