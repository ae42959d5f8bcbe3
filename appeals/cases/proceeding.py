"""Proceedings before courts and complaint bodies: who filed them, their stage, and what comes next.

The number of a proceeding is sealed, because it leads to the names of the accused.
"""

from datetime import date
from typing import Annotated
from uuid import UUID

from pydantic import Field
from sqlalchemy.orm import Mapped, mapped_column

from appeals.cases.record import Record, RecordInput, RecordOutput
from appeals.database.declarative import deferred_fk
from appeals.fields import Count, Day, Happened, Name, PartyRef, Prose, SealedName
from appeals.vocabulary import Precision, ProceedingBody, ProceedingKind, ProceedingStage

_S = ProceedingStage
NEXT: dict[ProceedingStage, set[ProceedingStage]] = {
    _S.FILED: {_S.ADMISSIBILITY, _S.ACCEPTED, _S.REJECTED},
    _S.ADMISSIBILITY: {_S.ACCEPTED, _S.REJECTED},
    _S.ACCEPTED: {_S.MEDIATION, _S.EXAMINATION, _S.CONCLUDED},
    _S.REJECTED: {_S.ENDED},
    _S.MEDIATION: {_S.EXAMINATION, _S.CONCLUDED},
    _S.EXAMINATION: {_S.MEDIATION, _S.CONCLUDED},
    _S.CONCLUDED: {_S.FOLLOW_UP, _S.ENDED},
    _S.FOLLOW_UP: {_S.ENDED},
}
for _after in NEXT.values():
    _after.add(_S.WITHDRAWN)
OVER = frozenset({_S.ENDED, _S.WITHDRAWN})


class Proceeding(Record):
    """A proceeding and its present stage."""

    __tablename__ = "proceeding"

    body: Mapped[str]
    body_name: Mapped[str | None]
    kind: Mapped[str]
    filed_by: Mapped[UUID | None] = mapped_column(deferred_fk("party.id"))
    filed_on: Mapped[date | None]
    filed_precision: Mapped[str]
    accused: Mapped[int | None]
    stage: Mapped[str]
    stage_on: Mapped[date | None]
    next_on: Mapped[date | None]
    next_what: Mapped[str | None]
    number: Mapped[str | None]
    result: Mapped[str | None]

    @property
    def is_over(self) -> bool:
        """True if it has ended."""
        return self.stage in OVER


class ProceedingInput(RecordInput):
    body: ProceedingBody
    body_name: Annotated[Name | None, Field(description="The court or office; never a person.")] = None
    kind: ProceedingKind
    filed_by: Annotated[PartyRef | None, Field(description="The party that filed it.")] = None
    filed_on: Happened | None = None
    filed_precision: Precision = Precision.EXACT
    accused: Annotated[Count | None, Field(description="How many people are accused in it.")] = None
    stage: ProceedingStage = ProceedingStage.FILED
    stage_on: Annotated[Happened | None, Field(description="The day since which it has this stage.")] = None
    next_on: Annotated[Day | None, Field(description="The next hearing or deadline.")] = None
    next_what: Annotated[Prose | None, Field(description="What happens on that day.")] = None
    number: Annotated[SealedName | None, Field(description="Sealed: shown only by openings.")] = None
    result: Annotated[Prose | None, Field(description="What was decided or settled; never a person's name.")] = None


class ProceedingChange(RecordInput):
    """The progress of a proceeding."""

    stage: ProceedingStage | None = None
    stage_on: Happened | None = None
    next_on: Day | None = None
    next_what: Prose | None = None
    number: SealedName | None = None
    result: Prose | None = None


class ProceedingOutput(RecordOutput):
    """A proceeding, without its number."""

    body: ProceedingBody
    body_name: str | None
    kind: ProceedingKind
    filed_by: UUID | None
    filed_on: date | None
    filed_precision: Precision
    accused: int | None
    stage: ProceedingStage
    stage_on: date | None
    next_on: date | None
    next_what: str | None
    result: str | None
