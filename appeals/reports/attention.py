"""The attention list: cases of the caller that need somebody now, the most dangerous first.

Each reason is one query over few columns of open cases whose day has passed or is near. No result is stored, so the
list is never out of date.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated
from uuid import UUID

from pydantic import Field
from sqlalchemy import ColumnElement, Row, Select, SQLColumnExpression, String, and_, cast, func, or_, select
from sqlalchemy.orm import Session, aliased

from appeals.access.roles import COORDINATION
from appeals.access.via import VIA_HANDOVER
from appeals.access.visibility import visible_filter, work_view_filter
from appeals.accounts.caller import Caller
from appeals.cases.action import Action, is_approach
from appeals.cases.case import Case
from appeals.cases.commitment import OPEN, Commitment
from appeals.cases.consent import YES, Consent
from appeals.cases.history import HistoryEntry
from appeals.cases.proceeding import OVER, Proceeding
from appeals.cases.publication import Publication
from appeals.cases.response import Response
from appeals.cases.risk import RiskAssessment
from appeals.fields import Model
from appeals.lifecycle.guards_risk_and_contact import RISK_REVIEW_DAYS, RISK_REVIEW_DAYS_ELSEWHERE
from appeals.lifecycle.steps import ENDED, TAKEN_UP
from appeals.vocabulary import (
    ActedBy,
    ActionStatus,
    AttentionReason,
    ConsentScope,
    ConsentSubject,
    Priority,
    ResponseGrade,
    RiskLevel,
    Status,
    Visibility,
)

FIRST_ACTION_DAYS = {Priority.URGENT: 1, Priority.HIGH: 3, Priority.NORMAL: 14}
"""Within how many days of its receipt a case must have a first action, by priority (section 5 of the domain
specification).
"""
ACKNOWLEDGED_WITHIN = timedelta(days=7)
"""Within how long the requester must get an acknowledgement, as Directive (EU) 2019/1937, article 9, asks."""
HEARING_WITHIN = timedelta(days=14)
CONSENT_WITHIN = timedelta(days=30)
OVERRIDE_SHOWN_FOR = timedelta(days=30)
"""How long overrides, and contacts without consent, stay on the list."""
MAX_ITEMS = 2000
"""The largest number of items for each reason; a longer list would help nobody."""


class AttentionItem(Model):
    """A reason to look at a case now."""

    reference: str
    title: str
    reason: AttentionReason
    says: str
    since: Annotated[date, Field(description="The day since which the reason holds, or the day to come.")]
    danger: bool
    risk: RiskLevel | None
    priority: Priority
    href: str
    record_id: UUID | None


Since = date | datetime | str | None
"""As a column gives it, by its type."""
CaseColumns = tuple[str, str, bool, str | None, str, Since, UUID]
CaseStatement = Select[*CaseColumns]
"""The reference, title, danger, risk and priority of a case, since when a reason holds, and the id of the record."""


@dataclass(frozen=True)
class AttentionQuery:
    """The parameters of an attention list: the caller and the day."""

    caller: Caller
    today: date

    def of_cases(
        self,
        since: SQLColumnExpression[Since],
        *conditions: ColumnElement[bool],
        record: SQLColumnExpression[UUID] = Case.id,
    ) -> CaseStatement:
        """Return a statement over open cases that the caller works on: their columns, the day since which the reason
        holds, and the id of the record.
        """
        return _statement(since, record).where(work_view_filter(self.caller), Case.status.not_in(ENDED), *conditions)


Queries = Callable[[AttentionQuery], Iterable[CaseStatement]]


def _statement(since: SQLColumnExpression[Since], record: SQLColumnExpression[UUID]) -> CaseStatement:
    case = (Case.reference, Case.title, Case.danger, Case.risk, Case.priority)
    return select(*case, since.label("since"), record.label("record"))


def attention(session: Session, caller: Caller) -> list[AttentionItem]:
    """Return the attention list: cases in danger first, then by reason, then by how long they have waited."""
    params = AttentionQuery(caller, caller.now.date())
    attention_items = [
        _item(reason, row, source.noun)
        for reason, source in REASONS.items()
        for query in source.queries(params)
        for row in session.execute(query.limit(MAX_ITEMS))
    ]
    return sorted(attention_items, key=urgency_key)


def _item(reason: AttentionReason, row: Row[*CaseColumns], noun: str) -> AttentionItem:
    return AttentionItem(
        reference=row.reference,
        title=row.title,
        reason=reason,
        says=f"{reason.definition}.",
        since=_day(row.since),
        danger=row.danger,
        risk=row.risk,
        priority=row.priority,
        href=f"/v1/cases/{row.reference}" + (f"/{noun}/{row.record}" if noun else ""),
        record_id=row.record if noun else None,
    )


def _day(since: date | datetime | str) -> date:
    if isinstance(since, str):
        return date.fromisoformat(since)
    return since.date() if isinstance(since, datetime) else since


def urgency_key(item: AttentionItem) -> tuple[bool, int, int, int, str, str]:
    """Return the sort key of an item by urgency."""
    risk = list(RiskLevel).index(item.risk) if item.risk else -1
    reason = list(AttentionReason).index(item.reason)
    return not item.danger, -risk, list(Priority).index(item.priority), reason, item.since.isoformat(), item.href


# Each reason


def _consent_ended(a: AttentionQuery) -> Iterable[CaseStatement]:
    """The take-up consent has ended. Suspended cases are left out, because the suspension is what should follow."""
    of_workers = and_(Consent.subject == ConsentSubject.WORKERS, Consent.scope == ConsentScope.TAKE_UP)
    ends = func.max(func.coalesce(Consent.on, Consent.expires_on))
    last = select(ends).where(Consent.case_id == Case.id, of_workers).scalar_subquery()
    since = func.coalesce(last, Case.accepted_on, Case.received_on)
    ended = or_(Case.take_up_until.is_(None), Case.take_up_until < a.today)
    yield a.of_cases(since, Case.status.in_(TAKEN_UP), ended)


def _first_action_late(a: AttentionQuery) -> Iterable[CaseStatement]:
    for priority, days in FIRST_ACTION_DAYS.items():
        late = Case.received_on < a.today - timedelta(days=days)
        yield a.of_cases(
            Case.received_on, late, Case.priority == priority, Case.first_action_on.is_(None), _not(Status.SUSPENDED)
        )


def _not(status: Status) -> ColumnElement[bool]:
    return Case.status != status


def _hearing_near(a: AttentionQuery) -> Iterable[CaseStatement]:
    near = and_(Proceeding.next_on <= a.today + HEARING_WITHIN, Proceeding.stage.not_in(OVER))
    yield a.of_cases(Proceeding.next_on, near, record=Proceeding.id).join(Proceeding, Proceeding.case_id == Case.id)


def _commitment_lapsed(a: AttentionQuery) -> Iterable[CaseStatement]:
    lapsed = and_(Commitment.due_on < a.today, Commitment.status.in_(OPEN))
    yield a.of_cases(Commitment.due_on, lapsed, record=Commitment.id).join(Commitment, Commitment.case_id == Case.id)


def _answer_overdue(a: AttentionQuery) -> Iterable[CaseStatement]:
    """An expected answer is overdue, until it comes or the network approaches the same target again."""
    query = select(Response.id).where(Response.action == Action.id, Response.grade != ResponseGrade.NO_RESPONSE)
    again = aliased(Action)
    after = again.done_on > Action.answer_due_on
    later = select(again.id).where(
        again.target == Action.target, is_approach(again), again.status == ActionStatus.DONE, after
    )
    past = and_(Action.answer_due_on < a.today, Action.status == ActionStatus.DONE, is_approach())
    overdue = and_(past, ~query.exists(), ~later.exists())
    yield a.of_cases(Action.answer_due_on, overdue, record=Action.id).join(Action, Action.case_id == Case.id)


def _information_overdue(a: AttentionQuery) -> Iterable[CaseStatement]:
    """Requested information is overdue, by the day that the last request named."""
    entry = aliased(HistoryEntry)
    params = and_(entry.case_id == Case.id, entry.step == "information-request")
    newest = select(func.max(entry.sequence)).where(params).scalar_subquery()
    due = HistoryEntry.input["due_on"].as_string()
    waiting = and_(Case.status == Status.INFO_REQUESTED, HistoryEntry.sequence == newest)
    overdue = a.of_cases(due, waiting, due < a.today.isoformat())
    yield overdue.join(HistoryEntry, HistoryEntry.case_id == Case.id)


def _acknowledgement_due(a: AttentionQuery) -> Iterable[CaseStatement]:
    waiting = and_(Case.acknowledged_on.is_(None), Case.received_on < a.today - ACKNOWLEDGED_WITHIN)
    yield a.of_cases(Case.received_on, waiting)


def _handover_offered(a: AttentionQuery) -> Iterable[CaseStatement]:
    offered = VIA_HANDOVER.condition(a.caller, COORDINATION, Case)
    query = _statement(Case.updated_at, Case.id)
    yield query.where(visible_filter(a.caller), offered, Case.status.not_in(ENDED))


def _risk_stale(a: AttentionQuery) -> Iterable[CaseStatement]:
    newest = select(func.max(RiskAssessment.assessed_on)).where(RiskAssessment.case_id == Case.id).scalar_subquery()
    for status in set(Status) - ENDED - {Status.RECEIVED, Status.SUSPENDED}:
        days = RISK_REVIEW_DAYS.get(status, RISK_REVIEW_DAYS_ELSEWHERE)
        stale = or_(newest.is_(None), newest < a.today - timedelta(days=days))
        yield a.of_cases(func.coalesce(newest, Case.received_on), stale, Case.status == status)


def _review_due(a: AttentionQuery) -> Iterable[CaseStatement]:
    yield a.of_cases(Case.review_on, Case.review_on <= a.today)


def _consent_expiring(a: AttentionQuery) -> Iterable[CaseStatement]:
    soon = and_(Consent.expires_on <= a.today + CONSENT_WITHIN, Consent.expires_on >= a.today, Consent.state.in_(YES))
    yield a.of_cases(Consent.expires_on, soon, record=Consent.id).join(Consent, Consent.case_id == Case.id)


def _contact_without_consent(a: AttentionQuery) -> Iterable[CaseStatement]:
    """A target was contacted without consent.

    Ended cases are included, where targets are told that the network stops.
    """
    excused = and_(Action.without_consent_because.is_not(None), Action.status == ActionStatus.DONE)
    lately = or_(
        Action.recorded_at >= a.caller.now - OVERRIDE_SHOWN_FOR, Action.done_on >= a.today - OVERRIDE_SHOWN_FOR
    )
    query = _statement(Action.done_on, Action.id)
    yield query.join(Action, Action.case_id == Case.id).where(
        work_view_filter(a.caller), excused, lately, Action.by == ActedBy.NETWORK
    )


def _publication_outdated(a: AttentionQuery) -> Iterable[CaseStatement]:
    """A publication no longer agrees with its case. Ended cases are included."""
    outdated = and_(Publication.taken_down_at.is_(None), Publication.outdated_on.is_not(None))
    query = _statement(Publication.outdated_on, Publication.id)
    yield query.join(Publication, Publication.case_id == Case.id).where(work_view_filter(a.caller), outdated)


def _shared_without_consent(a: AttentionQuery) -> Iterable[CaseStatement]:
    """A case is visible in the whole network without consent, because it was so before consent was required."""
    without = or_(Case.share_until.is_(None), Case.share_until < a.today)
    yield a.of_cases(Case.received_on, Case.visibility == Visibility.NETWORK, without)


def _guard_overridden(a: AttentionQuery) -> Iterable[CaseStatement]:
    overridden = cast(HistoryEntry.overrides, String) != "{}"
    lately = and_(overridden, HistoryEntry.recorded_at >= a.caller.now - OVERRIDE_SHOWN_FOR)
    yield a.of_cases(HistoryEntry.recorded_at, lately).join(HistoryEntry, HistoryEntry.case_id == Case.id)


@dataclass(frozen=True)
class ReasonQueries:
    """The queries of a reason, and the kind of record it is about; None if it is about the case."""

    queries: Queries
    noun: str = ""


REASONS: dict[AttentionReason, ReasonQueries] = {
    AttentionReason.CONSENT_ENDED: ReasonQueries(_consent_ended),
    AttentionReason.FIRST_ACTION_LATE: ReasonQueries(_first_action_late),
    AttentionReason.HEARING_NEAR: ReasonQueries(_hearing_near, noun="proceedings"),
    AttentionReason.COMMITMENT_LAPSED: ReasonQueries(_commitment_lapsed, noun="commitments"),
    AttentionReason.ANSWER_OVERDUE: ReasonQueries(_answer_overdue, noun="actions"),
    AttentionReason.INFORMATION_OVERDUE: ReasonQueries(_information_overdue),
    AttentionReason.ACKNOWLEDGEMENT_DUE: ReasonQueries(_acknowledgement_due),
    AttentionReason.HANDOVER_OFFERED: ReasonQueries(_handover_offered),
    AttentionReason.RISK_STALE: ReasonQueries(_risk_stale),
    AttentionReason.REVIEW_DUE: ReasonQueries(_review_due),
    AttentionReason.CONSENT_EXPIRING: ReasonQueries(_consent_expiring, noun="consents"),
    AttentionReason.CONTACT_WITHOUT_CONSENT: ReasonQueries(_contact_without_consent, noun="actions"),
    AttentionReason.PUBLICATION_OUTDATED: ReasonQueries(_publication_outdated),
    AttentionReason.SHARED_WITHOUT_CONSENT: ReasonQueries(_shared_without_consent),
    AttentionReason.GUARD_OVERRIDDEN: ReasonQueries(_guard_overridden),
}
