"""The whole story of a case: everything dated that is on record, merged into one line of time.

Each item says what happened in the words of the vocabularies, never in those that somebody typed: so the same item
serves those who follow a case and its team, and the record itself has the rest.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise
from typing import Annotated, Any, NamedTuple
from uuid import UUID

from pydantic import Field
from sqlalchemy.orm import Session

from appeals.access.past import as_it_was, readable_since
from appeals.access.visibility import is_on_team, sees
from appeals.accounts.caller import Caller
from appeals.cases.case import Case
from appeals.cases.revision import States, states_of
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


class TimelineItem(Model):
    """Something that happened, or that somebody said would happen, on a day."""

    on: date
    on_precision: Precision
    kind: TimelineKind
    code: Annotated[str, Field(description="In the vocabulary of its kind: a step, an action, a grade, a status …")]
    says: str
    record_id: Annotated[UUID | None, Field(description="The record or history entry; null to those who follow.")]
    recorded_at: datetime
    reference: Annotated[str, Field(description="The case: one that was merged into this one keeps its own history.")]


class TimelineFact(NamedTuple):
    """A day, how exactly it is known, and what it is the day of."""

    on: date | None
    precision: str
    code: str
    says: str


def timeline(session: Session, caller: Caller, case: Case, then: Case, at: datetime | None) -> list[TimelineItem]:
    """Everything dated of a case as this caller may see it, and of those it is merged with, the oldest first.

    The case is told of as it was `then`, at a moment, or as it is; who may see it is asked of the case as it is now.
    Those who follow a case are told of what it is made of, each since when they could have read it.
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
    """The case, and those that are one with it by merger, in any number of steps; each as it is and as it was.

    Through a case that the caller may not see they come to no other: that would tell of it.
    """
    whole, ids = [(case, then)], {case.id}
    for one, told in whole:
        for other in filter(None, (told.merged_into, *one.merged_here)):
            unknown = other.id not in ids and sees(caller, other)
            was = as_it_was(session, caller, other, at, View.WORK) if unknown else None
            if was and (was.merged_into_id == one.id or told.merged_into_id == was.id):
                whole.append((other, was))
                ids.add(other.id)
    return whole


def sort_key(item: TimelineItem) -> tuple[str, ...]:
    """Where an item stands in the story."""
    days = (item.on.isoformat(), item.recorded_at.isoformat(), item.reference)
    return (*days, str(item.record_id), item.kind, item.code, item.says)


def _items(case: Case, states: States, *, of_team: bool) -> Iterator[TimelineItem]:
    for kind, source in FACTS.items():
        if not (source.public or of_team):
            continue
        records = case.demands_now if kind is TimelineKind.DEMAND and not of_team else source.records(case)
        for record in records:
            heard = _own_statements(source.facts, states.get(record.id, []))
            for item in source.facts(record):
                if item.on is not None:
                    yield TimelineItem(
                        on=item.on,
                        on_precision=Precision(item.precision),
                        kind=kind,
                        code=item.code,
                        says=item.says,
                        record_id=record.id if of_team else None,
                        recorded_at=heard.get(item, record.recorded_at),
                        reference=case.reference,
                    )


def _own_statements(
    told: Callable[[Any], Iterator[TimelineFact]], states: list[tuple[datetime, Any]]
) -> dict[TimelineFact, datetime]:
    """Since when each item is on record that was not told of the record from the first."""
    return {item: at for (_, before), (at, state) in pairwise(states) for item in {*told(state)} - {*told(before)}}


def _step(entry: Any) -> Iterator[TimelineFact]:
    yield TimelineFact(entry.occurred_on, entry.occurred_precision, entry.step, entry.says)


def _violation(found: Any) -> Iterator[TimelineFact]:
    yield TimelineFact(found.since, Precision.EXACT, found.code, ViolationCode(found.code).definition)


def _tally(count: Any) -> Iterator[TimelineFact]:
    many = str(count.low) if count.low == count.high else f"{count.low}–{count.high}"
    yield TimelineFact(count.as_of, count.as_of_precision, count.kind, f"{many}: {TallyKind(count.kind).definition}")


def _demand(params: Any) -> Iterator[TimelineFact]:
    yield TimelineFact(
        params.disposed_on, Precision.EXACT, params.disposition, Disposition(params.disposition).definition
    )


def _action(made: Any) -> Iterator[TimelineFact]:
    on = made.done_on or made.planned_on
    by = "" if made.is_by_network else " by others"
    yield TimelineFact(on, made.done_precision, made.kind, f"{made.status}{by}: {ActionKind(made.kind).definition}")


def _response(got: Any) -> Iterator[TimelineFact]:
    yield TimelineFact(got.received_on, got.received_precision, got.grade, ResponseGrade(got.grade).definition)
    yield TimelineFact(got.rejoined_on, Precision.EXACT, "rejoinder", "The network answered back.")


def _commitment(promise: Any) -> Iterator[TimelineFact]:
    promised = CommitmentStatus.PROMISED
    yield TimelineFact(promise.promised_on, Precision.EXACT, promised, promised.definition)
    yield TimelineFact(promise.due_on, Precision.EXACT, "due", "A promise is due.")
    done = CommitmentStatus.VERIFIED_DONE
    yield TimelineFact(promise.verified_on, Precision.EXACT, done, done.definition)


def _consent(word: Any) -> Iterator[TimelineFact]:
    state = ConsentState(word.state)
    on, precision = (word.given_on, word.given_precision) if word.is_yes else (word.on, word.on_precision)
    yield TimelineFact(on, precision, state, f"{word.scope}: {state.definition}")
    yield TimelineFact(word.expires_on, Precision.EXACT, "expired", f"{word.scope}: Given until this day")


def _risk(assessed: Any) -> Iterator[TimelineFact]:
    yield TimelineFact(assessed.assessed_on, Precision.EXACT, assessed.level, RiskLevel(assessed.level).definition)


def _payment(sum_: Any) -> Iterator[TimelineFact]:
    amount = "confidential" if sum_.amount is None else f"{sum_.currency} {sum_.amount:f}"
    yield TimelineFact(sum_.on, sum_.on_precision, sum_.kind, f"{amount}: {PaymentKind(sum_.kind).definition}")


def _proceeding(found: Any) -> Iterator[TimelineFact]:
    filed = ProceedingStage.FILED
    yield TimelineFact(found.filed_on, found.filed_precision, filed, filed.definition)
    if found.stage_on and found.stage != filed:
        yield TimelineFact(found.stage_on, Precision.EXACT, found.stage, ProceedingStage(found.stage).definition)
    yield TimelineFact(found.next_on, Precision.EXACT, "next", "The next hearing or deadline.")


def _outcome(came: Any) -> Iterator[TimelineFact]:
    yield TimelineFact(came.happened_on, came.happened_precision, came.code, OutcomeCode(came.code).definition)


def _publication(made: Any) -> Iterator[TimelineFact]:
    yield TimelineFact(made.recorded_at.date(), Precision.EXACT, made.level, PublicationLevel(made.level).definition)
    down = made.taken_down_at.date() if made.taken_down_at else None
    yield TimelineFact(down, Precision.EXACT, "taken_down", "The publication was taken down.")


def _responses(case: Case) -> Iterable[Any]:
    return [response for action in case.actions for response in action.responses]


def _all(place: str) -> Callable[[Case], Iterable[Any]]:
    return lambda case: getattr(case, place)


@dataclass(frozen=True)
class FactSource:
    """Where a kind of facts is kept, what each record tells, and whether also to those who only follow the case."""

    records: Callable[[Case], Iterable[Any]]
    facts: Callable[[Any], Iterator[TimelineFact]]
    public: bool = True


FACTS: dict[TimelineKind, FactSource] = {
    TimelineKind.STEP: FactSource(records=_all("history"), facts=_step),
    TimelineKind.VIOLATION: FactSource(records=_all("violations"), facts=_violation),
    TimelineKind.TALLY: FactSource(records=_all("tallies"), facts=_tally),
    TimelineKind.DEMAND: FactSource(records=_all("demands"), facts=_demand),
    TimelineKind.ACTION: FactSource(records=_all("actions"), facts=_action),
    TimelineKind.RESPONSE: FactSource(records=_responses, facts=_response),
    TimelineKind.COMMITMENT: FactSource(records=_all("commitments"), facts=_commitment),
    TimelineKind.CONSENT: FactSource(records=_all("consents"), facts=_consent, public=False),
    TimelineKind.RISK_ASSESSMENT: FactSource(records=_all("risk_assessments"), facts=_risk, public=False),
    TimelineKind.PAYMENT: FactSource(records=_all("payments"), facts=_payment, public=False),
    TimelineKind.PROCEEDING: FactSource(records=_all("proceedings"), facts=_proceeding, public=False),
    TimelineKind.OUTCOME: FactSource(records=_all("outcomes"), facts=_outcome, public=False),
    TimelineKind.PUBLICATION: FactSource(records=_all("publications"), facts=_publication, public=False),
}
