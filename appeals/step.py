"""Making a step: what its input puts on record, the guards, what it changes, and its history entry, as one act."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.orm import Session

from appeals import records
from appeals import step_input as asks
from appeals.access import roles_on, roles_receiving
from appeals.case import Case, HistoryEntry, new_reference
from appeals.commitment import Commitment
from appeals.consent import Consent
from appeals.database import new_id
from appeals.demand import Demand
from appeals.directory import organisation
from appeals.errors import ChangeRefused, Fault, Forbidden, Invalid, StepRefused, Unmet
from appeals.field import Sealed, marks_of
from appeals.guard import MONITORING_DAYS, Attempt, relied_on, resumable, second_signature, unmet
from appeals.lifecycle import BY_NOUN, INTAKE_ROLES, Step, open_in
from appeals.network import Caller, Entity, Held, existing_account, existing_entity
from appeals.party import PartyInput
from appeals.publication import Publication
from appeals.records import Writing
from appeals.tally import TallyInput
from appeals.vocabulary import (
    CloseReason,
    CommitmentStatus,
    Disposition,
    PartyRole,
    Priority,
    PublicationLevel,
    Role,
    Status,
    SuspendReason,
    TallyKind,
    Visibility,
    WithdrawnBy,
)

Finder = Callable[[str], Case | None]
"""Finds, by reference, a case this caller coordinates; None for any other."""


def make(
    writing: Writing,
    step: Step,
    said: asks.StepInput,
    role: Role,
    *,
    require_current: Callable[[], None],
    coordinated: Finder,
) -> HistoryEntry:
    """Take a step, or refuse it and change nothing (the caller's transaction is rolled back).

    `role` is the one the caller takes it in. `require_current` raises when the caller speaks of an older state
    of the case: it is asked after the input was understood and before the guards (api.md: 422, 428, 412, 409).
    Raises: Forbidden, Invalid, StepRefused, and whatever `require_current` does.
    """
    case = writing.case
    records.not_ahead(said, writing.latest_day)
    attempt = Attempt(
        writing.session, case, step, writing.caller, writing.now, said.occurred_on or writing.now.date(), said
    )
    is_open = Status(case.status) in step.sources
    if is_open:
        _bring(writing, attempt, said.records)
        PREPARE.get(step.noun, _nothing)(writing, attempt, coordinated)
    require_current()
    if not is_open:
        raise StepRefused(
            case.status, _open_nouns(writing), [], None, "step.not_open", f"No {step.noun} from {case.status}."
        )
    overridden = _overridden(attempt, role)
    entry = _entry(attempt, role, overridden)
    case.move(entry, writing.now)
    EFFECT.get(step.noun, _no_effect)(writing, attempt)
    writing.session.flush()
    return entry


def _open_nouns(writing: Writing | Attempt) -> list[str]:
    """The steps that the state knows and the caller's roles allow."""
    case, caller = writing.case, writing.caller
    on, receiving = roles_on(caller, case), roles_receiving(caller, case)
    return [step.noun for step in open_in(Status(case.status)) if step.roles & (receiving if step.receiving else on)]


def _overridden(attempt: Attempt, role: Role) -> dict[str, str]:
    """The soft guards passed with a reason. Raises: StepRefused, with every guard left unmet."""
    said = attempt.said(asks.StepInput)
    reasons = {override.guard: override.reason for override in said.overrides}
    failing = unmet(attempt)
    may = role is Role.COORDINATOR
    left = [item for item in failing if not (may and item.override and item.code in reasons)]
    if left:
        resume_to = resumable(attempt) if attempt.step.returns else None
        raise StepRefused(attempt.case.status, _open_nouns(attempt), left, resume_to)
    return {item.code: reasons[item.code] for item in failing}


def _entry(attempt: Attempt, role: Role, overridden: dict[str, str]) -> HistoryEntry:
    said = attempt.said(asks.StepInput)
    reason = getattr(said, "reason", None)
    return HistoryEntry(
        id=new_id(),
        step=attempt.step.noun,
        from_status=attempt.case.status,
        to_status=attempt.entering,
        account_id=attempt.caller.account_id,
        role=role,
        entity_id=_held_in(attempt.caller, role, attempt.case).entity_id,
        occurred_on=attempt.on,
        occurred_precision=said.occurred_precision,
        recorded_at=attempt.now,
        reason=str(reason) if reason else None,
        says=attempt.step.says,
        input=_shown(said),
        overrides=overridden,
        left_open=attempt.case.left_open() if attempt.entering is Status.CLOSED else {},
    )


def _shown(said: BaseModel) -> dict[str, Any]:
    """The input as history keeps it: without what is sealed, and without records, which stand for themselves."""
    sealed = set(marks_of(type(said), Sealed))
    hidden = {"records", "overrides", "occurred_on", "occurred_precision", "reason", *sealed}
    return said.model_dump(mode="json", exclude=hidden, exclude_none=True)


def _held_in(caller: Caller, role: Role, case: Case) -> Held:
    """The membership a role is taken in: the one nearest to the case."""
    fitting = [held for held in caller.held if held.role is role]
    return max(fitting, key=lambda held: (case.lead_entity.path.startswith(held.path), len(held.path)))


def _bring(writing: Writing, attempt: Attempt, brought: asks.Records) -> None:
    """Write the records that came along, in the order in which they may refer to each other. Raises: Forbidden."""
    attempt.beside += bring(writing, brought, "/records")


def bring(writing: Writing, brought: asks.Records, at: str) -> list[Unmet]:
    """Write records that come along with intake or a step; tells which rules forbid one. Raises: Forbidden, Invalid."""
    beside: list[Unmet] = []
    roles = roles_on(writing.caller, writing.case)
    for name in asks.Records.model_fields:
        kind = records.BY_NOUN[name.replace("_", "-")]
        inputs = getattr(brought, name)
        if inputs and not roles & kind.roles:
            raise Forbidden
        for index, said in enumerate(inputs):
            beside += records.write(writing, kind, said, f"{at}/{name}/{index}")[1]
    return beside


# What the input of a step puts on record, before the guards look


def _nothing(_writing: Writing, _attempt: Attempt, _coordinated: Finder) -> None:
    pass


def _prepare_screening(writing: Writing, a: Attempt, _: Finder) -> None:
    said = a.said(asks.Screening)
    a.lead = existing_entity(writing.session, said.lead_entity, "/lead_entity")
    a.assignee = existing_account(writing.session, said.assignee, "/assignee")


def _prepare_verification(writing: Writing, a: Attempt, _: Finder) -> None:
    said = a.said(asks.Verification)
    a.verifier = organisation(writing.session, said.verifying_organisation, "/verifying_organisation").name
    for index, grading in enumerate(said.grades):
        found = records.referred(a.case, "violations", grading.violation, f"/grades/{index}/violation")
        found.grade = grading.grade


def _prepare_acceptance(writing: Writing, a: Attempt, _: Finder) -> None:
    _write_all(writing, a, "demands", a.said(asks.Acceptance).demands)


def _prepare_engagement(writing: Writing, a: Attempt, _: Finder) -> None:
    said = a.said(asks.Engagement)
    a.beside += records.write(writing, records.BY_NOUN["actions"], said.first_action, "/first_action")[1]


def _prepare_agreement(writing: Writing, a: Attempt, _: Finder) -> None:
    _write_all(writing, a, "commitments", a.said(asks.Agreement).commitments)


def _write_all(writing: Writing, a: Attempt, noun: str, inputs: list[Any]) -> None:
    for index, said in enumerate(inputs):
        a.beside += records.write(writing, records.BY_NOUN[noun], said, f"/{noun}/{index}")[1]


def _prepare_breach(_writing: Writing, a: Attempt, _: Finder) -> None:
    said = a.said(asks.Breach)
    if said.commitment is not None:
        a.breached = records.referred(a.case, "commitments", said.commitment, "/commitment")
    elif said.demand is not None:
        a.breached = records.referred(a.case, "demands", said.demand, "/demand")


def _prepare_closure(writing: Writing, a: Attempt, _: Finder) -> None:
    """Say of each demand what became of it, so that the guards can ask whether all have been told."""
    for index, told in enumerate(a.said(asks.Closure).outcomes):
        found: Demand = records.referred(a.case, "demands", told.demand, f"/outcomes/{index}/demand")
        wanted = {"disposition": told.disposition, "satisfaction": told.satisfaction, "disposed_on": a.on}
        change = records.BY_NOUN["demands"].change
        if change and told.disposition != found.disposition:
            records.change(writing, records.BY_NOUN["demands"], found, change(**wanted))
        found.satisfaction = told.satisfaction
        if told.outcome is not None:
            _write_outcome(writing, a, found, told)


def _write_outcome(writing: Writing, a: Attempt, found: Demand, told: asks.DemandOutcome) -> None:
    extent = {Disposition.MET: "full", Disposition.PARTLY_MET: "partial"}
    kind = records.BY_NOUN["outcomes"]
    said = kind.input.model_validate(
        {
            "code": told.outcome,
            "demand": str(found.id),
            "extent": extent.get(told.disposition, "none"),
            "people_benefited": told.people_benefited,
            "happened_on": a.on,
            "happened_precision": a.said(asks.Closure).occurred_precision,
        }
    )
    records.write(writing, kind, said)


def _prepare_merger(_writing: Writing, a: Attempt, coordinated: Finder) -> None:
    said = a.said(asks.Merger)
    a.survivor = coordinated(said.survivor)
    if a.survivor is None or a.survivor.id == a.case.id:
        raise Invalid([Fault("/survivor", "names no other case that you coordinate")])


def _prepare_handover(writing: Writing, a: Attempt, _: Finder) -> None:
    said = a.said(asks.Handover)
    a.lead = existing_entity(writing.session, said.receiving_entity, "/receiving_entity")


def _prepare_handover_acceptance(writing: Writing, a: Attempt, _: Finder) -> None:
    said = a.said(asks.HandoverAcceptance)
    a.lead = a.case.handover_to
    named = said.assignee or str(a.caller.account_id)
    a.assignee = existing_account(writing.session, named, "/assignee")


PREPARE: dict[str, Callable[[Writing, Attempt, Finder], None]] = {
    "screening": _prepare_screening,
    "verification": _prepare_verification,
    "acceptance": _prepare_acceptance,
    "engagement": _prepare_engagement,
    "agreement": _prepare_agreement,
    "breach": _prepare_breach,
    "closure": _prepare_closure,
    "merger": _prepare_merger,
    "handover": _prepare_handover,
    "handover-acceptance": _prepare_handover_acceptance,
}


# What a step changes besides the status, once the guards hold


def _no_effect(_writing: Writing, _attempt: Attempt) -> None:
    pass


def _effect_acknowledgement(_: Writing, a: Attempt) -> None:
    a.case.acknowledged_on = a.case.acknowledged_on or a.on
    a.case.safe_contact_rule = a.said(asks.Acknowledgement).safe_contact_rule


def _effect_lead(_: Writing, a: Attempt) -> None:
    if a.lead is not None and a.assignee is not None:
        a.case.lead_entity, a.case.region_id, a.case.assignee_id = a.lead, a.lead.region_id, a.assignee.id
    a.case.handover_to = None


def _effect_acceptance(_: Writing, a: Attempt) -> None:
    a.case.accepted_on = a.on


def _effect_escalation(writing: Writing, a: Attempt) -> None:
    signed = second_signature(a)
    if signed is None or _goes_on(a):
        return
    a.case.take_down(writing.now, "replaced by a new publication")
    signed.used_at = writing.now
    publish(writing, a.level, relied_on(a), writing.caller.account_id, signed.recorded_by)


def _goes_on(a: Attempt) -> bool:
    """True when a resumed campaign is published still."""
    return a.step.returns and any(publication.is_up for publication in a.case.publications)


def publish(
    writing: Writing, level: PublicationLevel, consents: list[Consent], signed_by: UUID, approved_by: UUID
) -> None:
    """Put a publication up, resting on these consents, under two people's signatures."""
    writing.case.publications.append(
        Publication(
            id=new_id(),
            case_id=writing.case.id,
            level=level,
            approved_by=approved_by,
            consents=[str(consent.id) for consent in consents],
            recorded_at=writing.now,
            recorded_by=signed_by,
        )
    )
    writing.case.publication = level


def _effect_resumption(writing: Writing, a: Attempt) -> None:
    a.case.review_on = _review_of_monitoring(a.case) if a.case.status == Status.MONITORING else None
    if a.case.status == Status.PUBLIC_CAMPAIGN:
        _effect_escalation(writing, a)


def _review_of_monitoring(case: Case) -> date:
    """When the review set by the last monitoring is due; the one of the suspension has taken its place."""
    set_by = next(entry for entry in reversed(case.history) if entry.step == "monitoring")
    told = set_by.input.get("review_on")
    return date.fromisoformat(told) if told else set_by.occurred_on + timedelta(days=MONITORING_DAYS)


def _effect_breach(writing: Writing, a: Attempt) -> None:
    if isinstance(a.breached, Commitment):
        a.breached.status = CommitmentStatus.BREACHED
    elif isinstance(a.breached, Demand) and a.breached.disposed and a.breached in a.case.demands_now:
        _revive(writing, a.breached)


def _revive(writing: Writing, broken: Demand) -> None:
    """A demand that was met and is broken stands again as a new version; the old one is kept as it was."""
    again = {name: getattr(broken, name) for name in ("kind", "text", "language", "addressees", "made_by", "case_id")}
    writing.case.demands.append(
        Demand(
            **again,
            id=new_id(),
            version=broken.version + 1,
            revises=broken.id,
            disposition=Disposition.ACTIVE,
            recorded_at=writing.now,
            recorded_by=writing.caller.account_id,
        )
    )


def _effect_monitoring(_: Writing, a: Attempt) -> None:
    a.case.review_on = a.said(asks.Monitoring).review_on or a.on + timedelta(days=MONITORING_DAYS)


def _effect_suspension(_: Writing, a: Attempt) -> None:
    a.case.review_on = a.said(asks.Suspension).review_on


def _effect_withdrawal(writing: Writing, a: Attempt) -> None:
    by_workers = a.said(asks.Withdrawal).withdrawn_by is WithdrawnBy.WORKERS
    reason = CloseReason.WITHDRAWN_BY_WORKERS if by_workers else CloseReason.WITHDRAWN_BY_REQUESTER
    _close(a, reason)
    a.case.take_down(writing.now, "the appeal was withdrawn")


def _effect_closure(_: Writing, a: Attempt) -> None:
    _close(a, CloseReason(a.said(asks.Closure).reason))


def _close(a: Attempt, reason: CloseReason) -> None:
    a.case.closed_on, a.case.close_reason, a.case.handover_to = a.on, reason, None


def _effect_ending(_: Writing, a: Attempt) -> None:
    a.case.closed_on, a.case.handover_to = a.on, None


def _effect_reopening(_: Writing, a: Attempt) -> None:
    a.case.reopen_count += 1
    a.case.closed_on, a.case.close_reason, a.case.merged_into = None, None, None


def _effect_merger(writing: Writing, a: Attempt) -> None:
    survivor = a.survivor
    _close(a, CloseReason.MERGED)
    a.case.take_down(writing.now, "the case was merged into another")
    if survivor is not None:
        a.case.merged_into = survivor
        order = list(Visibility)
        survivor.visibility = min(survivor.visibility, a.case.visibility, key=lambda v: order.index(Visibility(v)))
        survivor.version += 1
        survivor.touch(writing.now)


def _effect_handover(_: Writing, a: Attempt) -> None:
    a.case.handover_to = a.lead


EFFECT: dict[str, Callable[[Writing, Attempt], None]] = {
    "acknowledgement": _effect_acknowledgement,
    "screening": _effect_lead,
    "acceptance": _effect_acceptance,
    "decline": _effect_ending,
    "referral": _effect_ending,
    "escalation": _effect_escalation,
    "breach": _effect_breach,
    "monitoring": _effect_monitoring,
    "suspension": _effect_suspension,
    "resumption": _effect_resumption,
    "withdrawal": _effect_withdrawal,
    "closure": _effect_closure,
    "reopening": _effect_reopening,
    "merger": _effect_merger,
    "handover": _effect_handover,
    "handover-acceptance": _effect_lead,
}


# Records that move a case


def add(writing: Writing, kind: records.Kind, said: Any) -> Any:
    """Add a record under a case. Raises: Invalid, ChangeRefused."""
    records.not_ahead(said, writing.latest_day)
    record, refused = records.write(writing, kind, said)
    if refused:
        raise ChangeRefused(writing.case.status, refused, _open_nouns(writing))
    return record


def change(writing: Writing, kind: records.Kind, record: Any, said: Any, role: Role) -> None:
    """Change a record, and let follow from it what must. Raises: Invalid, ChangeRefused."""
    records.not_ahead(said, writing.latest_day)
    refused = records.change(writing, kind, record, said)
    if refused:
        raise ChangeRefused(writing.case.status, refused, _open_nouns(writing))
    if isinstance(record, Consent) and not record.in_force(writing.now.date()):
        obey_withdrawal(writing, record, role)


def obey_withdrawal(writing: Writing, ended: Consent, role: Role) -> None:
    """Take down what rested on a consent that ended; without one left that covers it, pause a public campaign.

    Invariant 2. Where the consents left still cover the level, the publication goes on, resting on those.
    """
    case, today = writing.case, writing.now.date()
    resting = [p for p in case.publications if p.is_up and str(ended.id) in p.consents]
    if not resting:
        return
    published = resting[-1]
    level = PublicationLevel(published.level)
    case.take_down(writing.now, "a consent it relied on ended")
    case.version += 1
    escalation = BY_NOUN["escalation"]
    attempt = Attempt(writing.session, case, escalation, writing.caller, writing.now, today)
    left = relied_on(attempt)
    if len(left) == (3 if level is PublicationLevel.PERSON else 2):
        publish(writing, level, left, published.recorded_by, published.approved_by)
    elif case.status == Status.PUBLIC_CAMPAIGN:
        said = asks.Suspension(reason=SuspendReason.CONSENT_WITHDRAWN, review_on=today + timedelta(days=14))
        make(
            writing,
            BY_NOUN["suspension"],
            said,
            role,
            require_current=lambda: None,
            coordinated=lambda _: None,
        )


# Intake

PRIORITY_IN_DANGER = {True: Priority.URGENT, False: Priority.NORMAL}


def take_in(session: Session, caller: Caller, said: asks.Intake, now: datetime) -> Case:
    """Log a request for help as a new case in `received`. Raises: Forbidden, Invalid, ChangeRefused."""
    latest_day = (now + records.A_DAY).date()
    records.not_ahead(said, latest_day)
    held = _intake_role(session, caller, said)
    entity = session.get_one(Entity, held.entity_id) if said.entity is None else _named(session, said)
    asking = organisation(session, said.requesting_organisation, "/requesting_organisation")
    first = said.violations[0].code
    case = Case(
        id=new_id(),
        reference=_free_reference(session, said),
        title=said.title or f"{said.country}: {first.replace('_', ' ')}",
        requester=asking,
        intake_entity=entity,
        lead_entity=entity,
        region_id=entity.region_id,
        status=Status.RECEIVED,
        priority=said.priority or PRIORITY_IN_DANGER[said.danger],
        publication=PublicationLevel.NONE,
        reopen_count=0,
        version=0,
        revision=0,
        recorded_at=now,
        recorded_by=caller.account_id,
        updated_at=now,
        **{name: getattr(said, name) for name in _TAKEN_OVER},
    )
    session.add(case)
    session.flush()
    writing = Writing(session, case, caller, now)
    case.move(_first_entry(said, held, writing), now)
    refused = _put_on_record(writing, said)
    if refused:
        raise ChangeRefused(Status.RECEIVED, refused)
    session.flush()
    return case


_TAKEN_OVER = (
    "public_summary",
    "narrative",
    "narrative_language",
    "help_asked",
    "channel",
    "country",
    "visibility",
    "danger",
    "received_on",
    "received_precision",
)


def _named(session: Session, said: asks.Intake) -> Entity:
    return existing_entity(session, said.entity or "", "/entity")


def _intake_role(session: Session, caller: Caller, said: asks.Intake) -> Held:
    """The membership under which the caller logs. Raises: Forbidden, Invalid."""
    fitting = [held for held in caller.held if held.role in INTAKE_ROLES]
    if said.entity is not None:
        path = _named(session, said).path
        fitting = [held for held in fitting if path.startswith(held.path)]
    if not fitting:
        raise Forbidden
    return fitting[0]


def _free_reference(session: Session, said: asks.Intake) -> str:
    while True:
        reference = new_reference(said.country, said.received_on.year)
        if session.scalar(select(Case.id).where(Case.reference == reference)) is None:
            return reference


def _first_entry(said: asks.Intake, held: Held, writing: Writing) -> HistoryEntry:
    return HistoryEntry(
        id=new_id(),
        step="intake",
        from_status=None,
        to_status=Status.RECEIVED,
        account_id=writing.caller.account_id,
        role=held.role,
        entity_id=held.entity_id,
        occurred_on=said.received_on,
        occurred_precision=said.received_precision,
        recorded_at=writing.now,
        reason=None,
        says="The request was logged.",
        input={"channel": said.channel, "danger": said.danger},
        overrides={},
        left_open={},
    )


def _put_on_record(writing: Writing, said: asks.Intake) -> list[Unmet]:
    """Write what comes with a request: the requester as a party, the records brought, violations, the estimate."""
    if not any(p.role is PartyRole.REQUESTER for p in said.records.parties):
        asking = said.requesting_organisation
        requester = PartyInput(label="requester", role=PartyRole.REQUESTER, organisation=asking)
        records.write(writing, records.BY_NOUN["parties"], requester)
    refused = bring(writing, said.records, "/records")
    for index, violation in enumerate(said.violations):
        refused += records.write(writing, records.BY_NOUN["violations"], violation, f"/violations/{index}")[1]
    if isinstance(said.affected, asks.Affected):
        estimate = TallyInput(
            kind=TallyKind.AFFECTED,
            low=said.affected.low,
            high=said.affected.high,
            as_of=said.received_on,
            as_of_precision=said.received_precision,
        )
        records.write(writing, records.BY_NOUN["tallies"], estimate)
    return refused
