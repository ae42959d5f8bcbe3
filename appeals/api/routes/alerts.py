"""The route of alerts: what each account was told because it was done with few eyes on it."""

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
    """Which alerts. Where a kind is given several times, any of them fits."""

    kind: OneOrMore[AlertKind] = []


class AlertOutput(Model):
    """What you are alerted to: who did what, when, and what it is about."""

    id: UUID
    kind: AlertKind
    recorded_at: datetime
    text: Annotated[str, Field(description="A sentence; accounts are named by their handles.")]
    account: Annotated[UUID, Field(description="The account that it is about.")]
    by: Annotated[UUID | None, Field(description="Who did it; null: the command on the machine.")]
    reference: Annotated[str | None, Field(description="The case that it is about.")]
    role: Annotated[Role | None, Field(description="The role that was given.")]
    entity: Annotated[UUID | None, Field(description="The entity that it was given in.")]
    reason: str | None
    until: Annotated[datetime | None, Field(description="Of broken glass: when its sight ends.")]


@router.get("/v1/alerts", response_model=Page[AlertOutput], responses=AS_TABLE)
def list_alerts(query: Annotated[AlertQuery, Query()], read: Read) -> Response:
    """What you are alerted to, oldest first.

    An alert tells of an act that others should know of, such as broken glass or a role that was given.
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
            "how": f"proposed by {proposer}" if proposer else "given by the command on the machine",
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
    """The sentence of an alert, to be filled in; a new admin was made in one of the ways in which roles are given."""
    kind = AlertKind(alert.kind)
    if kind is AlertKind.NEW_ADMIN:
        kind = AlertKind.GRANT_BY_COMMAND if alert.by_id is None else AlertKind.GRANT_CONFIRMED
    return ALERT_TEXTS[kind]


ALERT_TEXTS = {
    AlertKind.GLASS_BROKEN: "{account} broke the glass of {reference}.",
    AlertKind.GRANT_CONFIRMED: "{account} is {role} of {entity}: {how}, confirmed by {by}.",
    AlertKind.GRANT_BY_ONE: "{account} is {role} of {entity}: given by {by}.",
    AlertKind.GRANT_BY_COMMAND: "{account} is {role} of {entity}: given by the command on the machine.",
    AlertKind.CODE_USED: "{account} has a key: the code of which you told half was used.",
}


def _by_id(session: Session, table: type[Row], ids: Set[UUID | None]) -> dict[UUID | None, Row]:
    """The rows of these ids."""
    return {row.id: row for row in session.scalars(select(table).where(table.id.in_(ids - {None})))}
