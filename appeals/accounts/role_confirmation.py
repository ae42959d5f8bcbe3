"""Role confirmation: a role that sees cases, or that of an admin, is proposed by one person and confirmed by another.

Source: section 8 of the domain specification, four eyes on rights. Only the command on the machine grants such a role
at once (`account.grant`). Those who could have confirmed it can still confirm it afterwards.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field
from sqlalchemy import ColumnElement, and_, false, or_, select
from sqlalchemy.orm import Session

from appeals.accounts.account import (
    PROPOSALS_LAST,
    UNCONFIRMED_ROLES,
    Account,
    Membership,
    activate,
    alert_responsible,
    is_active_membership,
    lock_admins,
    open_membership,
)
from appeals.accounts.account import refused as account_refused
from appeals.accounts.account_schemas import AccountOutput, MembershipOutput, account_output, membership_output
from appeals.accounts.caller import Caller
from appeals.accounts.entity import Entity
from appeals.errors import ChangeRefused, Unmet
from appeals.vocabulary import AccountKind, AlertKind, MembershipState, Role

CONFIRMING = frozenset({Role.ADMIN, Role.COORDINATOR})
"""The roles that confirm others; admins only if there is no coordinator."""


class ConfirmationOutput(MembershipOutput):
    """A role that waits for confirmation, with all roles that its account holds or is proposed for."""

    account: AccountOutput
    confirmers: Annotated[
        list[str], Field(description="The accounts that may confirm it; if there is none, use the command.")
    ]


def belongs_to(session: Session, caller: Caller, account: Account) -> bool:
    """Return whether the caller is an admin over an entity in which the account holds or is proposed for a role, or the
    account has none.

    Only these admins may propose further roles for it.
    """
    query = select(Entity.path).join(Membership, Membership.entity_id == Entity.id)
    paths = session.scalars(query.where(Membership.account_id == account.id, Membership.ended_at.is_(None))).all()
    return not paths or any(Role.ADMIN in caller.roles_over(path) for path in paths)


def propose(session: Session, account: Account, role: Role, entity: Entity, caller: Caller) -> Membership:
    """Propose a role for an account. A role that needs no confirmation is held at once.

    A role that it holds or is proposed for already stays as it is. Raises: ChangeRefused.
    """
    membership = open_membership(session, account, role, entity, caller.now)
    if membership is not None:
        return membership
    if role not in UNCONFIRMED_ROLES:
        require_person(session, caller.account_id)
    membership = Membership(
        account_id=account.id,
        entity_id=entity.id,
        role=role,
        recorded_at=caller.now,
        recorded_by=caller.account_id,
    )
    session.add(membership)
    session.flush()
    if role in UNCONFIRMED_ROLES:
        activate(session, membership, AlertKind.GRANT_BY_ONE, caller.account_id, caller.now)
    return membership


def confirm(session: Session, membership: Membership, caller_id: UUID, now: datetime) -> None:
    """Confirm a proposed role, which then takes effect. Raises: ChangeRefused.

    All conditions are checked again under a lock, while no roles change.
    """
    lock_admins(session)
    session.refresh(membership)
    account = session.get_one(Account, membership.account_id, populate_existing=True)
    _require_open(membership, account, now)
    require_person(session, caller_id)
    if caller_id in (membership.account_id, membership.recorded_by):
        raise refused(membership, "confirmation.another")
    path = session.get_one(Entity, membership.entity_id).path
    if membership.recorded_by is not None and membership.recorded_by not in accounts_over(session, Role.ADMIN, [path]):
        raise refused(membership, "confirmation.void")
    if caller_id not in confirmers(session, membership):
        raise refused(membership, "confirmation.coordinator")
    membership.confirmed_by = caller_id
    if membership.effective_at is None:
        activate(session, membership, AlertKind.GRANT_CONFIRMED, caller_id, now)
    else:
        alert_responsible(session, membership, AlertKind.GRANT_CONFIRMED, caller_id, now)
    session.flush()


def _require_open(membership: Membership, account: Account, now: datetime) -> None:
    """Check that the membership waits for confirmation. Raises: ChangeRefused."""
    if membership.ended_at is not None or membership.has_lapsed(now):
        raise refused(membership, "confirmation.ended")
    if membership.confirmed_by is not None or membership.role in UNCONFIRMED_ROLES:
        raise refused(membership, "confirmation.given")
    if not account.active:
        raise account_refused("disabled", "account.disabled")


def require_person(session: Session, account_id: UUID) -> None:
    """Check that the account is a person's, since two signatures must come from two people. Raises: ChangeRefused."""
    if session.get_one(Account, account_id).kind != AccountKind.PERSON:
        raise ChangeRefused("active", [Unmet("confirmation.person", REFUSALS["confirmation.person"])])


def confirmers(session: Session, membership: Membership) -> set[UUID]:
    """Return the accounts that may confirm a role: neither its proposer nor its holder."""
    path = session.get_one(Entity, membership.entity_id).path
    return second_persons(session, [path], without={membership.account_id, membership.recorded_by})


def second_persons(session: Session, paths: Collection[str], without: Collection[UUID | None]) -> set[UUID]:
    """Return the coordinators at or above all of these entities, or the admins if there are none."""
    coordinators = accounts_over(session, Role.COORDINATOR, paths) - set(without)
    return coordinators or accounts_over(session, Role.ADMIN, paths) - set(without)


def accounts_over(session: Session, role: Role, paths: Collection[str], *, machines: bool = False) -> set[UUID]:
    """Return the active accounts of people (and of `machines`) that hold a role at or above all of these entities."""
    query = (
        select(Membership.account_id, Entity.path)
        .join(Entity, Entity.id == Membership.entity_id)
        .join(Account, Account.id == Membership.account_id)
        .where(Account.active, is_active_membership(), Membership.role == role)
    )
    if not machines:
        query = query.where(Account.kind == AccountKind.PERSON)
    paths_of: dict[UUID, list[str]] = {}
    for account_id, path in session.execute(query):
        paths_of.setdefault(account_id, []).append(path)
    return {
        account_id
        for account_id, over in paths_of.items()
        if all(any(path.startswith(above) for above in over) for path in paths)
    }


def unconfirmed(now: datetime) -> ColumnElement[bool]:
    """Return the condition that a role waits for confirmation: it was proposed and has not lapsed, or the command
    granted it.
    """
    return and_(
        Membership.confirmed_by.is_(None),
        Membership.ended_at.is_(None),
        Membership.role.not_in(UNCONFIRMED_ROLES),
        or_(Membership.effective_at.is_not(None), Membership.recorded_at > now - PROPOSALS_LAST),
    )


def within_reach_of(caller: Caller) -> ColumnElement[bool]:
    """Return the condition that the caller administers or coordinates an entity."""
    paths = {grant.path for grant in caller.grants if grant.role in CONFIRMING}
    return or_(false(), *(Entity.path.startswith(path) for path in sorted(paths)))


def confirmation_output(session: Session, membership: Membership) -> ConfirmationOutput:
    """Return the wire form of a role that waits for confirmation, with its account and those who may confirm it."""
    shown = membership_output(membership, session.get_one(Entity, membership.entity_id))
    names = session.scalars(select(Account.name).where(Account.id.in_(confirmers(session, membership))))
    return ConfirmationOutput(
        **shown.model_dump(),
        account=account_output(session, session.get_one(Account, membership.account_id)),
        confirmers=sorted(names),
    )


def refused(membership: Membership, code: str) -> ChangeRefused:
    """Return the refusal with this code and its sentence."""
    return ChangeRefused(MembershipState(membership.state), [Unmet(code, REFUSALS[code])])


REFUSALS = {
    "confirmation.ended": "The role has ended, was refused or has lapsed; propose it again.",
    "confirmation.given": "The role does not wait for confirmation.",
    "confirmation.person": "Two signatures must come from two people; use the account of a person, not of a machine.",
    "confirmation.another": "Somebody else must confirm it: neither its proposer nor its holder.",
    "confirmation.void": "Its proposer is no longer an admin there; another admin must propose it.",
    "confirmation.coordinator": "A coordinator at or above that entity must confirm it.",
}
"""The sentences of refusals, by code."""
