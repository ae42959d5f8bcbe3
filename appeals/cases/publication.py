"""Publications: what outsiders may see, approved by two people and resting on consents in force.

An approval stores what would be shown, and exactly that is published. After every write to the case, and when days
pass, it is checked whether the publication may be up (`MAY_BE_UP` in `lifecycle/steps.py`). One that may not be up
comes down in the same transaction, and never goes up by itself. Source: section 8 of the domain specification.
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
TOKEN = r"^[A-Za-z0-9_-]{22}$"  # noqa: S105 - a pattern


def new_token() -> str:
    """Return a random name for a publication (128 bits), which reveals nothing about the case."""
    return secrets.token_urlsafe(16)


def met_of(conditions_met: list[JsonObject]) -> Met:
    """Return the conditions that are named as met, from their JSON form."""
    return frozenset((UUID(condition["consent"]), condition["condition"]) for condition in conditions_met)


class Signable(Record):
    """What a signature states besides what is shown. An approval has it, and the publication that rests on it.

    `voices_left` are the refusals whose voice has left the case for good, according to the signer, each with the
    statements of that voice that were on record. What it says later counts.
    """

    __abstract__ = True

    conditions_met: Mapped[list[JsonObject]]
    voices_left: Mapped[list[JsonObject]]

    @property
    def met(self) -> Met:
        """The conditions that it states are met."""
        return met_of(self.conditions_met)

    @property
    def silent(self) -> frozenset[UUID]:
        """The ids of statements that no longer count for it, because their voice had left when it was signed."""
        return frozenset(UUID(word) for left in self.voices_left for word in left["words"])


class Approval(Signable):
    """The second signature on an act: another person agrees to what `shows` contains, by level.

    `shown_records` holds, by level, the ids of the violations, parties and persons that are shown.
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
    """A consent on which a publication rests."""

    __tablename__ = "publication_consent"

    publication_id: Mapped[UUID] = mapped_column(deferred_fk("publication.id"), primary_key=True)
    consent_id: Mapped[UUID] = mapped_column(deferred_fk("consent.id"), primary_key=True, index=True)


class Publication(Signable):
    """A publication, up from `recorded_at` until `taken_down_at`. `shows` is all that outsiders ever get of it.

    `up_until` is the last day on which it may be read, by the consents it rests on. `outdated_on` is the day since
    which it no longer shows the present state of the case.
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
        """The ids of the consents on which it rests."""
        return sorted(consent.id for consent in self.relies_on)

    @property
    def is_up(self) -> bool:
        """True until it is taken down."""
        return self.taken_down_at is None

    def is_readable(self, on: date) -> bool:
        """Return whether outsiders may read it: it is up, and no consent it rests on has expired."""
        return self.is_up and self.up_until is not None and self.up_until >= on


def readable(on: date) -> ColumnElement[bool]:
    """Return the condition of `Publication.is_readable` on the publication table."""
    return and_(Publication.taken_down_at.is_(None), Publication.up_until >= on)


def published(on: date) -> Select[UUID]:
    """Return the statement for the ids of cases with a readable publication."""
    return select(Publication.case_id).where(readable(on))


class VoiceLeft(Model):
    """States that the voice of a no has left the case for good, so that its no no longer counts.

    Never names a person.
    """

    consent: Annotated[ConsentRef, Field(description="The no.")]
    why: Prose


class VoiceLeftOutput(VoiceLeft):
    words: Annotated[
        list[UUID], Field(description="The statements of that voice at the signature, which no longer count.")
    ]


class ApprovalInput(RecordInput):
    """A reviewer's approval of a publication up to this level, valid for 14 days and one use, and void after a no."""

    model_config = ConfigDict(serialize_by_alias=True)

    purpose: Annotated[ApprovalPurpose, Field(alias="for")] = ApprovalPurpose.PUBLICATION
    level: Annotated[PublicationLevel, Field(description="The widest level that you approve.")]
    conditions_met: ConditionsMet = []
    voices_left: Annotated[
        list[VoiceLeft],
        Field(
            max_length=20, description="Refusals whose voice left for good: its statements until now no longer count."
        ),
    ] = []
    no_local_partner: Annotated[
        Flag,
        Field(
            description="Agrees that nobody but the workers could be asked, for the reason given at the publication."
        ),
    ] = False
    note: Prose | None = None


class ApprovalOutput(RecordOutput):
    model_config = ConfigDict(serialize_by_alias=True, validate_by_alias=True, validate_by_name=True)

    purpose: Annotated[ApprovalPurpose, Field(alias="for")]
    level: PublicationLevel
    note: str | None
    shows: Annotated[Document, Field(description="What would be published at each approved level.")]
    conditions_met: list[ConditionMet]
    voices_left: list[VoiceLeftOutput]
    no_local_partner: bool
    used_at: datetime | None


class TakingDown(Model):
    """The reason why a publication comes down. Never a person's name."""

    reason: Prose


class PublicationOutput(RecordOutput):
    token: Annotated[str, Field(description="The path on which outsiders read it: /public/cases/<token>.")]
    level: PublicationLevel
    shows: Document
    approved_by: UUID
    consents: Annotated[list[UUID], Field(description="The consents on which it rests.")]
    conditions_met: list[ConditionMet]
    voices_left: list[VoiceLeftOutput]
    no_local_partner: str | None
    up_until: Annotated[
        date | None,
        Field(description="The last day on which the consents it rests on are in force; 9999-12-31 means no end."),
    ]
    outdated_on: Annotated[
        date | None, Field(description="The day since which it is outdated; it should be signed again.")
    ]
    taken_down_at: datetime | None
    taken_down_why: str | None
