"""Responses: answers to an action, and the record that no answer came."""

from datetime import date
from typing import Annotated
from uuid import UUID

from pydantic import Field
from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from appeals.cases.record import Record, RecordInput, RecordOutput
from appeals.database.declarative import deferred_fk, partial_unique
from appeals.fields import ActionRef, Day, Flag, Happened, PartyRef, Prose, earliest
from appeals.vocabulary import (
    INADEQUATE,
    INADEQUATE_WHEN_OVERDUE,
    Precision,
    ResponseGrade,
)


class Response(Record):
    """An answer to an action, with its grade and perhaps the network's rejoinder."""

    __tablename__ = "response"
    __table_args__ = (
        UniqueConstraint("case_id", "label"),
        partial_unique("uq_response_silence", "action", condition="grade = 'no_response'"),
    )

    action: Mapped[UUID] = mapped_column(deferred_fk("action.id"), index=True)
    party: Mapped[UUID | None] = mapped_column(deferred_fk("party.id"))
    received_on: Mapped[date]
    received_precision: Mapped[str]
    grade: Mapped[str]
    summary: Mapped[str | None]
    follow_up_on: Mapped[date | None]
    may_be_published: Mapped[bool]
    rejoinder: Mapped[str | None]
    rejoined_on: Mapped[date | None]

    def contradiction(self) -> tuple[str, str] | None:
        """Check that neither the rejoinder nor the promised follow-up is before the answer."""
        came = earliest(self.received_on, self.received_precision)
        before = [name for name in ("rejoined_on", "follow_up_on") if (day := getattr(self, name)) and day < came]
        return (before[0], "is before the answer") if before else None

    @property
    def is_silence(self) -> bool:
        """True for the record that no answer came."""
        return self.grade == ResponseGrade.NO_RESPONSE

    def is_inadequate(self, on: date) -> bool:
        """Return whether pressure may rise: by the grade, or because the promised follow-up day passed (section 5 of
        the domain specification).
        """
        overdue = self.follow_up_on is not None and self.follow_up_on < on
        return self.grade in INADEQUATE or (self.grade in INADEQUATE_WHEN_OVERDUE and overdue)


class ResponseBody(RecordInput):
    """An answer to an action."""

    party: Annotated[
        PartyRef | None, Field(description="The party that answered; if omitted, the target of the action.")
    ] = None
    received_on: Happened
    received_precision: Precision = Precision.EXACT
    grade: ResponseGrade
    summary: Prose | None = None
    follow_up_on: Annotated[Day | None, Field(description="The day by which the answer promised to say more.")] = None
    may_be_published: Flag = False
    rejoinder: Prose | None = None
    rejoined_on: Happened | None = None


class ResponseInput(ResponseBody):
    """An answer, and its action."""

    action: ActionRef


class ResponseChange(RecordInput):
    """The network's rejoinder to an answer, and whether the answer may be published."""

    rejoinder: Prose | None = None
    rejoined_on: Happened | None = None
    may_be_published: Flag | None = None


class ResponseOutput(RecordOutput):
    action: UUID
    party: UUID | None
    received_on: date
    received_precision: Precision
    grade: ResponseGrade
    summary: str | None
    follow_up_on: date | None
    may_be_published: bool
    rejoinder: str | None
    rejoined_on: date | None
