"""The track record of a brand, workplace or owner: how it was approached, what it answered, which promises it kept.

It covers all cases that the caller works on, and no others: only there may the caller read the parties.
"""

from collections import Counter
from datetime import date
from enum import StrEnum
from statistics import median
from typing import Annotated
from uuid import UUID

from pydantic import Field
from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session, selectinload

from appeals.access.directory_entries import directory_entry_for
from appeals.access.visibility import work_view_filter
from appeals.accounts.caller import Caller
from appeals.cases.action import Action, is_approach
from appeals.cases.case import Case
from appeals.cases.commitment import OPEN, Commitment
from appeals.cases.directory import Facility, Organisation
from appeals.cases.party import Party
from appeals.fields import Model
from appeals.vocabulary import (
    ActionKind,
    ActionStatus,
    AnswerStatus,
    Channel,
    CommitmentKind,
    CommitmentStatus,
    PartyRole,
    Precision,
    ResponseGrade,
)


class Whose(StrEnum):
    """The brand, workplace or owner that a track record is about."""

    BRAND = "brand"
    FACILITY = "facility"
    OWNER = "owner"


class Approach(Model):
    """An action of the network towards it, and its answers."""

    reference: str
    action_id: UUID
    kind: ActionKind
    channel: Channel
    done_on: date
    done_precision: Precision
    answer_due_on: date | None
    answer: AnswerStatus
    grades: Annotated[list[ResponseGrade], Field(description="The grades of its answers, the oldest first.")]
    days: Annotated[int | None, Field(description="Days to its first answer, if both days are known exactly.")]


class Promise(Model):
    """A promise that it made."""

    reference: str
    commitment_id: UUID
    kind: CommitmentKind
    due_on: date
    status: CommitmentStatus


class TrackRecord(Model):
    """What is on record of it. Silence is an approach that got no answer by its day."""

    id: UUID
    name: str
    cases: int
    approached: Annotated[int, Field(description="How often it was approached.")]
    answered: int
    silence: int
    awaiting: int
    grades: Annotated[dict[ResponseGrade, int], Field(description="The number of answers by grade.")]
    median_days: Annotated[float | None, Field(description="The median of the days to the first answer.")]
    promises: int
    kept: Annotated[int, Field(description="Promises that were verified as kept.")]
    broken: int
    overdue: Annotated[int, Field(description="Open promises that are past their day.")]
    open: Annotated[int, Field(description="Open promises, including overdue ones.")]
    approaches: Annotated[list[Approach], Field(description="Its approaches, the newest first.")]
    commitments: Annotated[list[Promise], Field(description="Its promises, the latest due day first.")]


def track_record(session: Session, caller: Caller, whose: Whose, subject_id: UUID) -> TrackRecord | None:
    """Return the track record over the cases that the caller works on; None if none of them names this id."""
    values = directory_entry_for(session, caller, Facility if whose is Whose.FACILITY else Organisation, subject_id)
    if values is None:
        return None
    parties = _parties(caller, whose, subject_id)
    approaches = [
        _approach(action, reference)
        for action, reference in session.execute(
            select(Action, Case.reference)
            .join(Case, Case.id == Action.case_id)
            .where(Action.target.in_(parties), Action.status == ActionStatus.DONE, is_approach())
            .order_by(Action.done_on.desc(), Action.id.desc())
            .options(selectinload(Action.responses))
        )
    ]
    promises = [
        _promise(commitment, reference)
        for commitment, reference in session.execute(
            select(Commitment, Case.reference)
            .join(Case, Case.id == Commitment.case_id)
            .where(Commitment.promisor.in_(parties))
            .order_by(Commitment.due_on.desc(), Commitment.id.desc())
        )
    ]
    cases = session.scalar(select(func.count(Party.case_id.distinct())).where(Party.id.in_(parties))) or 0
    return TrackRecord(
        id=subject_id,
        name=values["name"],
        cases=cases,
        **_of_approaches(approaches),
        **_of_promises(promises, caller.now.date()),
        approaches=approaches,
        commitments=promises,
    )


def _parties(caller: Caller, whose: Whose, subject_id: UUID) -> Select[UUID]:
    """Return the statement for its parties in cases that the caller works on."""
    column = Party.facility_id if whose is Whose.FACILITY else Party.organisation_id
    query = select(Party.id).join(Case, Case.id == Party.case_id).where(work_view_filter(caller), column == subject_id)
    return query.where(Party.role == PartyRole.FACTORY_OWNER) if whose is Whose.OWNER else query


def _approach(action: Action, reference: str) -> Approach:
    answers = [response for response in action.answers if not response.is_silence]
    first = min(answers, key=lambda response: response.received_on, default=None)
    exact = first and {first.received_precision, action.done_precision} == {Precision.EXACT}
    return Approach(
        reference=reference,
        action_id=action.id,
        kind=ActionKind(action.kind),
        channel=Channel(action.channel),
        done_on=action.done_on or date.min,
        done_precision=Precision(action.done_precision),
        answer_due_on=action.answer_due_on,
        answer=action.answer,
        grades=[ResponseGrade(response.grade) for response in answers],
        days=(first.received_on - action.done_on).days if first and action.done_on and exact else None,
    )


def _promise(commitment: Commitment, reference: str) -> Promise:
    kind, status = CommitmentKind(commitment.kind), CommitmentStatus(commitment.status)
    return Promise(reference=reference, commitment_id=commitment.id, kind=kind, due_on=commitment.due_on, status=status)


def _of_approaches(approaches: list[Approach]) -> dict[str, object]:
    came = Counter(approach.answer for approach in approaches)
    days = [approach.days for approach in approaches if approach.days is not None]
    return {
        "approached": len(approaches),
        "answered": sum(bool(approach.grades) for approach in approaches),
        "silence": came[AnswerStatus.NO_RESPONSE],
        "awaiting": came[AnswerStatus.AWAITING],
        "grades": dict(Counter(grade for approach in approaches for grade in approach.grades)),
        "median_days": median(days) if days else None,
    }


def _of_promises(promises: list[Promise], today: date) -> dict[str, int]:
    states = Counter(promise.status for promise in promises)
    still = [promise for promise in promises if promise.status in OPEN]
    return {
        "promises": len(promises),
        "kept": states[CommitmentStatus.VERIFIED_DONE],
        "broken": states[CommitmentStatus.BREACHED],
        "overdue": sum(promise.due_on < today for promise in still),
        "open": len(still),
    }
