"""The preparations of steps: what each step records, and looks up, before its guards are checked."""

from collections.abc import Callable
from typing import Any

from appeals.cases.case import Case
from appeals.cases.demand import Demand
from appeals.cases.directory import Organisation
from appeals.errors import FieldError, Invalid
from appeals.fields import earliest
from appeals.lifecycle import party_rules, record_kinds, record_references, record_writing
from appeals.lifecycle import step_inputs as asks
from appeals.lifecycle.attempt import Attempt
from appeals.lifecycle.write_context import WriteContext
from appeals.vocabulary import (
    Disposition,
)

CaseFinder = Callable[[str], Case | None]
"""Finds a case by its reference if the caller coordinates it; None otherwise."""


def prepare(writing: WriteContext, attempt: Attempt, coordinated: CaseFinder) -> None:
    """Record what the input says and look up what it names, so that the guards can read it. Raises: Invalid."""
    what = PREPARE.get(attempt.step.noun)
    if what is not None:
        what(writing, attempt, coordinated)


def _prepare_screening(writing: WriteContext, a: Attempt, _: CaseFinder) -> None:
    data = a.said(asks.Screening)
    a.lead = writing.network.existing_entity(data.lead_entity, "/lead_entity")
    a.assignee = writing.network.existing_account(data.assignee, "/assignee")


def _prepare_verification(writing: WriteContext, a: Attempt, _: CaseFinder) -> None:
    data = a.said(asks.Verification)
    verifier, at = data.verifying_organisation, "/verifying_organisation"
    party_rules.require_known(writing.session, writing.caller, Organisation, verifier, at)
    a.verifier = writing.tx.directory.organisation(verifier).name
    for index, grading in enumerate(data.grades):
        violation = record_references.referred(a.case, "violations", grading.violation, f"/grades/{index}/violation")
        violation.grade = grading.grade


def _prepare_acceptance(writing: WriteContext, a: Attempt, _: CaseFinder) -> None:
    _write_all(writing, a, "demands", a.said(asks.Acceptance).demands)


def _prepare_engagement(writing: WriteContext, a: Attempt, _: CaseFinder) -> None:
    data = a.said(asks.Engagement)
    data.conditions_met = [*data.conditions_met, *data.first_action.conditions_met]
    data.first_action.conditions_met = data.conditions_met
    a.first_action, refused = record_writing.write(
        writing, record_kinds.KIND_OF_NOUN["actions"], data.first_action, "/first_action"
    )
    a.beside += refused
    target = a.case.party(a.first_action.target)
    if target is None or not target.is_target:
        raise Invalid([FieldError("/first_action/target", "is not a party on whom pressure may be put")])
    if earliest(data.first_action.done_on or a.on, data.first_action.done_precision) > a.on:
        raise Invalid([FieldError("/first_action/done_on", "is after the day of the step")])


def _prepare_de_escalation(writing: WriteContext, a: Attempt, _: CaseFinder) -> None:
    """Check the day on which the workers were asked: after the receipt of the case, and not later than the step or
    today.
    """
    asked_on = a.said(asks.DeEscalation).workers_consulted_on
    if asked_on and asked_on > max(a.on, writing.now.date()):
        raise Invalid([FieldError("/workers_consulted_on", "is in the future")])
    if asked_on and asked_on < earliest(a.case.received_on, a.case.received_precision):
        raise Invalid([FieldError("/workers_consulted_on", "is before the receipt of the case")])


def _prepare_agreement(writing: WriteContext, a: Attempt, _: CaseFinder) -> None:
    _write_all(writing, a, "commitments", a.said(asks.Agreement).commitments)


def _write_all(writing: WriteContext, a: Attempt, noun: str, inputs: list[Any]) -> None:
    for index, data in enumerate(inputs):
        a.beside += record_writing.write(writing, record_kinds.KIND_OF_NOUN[noun], data, f"/{noun}/{index}")[1]


def _prepare_breach(_writing: WriteContext, a: Attempt, _: CaseFinder) -> None:
    data = a.said(asks.Breach)
    if data.commitment is not None:
        a.breached = record_references.referred(a.case, "commitments", data.commitment, "/commitment")
    elif data.demand is not None:
        a.breached = record_references.referred(a.case, "demands", data.demand, "/demand")


def _prepare_closure(writing: WriteContext, a: Attempt, _: CaseFinder) -> None:
    """Record the outcome of each demand, so that the guards can check that none is left out."""
    for index, data in enumerate(a.said(asks.Closure).outcomes):
        demand: Demand = record_references.referred(a.case, "demands", data.demand, f"/outcomes/{index}/demand")
        values = {"disposition": data.disposition, "disposed_on": a.on}
        change = record_kinds.KIND_OF_NOUN["demands"].change
        if change and data.disposition != demand.disposition:
            a.beside += record_writing.change(writing, record_kinds.KIND_OF_NOUN["demands"], demand, change(**values))
        if "satisfaction" in data.model_fields_set or demand.satisfaction is None:
            demand.satisfaction = data.satisfaction
        if data.outcome is not None:
            _write_outcome(writing, a, demand, data)


def _write_outcome(writing: WriteContext, a: Attempt, demand: Demand, data: asks.DemandOutcome) -> None:
    extent = {Disposition.MET: "full", Disposition.PARTLY_MET: "partial"}
    kind = record_kinds.KIND_OF_NOUN["outcomes"]
    outcome = kind.input.model_validate(
        {
            "code": data.outcome,
            "demand": str(demand.id),
            "extent": extent.get(data.disposition, "none"),
            "people_benefited": data.people_benefited,
            "happened_on": a.on,
            "happened_precision": a.said(asks.Closure).occurred_precision,
        }
    )
    record_writing.write(writing, kind, outcome)


def _prepare_merger(_writing: WriteContext, a: Attempt, coordinated: CaseFinder) -> None:
    data = a.said(asks.Merger)
    a.survivor = coordinated(data.survivor)
    if a.survivor is None or a.survivor.id == a.case.id:
        raise Invalid([FieldError("/survivor", "is not the reference of another case that you coordinate")])


def _prepare_handover(writing: WriteContext, a: Attempt, _: CaseFinder) -> None:
    data = a.said(asks.Handover)
    a.lead = writing.network.existing_entity(data.receiving_entity, "/receiving_entity")


def _prepare_handover_acceptance(writing: WriteContext, a: Attempt, _: CaseFinder) -> None:
    data = a.said(asks.HandoverAcceptance)
    a.lead = a.case.handover_to
    named = data.assignee or str(a.caller.account_id)
    a.assignee = writing.network.existing_account(named, "/assignee")


PREPARE: dict[str, Callable[[WriteContext, Attempt, CaseFinder], None]] = {
    "screening": _prepare_screening,
    "verification": _prepare_verification,
    "acceptance": _prepare_acceptance,
    "engagement": _prepare_engagement,
    "de-escalation": _prepare_de_escalation,
    "agreement": _prepare_agreement,
    "breach": _prepare_breach,
    "closure": _prepare_closure,
    "merger": _prepare_merger,
    "handover": _prepare_handover,
    "handover-acceptance": _prepare_handover_acceptance,
}
