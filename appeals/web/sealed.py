"""Doors to what is sealed: fields that are opened with a reason, and sealed cases whose glass is broken."""

from collections.abc import Sequence, Set
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from appeals.access import is_on_team, may_break_glass
from appeals.alert import Alert, alerts_for, raise_alert
from appeals.case import Case
from appeals.database import new_id
from appeals.errors import ChangeRefused, Unmet
from appeals.field import Model
from appeals.network import Account
from appeals.opening import Opened, Opening, OpeningInput, OpeningOutput
from appeals.register import AnyOf, PageQuery
from appeals.team import GLASS_IS_BROKEN_FOR, GlassInput, TeamMember, TeamMemberOutput
from appeals.vocabulary import AlertKind, TeamStatus
from appeals.web.door import Answer, Call, Door, Secret, rendered
from appeals.web.gate import Visit, case_in_path
from appeals.web.page import Page, by_id, of_records, page


class AlertQuery(PageQuery):
    """Which alerts. Where a kind is given several times, any of them fits."""

    kind: AnyOf[AlertKind] = []


class AlertOutput(Model):
    """What you are alerted to: who did what, when, and what it is about."""

    id: UUID
    kind: AlertKind
    recorded_at: datetime
    text: Annotated[str, Field(description="A sentence; accounts are named by their handles.")]
    account: Annotated[UUID, Field(description="The account that it is about.")]
    by: Annotated[UUID | None, Field(description="Who did it; null: the command on the machine.")]
    reference: Annotated[str | None, Field(description="The case that it is about.")]
    reason: str | None
    until: Annotated[datetime | None, Field(description="Of broken glass: when its sight ends.")]


def open_sealed(call: Call) -> Answer:
    case: Case = call.subject
    said: OpeningInput = call.body
    opening = Opening(
        id=new_id(),
        case_id=case.id,
        fields=list(said.fields),
        reason=said.reason,
        recorded_at=call.now,
        recorded_by=call.caller.account_id,
    )
    case.openings.append(opening)
    call.session.flush()
    shown = {name: case.sealed(name) for name in said.fields}
    return rendered(Opened(fields=shown, safe_contact_rules=case.safe_contact_rules_of(said.fields)), 201)


def list_openings(call: Call) -> Answer:
    return of_records(call, OpeningOutput, call.subject.openings)


def glazed_case(visit: Visit, _: Case | None) -> Case:
    """The case in the path, for those who may break its glass. Raises: NotFound."""
    return case_in_path(visit, may_break_glass)


def break_glass(call: Call) -> Answer:
    case: Case = call.subject
    if is_on_team(call.caller, case):
        needless = Unmet("glass.needless", "You are on the team of this case already.")
        raise ChangeRefused(case.status, [needless])
    member = TeamMember(
        id=new_id(),
        case_id=case.id,
        account=call.caller.account_id,
        status=TeamStatus.ON,
        until=call.now + GLASS_IS_BROKEN_FOR,
        broke_glass_because=call.body.reason,
        recorded_at=call.now,
        recorded_by=call.caller.account_id,
    )
    team = [other.account for other in case.team if other.is_named]
    case.team.append(member)
    case.touch(call.now)
    call.session.flush()
    raise_alert(
        call.session,
        AlertKind.GLASS_BROKEN,
        team,
        recorded_at=call.now,
        account_id=member.account,
        by_id=member.account,
        case_id=case.id,
        team_member_id=member.id,
    )
    return rendered(TeamMemberOutput.model_validate(member), 201)


def list_alerts(call: Call) -> Answer:
    """What the caller was alerted to, oldest first."""
    query: AlertQuery = call.query
    rows, following = by_id(call, Alert, alerts_for(call.caller.account_id, query.kind))
    return page(call, AlertOutput, _alert_outputs(call.session, rows), following)


def _alert_outputs(session: Session, alerts: Sequence[Alert]) -> list[AlertOutput]:
    accounts = _by_id(session, Account, {alert.account_id for alert in alerts})
    cases = _by_id(session, Case, {alert.case_id for alert in alerts})
    members = _by_id(session, TeamMember, {alert.team_member_id for alert in alerts})
    return [
        _alert_output(
            alert,
            accounts[alert.account_id],
            cases.get(alert.case_id),
            members.get(alert.team_member_id),
        )
        for alert in alerts
    ]


def _alert_output(alert: Alert, account: Account, case: Case | None, member: TeamMember | None) -> AlertOutput:
    reference = case.reference if case else None
    return AlertOutput(
        id=alert.id,
        kind=AlertKind(alert.kind),
        recorded_at=alert.recorded_at,
        text=ALERT_TEXTS[AlertKind(alert.kind)].format(account=account.name, reference=reference),
        account=alert.account_id,
        by=alert.by_id,
        reference=reference,
        reason=member.broke_glass_because if member else None,
        until=member.until if member else None,
    )


ALERT_TEXTS = {AlertKind.GLASS_BROKEN: "{account} broke the glass of {reference}."}


def _by_id(session: Session, table: Any, ids: Set[UUID | None]) -> dict[UUID | None, Any]:
    """The rows of these ids."""
    return {row.id: row for row in session.scalars(select(table).where(table.id.in_(ids - {None})))}


def doors() -> list[Door]:
    """The doors to what is sealed."""
    one = "/v1/cases/{ref}"
    return [
        Door(
            "POST", f"{one}/openings", "open_sealed", "Show sealed fields, with a reason; it is put on record.",
            open_sealed, Opened, 201, OpeningInput, secret=Secret.AGAIN,
        ),
        Door(
            "GET", f"{one}/openings", "list_openings", "Who opened which sealed fields, and why.", list_openings,
            Page[OpeningOutput], query=PageQuery, as_table=True,
        ),
        Door(
            "POST", f"{one}/break-glass", "break_glass",
            "See a case for a day that is kept from you, with a reason; its team is told.",
            break_glass, TeamMemberOutput, 201, GlassInput, finds=glazed_case,
        ),
        Door(
            "GET", "/v1/alerts", "list_alerts", "What you are alerted to, oldest first.", list_alerts,
            Page[AlertOutput], query=AlertQuery, as_table=True,
        ),
    ]  # fmt: skip
