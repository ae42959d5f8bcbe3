"""The input of each step. Most steps also accept records that their guards need, and overrides."""

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, model_validator

from appeals.cases.action import ActionInput
from appeals.cases.commitment import CommitmentInput
from appeals.cases.demand import DemandInput
from appeals.cases.directory import OrganisationInput
from appeals.fields import (
    CASE_REFERENCE,
    CommitmentRef,
    Count,
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
from appeals.lifecycle.case_inputs import MOST
from appeals.lifecycle.publishing_input import NoLocalPartner, PublishedLevel
from appeals.lifecycle.step_input import GuardedInput, StepInput
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
    Reliability,
    ReopenReason,
    RequesterView,
    Satisfaction,
    Status,
    SuspendReason,
    VerificationMethod,
    ViolationGrade,
    WithdrawnBy,
)


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
        Prose | None, Field(description="The reason, if the only requester verifies.")
    ] = None


class Acceptance(GuardedInput):
    rationale: Prose
    demands: Annotated[
        list[DemandInput], Field(max_length=MOST, description="May be omitted if demands are on record.")
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
    first_action: Annotated[
        ActionInput, Field(description="A done action of a quiet kind, with its target and answer_due_on.")
    ]

    @model_validator(mode="after")
    def _asks_somebody_by_a_day(self) -> "Engagement":
        action = self.first_action
        if action.target is None or action.answer_due_on is None:
            raise ValueError("the first action must have a target and answer_due_on")
        if action.status is not ActionStatus.DONE or CHANNEL[action.kind] is not Channel.QUIET:
            raise ValueError("the first action must be done and of a quiet kind; only an escalation goes public")
        return self


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
        Prose | None, Field(description="Why the page stays up, as the workers agreed. If omitted, it comes down.")
    ] = None


class Agreement(GuardedInput):
    commitments: Annotated[
        list[CommitmentInput],
        Field(max_length=MOST, description="May be omitted if open ones are on record."),
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
    review_on: Annotated[Day | None, Field(description="The review date, at most 365 days later; 180 if omitted.")] = (
        None
    )
    checked_by: Name


class Suspension(GuardedInput):
    reason: SuspendReason
    review_on: Day
    note: Prose | None = None


class Resumption(GuardedInput):
    what_changed: Prose
    no_local_partner: NoLocalPartner = None
    resume_to: Annotated[Status | None, Field(description="If omitted, the state from which it was suspended.")] = None
    reason: EscalationReason | None = None


class Withdrawal(StepInput):
    """The input of a withdrawal, which carries nothing that could be refused (section 3 of the domain
    specification).
    """

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
    """The outcome of one demand."""

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
        Field(description="Why it is one dispute, if the cases share no workplace on record."),
    ] = None


class Handover(GuardedInput):
    receiving_entity: NameOrId
    reason: Prose


class HandoverAcceptance(GuardedInput):
    assignee: NameOrId | None = None
