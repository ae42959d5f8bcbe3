"""Intake: a request for help becomes a case."""

from datetime import datetime

from sqlalchemy import inspect, select
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value

from appeals import records
from appeals import step_input as asks
from appeals.case import Case, HistoryEntry, new_reference
from appeals.database import new_id
from appeals.directory import Organisation, look_up, organisation
from appeals.errors import ChangeRefused, Forbidden, Unmet
from appeals.lifecycle import INTAKE_ROLES
from appeals.network import Caller, Entity, Held, existing_entity
from appeals.party import PartyInput
from appeals.records import Writing
from appeals.sharing import may_have
from appeals.step import bring, follow_up
from appeals.tally import TallyInput
from appeals.vocabulary import (
    PartyRole,
    Priority,
    PublicationLevel,
    Role,
    Status,
    TallyKind,
    Visibility,
)

PRIORITY_IN_DANGER = {True: Priority.URGENT, False: Priority.NORMAL}


def take_in(session: Session, caller: Caller, said: asks.Intake, now: datetime) -> Case:
    """Log a request for help as a new case in `received`. Raises: Forbidden, Invalid, ChangeRefused."""
    records.not_ahead(said, now)
    held = _intake_role(session, caller, said)
    entity = session.get_one(Entity, held.entity_id) if said.entity is None else _named(session, said)
    given, at = said.requesting_organisation, "/requesting_organisation"
    records.require_known(session, caller, Organisation, given, at)
    parties = said.records.parties
    look_up(session, [given, *(party.organisation for party in parties), *(party.facility for party in parties)])
    asking = organisation(session, given)
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
        translations={},
        share_conditions_met=[],
        reopen_count=0,
        version=0,
        revision=0,
        recorded_at=now,
        recorded_by=caller.account_id,
        updated_at=now,
        **{name: getattr(said, name) for name in _TAKEN_OVER},
    )
    for relation in inspect(Case).relationships:  # known to be empty, and not asked for
        if relation.uselist:
            set_committed_value(case, relation.key, [])
    session.add(case)
    session.flush()  # before all that refers to it: SQLite would look through tables for what waited for it
    writing = Writing(session, case, caller, now)
    case.move(_first_entry(said, held, writing), now)
    records.name_on_team(writing, caller.account_id)
    refused = _put_on_record(writing, said)
    if refused:
        raise ChangeRefused(Status.RECEIVED, refused)
    if not may_have(case, Visibility(case.visibility), now):
        case.visibility = Visibility.REGIONAL  # the answer says so
    follow_up(writing)
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
    """The membership under which the caller logs. A partner logs for their own entity. Raises: Forbidden, Invalid."""
    fitting = [held for held in caller.held if held.role in INTAKE_ROLES]
    if said.entity is not None:
        entity = _named(session, said)
        fitting = [held for held in fitting if _logs_for(held, entity)]
    if not fitting:
        raise Forbidden
    return fitting[0]


def _logs_for(held: Held, entity: Entity) -> bool:
    return held.entity_id == entity.id if held.role is Role.PARTNER else entity.path.startswith(held.path)


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
    asking = said.requesting_organisation
    if not any(party.role is PartyRole.REQUESTER and party.organisation == asking for party in said.records.parties):
        label = None if any(party.label == "requester" for party in said.records.parties) else "requester"
        requester = PartyInput(label=label, role=PartyRole.REQUESTER, organisation=asking)
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
