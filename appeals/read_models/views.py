"""The views of a case. Each view lists all that it shows, and nothing else is shown (section 4 of the domain
specification, visibility).

- the *public view*, of published cases only, at the level that was consented to, as it was approved;
- the *status view*, for those who follow a case: codes, dates, counts, and texts that are safe;
- the *work view*, for the team: all but the sealed fields, which come only from `openings`.
"""

import hashlib
from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from appeals.access.visibility import is_on_team, links, sees
from appeals.accounts.caller import Caller
from appeals.cases import (
    action,
    commitment,
    consent,
    demand,
    link,
    outcome,
    party,
    payment,
    person,
    proceeding,
    publication,
    risk,
    tally,
    team,
    violation,
)
from appeals.cases.case import Case
from appeals.fields import Document, Model
from appeals.vocabulary import (
    ActedBy,
    ActionKind,
    ActionStatus,
    AnswerStatus,
    Channel,
    CloseReason,
    CommitmentKind,
    CommitmentStatus,
    Corner,
    DemandKind,
    Disposition,
    IntakeChannel,
    Precision,
    Priority,
    PublicationLevel,
    ResponseGrade,
    RiskLevel,
    Status,
    StatusGroup,
    View,
    ViolationCode,
    ViolationGrade,
    Visibility,
)


class Range(Model):
    low: int
    high: int


class CaseOutput(Model):
    """A case in lists and steps: codes, dates, counts, and a title and summary that name no person.

    `channel`, `handover_to_id` and `assignee_id` are shown only in the work view, and null in others.
    """

    reference: str
    title: str
    public_summary: str | None
    country: str
    status: Status
    group: StatusGroup
    suspended_from: Status | None
    visibility: Visibility
    publication: PublicationLevel
    risk: RiskLevel | None
    priority: Priority
    danger: bool
    channel: IntakeChannel | None
    region_id: UUID | None
    lead_entity_id: UUID
    handover_to_id: UUID | None
    assignee_id: UUID | None
    received_on: date
    received_precision: Precision
    acknowledged_on: date | None
    first_action_on: date | None
    accepted_on: date | None
    review_on: date | None
    closed_on: date | None
    close_reason: CloseReason | None
    merged_into_reference: str | None
    reopen_count: int
    affected: Range | None
    still_held: int
    charges_pending: int
    version: int
    recorded_at: datetime
    updated_at: datetime
    view: Annotated[View, Field(description="The view of this case that you get.")]


FOR_WORK = ("channel", "handover_to_id", "assignee_id")


class ViolationStatus(Model):
    code: ViolationCode
    grade: ViolationGrade


class DemandStatus(Model):
    kind: DemandKind
    version: int
    disposition: Disposition
    disposed_on: date | None


class AnswerGrade(Model):
    received_on: date
    received_precision: Precision
    grade: ResponseGrade


class ActionDone(Model):
    """An action by its kind; by whom and to whom by name, and what was said, is for the team."""

    kind: ActionKind
    by: ActedBy
    channel: Channel
    corner: Corner | None
    status: ActionStatus
    done_on: date | None
    done_precision: Precision
    answer_due_on: date | None
    answer: AnswerStatus
    responses: list[AnswerGrade]


class PromiseStatus(Model):
    kind: CommitmentKind
    due_on: date
    status: CommitmentStatus


class FullView(CaseOutput):
    """A case with the counts that are quoted, and what became of people; the base of both full views."""

    counts: list[tally.Headline]
    detention: tally.Detention
    charges: tally.Charges


class StatusView(FullView):
    """A case in the status view."""

    violations: list[ViolationStatus]
    demands: list[DemandStatus]
    actions: list[ActionDone]
    commitments: list[PromiseStatus]


class WorkView(FullView):
    """A case in the work view: everything that is not sealed."""

    requester: str
    help_asked: str
    translations: Document
    intake_entity_id: UUID
    parties: list[party.PartyOutput]
    violations: list[violation.ViolationOutput]
    demands: list[demand.DemandOutput]
    people: list[person.PersonOutput]
    consents: list[consent.ConsentOutput]
    risk_assessments: list[risk.RiskAssessmentOutput]
    approvals: list[publication.ApprovalOutput]
    publications: list[publication.PublicationOutput]
    actions: list[action.ActionOutput]
    commitments: list[commitment.CommitmentOutput]
    tallies: list[tally.TallyOutput]
    payments: list[payment.PaymentOutput]
    money: list[payment.Money]
    proceedings: list[proceeding.ProceedingOutput]
    outcomes: list[outcome.OutcomeOutput]
    links: list[link.LinkOutput]
    team: list[team.TeamMemberOutput]


def most(caller: Caller, case: Case) -> View:
    """Return the fullest view of the case that the caller may have."""
    return View.WORK if is_on_team(caller, case) else View.STATUS


def of_case(caller: Caller, case: Case, view: View) -> StatusView | WorkView:
    """Return the case in a view."""
    return work_view(caller, case) if view is View.WORK else status_view(caller, case)


def status_view(caller: Caller, case: Case) -> StatusView:
    """Return the case in the status view: only current demands, and nothing about who works on it."""
    shown = _read(case, _STATUS_FIELDS) | dict.fromkeys(FOR_WORK)
    return StatusView.model_validate(
        shown
        | {
            "merged_into_reference": survivor_reference(caller, case),
            "demands": case.demands_now,
            "view": View.STATUS,
        }
    )


def work_view(caller: Caller, case: Case) -> WorkView:
    """Return the case in the work view."""
    return WorkView.model_validate(
        _read(case, _WORK_FIELDS)
        | {
            "merged_into_reference": survivor_reference(caller, case),
            "requester": next(party.name for party in case.requesters),
            "links": links(caller, case),
            "view": View.WORK,
        }
    )


def survivor_reference(caller: Caller, case: Case) -> str | None:
    """Return the reference of the survivor if the caller sees it, or None."""
    survivor = case.merged_into
    return survivor.reference if survivor and sees(caller, survivor) else None


def _read(case: Case, names: tuple[str, ...]) -> dict[str, object]:
    return {name: getattr(case, name) for name in names}


_STATUS_FIELDS = tuple(set(StatusView.model_fields) - {"merged_into_reference", "demands", "view", *FOR_WORK})


_WORK_FIELDS = tuple(set(WorkView.model_fields) - {"merged_into_reference", "requester", "links", "view"})


def tag_of(version: int, shown: bytes) -> str:
    """Return the strong validator of a case shown in these bytes. Its first number is the version for `If-Match`.

    The rest depends only on what is shown, so that it reveals nothing else.
    """
    return f'"{version}-{hashlib.sha256(shown).hexdigest()[:20]}"'
