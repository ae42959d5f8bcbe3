"""Commitments: who promised what by when, and whether the workers' side saw it done."""

from datetime import date
from typing import Annotated
from uuid import UUID

from pydantic import Field, model_validator
from sqlalchemy.orm import Mapped, mapped_column

from appeals.cases.record import Record, RecordInput, RecordOutput
from appeals.database.declarative import deferred_fk
from appeals.fields import Day, DemandRef, Happened, Name, PartyRef, Prose
from appeals.vocabulary import CommitmentKind, CommitmentStatus

SETTLED = frozenset({CommitmentStatus.VERIFIED_DONE, CommitmentStatus.WAIVED_BY_WORKERS, CommitmentStatus.SUPERSEDED})
OPEN = frozenset({CommitmentStatus.PROMISED, CommitmentStatus.IN_PROGRESS, CommitmentStatus.REPORTED_DONE})
LET_GO = frozenset({CommitmentStatus.WAIVED_BY_WORKERS, CommitmentStatus.SUPERSEDED})
_ENDS = {CommitmentStatus.BREACHED, CommitmentStatus.WAIVED_BY_WORKERS, CommitmentStatus.SUPERSEDED}
NEXT = {
    CommitmentStatus.PROMISED: {
        CommitmentStatus.IN_PROGRESS,
        CommitmentStatus.REPORTED_DONE,
        CommitmentStatus.VERIFIED_DONE,
        *_ENDS,
    },
    CommitmentStatus.IN_PROGRESS: {CommitmentStatus.REPORTED_DONE, CommitmentStatus.VERIFIED_DONE, *_ENDS},
    CommitmentStatus.REPORTED_DONE: {CommitmentStatus.VERIFIED_DONE, *_ENDS},
    CommitmentStatus.BREACHED: {CommitmentStatus.WAIVED_BY_WORKERS, CommitmentStatus.SUPERSEDED},
}


class Commitment(Record):
    """One promise."""

    __tablename__ = "commitment"

    promisor: Mapped[UUID] = mapped_column(deferred_fk("party.id"))
    text: Mapped[str]
    kind: Mapped[str]
    demands: Mapped[list[str]]
    promised_on: Mapped[date | None]
    due_on: Mapped[date]
    how_verified: Mapped[str]
    verified_by: Mapped[str | None]
    verified_on: Mapped[date | None]
    status: Mapped[str] = mapped_column(default=CommitmentStatus.PROMISED)

    def contradiction(self) -> tuple[str, str] | None:
        """Check that nothing is verified before it was promised."""
        if self.verified_on and self.promised_on and self.verified_on < self.promised_on:
            return "verified_on", "is before the promise"
        return None

    @property
    def is_open(self) -> bool:
        """True if the promise is neither kept, broken, waived nor superseded."""
        return self.status in OPEN

    def is_due(self, on: date) -> bool:
        """Return whether its day has passed."""
        return self.due_on < on


class CommitmentInput(RecordInput):
    """A promise with its day and how it will be verified."""

    promisor: PartyRef
    text: Prose
    kind: CommitmentKind
    demands: Annotated[list[DemandRef], Field(max_length=50)] = []
    promised_on: Happened | None = None
    due_on: Day
    how_verified: Prose


class CommitmentOutput(RecordOutput):
    promisor: UUID
    text: str
    kind: CommitmentKind
    demands: list[UUID]
    promised_on: date | None
    due_on: date
    how_verified: str
    verified_by: str | None
    verified_on: date | None
    status: CommitmentStatus


class CommitmentChange(RecordInput):
    """The next status of a promise. `verified_done` names the workers' side that saw it done."""

    status: CommitmentStatus
    verified_by: Name | None = None
    verified_on: Happened | None = None

    @model_validator(mode="after")
    def _verified_by_somebody(self) -> "CommitmentChange":
        if self.status is CommitmentStatus.VERIFIED_DONE and not (self.verified_by and self.verified_on):
            raise ValueError("verified_done needs verified_by and verified_on")
        return self
