"""The guards on the risk of a step and on contact with targets. Source: section 3 of the domain specification."""

from functools import partial

from appeals.cases.party import Party
from appeals.lifecycle import step_inputs as asks
from appeals.lifecycle.attempt import Attempt, critical_risk
from appeals.lifecycle.guard import Guard, guard
from appeals.vocabulary import (
    ConsentScope,
    EscalationReason,
    Status,
)

RISK_REVIEW_DAYS = {Status.PUBLIC_CAMPAIGN: 14}
RISK_REVIEW_DAYS_ELSEWHERE = 30


# Risk


@guard("risk.missing", "Record a risk assessment made by that day.", standing=True)
def risk_is_assessed(a: Attempt) -> bool:
    return a.case.newest_risk(a.on) is not None


@guard(
    "risk.stale",
    "Record a new risk assessment: it may be at most 30 days old on the day of a quiet step, and 14 on the day of a "
    "public one; what becomes public now also needs one of the last 14 days.",
    soft=True,
    standing=True,
)
def risk_is_fresh(a: Attempt) -> bool:
    newest = a.case.newest_risk(a.on)
    if newest is None:
        return True
    days = RISK_REVIEW_DAYS[Status.PUBLIC_CAMPAIGN] if a.goes_public else RISK_REVIEW_DAYS_ELSEWHERE
    return newest.age(a.on) <= days and (not a.goes_public or _fresh_today(a, days))


def _fresh_today(a: Attempt, days: int) -> bool:
    """Return whether the assessment is fresh today.

    A step that publishes now is as risky as today, whatever its own day.
    """
    brought_along = any(assessment.recorded_at == a.now for assessment in a.case.risk_assessments)
    newest = a.case.newest_risk(a.today)
    return brought_along or (newest is not None and newest.age(a.today) <= days)


@guard(
    "risk.critical",
    "The risk is critical; go public only at the workers' request (reason workers_request).",
    standing=True,
    unless=(EscalationReason.WORKERS_REQUEST,),
)
def the_risk_is_not_critical(a: Attempt) -> bool:
    return critical_risk(a) is None


# Contact


def _contact_guard(scope: ConsentScope) -> Guard:
    """Return the guard that the workers' side agreed to the contact with targets of one kind."""

    @guard(
        f"consent.{scope}.missing",
        f"Record the workers' side's consent {scope}, in force on that day and today.",
        standing=True,
        hears=True,
    )
    def contact_is_agreed(a: Attempt) -> bool:
        names = [party.name for party in _to_contact(a) if party.contact_scope == scope]
        return all(a.permits(partial(a.words.contact, scope, recipient=name)) for name in names)

    return contact_is_agreed


def _to_contact(a: Attempt) -> list[Party]:
    """Return the parties that the step contacts: the target of the first action, or on a resumption all contacted so
    far.
    """
    if not isinstance(a.input, asks.Engagement):
        return a.case.contacted
    return [party for party in [a.case.party(a.first_action.target if a.first_action else None)] if party]


the_brand_may_be_contacted = _contact_guard(ConsentScope.CONTACT_BRAND)
the_factory_may_be_contacted = _contact_guard(ConsentScope.CONTACT_FACTORY)
the_government_may_be_contacted = _contact_guard(ConsentScope.CONTACT_GOVERNMENT)


@guard(
    "supply_link.weak",
    "Record the brand's supply link as evidenced, confirmed or disclosed, or as disputed with its evidence.",
    soft=True,
    standing=True,
    hears=True,
)
def the_supply_link_would_stand(a: Attempt) -> bool:
    return all(party.link_is_strong for party in _to_contact(a) if party.is_buyer)
