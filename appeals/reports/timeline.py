"""The timeline of a case: every dated fact that is on record, in one list.

Each item is worded with the codes of the vocabularies, never with text that somebody typed. So readers with the status
view get the same items as the team; the details are in the records.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise
from typing import Annotated, Any, Generic, NamedTuple, TypeVar
from uuid import UUID

from pydantic import Field
from sqlalchemy.orm import Session

from appeals.access.past import as_it_was, readable_since
from appeals.access.visibility import is_on_team, sees
from appeals.accounts.caller import Caller
from appeals.cases.action import Action
from appeals.cases.case import Case
from appeals.cases.commitment import Commitment
from appeals.cases.consent import Consent
from appeals.cases.demand import Demand
from appeals.cases.history import HistoryEntry
from appeals.cases.outcome import Outcome
from appeals.cases.payment import Payment
from appeals.cases.proceeding import Proceeding
from appeals.cases.publication import Publication
from appeals.cases.response import Response
from appeals.cases.revision import States, states_of
from appeals.cases.risk import RiskAssessment
from appeals.cases.tally import Tally
from appeals.cases.violation import Violation
from appeals.fields import Model
from appeals.vocabulary import (
    ActionKind,
    CommitmentStatus,
    ConsentState,
    Disposition,
    OutcomeCode,
    PaymentKind,
    Precision,
    ProceedingStage,
    PublicationLevel,
    ResponseGrade,
    RiskLevel,
    TallyKind,
    TimelineKind,
    View,
    ViolationCode,
)

Dated = TypeVar("Dated")
"""A record or a history entry."""


class TimelineItem(Model):
    """Something that happened on a day, or is expected on it."""

    on: date
    on_precision: Precision
    kind: TimelineKind
    code: Annotated[str, Field(description="In the vocabulary of its kind: a step, an action, a grade, a status …")]
    says: str
    record_id: Annotated[UUID | None, Field(description="The record or history entry; null to those who follow.")]
    recorded_at: datetime
    reference: Annotated[str, Field(description="The case: one that was merged into this one keeps its own history.")]


class TimelineFact(NamedTuple):
    """A fact of a record: its day, the precision of the day, its code and its sentence."""

    on: date | None
    precision: str
    code: str
    says: str


def timeline(session: Session, caller: Caller, case: Case, then: Case, at: datetime | None) -> list[TimelineItem]:
    """Return the timeline of a case and of the cases merged with it, as far as the caller may see them, the oldest
    first.

    Facts are those of `then`, which is the case at the moment `at`, or now. The present case decides who may see it.
    With the status view, each fact has the time since which the caller could have read it.
    """
    items: list[TimelineItem] = []
    for one, was in _all_items(session, caller, case, then, at):
        of_team, since = is_on_team(caller, one), readable_since(session, caller, one)
        for item in _items(was, states_of(session, one, at), of_team=of_team):
            items.append(item.model_copy(update={"recorded_at": since(item.recorded_at)}))
    return sorted(items, key=sort_key)


def _all_items(
    session: Session, caller: Caller, case: Case, then: Case, at: datetime | None
) -> list[tuple[Case, Case]]:
    """Return the case and all cases that are merged with it directly or through others, each as it is now and as it
    was.

    A case that the caller may not see leads to no others, since that would reveal it.
    """
    whole, ids = [(case, then)], {case.id}
    for one, before in whole:
        for other in filter(None, (before.merged_into, *one.merged_here)):
            unknown = other.id not in ids and sees(caller, other)
            was = as_it_was(session, caller, other, at, View.WORK) if unknown else None
            if was and (was.merged_into_id == one.id or before.merged_into_id == was.id):
                whole.append((other, was))
                ids.add(other.id)
    return whole


def sort_key(item: TimelineItem) -> tuple[str, ...]:
    """Return the sort key of an item in the timeline."""
    days = (item.on.isoformat(), item.recorded_at.isoformat(), item.reference)
    return (*days, str(item.record_id), item.kind, item.code, item.says)


def _items(case: Case, states: States, *, of_team: bool) -> Iterator[TimelineItem]:
    for kind, source in FACTS.items():
        if not (source.public or of_team):
            continue
        records = case.demands_now if kind is TimelineKind.DEMAND and not of_team else source.records(case)
        for record in records:
            recorded = _later_facts(source.facts, states.get(record.id, []))
            for item in source.facts(record):
                if item.on is not None:
                    yield TimelineItem(
                        on=item.on,
                        on_precision=Precision(item.precision),
                        kind=kind,
                        code=item.code,
                        says=item.says,
                        record_id=record.id if of_team else None,
                        recorded_at=recorded.get(item, record.recorded_at),
                        reference=case.reference,
                    )


def _later_facts(
    facts: Callable[[Dated], Iterator[TimelineFact]], states: list[tuple[datetime, Dated]]
) -> dict[TimelineFact, datetime]:
    """Return the time of each fact that a change of the record added."""
    return {item: at for (_, before), (at, state) in pairwise(states) for item in {*facts(state)} - {*facts(before)}}


def _step(entry: HistoryEntry) -> Iterator[TimelineFact]:
    yield TimelineFact(entry.occurred_on, entry.occurred_precision, entry.step, entry.says)


def _violation(violation: Violation) -> Iterator[TimelineFact]:
    yield TimelineFact(violation.since, Precision.EXACT, violation.code, ViolationCode(violation.code).definition)


def _tally(count: Tally) -> Iterator[TimelineFact]:
    many = str(count.low) if count.low == count.high else f"{count.low}–{count.high}"
    yield TimelineFact(count.as_of, count.as_of_precision, count.kind, f"{many}: {TallyKind(count.kind).definition}")


def _demand(demand: Demand) -> Iterator[TimelineFact]:
    yield TimelineFact(
        demand.disposed_on, Precision.EXACT, demand.disposition, Disposition(demand.disposition).definition
    )


def _action(action: Action) -> Iterator[TimelineFact]:
    on = action.done_on or action.planned_on
    by = "" if action.is_by_network else " by others"
    says = f"{action.status}{by}: {ActionKind(action.kind).definition}"
    yield TimelineFact(on, action.done_precision, action.kind, says)


def _response(answer: Response) -> Iterator[TimelineFact]:
    says = ResponseGrade(answer.grade).definition
    yield TimelineFact(answer.received_on, answer.received_precision, answer.grade, says)
    yield TimelineFact(answer.rejoined_on, Precision.EXACT, "rejoinder", "The network answered back.")


def _commitment(promise: Commitment) -> Iterator[TimelineFact]:
    promised = CommitmentStatus.PROMISED
    yield TimelineFact(promise.promised_on, Precision.EXACT, promised, promised.definition)
    yield TimelineFact(promise.due_on, Precision.EXACT, "due", "A promise is due.")
    done = CommitmentStatus.VERIFIED_DONE
    yield TimelineFact(promise.verified_on, Precision.EXACT, done, done.definition)


def _consent(word: Consent) -> Iterator[TimelineFact]:
    state = ConsentState(word.state)
    on, precision = (word.given_on, word.given_precision) if word.is_yes else (word.on, word.on_precision)
    yield TimelineFact(on, precision, state, f"{word.scope}: {state.definition}")
    yield TimelineFact(word.expires_on, Precision.EXACT, "expired", f"{word.scope}: Given until this day")


def _risk(assessed: RiskAssessment) -> Iterator[TimelineFact]:
    yield TimelineFact(assessed.assessed_on, Precision.EXACT, assessed.level, RiskLevel(assessed.level).definition)


def _payment(sum_: Payment) -> Iterator[TimelineFact]:
    amount = "confidential" if sum_.amount is None else f"{sum_.currency} {sum_.amount:f}"
    yield TimelineFact(sum_.on, sum_.on_precision, sum_.kind, f"{amount}: {PaymentKind(sum_.kind).definition}")


def _proceeding(proceeding: Proceeding) -> Iterator[TimelineFact]:
    filed, stage = ProceedingStage.FILED, proceeding.stage
    yield TimelineFact(proceeding.filed_on, proceeding.filed_precision, filed, filed.definition)
    if proceeding.stage_on and stage != filed:
        yield TimelineFact(proceeding.stage_on, Precision.EXACT, stage, ProceedingStage(stage).definition)
    yield TimelineFact(proceeding.next_on, Precision.EXACT, "next", "The next hearing or deadline.")


def _outcome(outcome: Outcome) -> Iterator[TimelineFact]:
    says = OutcomeCode(outcome.code).definition
    yield TimelineFact(outcome.happened_on, outcome.happened_precision, outcome.code, says)


def _publication(publication: Publication) -> Iterator[TimelineFact]:
    says = PublicationLevel(publication.level).definition
    yield TimelineFact(publication.recorded_at.date(), Precision.EXACT, publication.level, says)
    down = publication.taken_down_at.date() if publication.taken_down_at else None
    yield TimelineFact(down, Precision.EXACT, "taken_down", "The publication was taken down.")


def _responses(case: Case) -> Iterable[Response]:
    return [response for action in case.actions for response in action.responses]


@dataclass(frozen=True)
class FactSource(Generic[Dated]):
    """The records of a timeline kind, the facts of a record, and whether the status view shows them too."""

    records: Callable[[Case], Iterable[Dated]]
    facts: Callable[[Dated], Iterator[TimelineFact]]
    public: bool = True


FACTS: dict[TimelineKind, FactSource[Any]] = {
    TimelineKind.STEP: FactSource(lambda case: case.history, _step),
    TimelineKind.VIOLATION: FactSource(lambda case: case.violations, _violation),
    TimelineKind.TALLY: FactSource(lambda case: case.tallies, _tally),
    TimelineKind.DEMAND: FactSource(lambda case: case.demands, _demand),
    TimelineKind.ACTION: FactSource(lambda case: case.actions, _action),
    TimelineKind.RESPONSE: FactSource(_responses, _response),
    TimelineKind.COMMITMENT: FactSource(lambda case: case.commitments, _commitment),
    TimelineKind.CONSENT: FactSource(lambda case: case.consents, _consent, public=False),
    TimelineKind.RISK_ASSESSMENT: FactSource(lambda case: case.risk_assessments, _risk, public=False),
    TimelineKind.PAYMENT: FactSource(lambda case: case.payments, _payment, public=False),
    TimelineKind.PROCEEDING: FactSource(lambda case: case.proceedings, _proceeding, public=False),
    TimelineKind.OUTCOME: FactSource(lambda case: case.outcomes, _outcome, public=False),
    TimelineKind.PUBLICATION: FactSource(lambda case: case.publications, _publication, public=False),
}
