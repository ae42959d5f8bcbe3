"""The network: entities in a tree, accounts of people and machines, memberships; who holds a key and may do what."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

from pydantic import Field
from sqlalchemy import BigInteger, CheckConstraint, ColumnElement, ForeignKey, Select, and_, or_, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from appeals import key as keys
from appeals.alert import raise_alert
from appeals.database import Base, new_id, unique_among
from appeals.errors import ChangeRefused, Fault, Invalid, KeyEnded, Unauthenticated, Unmet
from appeals.field import Country, Model, Name, NameOrId, as_uuid
from appeals.key import Key
from appeals.vocabulary import (
    AccountKind,
    AlertKind,
    DisablingReason,
    EntityKind,
    KeyOrigin,
    MembershipState,
    Role,
    Scope,
)

ROOT_NAME = "International Office"
COALITIONS = ("South Asia", "South East Asia", "East Asia", "Europe")
LIES_BELOW: dict[EntityKind, tuple[EntityKind, ...]] = {
    EntityKind.INTERNATIONAL_OFFICE: (),
    EntityKind.REGIONAL_COALITION: (EntityKind.INTERNATIONAL_OFFICE,),
    EntityKind.SUBGROUP: (EntityKind.REGIONAL_COALITION,),
    EntityKind.WORKING_GROUP: (EntityKind.INTERNATIONAL_OFFICE, EntityKind.REGIONAL_COALITION),
    EntityKind.NATIONAL_COALITION: (
        EntityKind.INTERNATIONAL_OFFICE,
        EntityKind.REGIONAL_COALITION,
        EntityKind.SUBGROUP,
    ),
    EntityKind.MEMBER: tuple(kind for kind in EntityKind if kind is not EntityKind.MEMBER),
}
"""Below which kinds each kind of entity may lie; the root below none."""
UNCONFIRMED_ROLES = frozenset({Role.DASHBOARD, Role.AUDITOR})
"""The roles that one admin gives alone: they see no case, and give no roles."""
PROPOSALS_LAST = timedelta(days=14)


class Entity(Base):
    """An organisation of the network, in its place in the tree. `path` holds the ids from the root to it."""

    __tablename__ = "entity"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    parent_id: Mapped[UUID | None] = mapped_column(ForeignKey("entity.id"))
    country: Mapped[str | None]
    path: Mapped[str] = mapped_column(index=True)
    region_id: Mapped[UUID | None] = mapped_column(ForeignKey("entity.id"))


def is_of_root(path: str) -> bool:
    """True for the path of the root, at or below which all entities are."""
    return path.count("/") == 2


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
    """A role within an entity, good for it and the entities below it; never deleted.

    It is held from `effective_at` until `ended_at`, and only proposed before. `recorded_by` is who proposed it, None
    the command on the machine; `recorded_at` is None where the role was given before roles were confirmed.
    """

    __tablename__ = "membership"
    __table_args__ = (
        CheckConstraint(
            "confirmed_by <> account_id AND (recorded_by IS NULL OR confirmed_by <> recorded_by)", name="two_people"
        ),
        unique_among(
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
        """Where it stands; a proposal that lapsed is ended by `expire`."""
        if self.ended_at is not None:
            return MembershipState.ENDED
        return MembershipState.PROPOSED if self.effective_at is None else MembershipState.HELD

    @property
    def lapses_at(self) -> datetime | None:
        """When a proposal lapses."""
        is_proposed = self.state is MembershipState.PROPOSED
        return self.recorded_at + PROPOSALS_LAST if is_proposed and self.recorded_at else None

    def has_lapsed(self, now: datetime) -> bool:
        """True of a proposal that nobody confirmed in time."""
        return self.lapses_at is not None and self.lapses_at <= now


def in_effect() -> ColumnElement[bool]:
    """That a membership is held."""
    return and_(Membership.effective_at.is_not(None), Membership.ended_at.is_(None))


class NetworkState(Base):
    """The one row that says which network this is, and how often it changed.

    The database itself counts `version` up whenever an entity, an account, a role or what a key opens is written.
    `epoch` is another after the changes were numbered anew.
    """

    __tablename__ = "network_state"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    version: Mapped[int] = mapped_column(BigInteger)
    epoch: Mapped[UUID]


_VERSION = select(NetworkState.__table__.c.version)


def network_version(session: Session) -> int:
    """How often the network changed: what was known in one of this number is so as long as it is this number."""
    version: int = session.execute(_VERSION).scalar_one()
    return version


class EntityInput(Model):
    name: Name
    kind: EntityKind
    parent: NameOrId
    country: Country | None = None


class EntityOutput(Model):
    id: UUID
    name: str
    kind: EntityKind
    parent_id: Annotated[UUID | None, Field(description="The entity it lies below; the root has none.")]
    above: Annotated[list[str], Field(description="The names of all it lies below, from the root to its parent.")]
    country: str | None


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


@dataclass(frozen=True)
class Held:
    """A role a caller holds, the place in the tree it is held at, and the membership that gives it."""

    role: Role
    entity_id: UUID
    path: str
    membership_id: UUID


@dataclass(frozen=True)
class Caller:
    """Who is calling: an account, the roles it holds, the key it shows and what that may be used for."""

    account_id: UUID
    name: str
    held: tuple[Held, ...]
    now: datetime
    key_id: str = ""
    scopes: frozenset[Scope] = frozenset()
    good_until: datetime | None = None
    """When the key dies of itself."""
    first_use_today: bool = False
    """Whether the use of the key on this day is still to be noted, with `key.note_use`."""

    def is_good(self, now: datetime) -> bool:
        """False when the key has ended of itself, or is used for the first time on a day, which is to be noted."""
        return self.now.date() == now.date() and self.good_until is not None and now < self.good_until

    def roles_over(self, path: str) -> frozenset[Role]:
        """The roles good for the entity at `path`: those held there or above."""
        return frozenset(held.role for held in self.held if path.startswith(held.path))


def outsider(now: datetime) -> Caller:
    """Who calls without a key, where none is asked for: they hold no role, and no account has this id."""
    return Caller(UUID(int=0), "outsider", (), now)


class MembershipOutput(Model):
    id: UUID
    role: Role
    entity: UUID
    entity_name: str
    state: Annotated[MembershipState, Field(description="What is only proposed gives nothing.")]
    recorded_at: Annotated[datetime | None, Field(description="Null: before roles were confirmed.")]
    proposed_by: Annotated[UUID | None, Field(description="Null: the command on the machine.")]
    lapses_at: Annotated[datetime | None, Field(description="Of a proposal: when it lapses.")]
    confirmed_by: UUID | None


class AccountOutput(Model):
    """An account and what it may do where."""

    id: UUID
    name: str
    kind: AccountKind
    active: Annotated[bool, Field(description="False once it was disabled: its keys are dead.")]
    memberships: list[MembershipOutput]


def new_entity(session: Session, name: str, kind: EntityKind, parent: Entity | None, country: str | None) -> Entity:
    """Add an entity below `parent`; a regional coalition is the region of all below it. Raises: Invalid."""
    require_place(kind, parent)
    entity = Entity(id=new_id(), name=name, kind=kind, country=country, parent_id=parent.id if parent else None)
    entity.path = f"{parent.path if parent else '/'}{entity.id.hex}/"
    session.add(entity)
    session.flush()
    is_region = kind is EntityKind.REGIONAL_COALITION
    entity.region_id = entity.id if is_region else parent.region_id if parent else None
    session.flush()
    return entity


def require_place(kind: EntityKind, parent: Entity | None) -> None:
    """See that an entity of this kind may lie there. Raises: Invalid, naming the kinds that it may lie below."""
    may = LIES_BELOW[kind]
    if parent is None and may:
        raise Invalid([Fault("/parent", "is missing; only the international_office lies below none")])
    if parent is not None and not may:
        raise Invalid([Fault("/kind", "is that of the root, which there is one of")])
    if parent is not None and parent.kind not in may:
        raise Invalid([Fault("/kind", f"has its place below one of: {', '.join(may)}")])


def found_network(session: Session) -> Entity:
    """The entities every network starts with: the International Office, its coalitions, the subgroup."""
    root = new_entity(session, ROOT_NAME, EntityKind.INTERNATIONAL_OFFICE, None, None)
    coalitions = {name: new_entity(session, name, EntityKind.REGIONAL_COALITION, root, None) for name in COALITIONS}
    new_entity(session, "Europe Production", EntityKind.SUBGROUP, coalitions["Europe"], None)
    return root


def entity_named(session: Session, name_or_id: str) -> Entity | None:
    """The entity of this name or id."""
    number = as_uuid(name_or_id)
    return session.scalar(select(Entity).where(Entity.id == number if number else Entity.name == name_or_id))


def account_named(session: Session, name_or_id: str) -> Account | None:
    """The active account of this name or id."""
    number = as_uuid(name_or_id)
    return session.scalar(
        select(Account).where(Account.active, Account.id == number if number else Account.name == name_or_id)
    )


def existing_entity(session: Session, name_or_id: str, pointer: str) -> Entity:
    """The entity of this name or id. Raises: Invalid, pointing at the member that named it."""
    entity = entity_named(session, name_or_id)
    if entity is None:
        raise Invalid([Fault(pointer, "names no entity of the network")])
    return entity


def existing_account(session: Session, name_or_id: str, pointer: str) -> Account:
    """The active account of this name or id. Raises: Invalid, pointing at the member that named it."""
    account = account_named(session, name_or_id)
    if account is None:
        raise Invalid([Fault(pointer, "names no account of the network")])
    return account


def new_account(session: Session, name: str, kind: AccountKind, now: datetime) -> Account:
    """Add an account that holds no role yet."""
    account = Account(name=name, kind=kind, recorded_at=now)
    session.add(account)
    session.flush()
    return account


def new_handle() -> str:
    """A short random name for an account that was given none."""
    return secrets.token_hex(3)


def grant(session: Session, account: Account, role: Role, entity: Entity, now: datetime) -> Membership:
    """Let the account hold the role at once, as the command on the machine does: also one that was only proposed."""
    membership = open_membership(session, account, role, entity, now)
    if membership is None:
        membership = Membership(account_id=account.id, entity_id=entity.id, role=role, recorded_at=now)
        session.add(membership)
    if membership.effective_at is None:
        put_in_effect(session, membership, AlertKind.GRANT_BY_COMMAND, None, now)
    return membership


def open_membership(session: Session, account: Account, role: Role, entity: Entity, now: datetime) -> Membership | None:
    """The role as the account holds it in the entity, or is to hold it; what has lapsed is ended here."""
    query = select(Membership).filter_by(account_id=account.id, entity_id=entity.id, role=role, ended_at=None)
    membership = session.scalar(query, execution_options={"populate_existing": True})
    if membership is not None and membership.has_lapsed(now):
        membership.ended_at = now
        session.flush()
        return None
    return membership


def put_in_effect(session: Session, membership: Membership, kind: AlertKind, by_id: UUID | None, now: datetime) -> None:
    """Let a role be held from now on, and alert those who answer for it. `by_id` is who decided it.

    A key that one person enrolled alone dies where the role asks for two people: it would be that person's to use.
    """
    membership.effective_at = now
    session.flush()
    if membership.role not in UNCONFIRMED_ROLES:
        for key in keys.live_keys(session, membership.account_id, now):
            if key.origin == KeyOrigin.ENROLMENT_BY_ONE:
                keys.revoke(key, now)
    alert_about(session, membership, kind, by_id, now)


def alert_about(session: Session, membership: Membership, kind: AlertKind, by_id: UUID | None, now: datetime) -> None:
    """Tell those who answer for a role that it was given: its admins and coordinators, and whoever had part in it."""
    is_admin = membership.role == Role.ADMIN
    told = _answering_for(session, session.get_one(Entity, membership.entity_id), below=is_admin)
    told |= {account for account in (membership.account_id, membership.recorded_by, by_id) if account is not None}
    raise_alert(
        session,
        AlertKind.NEW_ADMIN if is_admin else kind,
        told,
        recorded_at=now,
        account_id=membership.account_id,
        by_id=by_id,
        membership_id=membership.id,
    )


def _answering_for(session: Session, entity: Entity, *, below: bool) -> set[UUID]:
    """The admins and coordinators at or above an entity, and those below it."""
    above = Entity.id.in_(UUID(part) for part in entity.path.strip("/").split("/"))
    where = or_(above, Entity.path.startswith(entity.path)) if below else above
    query = (
        select(Membership.account_id)
        .join(Entity, Entity.id == Membership.entity_id)
        .join(Account, Account.id == Membership.account_id)
        .where(Account.active, in_effect(), Membership.role.in_([Role.ADMIN, Role.COORDINATOR]), where)
    )
    return set(session.scalars(query))


def end(session: Session, membership: Membership, now: datetime) -> None:
    """Take a role away, or a proposal back: it is gone on the next request. Raises: ChangeRefused."""
    take_turns(session)
    session.refresh(membership)
    if membership.ended_at is not None:
        raise refused("ended", "membership.ended")
    _require_another_admin(session, [membership])
    membership.ended_at = now
    session.flush()


def disable(session: Session, account: Account, reason: DisablingReason, now: datetime) -> None:
    """Take an account out of service, for good: its keys are dead on the next request. Raises: ChangeRefused."""
    take_turns(session)
    session.refresh(account)
    if not account.active:
        raise refused("disabled", "account.disabled")
    held = select(Membership).where(Membership.account_id == account.id, in_effect())
    _require_another_admin(session, session.scalars(held))
    account.active, account.disabled_at, account.disabled_reason = False, now, reason
    for key in keys.live_keys(session, account.id, now):
        keys.revoke(key, now)
    session.flush()


def take_turns(session: Session) -> None:
    """Whoever confirms or takes power away does so alone: two admins who end each other at once would leave none."""
    session.scalar(select(Entity).where(Entity.parent_id.is_(None)).with_for_update(key_share=True))


def _require_another_admin(session: Session, leaving: Iterable[Membership]) -> None:
    """See that somebody administers the root without these memberships. Raises: ChangeRefused."""
    going = {membership.id for membership in leaving}
    admins = set(session.scalars(holders(Role.ADMIN).with_only_columns(Membership.id)))
    if going & admins and not admins - going:
        raise refused("active", "admin.last")


def holders(role: Role) -> Select[Account]:
    """The active accounts that hold a role at the root."""
    return (
        select(Account)
        .join(Membership, Membership.account_id == Account.id)
        .join(Entity, Entity.id == Membership.entity_id)
        .where(Account.active, in_effect(), Membership.role == role, Entity.parent_id.is_(None))
    )


def places_of(session: Session, account: Account) -> list[str]:
    """The paths of the entities in which the account holds a role, is to hold one or ever held one.

    Also what has ended counts: a key made for an account without a role would open whatever it is granted next.
    """
    counts = or_(Membership.effective_at.is_not(None), Membership.ended_at.is_(None))
    query = select(Entity.path).join(Membership, Membership.entity_id == Entity.id)
    paths = session.scalars(query.where(Membership.account_id == account.id, counts)).all()
    # Who was never anything anywhere is for the root to look after.
    return list(paths or session.scalars(select(Entity.path).where(Entity.parent_id.is_(None))))


def roles_ever_held(session: Session, account: Account) -> set[Role]:
    """The roles that the account holds anywhere, and those that it held before they were ended."""
    query = select(Membership.role).where(Membership.account_id == account.id, Membership.effective_at.is_not(None))
    return set(map(Role, session.scalars(query)))


def administers(session: Session, caller: Caller, account: Account) -> bool:
    """True for an admin over every entity that the account has to do with."""
    return all(Role.ADMIN in caller.roles_over(path) for path in places_of(session, account))


def held_by(session: Session, account_id: UUID) -> tuple[Held, ...]:
    """Every role the account holds."""
    rows = session.execute(
        select(Membership.role, Entity.id, Entity.path, Membership.id)
        .join(Entity, Entity.id == Membership.entity_id)
        .where(Membership.account_id == account_id, in_effect())
        .order_by(Membership.id)
    )
    return tuple(Held(Role(role), entity_id, path, number) for role, entity_id, path, number in rows)


def membership_output(membership: Membership, entity: Entity) -> MembershipOutput:
    """A membership with the name of its entity."""
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
    """The account with the roles that it holds or is to hold, and where."""
    rows = session.execute(
        select(Membership, Entity)
        .join(Entity, Entity.id == Membership.entity_id)
        .where(Membership.account_id == account.id, Membership.ended_at.is_(None))
        .order_by(Membership.id)
    )
    held = [membership_output(membership, entity) for membership, entity in rows]
    kind = AccountKind(account.kind)
    return AccountOutput(id=account.id, name=account.name, kind=kind, active=account.active, memberships=held)


def entity_outputs(session: Session, entities: Iterable[Entity]) -> list[EntityOutput]:
    """Entities with the names of those above them."""
    shown = list(entities)
    above = {entity.id: [UUID(part) for part in entity.path.strip("/").split("/")[:-1]] for entity in shown}
    wanted = {number for numbers in above.values() for number in numbers}
    names = {entity.id: entity.name for entity in session.scalars(select(Entity).where(Entity.id.in_(wanted)))}
    return [
        EntityOutput(
            id=entity.id,
            name=entity.name,
            kind=EntityKind(entity.kind),
            parent_id=entity.parent_id,
            above=[names[number] for number in above[entity.id]],
            country=entity.country,
        )
        for entity in shown
    ]


def authenticate(
    session: Session, key: str | None, pepper: bytes, now: datetime, latest: datetime | None = None
) -> Caller:
    """Who holds this key; where the clock was set back, it has to live at the `latest` moment known.

    Raises: Unauthenticated, alike for every reason; KeyEnded while it is not on record that its time has passed.
    """
    key_id, secret = keys.parts(key or "")
    row = session.execute(
        select(Key, Account).join(Account, Account.id == Key.account_id).where(Key.id == key_id)
    ).one_or_none()
    if row is None:
        raise Unauthenticated
    found, account = row
    genuine = keys.is_genuine(found, secret, pepper)
    latest = max(now, latest or now)
    alive = account.active and found.lives(latest)
    if genuine and found.ended_at is None and found.ends_at <= latest:
        raise KeyEnded
    if not (genuine and alive):
        raise Unauthenticated
    return Caller(
        account.id,
        account.name,
        held_by(session, account.id),
        now,
        found.id,
        found.opens,
        found.ends_at,
        first_use_today=found.last_used_on is None or found.last_used_on < now.date(),
    )


def expire(session: Session, now: datetime) -> None:
    """Put on record whose time has passed: what ended stays ended, also when the clock is set back."""
    keys.end_expired(session, now)
    lapsed = and_(
        Membership.effective_at.is_(None),
        Membership.ended_at.is_(None),
        Membership.recorded_at <= now - PROPOSALS_LAST,
    )
    # Asked first: an update of no row would still count as a change of the network.
    if session.scalar(select(Membership.id).where(lapsed).limit(1)) is not None:
        session.execute(update(Membership).where(lapsed).values(ended_at=now))


class Acquaintances:
    """Whom this process met, by their keys: good as long as the network is the one it met them in.

    Of a key a keyed hash is kept, never the text.
    """

    def __init__(self, pepper: bytes) -> None:
        self._pepper = pepper
        self._named = keys.naming("an acquaintance", pepper)
        self._met: dict[bytes, tuple[int, Caller]] = {}
        self._latest = LONG_AGO

    def latest(self, now: datetime) -> datetime:
        """The latest moment this process has seen. Keys are judged by it: a clock set back makes none live again."""
        self._latest = max(self._latest, now)
        return self._latest

    def who(self, session: Session, key: str | None, now: datetime) -> Caller:
        """Who holds this key, as `authenticate` tells. Raises: Unauthenticated."""
        name = self._name(key)
        known_in, caller = self._met.get(name, (None, None))
        if caller is None:
            keys.parts(key or "")  # what is no key is refused before the database is asked
        # Asked before the caller is looked up, so that they are kept for an older network rather than for a newer one.
        version = network_version(session)
        latest = self.latest(now)
        if caller is not None and known_in == version and caller.is_good(latest):
            return replace(caller, now=now)
        self._met.pop(name, None)
        caller = authenticate(session, key, self._pepper, now, latest)
        if not caller.first_use_today:
            if len(self._met) >= MOST_MET:
                self._met.clear()
            self._met[name] = version, caller
        return caller

    def met(self, key: str | None, now: datetime) -> Caller | None:
        """Who held this key when it was last asked for. Whether they still do, and as what, only `who` can tell."""
        _, caller = self._met.get(self._name(key), (None, None))
        return caller if caller is not None and caller.is_good(self.latest(now)) else None

    def forget(self) -> None:
        """Forget everybody: another database is served now."""
        self._met.clear()
        self._latest = LONG_AGO

    def _name(self, key: str | None) -> bytes:
        return self._named((key or "").encode())


MOST_MET = 10_000
LONG_AGO = datetime.min.replace(tzinfo=UTC)


def refused(state: str, code: str) -> ChangeRefused:
    """The refusal of this code, with its sentence."""
    return ChangeRefused(state, [Unmet(code, SAYS[code])])


SAYS = {
    "account.disabled": "The account was disabled; make another.",
    "account.own": "Nobody changes their own account; ask another admin.",
    "admin.last": "Nobody would administer the network; make another admin of the root first.",
    "membership.ended": "The role was taken away already, or what was proposed was refused or has lapsed.",
}
"""Why an account or a membership is not changed, by code."""
