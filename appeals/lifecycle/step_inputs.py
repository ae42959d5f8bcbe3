"""What each step asks for. Every step may bring along records that its guards ask for, and overrides."""

from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator

from appeals.cases.action import ActionInput, ResponseInput
from appeals.cases.commitment import CommitmentInput
from appeals.cases.consent import ConditionMet, ConditionsMet, ConsentInput
from appeals.cases.demand import DemandInput
from appeals.cases.directory import OrganisationInput
from appeals.cases.link import LinkInput
from appeals.cases.outcome import OutcomeInput
from appeals.cases.party import PartyInput
from appeals.cases.payment import PaymentInput
from appeals.cases.person import PersonInput
from appeals.cases.proceeding import ProceedingInput
from appeals.cases.publication import ApprovalInput
from appeals.cases.risk import RiskAssessmentInput
from appeals.cases.tally import TallyInput
from appeals.cases.violation import ViolationInput
from appeals.fields import (
    CASE_REFERENCE,
    CommitmentRef,
    Count,
    Country,
    Dated,
    Day,
    DemandRef,
    Flag,
    Happened,
    Language,
    Model,
    Name,
    NameOrId,
    Prose,
    SaidByToday,
    SealedProse,
    ViolationRef,
)
from appeals.vocabulary import (
    CHANNEL,
    ActionStatus,
    Channel,
    CloseReason,
    DeclineReason,
    Disposition,
    EscalationReason,
    IntakeChannel,
    OutcomeCode,
    Precision,
    Priority,
    PublicationLevel,
    Reliability,
    ReopenReason,
    RequesterView,
    Satisfaction,
    Status,
    SuspendReason,
    VerificationMethod,
    ViolationGrade,
    Visibility,
    WithdrawnBy,
)

MOST = 100  # records of a kind in one request


class Records(Model):
    """Records brought along: written in the same transaction as the step, or none."""

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


class Override(Model):
    """A coordinator's reason to pass a soft guard; history shows it."""

    guard: Annotated[str, Field(pattern=r"^[a-z_]+(\.[a-z_]+)+$", max_length=80)]
    reason: Prose


class StepInput(Dated):
    """What every step takes: when it was taken."""

    @property
    def own_day(self) -> date | None:
        """The day the step itself names, where `occurred_on` is not said."""
        return None

    @property
    def brought(self) -> Records:
        """The records that come along."""
        return Records()

    @property
    def passed(self) -> list[Override]:
        """The soft guards to be passed, with reasons."""
        return []

    @property
    def met_conditions(self) -> list[ConditionMet]:
        """The conditions of consents that are said to be met."""
        return []


class GuardedInput(StepInput):
    """What a step takes besides that a guard may refuse: records that guards ask for, reasons to pass soft ones."""

    records: Records = Records()
    conditions_met: ConditionsMet = []
    overrides: Annotated[list[Override], Field(max_length=20)] = []

    @property
    def brought(self) -> Records:
        return self.records

    @property
    def passed(self) -> list[Override]:
        return self.overrides

    @property
    def met_conditions(self) -> list[ConditionMet]:
        return self.conditions_met


class Affected(Model):
    """How many workers are affected: a range."""

    low: Count
    high: Count

    @model_validator(mode="after")
    def _bounds_agree(self) -> "Affected":
        if self.high < self.low:
            raise ValueError("high is below low")
        return self


class Intake(Model):
    """An urgent appeal as it comes in."""

    requesting_organisation: UUID | OrganisationInput
    channel: IntakeChannel
    received_on: Happened
    received_precision: Precision = Precision.EXACT
    country: Country
    narrative: Annotated[SealedProse, Field(description="What happened. Sealed: openings alone show it.")]
    narrative_language: Language
    violations: Annotated[list[ViolationInput], Field(min_length=1, max_length=MOST)]
    affected: Affected | Literal["unknown"]
    help_asked: Prose
    danger: Annotated[Flag, Field(description="Whether somebody is in danger now.")]
    title: Annotated[Name | None, Field(description="Safe to read: no person. Default: made of codes.")] = None
    public_summary: Annotated[Prose | None, Field(description="Safe to read: no person.")] = None
    priority: Priority | None = None
    visibility: Visibility = Visibility.RESTRICTED
    entity: Annotated[NameOrId | None, Field(description="Where it is logged; default: the caller's own.")] = None
    records: Records = Records()


def _never_null(schema: dict[str, Any]) -> None:
    """Say of members that are None where they are left out that they may be left out, but not be null."""
    for said in schema["properties"].values():
        if "anyOf" not in said:
            continue
        del said["default"]
        said.update(next(form for form in said.pop("anyOf") if form != {"type": "null"}))


class Translation(Model):
    """A title and summary in another language than the case's own."""

    title: Name
    summary: Prose | None = None


class CaseChange(Model):
    """What may be changed of a case besides its status."""

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


class Acknowledgement(GuardedInput):
    channel: IntakeChannel
    safe_contact_rule: Annotated[SealedProse, Field(description="How the requester may safely be reached. Sealed.")]


class Screening(GuardedInput):
    lead_entity: NameOrId
    assignee: NameOrId


class InformationRequest(GuardedInput):
    questions: Prose
    addressee: Name
    due_on: Day


class Information(GuardedInput):
    answers: Prose | Literal["not available"]


class Grading(Model):
    violation: ViolationRef
    grade: ViolationGrade


class Verification(GuardedInput):
    verifying_organisation: UUID | OrganisationInput
    method: VerificationMethod
    grades: Annotated[list[Grading], Field(min_length=1, max_length=MOST)]
    reliability: Reliability
    same_as_requester_because: Annotated[
        Prose | None, Field(description="Why the sole requester verifies, where it does.")
    ] = None


class Acceptance(GuardedInput):
    rationale: Prose
    demands: Annotated[
        list[DemandInput], Field(max_length=MOST, description="May be left out when demands are on record.")
    ] = []


class Decline(GuardedInput):
    reason: DeclineReason
    explanation: Prose
    explanation_language: Language
    signposting: Prose
    requester_told_on: Happened | None = None
    telling_is_unsafe: Flag = False


class Referral(GuardedInput):
    receiving_body: Name
    handed_over: Prose
    receiver_accepted_on: Happened | None = None


class Engagement(GuardedInput):
    first_action: Annotated[ActionInput, Field(description="Done, of a quiet kind, with its target and answer_due_on.")]

    @model_validator(mode="after")
    def _asks_somebody_by_a_day(self) -> "Engagement":
        action = self.first_action
        if action.target is None or action.answer_due_on is None:
            raise ValueError("the first action needs a target and answer_due_on")
        if action.status is not ActionStatus.DONE or CHANNEL[action.kind] is not Channel.QUIET:
            raise ValueError("the first action has been done, and is of a quiet kind; an escalation goes public")
        return self


NoLocalPartner = Annotated[
    Prose | None,
    Field(description="Why there is no partner's side but the workers; the reviewer has to have signed that too."),
]
PublishedLevel = Literal[PublicationLevel.ANONYMISED, PublicationLevel.NAMED, PublicationLevel.PERSON]


class Publishing(Model):
    """Publish what a reviewer approved, with no campaign. No step: the status stays."""

    publication_level: Annotated[PublishedLevel, Field(description="No wider than what was approved.")]
    reason: Annotated[EscalationReason | None, Field(description="`workers_request` where the risk is critical.")] = (
        None
    )
    no_local_partner: NoLocalPartner = None


class Escalation(GuardedInput):
    public_aim: Prose
    planned_actions: Prose
    publication_level: PublishedLevel
    reason: EscalationReason = EscalationReason.QUIET_WORK_EXHAUSTED
    no_local_partner: NoLocalPartner = None


class DeEscalation(GuardedInput):
    reason: Prose
    what_stops: Prose
    workers_consulted_on: Happened | None = None
    keep_public: Annotated[
        Prose | None, Field(description="Why the page stays up, as the workers agreed. Left out, it comes down.")
    ] = None


class Agreement(GuardedInput):
    commitments: Annotated[
        list[CommitmentInput],
        Field(max_length=MOST, description="May be left out when open ones are on record."),
    ] = []
    workers_accepted: Flag
    workers_objection: Prose | None = None


class Breach(GuardedInput):
    commitment: CommitmentRef | None = None
    demand: DemandRef | None = None
    facts: Prose
    breached_on: Happened
    contrary_act: Annotated[Flag, Field(description="An act against the promise, such as retaliation.")] = False

    @model_validator(mode="after")
    def _one_is_breached(self) -> "Breach":
        if (self.commitment is None) == (self.demand is None):
            raise ValueError("name either the commitment or the demand that was breached")
        return self


class Monitoring(GuardedInput):
    plan: Prose
    review_on: Annotated[Day | None, Field(description="Default: 180 days on; at most 365.")] = None
    checked_by: Name


class Suspension(GuardedInput):
    reason: SuspendReason
    review_on: Day
    note: Prose | None = None


class Resumption(GuardedInput):
    what_changed: Prose
    no_local_partner: NoLocalPartner = None
    resume_to: Annotated[Status | None, Field(description="Default: the state it came from.")] = None
    reason: EscalationReason | None = None


class Withdrawal(StepInput):
    """Nothing comes along with a withdrawal that could be refused: nothing may block it (domain.md 3)."""

    withdrawn_by: WithdrawnBy
    occurred_on: Annotated[Day | None, SaidByToday("occurred_precision")] = None
    withdrawn_on: Annotated[Day, SaidByToday()]
    how_told: Prose

    @property
    def own_day(self) -> date | None:
        return self.withdrawn_on


ClosableFor = Literal[
    CloseReason.DEMANDS_MET,
    CloseReason.SETTLED_PARTIAL,
    CloseReason.NO_RESULT,
    CloseReason.UNSAFE_TO_CONTINUE,
    CloseReason.CONTACT_LOST,
    CloseReason.TAKEN_OVER_BY_OTHER,
    CloseReason.OVERTAKEN_BY_EVENTS,
]


class DemandOutcome(Model):
    """What became of one demand."""

    demand: DemandRef
    disposition: Disposition
    satisfaction: Satisfaction = Satisfaction.UNKNOWN
    outcome: OutcomeCode | None = None
    people_benefited: Count | None = None


class Closure(GuardedInput):
    reason: ClosableFor
    summary: Prose
    learning_note: Prose
    outcomes: Annotated[list[DemandOutcome], Field(max_length=MOST, description="One for each open demand.")]
    requester_view: RequesterView
    workers_accept: Annotated[Flag, Field(description="Whether the workers accept the settlement.")] = False


class Reopening(GuardedInput):
    reason: ReopenReason
    note: Prose | None = None


class Merger(GuardedInput):
    survivor: Annotated[str, Field(pattern=CASE_REFERENCE, description="The reference of the surviving case.")]
    same_dispute: Annotated[
        Prose | None,
        Field(description="Why it is one dispute, where the cases share no workplace on record."),
    ] = None


class Handover(GuardedInput):
    receiving_entity: NameOrId
    reason: Prose


class HandoverAcceptance(GuardedInput):
    assignee: NameOrId | None = None
