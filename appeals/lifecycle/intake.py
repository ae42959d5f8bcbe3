"""Intake: it records a request for help as a new case."""

from datetime import datetime

from sqlalchemy import bindparam, select

from appeals.access.roles import INTAKE_ROLES
from appeals.accounts.caller import Caller, RoleGrant
from appeals.accounts.entity import Entity
from appeals.accounts.network import Network
from appeals.cases.case import Case
from appeals.cases.case_rows import new_case, new_reference
from appeals.cases.case_transaction import CaseTransaction
from appeals.cases.directory import Organisation
from appeals.cases.history import HistoryEntry
from appeals.cases.party import PartyInput
from appeals.cases.sharing import may_have
from appeals.cases.tally import TallyInput
from appeals.database.declarative import new_id
from appeals.errors import ChangeRefused, Forbidden, Unmet
from appeals.lifecycle import case_inputs, party_rules, record_kinds, record_writing, team_rules
from appeals.lifecycle.transition import follow_up, write_records
from appeals.lifecycle.write_context import WriteContext
from appeals.vocabulary import PartyRole, Priority, PublicationLevel, Role, Status, TallyKind, Visibility

PRIORITY_IN_DANGER = {True: Priority.URGENT, False: Priority.NORMAL}


def create_case(tx: CaseTransaction, caller: Caller, data: case_inputs.Intake, now: datetime) -> Case:
    """Record a request for help as a new case in the state `received`. Raises: Forbidden, Invalid, ChangeRefused."""
    record_writing.not_ahead(data, now)
    grant = _intake_role(tx.network, caller, data)
    entity = tx.network.entity(grant.entity_id) if data.entity is None else _named(tx.network, data)
    requester, at = data.requesting_organisation, "/requesting_organisation"
    party_rules.require_known(tx.session, caller, Organisation, requester, at)
    parties = data.records.parties
    tx.directory.look_up(
        [requester, *(party.organisation for party in parties), *(party.facility for party in parties)]
    )
    asking = tx.directory.organisation(requester)
    case = _new_case(tx, caller, data, asking, entity, now)
    writing = WriteContext(tx, tx.add(case), caller, now)
    case.move(_first_entry(data, grant, writing), now)
    team_rules.name_on_team(writing, caller.account_id)
    refused = _put_on_record(writing, data)
    if refused:
        raise ChangeRefused(Status.RECEIVED, refused)
    if not may_have(case, Visibility(case.visibility), now):
        case.visibility = Visibility.REGIONAL  # the answer shows it
    follow_up(writing)
    return case


def _new_case(
    tx: CaseTransaction, caller: Caller, data: case_inputs.Intake, asking: Organisation, entity: Entity, now: datetime
) -> Case:
    first = data.violations[0].code
    return new_case(
        id=new_id(),
        reference=_free_reference(tx, data),
        title=data.title or f"{data.country}: {first.replace('_', ' ')}",
        requester_id=asking.id,
        intake_entity=entity,
        intake_entity_id=entity.id,
        lead_entity=entity,
        lead_entity_id=entity.id,
        region_id=entity.region_id,
        status=Status.RECEIVED,
        priority=data.priority or PRIORITY_IN_DANGER[data.danger],
        publication=PublicationLevel.NONE,
        translations={},
        share_conditions_met=[],
        reopen_count=0,
        version=0,
        revision=0,
        recorded_at=now,
        recorded_by=caller.account_id,
        updated_at=now,
        **{name: getattr(data, name) for name in _TAKEN_OVER},
    )


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


def _named(network: Network, data: case_inputs.Intake) -> Entity:
    return network.existing_entity(data.entity or "", "/entity")


def _intake_role(network: Network, caller: Caller, data: case_inputs.Intake) -> RoleGrant:
    """Return the role grant under which the caller logs a case.

    A partner logs for its own entity only. Raises: Forbidden, Invalid.
    """
    fitting = [grant for grant in caller.grants if grant.role in INTAKE_ROLES]
    if data.entity is not None:
        entity = _named(network, data)
        fitting = [grant for grant in fitting if _logs_for(grant, entity)]
    if not fitting:
        raise Forbidden
    return fitting[0]


def _logs_for(grant: RoleGrant, entity: Entity) -> bool:
    return grant.entity_id == entity.id if grant.role is Role.PARTNER else entity.path.startswith(grant.path)


def _free_reference(tx: CaseTransaction, data: case_inputs.Intake) -> str:
    while True:
        reference = new_reference(data.country, data.received_on.year)
        if tx.connection.execute(_OF_REFERENCE, {"reference": reference}).scalar() is None:
            return reference


_OF_REFERENCE = select(Case.id).where(Case.reference == bindparam("reference"))


def _first_entry(data: case_inputs.Intake, grant: RoleGrant, writing: WriteContext) -> HistoryEntry:
    return HistoryEntry(
        id=new_id(),
        step="intake",
        from_status=None,
        to_status=Status.RECEIVED,
        account_id=writing.caller.account_id,
        role=grant.role,
        entity_id=grant.entity_id,
        occurred_on=data.received_on,
        occurred_precision=data.received_precision,
        recorded_at=writing.now,
        reason=None,
        says="The request was logged.",
        input={"channel": data.channel, "danger": data.danger},
        overrides={},
        left_open={},
    )


def _put_on_record(writing: WriteContext, data: case_inputs.Intake) -> list[Unmet]:
    """Write the records of a request: the requester as a party, records sent along, violations, the estimate of
    affected workers.
    """
    asking = data.requesting_organisation
    if not any(party.role is PartyRole.REQUESTER and party.organisation == asking for party in data.records.parties):
        label = None if any(party.label == "requester" for party in data.records.parties) else "requester"
        requester = PartyInput(label=label, role=PartyRole.REQUESTER, organisation=asking)
        record_writing.write(writing, record_kinds.KIND_OF_NOUN["parties"], requester)
    refused = write_records(writing, data.records, "/records")
    for index, violation in enumerate(data.violations):
        refused += record_writing.write(
            writing, record_kinds.KIND_OF_NOUN["violations"], violation, f"/violations/{index}"
        )[1]
    if isinstance(data.affected, case_inputs.Affected):
        estimate = TallyInput(
            kind=TallyKind.AFFECTED,
            low=data.affected.low,
            high=data.affected.high,
            as_of=data.received_on,
            as_of_precision=data.received_precision,
        )
        record_writing.write(writing, record_kinds.KIND_OF_NOUN["tallies"], estimate)
    return refused
