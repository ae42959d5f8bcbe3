"""The guards on accepting, declining or referring a case. Source: section 3 of the domain specification."""

from dataclasses import replace

from appeals.cases.violation import TRUE_ENOUGH
from appeals.fields import earliest, latest
from appeals.lifecycle import step_inputs as asks
from appeals.lifecycle.attempt import Attempt
from appeals.lifecycle.guard import guard
from appeals.vocabulary import (
    ConsentScope,
)


@guard(
    "consent.take_up.workers.missing",
    "Record the workers' own consent to the take-up, in force on that day and today.",
    standing=True,
)
def the_workers_want_it(a: Attempt) -> bool:
    return a.permits(lambda day: a.words.workers_themselves(ConsentScope.TAKE_UP, day))


@guard(
    "consent.take_up.renewed.missing",
    "Record a new consent of the workers to the take-up, given after the case ended.",
    standing=True,
)
def the_workers_want_it_again(a: Attempt) -> bool:
    ended = a.case.last_move()
    recorded_on = ended.recorded_at.date()
    since = max(
        min(latest(ended.occurred_on, ended.occurred_precision), recorded_on),
        earliest(a.case.received_on, a.case.received_precision),
    )
    renewed = [
        word
        for word in a.case.consents
        if word.is_no or (word.is_yes and word.recorded_at > ended.recorded_at and word.last_day >= since)
    ]
    words = replace(a.words, consents=renewed)
    return a.permits(lambda day: words.workers_themselves(ConsentScope.TAKE_UP, day))


@guard("demand.missing", "Record at least one demand that is still active.", standing=True)
def something_is_demanded(a: Attempt) -> bool:
    return any(not demand.disposed for demand in a.case.demands_now)


@guard("violation.unverified", "Grade at least one violation confirmed, likely or possible.", standing=True)
def a_violation_is_true_enough(a: Attempt) -> bool:
    return any(violation.grade in TRUE_ENOUGH for violation in a.case.violations)


@guard("target.missing", "Record at least one target, such as an employer, a brand or an authority.", standing=True)
def somebody_can_be_pressed(a: Attempt) -> bool:
    return bool(a.case.targets)


@guard(
    "leverage.missing",
    "Record a brand with its supply link, or another target beyond the employer.",
    standing=True,
)
def somebody_beyond_the_employer_can_be_pressed(a: Attempt) -> bool:
    return any(party.is_leverage for party in a.case.parties)


@guard(
    "requester.not_told",
    "Tell the requester and give the day, or record that telling is unsafe.",
    hears=True,
)
def the_requester_knows(a: Attempt) -> bool:
    data = a.said(asks.Decline)
    return data.requester_told_on is not None or data.telling_is_unsafe


@guard(
    "consent.share_external.missing",
    "Record the consent to share the case with that body by name, in force on that day and today.",
    hears=True,
)
def they_agreed_to_that_receiver(a: Attempt) -> bool:
    body = a.said(asks.Referral).receiving_body
    return a.permits(lambda day: a.words.contact(ConsentScope.SHARE_EXTERNAL, day, body))


@guard("receiver.not_accepted", "The receiving body must accept first; give the day on which it did.", hears=True)
def the_receiver_accepted(a: Attempt) -> bool:
    return a.said(asks.Referral).receiver_accepted_on is not None
