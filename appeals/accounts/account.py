"""Accounts of people and machines, and their memberships: who holds which role in which entity."""

import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import CheckConstraint, ColumnElement, Connection, ForeignKey, Select, and_, bindparam, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from appeals.accounts import api_key as keys
from appeals.accounts.alert import raise_alert
from appeals.accounts.caller import Caller, RoleGrant
from appeals.accounts.entity import Entity
from appeals.database.declarative import Base, new_id, partial_unique
from appeals.errors import ChangeRefused, FieldError, Invalid, Unmet
from appeals.fields import as_uuid
from appeals.vocabulary import (
    AccountKind,
    AlertKind,
    DisablingReason,
    KeyOrigin,
    MembershipState,
    Role,
)

UNCONFIRMED_ROLES = frozenset({Role.DASHBOARD, Role.AUDITOR})
"""The roles that one admin grants without confirmation: they see no case and grant no roles."""
PROPOSALS_LAST = timedelta(days=14)


class Account(Base):
    """A person or a machine that holds roles. The name is a handle, not a person's name."""

    __tablename__ = "account"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    active: Mapped[bool] = mapped_column(default=True)
    recorded_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]
    disabled_reason: Mapped[str | None]


class Membership(Base):
    """A role within an entity, which holds for it and the entities below it. Rows are never deleted.

    The role is held from `effective_at` until `ended_at`, and only proposed before. `recorded_by` is the proposer, or
    None for the command on the machine. `recorded_at` is None if the role was granted before confirmation existed.
    """

    __tablename__ = "membership"
    __table_args__ = (
        CheckConstraint(
            "confirmed_by <> account_id AND (recorded_by IS NULL OR confirmed_by <> recorded_by)", name="two_people"
        ),
        partial_unique(
            "uq_membership_account_id_entity_id_role", "account_id", "entity_id", "role", condition="ended_at IS NULL"
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"), index=True)
    entity_id: Mapped[UUID] = mapped_column(ForeignKey("entity.id"))
    role: Mapped[str]
    recorded_at: Mapped[datetime | None]
    recorded_by: Mapped[UUID | None] = mapped_column(ForeignKey("account.id"))
    effective_at: Mapped[datetime | None]
    confirmed_by: Mapped[UUID | None] = mapped_column(ForeignKey("account.id"))
    ended_at: Mapped[datetime | None]

    @property
    def state(self) -> MembershipState:
        """The state of the membership. Lapsed proposals are ended by `expire_keys_and_proposals`."""
        if self.ended_at is not None:
            return MembershipState.ENDED
        return MembershipState.PROPOSED if self.effective_at is None else MembershipState.HELD

    @property
    def lapses_at(self) -> datetime | None:
        """The time at which a proposal lapses."""
        is_proposed = self.state is MembershipState.PROPOSED
        return self.recorded_at + PROPOSALS_LAST if is_proposed and self.recorded_at else None

    def has_lapsed(self, now: datetime) -> bool:
        """Return whether this is a proposal that nobody confirmed in time."""
        return self.lapses_at is not None and self.lapses_at <= now


def is_active_membership() -> ColumnElement[bool]:
    """Return the condition that a membership is held now."""
    return and_(Membership.effective_at.is_not(None), Membership.ended_at.is_(None))


def account_named(session: Session, name_or_id: str) -> Account | None:
    """Return the active account with this name or id, or None."""
    row_id = as_uuid(name_or_id)
    return session.scalar(
        select(Account).where(Account.active, Account.id == row_id if row_id else Account.name == name_or_id)
    )


def existing_account(session: Session, name_or_id: str, pointer: str) -> Account:
    """Return the active account with this name or id. Raises: Invalid, with the pointer of the member that names it."""
    account = account_named(session, name_or_id)
    if account is None:
        raise Invalid([FieldError(pointer, "names no account of the network")])
    return account


def new_account(session: Session, name: str, kind: AccountKind, now: datetime) -> Account:
    """Add an account without a role."""
    account = Account(name=name, kind=kind, recorded_at=now)
    session.add(account)
    session.flush()
    return account


def random_handle() -> str:
    """Return a short random name for an account that was given none."""
    return secrets.token_hex(3)


def grant(session: Session, account: Account, role: Role, entity: Entity, now: datetime) -> Membership:
    """Grant a role at once, as the command on the machine does, even if it was only proposed before."""
    membership = open_membership(session, account, role, entity, now)
    if membership is None:
        membership = Membership(account_id=account.id, entity_id=entity.id, role=role, recorded_at=now)
        session.add(membership)
    if membership.effective_at is None:
        activate(session, membership, AlertKind.GRANT_BY_COMMAND, None, now)
    return membership


def open_membership(session: Session, account: Account, role: Role, entity: Entity, now: datetime) -> Membership | None:
    """Return the membership of the account with this role in the entity, held or proposed.

    A lapsed proposal is ended here.
    """
    query = select(Membership).filter_by(account_id=account.id, entity_id=entity.id, role=role, ended_at=None)
    membership = session.scalar(query, execution_options={"populate_existing": True})
    if membership is not None and membership.has_lapsed(now):
        membership.ended_at = now
        session.flush()
        return None
    return membership


def activate(session: Session, membership: Membership, kind: AlertKind, by_id: UUID | None, now: datetime) -> None:
    """Put a role into effect and alert the accounts responsible for it. `by_id` is the account that decided it.

    A key that was enrolled by one person alone is revoked if the role needs two people, since that person could use it.
    """
    membership.effective_at = now
    session.flush()
    if membership.role not in UNCONFIRMED_ROLES:
        for key in keys.active_keys(session, membership.account_id, now):
            if key.origin == KeyOrigin.ENROLMENT_BY_ONE:
                keys.revoke(key, now)
    alert_responsible(session, membership, kind, by_id, now)


def alert_responsible(
    session: Session, membership: Membership, kind: AlertKind, by_id: UUID | None, now: datetime
) -> None:
    """Alert those responsible for a new role: the admins and coordinators over it, and everybody who took part in
    granting it.
    """
    is_admin = membership.role == Role.ADMIN
    ids = _responsible_accounts(session, session.get_one(Entity, membership.entity_id), below=is_admin)
    ids |= {account for account in (membership.account_id, membership.recorded_by, by_id) if account is not None}
    raise_alert(
        session,
        AlertKind.NEW_ADMIN if is_admin else kind,
        ids,
        recorded_at=now,
        account_id=membership.account_id,
        by_id=by_id,
        membership_id=membership.id,
    )


def _responsible_accounts(session: Session, entity: Entity, *, below: bool) -> set[UUID]:
    """Return the admins and coordinators at or above an entity, and those below it."""
    above = Entity.id.in_(UUID(part) for part in entity.path.strip("/").split("/"))
    where = or_(above, Entity.path.startswith(entity.path)) if below else above
    query = (
        select(Membership.account_id)
        .join(Entity, Entity.id == Membership.entity_id)
        .join(Account, Account.id == Membership.account_id)
        .where(Account.active, is_active_membership(), Membership.role.in_([Role.ADMIN, Role.COORDINATOR]), where)
    )
    return set(session.scalars(query))


def end(session: Session, membership: Membership, now: datetime) -> None:
    """End a role, or withdraw a proposal; it no longer holds from the next request on. Raises: ChangeRefused."""
    lock_admins(session)
    session.refresh(membership)
    if membership.ended_at is not None:
        raise refused("ended", "membership.ended")
    _require_another_admin(session, [membership])
    membership.ended_at = now
    session.flush()


def disable(session: Session, account: Account, reason: DisablingReason, now: datetime) -> None:
    """Disable an account permanently; none of its keys works from the next request on. Raises: ChangeRefused."""
    lock_admins(session)
    session.refresh(account)
    if not account.active:
        raise refused("disabled", "account.disabled")
    query = select(Membership).where(Membership.account_id == account.id, is_active_membership())
    _require_another_admin(session, session.scalars(query))
    account.active, account.disabled_at, account.disabled_reason = False, now, reason
    for key in keys.active_keys(session, account.id, now):
        keys.revoke(key, now)
    session.flush()


def lock_admins(session: Session) -> None:
    """Take the lock of those who confirm or end roles: two admins who end each other at once would leave none."""
    session.scalar(select(Entity).where(Entity.parent_id.is_(None)).with_for_update(key_share=True))


def _require_another_admin(session: Session, leaving: Iterable[Membership]) -> None:
    """Check that somebody administers the root without these memberships. Raises: ChangeRefused."""
    going = {membership.id for membership in leaving}
    admins = set(session.scalars(root_holders(Role.ADMIN).with_only_columns(Membership.id)))
    if going & admins and not admins - going:
        raise refused("active", "admin.last")


def root_holders(role: Role) -> Select[Account]:
    """Return the statement for the active accounts that hold a role at the root."""
    return (
        select(Account)
        .join(Membership, Membership.account_id == Account.id)
        .join(Entity, Entity.id == Membership.entity_id)
        .where(Account.active, is_active_membership(), Membership.role == role, Entity.parent_id.is_(None))
    )


def entity_paths_of(session: Session, account: Account) -> list[str]:
    """Return the paths of entities in which the account holds or ever held a role, or is proposed for one.

    Ended roles count too: a key made for an account without a role would open whatever is granted to it next.
    """
    counts = or_(Membership.effective_at.is_not(None), Membership.ended_at.is_(None))
    query = select(Entity.path).join(Membership, Membership.entity_id == Entity.id)
    paths = session.scalars(query.where(Membership.account_id == account.id, counts)).all()
    # The root is responsible for accounts that never held a role.
    return list(paths or session.scalars(select(Entity.path).where(Entity.parent_id.is_(None))))


def roles_ever_held(session: Session, account: Account) -> set[Role]:
    """Return the roles that the account holds or ever held, in any entity."""
    query = select(Membership.role).where(Membership.account_id == account.id, Membership.effective_at.is_not(None))
    return set(map(Role, session.scalars(query)))


def administers(session: Session, caller: Caller, account: Account) -> bool:
    """Return whether the caller is an admin over every entity of `entity_paths_of`."""
    return all(Role.ADMIN in caller.roles_over(path) for path in entity_paths_of(session, account))


def grants_of(reading: Session | Connection, account_id: UUID) -> tuple[RoleGrant, ...]:
    """Return all role grants of the account."""
    rows = reading.execute(_GRANTS, {"account_id": account_id})
    return tuple(RoleGrant(Role(role), entity_id, path, row_id) for role, entity_id, path, row_id in rows)


_GRANTS = (
    select(Membership.role, Entity.id, Entity.path, Membership.id)
    .join(Entity, Entity.id == Membership.entity_id)
    .where(Membership.account_id == bindparam("account_id"), is_active_membership())
    .order_by(Membership.id)
)


def refused(state: str, code: str) -> ChangeRefused:
    """Return the refusal with this code and its sentence."""
    return ChangeRefused(state, [Unmet(code, REFUSALS[code])])


REFUSALS = {
    "account.disabled": "The account was disabled; create another.",
    "account.own": "You cannot change your own account; ask another admin.",
    "admin.last": "Nobody would administer the network; grant the role to another admin of the root first.",
    "membership.ended": "The role has ended already, or its proposal was refused or has lapsed.",
}
"""The sentences of refusals, by code."""
