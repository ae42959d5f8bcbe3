"""Outcomes: what changed for the workers, for how many, and through what."""

from datetime import date
from typing import Annotated
from uuid import UUID

from pydantic import Field
from sqlalchemy.orm import Mapped, mapped_column

from appeals.cases.record import Record, RecordInput, RecordOutput
from appeals.database.declarative import deferred_fk
from appeals.fields import Count, DemandRef, Happened, Prose
from appeals.vocabulary import Attribution, OutcomeCode, OutcomeExtent, Precision


class Outcome(Record):
    """A result of the case, linked to a demand if it answers one."""

    __tablename__ = "outcome"

    code: Mapped[str]
    demand: Mapped[UUID | None] = mapped_column(deferred_fk("demand.id"))
    extent: Mapped[str]
    people_benefited: Mapped[int | None]
    attributed_to: Mapped[str]
    happened_on: Mapped[date | None]
    happened_precision: Mapped[str]
    note: Mapped[str | None]


class OutcomeInput(RecordInput):
    code: OutcomeCode
    demand: DemandRef | None = None
    extent: OutcomeExtent
    people_benefited: Annotated[Count | None, Field(description="How many people benefited.")] = None
    attributed_to: Attribution = Attribution.UNKNOWN
    happened_on: Happened | None = None
    happened_precision: Precision = Precision.EXACT
    note: Prose | None = None


class OutcomeOutput(RecordOutput):
    code: OutcomeCode
    demand: UUID | None
    extent: OutcomeExtent
    people_benefited: int | None
    attributed_to: Attribution
    happened_on: date | None
    happened_precision: Precision
    note: str | None
