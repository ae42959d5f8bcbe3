"""The guards on the dates of a step and on who acts. Source: section 3 of the domain specification."""

from appeals.cases.party import is_among
from appeals.fields import earliest, latest
from appeals.lifecycle import step_inputs as asks
from appeals.lifecycle.attempt import Attempt
from appeals.lifecycle.guard import guard
from appeals.lifecycle.step_input import StepInput
from appeals.vocabulary import (
    Role,
)

# Dates


@guard("date.before_last_step", "The step is dated before the last one on record; check occurred_on.", hears=True)
def it_follows_the_last_step(a: Attempt) -> bool:
    last = a.case.last_move()
    data = a.said(StepInput)
    return latest(a.on, data.occurred_precision) >= earliest(last.occurred_on, last.occurred_precision)


@guard("acknowledgement.before_receipt", "The acknowledgement is dated before the request.", hears=True)
def it_was_received_before(a: Attempt) -> bool:
    data = a.said(asks.Acknowledgement)
    received = earliest(a.case.received_on, a.case.received_precision)
    return latest(a.on, data.occurred_precision) >= received


@guard("due.not_in_future", "Set a due date after the day of the request.", hears=True)
def the_answer_is_due_later(a: Attempt) -> bool:
    return a.said(asks.InformationRequest).due_on > a.on


# Who acts


@guard("lead.is_party", "An entity that is a party to the case cannot lead it.", hears=True)
def the_lead_is_no_party(a: Attempt) -> bool:
    return a.lead is None or not is_among(a.case.parties, a.lead.name)


@guard("assignee.is_party", "The assignee belongs to a party of the case; choose another account.", hears=True)
def the_assignee_is_no_party(a: Attempt) -> bool:
    entities = (a.network.entity(entity_id) for entity_id in {role.entity_id for role in a.held_by_assignee})
    return not any(entity and is_among(a.case.parties, entity.name) for entity in entities)


@guard(
    "assignee.without_role",
    "The assignee must be a caseworker or coordinator of the lead entity or of one above it.",
    hears=True,
)
def the_assignee_may_work_on_it(a: Attempt) -> bool:
    if a.assignee is None or a.lead is None:
        return True
    grants = a.held_by_assignee
    working = (role for role in grants if role.role in {Role.CASEWORKER, Role.COORDINATOR})
    return any(a.lead.path.startswith(role.path) for role in working)


@guard("handover.to_itself", "The receiving entity already leads the case.", hears=True)
def another_entity_receives(a: Attempt) -> bool:
    return a.lead is None or a.lead.id != a.case.lead_entity_id


@guard("handover.not_proposed", "No handover of this case was proposed.", standing=True)
def a_handover_is_proposed(a: Attempt) -> bool:
    return a.case.handover_to_id is not None


@guard("verifier.is_target", "A target of the case cannot verify it.", hears=True)
def the_verifier_is_no_target(a: Attempt) -> bool:
    return a.verifier is None or not is_among(a.case.hostile, a.verifier)


@guard(
    "verifier.is_requester",
    "The verifier is the only requester; choose another, or give a reason in same_as_requester_because.",
    hears=True,
)
def somebody_else_verifies(a: Attempt) -> bool:
    others = [asking for asking in a.case.requesters if not is_among([asking], a.verifier or "")]
    return bool(others) or a.said(asks.Verification).same_as_requester_because is not None
