"""Openings: sealed fields are shown only on their own, to the team, with a reason, and each time is on record."""

from typing import Annotated
from uuid import UUID

from pydantic import Field
from sqlalchemy.orm import Mapped

from appeals.cases.person import SealedPerson
from appeals.cases.record import Record, RecordOutput
from appeals.cases.safe_contact import SafeContactRuleVersion
from appeals.fields import Model, Prose
from appeals.vocabulary import SealedField


class Opening(Record):
    """Somebody opened sealed fields of a case."""

    __tablename__ = "opening"

    fields: Mapped[list[str]]
    reason: Mapped[str]


class OpeningInput(Model):
    fields: Annotated[list[SealedField], Field(min_length=1, max_length=len(SealedField))]
    reason: Annotated[Prose, Field(description="Why they are needed. Never a person's name.")]


class Opened(Model):
    """What was sealed, by field; null where there is nothing."""

    fields: dict[SealedField, str | dict[UUID, str] | dict[UUID, SealedPerson] | None]
    safe_contact_rules: Annotated[
        list[SafeContactRuleVersion],
        Field(description="Where a safe-contact rule is shown: every one there was, the newest first."),
    ]


class OpeningOutput(RecordOutput):
    """An opening on record: who, when, which fields and why; not what they hold."""

    fields: list[SealedField]
    reason: str
