"""The inputs and outputs of accounts and memberships."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from appeals.accounts.account import Account, Membership
from appeals.accounts.entity import Entity
from appeals.fields import Model, Name, NameOrId
from appeals.vocabulary import AccountKind, DisablingReason, MembershipState, Role


class AccountInput(Model):
    """A new account with one role. The name is a handle, never a person's name."""

    name: Name
    kind: AccountKind
    role: Role
    entity: NameOrId


class MembershipInput(Model):
    role: Role
    entity: NameOrId


class DisablingInput(Model):
    reason: DisablingReason


class MembershipOutput(Model):
    id: UUID
    role: Role
    entity: UUID
    entity_name: str
    state: Annotated[MembershipState, Field(description="The state of the role; a proposed role gives no rights.")]
    recorded_at: Annotated[
        datetime | None, Field(description="When it was proposed; null if before confirmation existed.")
    ]
    proposed_by: Annotated[UUID | None, Field(description="Who proposed it; null for the command on the machine.")]
    lapses_at: Annotated[datetime | None, Field(description="When a proposal lapses.")]
    confirmed_by: UUID | None


class AccountOutput(Model):
    """An account with its roles."""

    id: UUID
    name: str
    kind: AccountKind
    active: Annotated[bool, Field(description="False if it was disabled; its keys no longer work.")]
    memberships: list[MembershipOutput]


def membership_output(membership: Membership, entity: Entity) -> MembershipOutput:
    """Return the wire form of a membership, with the name of its entity."""
    return MembershipOutput(
        id=membership.id,
        role=Role(membership.role),
        entity=entity.id,
        entity_name=entity.name,
        state=membership.state,
        recorded_at=membership.recorded_at,
        proposed_by=membership.recorded_by,
        lapses_at=membership.lapses_at,
        confirmed_by=membership.confirmed_by,
    )


def account_output(session: Session, account: Account) -> AccountOutput:
    """Return the wire form of an account, with its roles that are held or proposed."""
    rows = session.execute(
        select(Membership, Entity)
        .join(Entity, Entity.id == Membership.entity_id)
        .where(Membership.account_id == account.id, Membership.ended_at.is_(None))
        .order_by(Membership.id)
    )
    membership_outputs = [membership_output(membership, entity) for membership, entity in rows]
    kind = AccountKind(account.kind)
    return AccountOutput(
        id=account.id, name=account.name, kind=kind, active=account.active, memberships=membership_outputs
    )
