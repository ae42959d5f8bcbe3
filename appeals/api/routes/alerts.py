"""The route of alerts: messages to an account about acts that few people saw."""

from collections.abc import Sequence, Set
from datetime import datetime
from typing import Annotated, TypeVar
from uuid import UUID

from fastapi import Query, Response
from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from appeals.accounts.account import Account, Membership
from appeals.accounts.alert import Alert, alerts_for
from appeals.accounts.entity import Entity
from appeals.api.dependencies import Read
from appeals.api.openapi import AS_TABLE
from appeals.api.pagination import Page, page, page_by_id
from appeals.api.routing import new_router
from appeals.cases.case import Case
from appeals.cases.team import TeamMember
from appeals.fields import Model
from appeals.read_models.case_list import OneOrMore, PageQuery
from appeals.vocabulary import AlertKind, Role

router = new_router("network")


class AlertQuery(PageQuery):
    """The filter of alerts. If a kind is given several times, any of them fits."""

    kind: OneOrMore[AlertKind] = []


class AlertOutput(Model):
    """An alert: who did what, when, and to what."""

    id: UUID
    kind: AlertKind
    recorded_at: datetime
    text: Annotated[str, Field(description="A sentence; accounts are named by their handles.")]
    account: Annotated[UUID, Field(description="The account that it is about.")]
    by: Annotated[UUID | None, Field(description="Who did it; null for the command on the machine.")]
    reference: Annotated[str | None, Field(description="The case that it is about.")]
    role: Annotated[Role | None, Field(description="The role that was granted.")]
    entity: Annotated[UUID | None, Field(description="The entity of the role.")]
    reason: str | None
    until: Annotated[datetime | None, Field(description="When the break-glass access ends.")]


@router.get("/v1/alerts", response_model=Page[AlertOutput], responses=AS_TABLE)
def list_alerts(query: Annotated[AlertQuery, Query()], read: Read) -> Response:
    """Your alerts, oldest first.

    An alert reports an act that others should know of, such as break-glass access or a granted role.
    """
    with read.snapshot() as tx:
        rows, after = page_by_id(tx, query, Alert.id, alerts_for(tx.caller.account_id, query.kind))
        return page(tx, AlertOutput, _alert_outputs(tx.session, rows), after)


Row = TypeVar("Row", Account, Case, Entity, Membership, TeamMember)


def _alert_outputs(session: Session, alerts: Sequence[Alert]) -> list[AlertOutput]:
    cases = _by_id(session, Case, {alert.case_id for alert in alerts})
    members = _by_id(session, TeamMember, {alert.team_member_id for alert in alerts})
    memberships = _by_id(session, Membership, {alert.membership_id for alert in alerts})
    entities = _by_id(session, Entity, {membership.entity_id for membership in memberships.values()})
    proposers = {membership.recorded_by for membership in memberships.values()}
    people = {alert.account_id for alert in alerts} | {alert.by_id for alert in alerts} | proposers
    names = {row_id: account.name for row_id, account in _by_id(session, Account, people).items()}
    items = []
    for alert in alerts:
        case, member = cases.get(alert.case_id), members.get(alert.team_member_id)
        membership = memberships.get(alert.membership_id)
        entity = entities[membership.entity_id] if membership else None
        proposer = names.get(membership.recorded_by) if membership else None
        facts = {
            "account": names[alert.account_id],
            "by": names.get(alert.by_id),
            "reference": case and case.reference,
            "role": membership and membership.role,
            "entity": entity and entity.name,
            "how": f"proposed by {proposer}" if proposer else "granted by the command on the machine",
        }
        items.append(
            AlertOutput(
                id=alert.id,
                kind=AlertKind(alert.kind),
                recorded_at=alert.recorded_at,
                text=_text(alert).format(**facts),
                account=alert.account_id,
                by=alert.by_id,
                reference=case.reference if case else None,
                role=Role(membership.role) if membership else None,
                entity=membership.entity_id if membership else None,
                reason=member.broke_glass_because if member else None,
                until=member.until if member else None,
            )
        )
    return items


def _text(alert: Alert) -> str:
    """Return the text of an alert with placeholders. The text of a new admin depends on how the role was granted."""
    kind = AlertKind(alert.kind)
    if kind is AlertKind.NEW_ADMIN:
        kind = AlertKind.GRANT_BY_COMMAND if alert.by_id is None else AlertKind.GRANT_CONFIRMED
    return ALERT_TEXTS[kind]


ALERT_TEXTS = {
    AlertKind.GLASS_BROKEN: "{account} used break-glass access to {reference}.",
    AlertKind.GRANT_CONFIRMED: "{account} is {role} of {entity}: {how}, confirmed by {by}.",
    AlertKind.GRANT_BY_ONE: "{account} is {role} of {entity}: granted by {by}.",
    AlertKind.GRANT_BY_COMMAND: "{account} is {role} of {entity}: granted by the command on the machine.",
    AlertKind.CODE_USED: "{account} has a key: the enrolment code of which you issued a half was used.",
}


def _by_id(session: Session, table: type[Row], ids: Set[UUID | None]) -> dict[UUID | None, Row]:
    """Return the rows with these ids, by id."""
    return {row.id: row for row in session.scalars(select(table).where(table.id.in_(ids - {None})))}
