"""The whole story of a case: everything dated that is on record, merged into one line of time.

Each item says what happened in the words of the vocabularies, never in those that somebody typed: so the same item
serves those who follow a case and its team, and the record itself has the rest.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime
from itertools import pairwise
from typing import Annotated, Any, NamedTuple
from uuid import UUID

from pydantic import Field
from sqlalchemy.orm import Session

from appeals.access import is_on_team, sees
from appeals.case import Case
from appeals.field import Model
from appeals.network import Caller
from appeals.past import as_it_was, readable_since
from appeals.revision import States, states_of
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
    StoryKind,
    TallyKind,
    View,
    ViolationCode,
)


class StoryItem(Model):
    """Something that happened, or that somebody said would happen, on a day."""

    on: date
    on_precision: Precision
    kind: StoryKind
    code: Annotated[str, Field(description="In the vocabulary of its kind: a step, an action, a grade, a status …")]
    says: str
    record_id: Annotated[UUID | None, Field(description="The record or history entry; null to those who follow.")]
    recorded_at: datetime
    reference: Annotated[str, Field(description="The case: one that was merged into this one keeps its own history.")]


class Told(NamedTuple):
    """A day, how exactly it is known, and what it is the day of."""

    on: date | None
    precision: str
    code: str
    says: str


def story(session: Session, caller: Caller, case: Case, then: Case, at: datetime | None) -> list[StoryItem]:
    """Everything dated of a case as this caller may see it, and of those it is merged with, the oldest first.

    The case is told of as it was `then`, at a moment, or as it is; who may see it is asked of the case as it is now.
    Those who follow a case are told of what it is made of, each since when they could have read it.
    """
    items: list[StoryItem] = []
    for one, was in _whole(session, caller, case, then, at):
        of_team, since = is_on_team(caller, one), readable_since(session, caller, one)
        for item in _items(was, states_of(session, one, at), of_team=of_team):
            items.append(item.model_copy(update={"recorded_at": since(item.recorded_at)}))
    return sorted(items, key=place_of)


def _whole(session: Session, caller: Caller, case: Case, then: Case, at: datetime | None) -> list[tuple[Case, Case]]:
    """The case, and those that are one with it by merger, in any number of steps; each as it is and as it was.

    Through a case that the caller may not see they come to no other: that would tell of it.
    """
    whole, known = [(case, then)], {case.id}
    for one, told in whole:
        for other in filter(None, (told.merged_into, *one.merged_here)):
            unknown = other.id not in known and sees(caller, other)
            was = as_it_was(session, caller, other, at, View.WORK) if unknown else None
            if was and (was.merged_into_id == one.id or told.merged_into_id == was.id):
                whole.append((other, was))
                known.add(other.id)
    return whole


def place_of(item: StoryItem) -> tuple[str, ...]:
    """Where an item stands in the story."""
    days = (item.on.isoformat(), item.recorded_at.isoformat(), item.reference)
    return (*days, str(item.record_id), item.kind, item.code, item.says)


def _items(case: Case, states: States, *, of_team: bool) -> Iterator[StoryItem]:
    for kind, (place, told, public) in TELLS.items():
        if not (public or of_team):
            continue
        of_today = case.demands_now if kind is StoryKind.DEMAND and not of_team else place(case)
        for record in of_today:
            heard = _heard(told, states.get(record.id, []))
            for item in told(record):
                if item.on is not None:
                    yield StoryItem(
                        on=item.on,
                        on_precision=Precision(item.precision),
                        kind=kind,
                        code=item.code,
                        says=item.says,
                        record_id=record.id if of_team else None,
                        recorded_at=heard.get(item, record.recorded_at),
                        reference=case.reference,
                    )


def _heard(told: Callable[[Any], Iterator[Told]], states: list[tuple[datetime, Any]]) -> dict[Told, datetime]:
    """Since when each item is on record that was not told of the record from the first."""
    return {item: at for (_, before), (at, state) in pairwise(states) for item in {*told(state)} - {*told(before)}}


def _step(entry: Any) -> Iterator[Told]:
    yield Told(entry.occurred_on, entry.occurred_precision, entry.step, entry.says)


def _violation(found: Any) -> Iterator[Told]:
    yield Told(found.since, Precision.EXACT, found.code, ViolationCode(found.code).definition)


def _tally(count: Any) -> Iterator[Told]:
    many = str(count.low) if count.low == count.high else f"{count.low}–{count.high}"
    yield Told(count.as_of, count.as_of_precision, count.kind, f"{many}: {TallyKind(count.kind).definition}")


def _demand(asked: Any) -> Iterator[Told]:
    yield Told(asked.disposed_on, Precision.EXACT, asked.disposition, Disposition(asked.disposition).definition)


def _action(made: Any) -> Iterator[Told]:
    on = made.done_on or made.planned_on
    by = "" if made.is_by_network else " by others"
    yield Told(on, made.done_precision, made.kind, f"{made.status}{by}: {ActionKind(made.kind).definition}")


def _response(got: Any) -> Iterator[Told]:
    yield Told(got.received_on, got.received_precision, got.grade, ResponseGrade(got.grade).definition)
    yield Told(got.rejoined_on, Precision.EXACT, "rejoinder", "The network answered back.")


def _commitment(promise: Any) -> Iterator[Told]:
    promised = CommitmentStatus.PROMISED
    yield Told(promise.promised_on, Precision.EXACT, promised, promised.definition)
    yield Told(promise.due_on, Precision.EXACT, "due", "A promise is due.")
    done = CommitmentStatus.VERIFIED_DONE
    yield Told(promise.verified_on, Precision.EXACT, done, done.definition)


def _consent(word: Any) -> Iterator[Told]:
    state = ConsentState(word.state)
    on, precision = (word.given_on, word.given_precision) if word.is_yes else (word.on, word.on_precision)
    yield Told(on, precision, state, f"{word.scope}: {state.definition}")
    yield Told(word.expires_on, Precision.EXACT, "expired", f"{word.scope}: Given until this day")


def _risk(assessed: Any) -> Iterator[Told]:
    yield Told(assessed.assessed_on, Precision.EXACT, assessed.level, RiskLevel(assessed.level).definition)


def _payment(sum_: Any) -> Iterator[Told]:
    amount = "confidential" if sum_.amount is None else f"{sum_.currency} {sum_.amount:f}"
    yield Told(sum_.on, sum_.on_precision, sum_.kind, f"{amount}: {PaymentKind(sum_.kind).definition}")


def _proceeding(found: Any) -> Iterator[Told]:
    filed = ProceedingStage.FILED
    yield Told(found.filed_on, found.filed_precision, filed, filed.definition)
    if found.stage_on and found.stage != filed:
        yield Told(found.stage_on, Precision.EXACT, found.stage, ProceedingStage(found.stage).definition)
    yield Told(found.next_on, Precision.EXACT, "next", "The next hearing or deadline.")


def _outcome(came: Any) -> Iterator[Told]:
    yield Told(came.happened_on, came.happened_precision, came.code, OutcomeCode(came.code).definition)


def _publication(made: Any) -> Iterator[Told]:
    yield Told(made.recorded_at.date(), Precision.EXACT, made.level, PublicationLevel(made.level).definition)
    down = made.taken_down_at.date() if made.taken_down_at else None
    yield Told(down, Precision.EXACT, "taken_down", "The publication was taken down.")


def _responses(case: Case) -> Iterable[Any]:
    return [response for made in case.actions for response in made.responses]


def _all(place: str) -> Callable[[Case], Iterable[Any]]:
    return lambda case: getattr(case, place)


TELLS: dict[StoryKind, tuple[Callable[[Case], Iterable[Any]], Callable[[Any], Iterator[Told]], bool]] = {
    StoryKind.STEP: (_all("history"), _step, True),
    StoryKind.VIOLATION: (_all("violations"), _violation, True),
    StoryKind.TALLY: (_all("tallies"), _tally, True),
    StoryKind.DEMAND: (_all("demands"), _demand, True),
    StoryKind.ACTION: (_all("actions"), _action, True),
    StoryKind.RESPONSE: (_responses, _response, True),
    StoryKind.COMMITMENT: (_all("commitments"), _commitment, True),
    StoryKind.CONSENT: (_all("consents"), _consent, False),
    StoryKind.RISK_ASSESSMENT: (_all("risk_assessments"), _risk, False),
    StoryKind.PAYMENT: (_all("payments"), _payment, False),
    StoryKind.PROCEEDING: (_all("proceedings"), _proceeding, False),
    StoryKind.OUTCOME: (_all("outcomes"), _outcome, False),
    StoryKind.PUBLICATION: (_all("publications"), _publication, False),
}
"""Where each kind is kept, what it tells, and whether also to those who only follow the case."""
