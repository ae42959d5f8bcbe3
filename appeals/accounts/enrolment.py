"""Enrolment: the holder of an account makes its first key with a code in two halves, each told by another person.

Whoever knows both halves could take the account, so no one person is told both, but of an account that holds, and ever
held, only roles that one person gives alone. Source: domain.md 8, four eyes on rights.
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
"""Crockford's base 32: twenty of these are 100 bits, to be read out on the telephone."""
LOOK_ALIKE = str.maketrans("OIL", "011", "-")
HALF = rf"^([0-9A-Za-z]{{{GROUP}}}-?){{{GROUPS - 1}}}[0-9A-Za-z]{{{GROUP}}}$"


class EnrolmentHalf(Base):
    """Half a code, of which only a keyed hash is kept. It ends when it is used, replaced or too old."""

    __tablename__ = "enrolment_half"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"), index=True)
    told_to: Mapped[UUID] = mapped_column(ForeignKey("account.id"))
    digest: Mapped[bytes] = mapped_column(unique=True)
    recorded_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]

    def is_good(self, now: datetime) -> bool:
        """True until it is used, replaced or too old."""
        return self.ended_at is None and now < self.expires_at


class EnrolmentCodeOutput(Model):
    """What you are to tell the holder of an account, on a way that you know to be theirs. Shown this once."""

    account: UUID
    halves: Annotated[
        list[str],
        Field(description="One: somebody else is told the other. Both: one person gives all roles it ever held."),
    ]
    others: Annotated[list[str], Field(description="The accounts that can be told the other half.")]
    expires_at: datetime


class EnrolmentInput(Model):
    """Both halves of a code, in any order, and what the first key shall be good for."""

    halves: Annotated[list[Annotated[str, Field(pattern=HALF)]], Field(min_length=2, max_length=2)]
    scopes: Annotated[
        list[Scope] | None, Field(min_length=1, max_length=len(Scope), description="Unsaid: all of them.")
    ] = None
    days: Annotated[
        int | None,
        Field(strict=True, ge=1, le=DEFAULT_DAYS, description=f"For how many days it is good; unsaid: {DEFAULT_DAYS}."),
    ] = None


def issue_code(
    session: Session, account: Account, caller_id: UUID, pepper: bytes, now: datetime
) -> EnrolmentCodeOutput:
    """Make the half of a code that this caller is told, or both; what they were told before is dead.

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
    """Make the first key of an account for whoever holds both halves. Raises: Invalid, alike for every reason."""
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
    """The two halves, if they are those of one account. Raises: Invalid."""
    query = select(EnrolmentHalf).where(EnrolmentHalf.digest.in_({_digest(half, pepper) for half in halves}))
    rows = list(session.scalars(query))
    if len(rows) != len(halves) or len({row.account_id for row in rows}) != 1:
        raise dead_code()
    return rows


def _require_ready(session: Session, account: Account, now: datetime) -> None:
    """See that the account is in service, holds a role and has no key. Raises: ChangeRefused."""
    if not account.active:
        raise account_refused("disabled", "account.disabled")
    if keys.active_keys(session, account.id, now):
        raise keys.refused("live", "key.live")
    if not grants_of(session, account.id):
        raise refused("enrolment.no_role")


def _may_issue(session: Session, account: Account, one: UUID, other: UUID) -> bool:
    """Whether these two may still be the ones who are told its code, or this one where one person gives its roles."""
    if _one_person_gives(session, account) and {one, other} <= _admins(session, account):
        return True
    return _are_two(session, account, one, other)


def _one_person_gives(session: Session, account: Account) -> bool:
    """Whether all roles that the account holds or ever held are such that one admin gives alone.

    Else an admin would end the others, and be told both halves of the code of who has been named in cases.
    """
    return roles_ever_held(session, account) <= UNCONFIRMED_ROLES


def _admins(session: Session, account: Account) -> set[UUID]:
    """The admins over all that the account has to do with, but for itself."""
    return role_confirmation.accounts_over(session, Role.ADMIN, entity_paths_of(session, account)) - {account.id}


def _are_two(session: Session, account: Account, one: UUID, other: UUID) -> bool:
    """Whether one of them could have proposed all that the account holds, and the other confirmed it."""
    paths, admins = entity_paths_of(session, account), _admins(session, account)
    return any(
        first in admins and second in role_confirmation.second_persons(session, paths, without={account.id, first})
        for first, second in ((one, other), (other, one))
    )


def _others(session: Session, account: Account, caller_id: UUID) -> list[str]:
    """The names of those who can be told the other half, where this caller is told one."""
    paths = entity_paths_of(session, account)
    candidates = _admins(session, account) | role_confirmation.accounts_over(session, Role.COORDINATOR, paths)
    others = {other for other in candidates if _are_two(session, account, caller_id, other)}
    return sorted(session.scalars(select(Account.name).where(Account.id.in_(others))))


def _open_halves(account: Account) -> Select[EnrolmentHalf]:
    return select(EnrolmentHalf).where(EnrolmentHalf.account_id == account.id, EnrolmentHalf.ended_at.is_(None))


def _new_half() -> str:
    """Half a code, as it is told: groups of letters and digits that nobody mistakes for others."""
    groups = ("".join(secrets.choice(ALPHABET) for _ in range(GROUP)) for _ in range(GROUPS))
    return "-".join(groups)


def _digest(half: str, pepper: bytes) -> bytes:
    """What is kept of half a code; capitals, look-alike letters and hyphens make no difference."""
    return keys.keyed_hash("half an enrolment code", pepper)(half.upper().translate(LOOK_ALIKE).encode())


def refused(code: str) -> ChangeRefused:
    """The refusal of this code, with its sentence."""
    return ChangeRefused("active", [Unmet(code, REFUSALS[code])])


def dead_code() -> Invalid:
    """The one answer to halves that make no key, whatever the reason."""
    return Invalid([FieldError("/halves", REFUSALS["enrolment.dead"])])


def expire(session: Session, now: datetime) -> None:
    """Put on record which halves are too old: a clock that is set back makes none good again."""
    old = EnrolmentHalf.ended_at.is_(None) & (EnrolmentHalf.expires_at <= now)
    session.execute(update(EnrolmentHalf).where(old).values(ended_at=now))


REFUSALS = {
    "enrolment.no_role": "The account holds no role yet; what was proposed has to be confirmed first.",
    "enrolment.nobody": "Nobody else can be told the other half: the command on the machine makes the key.",
    "enrolment.dead": "are not the two halves of a code that is good; ask for new ones",
}
"""Why no code is made, or no key for it, by code."""
