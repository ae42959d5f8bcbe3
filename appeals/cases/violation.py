"""Violations: what was done by whom as alleged, and how far it is confirmed."""

from datetime import date
from typing import Annotated
from uuid import UUID

from pydantic import Field, model_validator
from sqlalchemy.orm import Mapped, mapped_column

from appeals.cases.record import Record, RecordInput, RecordOutput
from appeals.database.declarative import deferred_fk
from appeals.fields import Happened, PartyRef, Prose
from appeals.vocabulary import ViolationCode, ViolationGrade

TRUE_ENOUGH = frozenset({ViolationGrade.CONFIRMED, ViolationGrade.LIKELY, ViolationGrade.POSSIBLE})


class Violation(Record):
    """A violation of the case."""

    __tablename__ = "violation"

    code: Mapped[str] = mapped_column(index=True)
    since: Mapped[date | None]
    until: Mapped[date | None]
    facility: Mapped[UUID | None] = mapped_column(deferred_fk("party.id"))
    perpetrator: Mapped[UUID | None] = mapped_column(deferred_fk("party.id"))
    grade: Mapped[str]
    description: Mapped[str | None]


class ViolationInput(RecordInput):
    """A violation as alleged; the step `verification` grades it."""

    code: ViolationCode
    since: Happened | None = None
    until: Happened | None = None
    facility: PartyRef | None = None
    perpetrator: Annotated[PartyRef | None, Field(description="The party that is said to have done it.")] = None
    description: Prose | None = None

    @model_validator(mode="after")
    def _other_is_told(self) -> "ViolationInput":
        if self.code is ViolationCode.OTHER and self.description is None:
            raise ValueError("violation 'other' needs a description")
        if self.since and self.until and self.until < self.since:
            raise ValueError("until must not be before since")
        return self


class ViolationOutput(RecordOutput):
    code: ViolationCode
    since: date | None
    until: date | None
    facility: UUID | None
    perpetrator: UUID | None
    grade: ViolationGrade
    description: str | None
