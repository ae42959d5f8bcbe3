"""Enrolment: the holder of an account creates its first key with a code in two halves, which two people pass on.

Whoever knows both halves could take the account. So one person gets both only if the account never held a role that
needs two people. Source: section 8 of the domain specification, four eyes on rights.
"""

import secrets
from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

from pydantic import Field
from sqlalchemy import ForeignKey, Select, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from appeals.accounts import api_key as keys
from appeals.accounts import role_confirmation
from appeals.accounts.account import UNCONFIRMED_ROLES, Account, entity_paths_of, grants_of, roles_ever_held
from appeals.accounts.account import refused as account_refused
from appeals.accounts.alert import raise_alert
from appeals.accounts.api_key import ALL_SCOPES, DEFAULT_DAYS, NewKey
from appeals.database.declarative import Base, new_id
from appeals.errors import ChangeRefused, FieldError, Forbidden, Invalid, Unmet
from appeals.fields import Model
from appeals.vocabulary import AlertKind, KeyOrigin, Role, Scope

CODES_LAST = timedelta(days=14)
GROUPS, GROUP = 5, 4
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32. Twenty of these characters are 100 bits, and can be read out on the telephone."""
LOOK_ALIKE = str.maketrans("OIL", "011", "-")
HALF = rf"^([0-9A-Za-z]{{{GROUP}}}-?){{{GROUPS - 1}}}[0-9A-Za-z]{{{GROUP}}}$"


class EnrolmentHalf(Base):
    """Half a code, of which only a keyed hash is stored. It ends when it is used, replaced or expired."""

    __tablename__ = "enrolment_half"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"), index=True)
    told_to: Mapped[UUID] = mapped_column(ForeignKey("account.id"))
    digest: Mapped[bytes] = mapped_column(unique=True)
    recorded_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]

    def is_good(self, now: datetime) -> bool:
        """Return whether it is not used, replaced or expired."""
        return self.ended_at is None and now < self.expires_at


class EnrolmentCodeOutput(Model):
    """The part of a code that you pass to the holder of the account, on a channel that you know is theirs.

    Shown only once.
    """

    account: UUID
    halves: Annotated[
        list[str],
        Field(description="One half, or both if no role of the account ever needed two people."),
    ]
    others: Annotated[list[str], Field(description="The accounts that can issue the other half.")]
    expires_at: datetime


class EnrolmentInput(Model):
    """Both halves of a code in any order, and the scopes and lifetime of the first key."""

    halves: Annotated[list[Annotated[str, Field(pattern=HALF)]], Field(min_length=2, max_length=2)]
    scopes: Annotated[
        list[Scope] | None,
        Field(min_length=1, max_length=len(Scope), description="The scopes of the key; if omitted, all."),
    ] = None
    days: Annotated[
        int | None,
        Field(
            strict=True,
            ge=1,
            le=DEFAULT_DAYS,
            description=f"For how many days it is valid; if omitted, {DEFAULT_DAYS}.",
        ),
    ] = None


def issue_code(
    session: Session, account: Account, caller_id: UUID, pepper: bytes, now: datetime
) -> EnrolmentCodeOutput:
    """Create the half of a code that this caller passes on, or both. The caller's earlier halves for the account end.

    Raises: Forbidden, ChangeRefused.
    """
    _require_ready(session, account, now)
    role_confirmation.require_person(session, caller_id)
    alone = _one_person_gives(session, account)
    if alone and caller_id not in _admins(session, account):
        raise Forbidden
    others = [] if alone else _others(session, account, caller_id)
    if not (alone or others):
        raise refused("enrolment.nobody")
    for row in session.scalars(_open_halves(account).where(EnrolmentHalf.told_to == caller_id)):
        row.ended_at = now
    halves = [_new_half() for _ in range(2 if alone else 1)]
    expires_at = now + CODES_LAST
    session.add_all(
        EnrolmentHalf(
            account_id=account.id,
            told_to=caller_id,
            digest=_digest(half, pepper),
            recorded_at=now,
            expires_at=expires_at,
        )
        for half in halves
    )
    session.flush()
    return EnrolmentCodeOutput(account=account.id, halves=halves, others=others, expires_at=expires_at)


def enrol(session: Session, data: EnrolmentInput, pepper: bytes, now: datetime) -> NewKey:
    """Create the first key of an account for the holder of both halves. Raises: Invalid, the same for every reason."""
    one, other = _halves_of_one_code(session, data.halves, pepper)
    account = session.get_one(Account, one.account_id, with_for_update={"key_share": True}, populate_existing=True)
    for row in (one, other):
        session.refresh(row)
    if not (one.is_good(now) and other.is_good(now) and _may_issue(session, account, one.told_to, other.told_to)):
        raise dead_code()
    try:
        _require_ready(session, account, now)
    except ChangeRefused:
        raise dead_code() from None
    for row in session.scalars(_open_halves(account)):
        row.ended_at = now
    origin = KeyOrigin.ENROLMENT_BY_ONE if one.told_to == other.told_to else KeyOrigin.ENROLMENT
    expires_at = now + timedelta(days=data.days or DEFAULT_DAYS)
    new_key = keys.new_key(session, account.id, pepper, now, expires_at, data.scopes or ALL_SCOPES, origin)
    ids = {one.told_to, other.told_to}
    raise_alert(session, AlertKind.CODE_USED, ids, recorded_at=now, account_id=account.id, by_id=account.id)
    return new_key


def _halves_of_one_code(session: Session, halves: list[str], pepper: bytes) -> list[EnrolmentHalf]:
    """Return the two halves if they belong to one account. Raises: Invalid."""
    query = select(EnrolmentHalf).where(EnrolmentHalf.digest.in_({_digest(half, pepper) for half in halves}))
    rows = list(session.scalars(query))
    if len(rows) != len(halves) or len({row.account_id for row in rows}) != 1:
        raise dead_code()
    return rows


def _require_ready(session: Session, account: Account, now: datetime) -> None:
    """Check that the account is active, holds a role and has no key. Raises: ChangeRefused."""
    if not account.active:
        raise account_refused("disabled", "account.disabled")
    if keys.active_keys(session, account.id, now):
        raise keys.refused("live", "key.live")
    if not grants_of(session, account.id):
        raise refused("enrolment.no_role")


def _may_issue(session: Session, account: Account, one: UUID, other: UUID) -> bool:
    """Return whether these two may still issue its code, or this one if the account's roles need one person only."""
    if _one_person_gives(session, account) and {one, other} <= _admins(session, account):
        return True
    return _are_two(session, account, one, other)


def _one_person_gives(session: Session, account: Account) -> bool:
    """Return whether one admin alone may grant every role that the account holds or ever held.

    If ended roles did not count, an admin could end the others and then get both halves of the code of somebody who is
    named in cases.
    """
    return roles_ever_held(session, account) <= UNCONFIRMED_ROLES


def _admins(session: Session, account: Account) -> set[UUID]:
    """Return the admins over all entities of the account, without the account itself."""
    return role_confirmation.accounts_over(session, Role.ADMIN, entity_paths_of(session, account)) - {account.id}


def _are_two(session: Session, account: Account, one: UUID, other: UUID) -> bool:
    """Return whether one of the two could have proposed all roles of the account, and the other confirmed them."""
    paths, admins = entity_paths_of(session, account), _admins(session, account)
    return any(
        first in admins and second in role_confirmation.second_persons(session, paths, without={account.id, first})
        for first, second in ((one, other), (other, one))
    )


def _others(session: Session, account: Account, caller_id: UUID) -> list[str]:
    """Return the names of the accounts that can issue the other half, if this caller issues one."""
    paths = entity_paths_of(session, account)
    candidates = _admins(session, account) | role_confirmation.accounts_over(session, Role.COORDINATOR, paths)
    others = {other for other in candidates if _are_two(session, account, caller_id, other)}
    return sorted(session.scalars(select(Account.name).where(Account.id.in_(others))))


def _open_halves(account: Account) -> Select[EnrolmentHalf]:
    return select(EnrolmentHalf).where(EnrolmentHalf.account_id == account.id, EnrolmentHalf.ended_at.is_(None))


def _new_half() -> str:
    """Return half a code: groups of letters and digits that do not look alike."""
    groups = ("".join(secrets.choice(ALPHABET) for _ in range(GROUP)) for _ in range(GROUPS))
    return "-".join(groups)


def _digest(half: str, pepper: bytes) -> bytes:
    """Return the stored hash of half a code. Case, look-alike letters and hyphens make no difference."""
    return keys.keyed_hash("half an enrolment code", pepper)(half.upper().translate(LOOK_ALIKE).encode())


def refused(code: str) -> ChangeRefused:
    """Return the refusal with this code and its sentence."""
    return ChangeRefused("active", [Unmet(code, REFUSALS[code])])


def dead_code() -> Invalid:
    """Return the refusal of two halves that are not valid, the same for every reason."""
    return Invalid([FieldError("/halves", REFUSALS["enrolment.dead"])])


def expire(session: Session, now: datetime) -> None:
    """Record which halves have expired, so that they stay ended even if the clock is set back."""
    old = EnrolmentHalf.ended_at.is_(None) & (EnrolmentHalf.expires_at <= now)
    session.execute(update(EnrolmentHalf).where(old).values(ended_at=now))


REFUSALS = {
    "enrolment.no_role": "The account holds no role yet; a proposed role must be confirmed first.",
    "enrolment.nobody": "Nobody else can issue the other half; create the key with the command on the machine.",
    "enrolment.dead": "are not the two halves of a valid code; ask for new ones",
}
"""The sentences of refusals, by code."""
