"""The inputs about a case as a whole: an intake, a change, and records sent along."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator

from appeals.cases.action import ActionInput
from appeals.cases.commitment import CommitmentInput
from appeals.cases.consent import ConditionsMet, ConsentInput
from appeals.cases.demand import DemandInput
from appeals.cases.directory import OrganisationInput
from appeals.cases.link import LinkInput
from appeals.cases.outcome import OutcomeInput
from appeals.cases.party import PartyInput
from appeals.cases.payment import PaymentInput
from appeals.cases.person import PersonInput
from appeals.cases.proceeding import ProceedingInput
from appeals.cases.publication import ApprovalInput
from appeals.cases.response import ResponseInput
from appeals.cases.risk import RiskAssessmentInput
from appeals.cases.tally import TallyInput
from appeals.cases.violation import ViolationInput
from appeals.fields import (
    Count,
    Country,
    Flag,
    Happened,
    Language,
    Model,
    Name,
    NameOrId,
    Prose,
    SealedProse,
)
from appeals.json_types import JsonObject
from appeals.vocabulary import (
    IntakeChannel,
    Precision,
    Priority,
    Visibility,
)

MOST = 100  # records of a kind in one request


class Records(Model):
    """Records sent along with a step or an intake: all are written in its transaction, or none."""

    parties: Annotated[list[PartyInput], Field(max_length=MOST)] = []
    violations: Annotated[list[ViolationInput], Field(max_length=MOST)] = []
    demands: Annotated[list[DemandInput], Field(max_length=MOST)] = []
    people: Annotated[list[PersonInput], Field(max_length=MOST)] = []
    consents: Annotated[list[ConsentInput], Field(max_length=MOST)] = []
    risk_assessments: Annotated[list[RiskAssessmentInput], Field(max_length=MOST)] = []
    approvals: Annotated[list[ApprovalInput], Field(max_length=MOST)] = []
    actions: Annotated[list[ActionInput], Field(max_length=MOST)] = []
    responses: Annotated[list[ResponseInput], Field(max_length=MOST)] = []
    commitments: Annotated[list[CommitmentInput], Field(max_length=MOST)] = []
    tallies: Annotated[list[TallyInput], Field(max_length=MOST)] = []
    payments: Annotated[list[PaymentInput], Field(max_length=MOST)] = []
    proceedings: Annotated[list[ProceedingInput], Field(max_length=MOST)] = []
    outcomes: Annotated[list[OutcomeInput], Field(max_length=MOST)] = []
    links: Annotated[list[LinkInput], Field(max_length=MOST)] = []


class Affected(Model):
    """How many workers are affected: a range."""

    low: Count
    high: Count

    @model_validator(mode="after")
    def _bounds_agree(self) -> "Affected":
        if self.high < self.low:
            raise ValueError("high must not be below low")
        return self


class Intake(Model):
    """An urgent appeal as it comes in."""

    requesting_organisation: UUID | OrganisationInput
    channel: IntakeChannel
    received_on: Happened
    received_precision: Precision = Precision.EXACT
    country: Country
    narrative: Annotated[SealedProse, Field(description="What happened. Sealed: shown only by openings.")]
    narrative_language: Language
    violations: Annotated[list[ViolationInput], Field(min_length=1, max_length=MOST)]
    affected: Affected | Literal["unknown"]
    help_asked: Prose
    danger: Annotated[Flag, Field(description="Whether somebody is in danger now.")]
    title: Annotated[
        Name | None, Field(description="Names no person, since all readers see it. If omitted, it is made of codes.")
    ] = None
    public_summary: Annotated[Prose | None, Field(description="Names no person, since all readers see it.")] = None
    priority: Priority | None = None
    visibility: Visibility = Visibility.RESTRICTED
    entity: Annotated[NameOrId | None, Field(description="The entity that logs it; if omitted, the caller's own.")] = (
        None
    )
    records: Records = Records()


def _never_null(schema: JsonObject) -> None:
    """Describe members that may be omitted but must not be null."""
    for member in schema["properties"].values():
        if "anyOf" not in member:
            continue
        del member["default"]
        member.update(next(form for form in member.pop("anyOf") if form != {"type": "null"}))


class Translation(Model):
    """A title and summary in another language than that of the case."""

    title: Name
    summary: Prose | None = None


class CaseChange(Model):
    """The members of a case that can be changed apart from its status."""

    model_config = ConfigDict(json_schema_extra=_never_null)

    title: Name | None = None
    public_summary: Prose | None = None
    priority: Priority | None = None
    danger: Flag | None = None
    assignee: NameOrId | None = None
    visibility: Visibility | None = None
    conditions_met: ConditionsMet = []
    translations: Annotated[
        dict[Language, Translation] | None,
        Field(description="Title and summary for the public in other languages; safe to read, no person."),
    ] = None
