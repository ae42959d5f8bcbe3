"""Demands: what the workers ask of whom, and what became of it."""

from datetime import date
from typing import Annotated
from uuid import UUID

from pydantic import Field
from sqlalchemy.orm import Mapped, mapped_column

from appeals.cases.record import Record, RecordInput, RecordOutput
from appeals.database.declarative import deferred_fk
from appeals.fields import DemandRef, Happened, Language, Name, PartyRef, Prose
from appeals.vocabulary import DemandKind, Disposition, Satisfaction

NEXT = {Disposition.ACTIVE: set(Disposition) - {Disposition.ACTIVE}}


class Demand(Record):
    """A version of a demand. A revision is a new row that names the one it `revises`."""

    __tablename__ = "demand"

    kind: Mapped[str]
    text: Mapped[str]
    language: Mapped[str]
    addressees: Mapped[list[str]]
    made_by: Mapped[str | None]
    version: Mapped[int] = mapped_column(default=1)
    revises: Mapped[UUID | None] = mapped_column(deferred_fk("demand.id"))
    disposition: Mapped[str] = mapped_column(default=Disposition.ACTIVE)
    disposed_on: Mapped[date | None]
    satisfaction: Mapped[str | None]

    @property
    def disposed(self) -> bool:
        """True if it is no longer open."""
        return self.disposition != Disposition.ACTIVE


class DemandInput(RecordInput):
    """A demand and its addressees. A new version names the one that it revises."""

    kind: DemandKind
    text: Prose
    language: Language = "en"
    addressees: Annotated[list[PartyRef], Field(min_length=1, max_length=50)]
    made_by: Annotated[Name | None, Field(description="The organisation that makes the demand.")] = None
    revises: Annotated[DemandRef | None, Field(description="The version that this one replaces.")] = None


class DemandOutput(RecordOutput):
    kind: DemandKind
    text: str
    language: str
    addressees: list[UUID]
    made_by: str | None
    version: int
    revises: UUID | None
    disposition: Disposition
    disposed_on: date | None
    satisfaction: Satisfaction | None


class DemandChange(RecordInput):
    """The disposition of a demand, and how satisfied the workers are."""

    disposition: Disposition | None = None
    disposed_on: Annotated[Happened | None, Field(description="Default: today.")] = None
    satisfaction: Satisfaction | None = None


def current(demands: list[Demand]) -> list[Demand]:
    """Return the demands that no later version replaces."""
    replaced = {demand.revises for demand in demands}
    return [demand for demand in demands if demand.id not in replaced]
