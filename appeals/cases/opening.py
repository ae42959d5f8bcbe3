"""Openings: requests for sealed fields by the team, with a reason. Each opening is recorded."""

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
    """An opening of sealed fields of a case."""

    __tablename__ = "opening"

    fields: Mapped[list[str]]
    reason: Mapped[str]


class OpeningInput(Model):
    fields: Annotated[list[SealedField], Field(min_length=1, max_length=len(SealedField))]
    reason: Annotated[Prose, Field(description="Why the fields are needed. Never a person's name.")]


class Opened(Model):
    """The content of sealed fields; null if a field is empty."""

    fields: dict[SealedField, str | dict[UUID, str] | dict[UUID, SealedPerson] | None]
    safe_contact_rules: Annotated[
        list[SafeContactRuleVersion],
        Field(description="All safe-contact rules there were, the newest first, if one was opened."),
    ]


class OpeningOutput(RecordOutput):
    """An opening on record: who opened which fields, when and why; not their content."""

    fields: list[SealedField]
    reason: str
