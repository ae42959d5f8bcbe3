"""The guards on promises and on the end of a case. Source: section 3 of the domain specification."""

from datetime import timedelta
from uuid import UUID

from appeals.cases.case import Case
from appeals.cases.commitment import LET_GO, SETTLED, Commitment
from appeals.lifecycle import step_inputs as asks
from appeals.lifecycle.attempt import Attempt
from appeals.lifecycle.guard import guard
from appeals.lifecycle.steps import ENDED
from appeals.vocabulary import (
    CloseReason,
    Disposition,
    PartyRole,
    Status,
)

MONITORING_DAYS_AT_MOST = 365
WITHOUT_RESULT = (
    CloseReason.NO_RESULT,
    CloseReason.UNSAFE_TO_CONTINUE,
    CloseReason.CONTACT_LOST,
    CloseReason.TAKEN_OVER_BY_OTHER,
)


# Promises


@guard("commitment.missing", "Record at least one open commitment.", standing=True)
def something_is_promised(a: Attempt) -> bool:
    return any(commitment.is_open for commitment in a.case.commitments)


@guard(
    "agreement.not_accepted",
    "Record that the workers' organisation accepts the agreement, or its objection.",
    hears=True,
)
def the_workers_accept_or_object(a: Attempt) -> bool:
    data = a.said(asks.Agreement)
    return data.workers_accepted or data.workers_objection is not None


@guard(
    "breach.not_due",
    "The promise is not due yet, or is settled; the breach of a kept promise needs a contrary act.",
    hears=True,
)
def the_promise_was_broken(a: Attempt) -> bool:
    data = a.said(asks.Breach)
    promise = a.breached if isinstance(a.breached, Commitment) else None
    overdue = promise is not None and promise.status not in SETTLED and promise.is_due(data.breached_on)
    let_go = promise is not None and promise.status in LET_GO
    return not let_go and (data.contrary_act or overdue)


@guard(
    "commitment.unsettled",
    "A commitment that is due is not yet verified, waived or superseded.",
    standing=True,
)
def due_commitments_are_settled(a: Attempt) -> bool:
    return all(c.status in SETTLED for c in a.case.commitments if c.is_due(a.on))


@guard("review.too_far", "Set a review date after the step, at most 365 days later.", hears=True)
def the_review_is_near_enough(a: Attempt) -> bool:
    review = a.said(asks.Monitoring).review_on
    return review is None or a.on < review <= a.on + timedelta(days=MONITORING_DAYS_AT_MOST)


# Ending and reopening


@guard("demand.undisposed", "Give an outcome for every open demand.", standing=True, unless=WITHOUT_RESULT)
def every_demand_is_disposed(a: Attempt) -> bool:
    return all(demand.disposed for demand in a.case.demands_now)


@guard("commitment.open", "A commitment is still open.", unless=WITHOUT_RESULT)
def no_commitment_is_open(a: Attempt) -> bool:
    return not any(commitment.is_open for commitment in a.case.commitments)


@guard("detention.open", "People are still held on record.", unless=WITHOUT_RESULT)
def nobody_is_held(a: Attempt) -> bool:
    return a.case.still_held == 0


@guard("charges.open", "People are still charged on record.", unless=WITHOUT_RESULT)
def nobody_is_charged(a: Attempt) -> bool:
    return a.case.charges_pending == 0


@guard("close_reason.disagrees", "The reason does not agree with the outcomes of the demands.", hears=True)
def the_reason_agrees(a: Attempt) -> bool:
    kept = [d.disposition for d in a.case.demands_now if d.disposition != Disposition.DROPPED_BY_WORKERS]
    gained = any(disposition in {Disposition.MET, Disposition.PARTLY_MET} for disposition in kept)
    all_met = bool(kept) and all(disposition == Disposition.MET for disposition in kept)
    agrees = {
        CloseReason.DEMANDS_MET: all_met,
        CloseReason.SETTLED_PARTIAL: gained,
        CloseReason.NO_RESULT: not gained,
    }
    return agrees.get(a.said(asks.Closure).reason, True)


@guard("settlement.not_accepted", "A partial settlement needs the workers' acceptance.", hears=True)
def the_workers_accept_the_settlement(a: Attempt) -> bool:
    data = a.said(asks.Closure)
    return data.reason is not CloseReason.SETTLED_PARTIAL or data.workers_accept


@guard("review.pending", "The review date of the monitoring has not passed yet.", soft=True)
def the_review_is_past(a: Attempt) -> bool:
    review = a.case.review_of_monitoring()
    return review is None or review <= a.on


@guard(
    "survivor.unrelated",
    "The cases share no workplace on record; say in same_dispute why they are one dispute.",
    hears=True,
)
def it_is_one_dispute(a: Attempt) -> bool:
    if a.survivor is None or a.said(asks.Merger).same_dispute is not None:
        return True
    return bool(_workplaces(a.case) & _workplaces(a.survivor))


def _workplaces(case: Case) -> set[UUID]:
    employers = {p.organisation_id for p in case.parties if p.role == PartyRole.EMPLOYER and p.organisation_id}
    return employers | {party.facility_id for party in case.parties if party.facility_id}


@guard("survivor.ended", "The surviving case has ended; reopen it first.", hears=True)
def the_survivor_is_open(a: Attempt) -> bool:
    return a.survivor is None or Status(a.survivor.status) not in ENDED
