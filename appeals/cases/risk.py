"""Risk assessments: how dangerous a case is for its people."""

from datetime import date
from typing import Annotated

from pydantic import Field
from sqlalchemy.orm import Mapped

from appeals.cases.record import Record, RecordInput, RecordOutput
from appeals.fields import Day, Happened, Name, Prose
from appeals.vocabulary import RiskLevel


class RiskAssessment(Record):
    """An assessment of the risk. The one with the newest `assessed_on` counts."""

    __tablename__ = "risk_assessment"

    level: Mapped[str]
    threats: Mapped[str | None]
    who_is_at_risk: Mapped[str | None]
    mitigation: Mapped[str | None]
    assessed_by: Mapped[str | None]
    assessed_with: Mapped[str | None]
    assessed_on: Mapped[date]
    review_due_on: Mapped[date | None]

    def age(self, on: date) -> int:
        """Return the days between the assessment and a day."""
        return (on - self.assessed_on).days


class RiskAssessmentInput(RecordInput):
    """A risk assessment. Name groups and functions, never a person."""

    level: RiskLevel
    threats: Prose | None = None
    who_is_at_risk: Prose | None = None
    mitigation: Prose | None = None
    assessed_by: Annotated[Name | None, Field(description="The organisation that assessed it.")] = None
    assessed_with: Annotated[Name | None, Field(description="The workers' organisation that took part.")] = None
    assessed_on: Happened
    review_due_on: Day | None = None


class RiskAssessmentOutput(RecordOutput):
    level: RiskLevel
    threats: str | None
    who_is_at_risk: str | None
    mitigation: str | None
    assessed_by: str | None
    assessed_with: str | None
    assessed_on: date
    review_due_on: date | None
