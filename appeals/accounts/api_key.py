"""Keys: their form, what they open, and how they are made, rotated, revoked and noted as used.

A key is written `ua_<8-char id>_<43-char secret><6-char checksum>`. Of the secret only an HMAC is kept. Whose key it
is and what its holder may do is the network's to say.
"""

import hashlib
import hmac
import secrets
import zlib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated, Self
from uuid import UUID

from pydantic import Field
from sqlalchemy import ForeignKey, and_, or_, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from appeals.database.declarative import Base
from appeals.errors import ChangeRefused, FieldError, Invalid, Unauthenticated, Unmet
from appeals.fields import Model
from appeals.vocabulary import KeyOrigin, Scope

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
ID = "[0-9A-Za-z]{8}"
DEFAULT_DAYS, MAX_DAYS = 365, 3650
OVERLAP = timedelta(days=7)
"""How long a key that was rotated lives on beside the one that takes its place."""
MAX_LIVE_KEYS = 20
"""Live keys of one account: enough for each of its machines, too few to hide one among."""
ALL_SCOPES = frozenset(Scope)


class Key(Base):
    """A credential of an account. It ends when it expires, is revoked, or retires after its rotation.

    `ended_at` is when it was noted that its time had passed: a clock that is set back does not undo that.
    """

    __tablename__ = "key"

    id: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"), index=True)
    digest: Mapped[bytes]
    scopes: Mapped[list[str]]
    recorded_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    last_used_on: Mapped[date | None]
    revoked_at: Mapped[datetime | None]
    retires_at: Mapped[datetime | None]
    replaced_by_id: Mapped[str | None] = mapped_column(ForeignKey("key.id"))
    origin: Mapped[str]
    ended_at: Mapped[datetime | None]

    @property
    def ends_at(self) -> datetime:
        """When it dies of itself."""
        return min(self.expires_at, self.retires_at or self.expires_at)

    @property
    def granted_scopes(self) -> frozenset[Scope]:
        """What it may be used for."""
        return frozenset(map(Scope, self.scopes))

    def is_active(self, now: datetime) -> bool:
        """True until it is revoked or has ended."""
        return self.revoked_at is None and self.ended_at is None and now < self.ends_at


@dataclass(frozen=True)
class NewKey:
    """A new key: what is kept of it, and its text, which is seen this once."""

    key: Key
    text: str


class KeyInput(Model):
    scopes: Annotated[
        list[Scope] | None,
        Field(min_length=1, max_length=len(Scope), description="None beyond those of your key; unsaid: all of them."),
    ] = None
    days: Annotated[
        int | None,
        Field(strict=True, ge=1, le=MAX_DAYS, description=f"For how many days it is good; unsaid: {DEFAULT_DAYS}."),
    ] = None


class KeyOutput(Model):
    """A key as it is listed: never its secret."""

    id: Annotated[str, Field(description="The 8 characters after `ua_`.")]
    scopes: list[Scope]
    recorded_at: datetime
    expires_at: Annotated[datetime, Field(description="When it dies of itself; a rotation brings that nearer.")]
    last_used_on: Annotated[date | None, Field(description="The last day on which it was used.")]
    revoked_at: datetime | None
    rotated: Annotated[bool, Field(description="Whether a new key takes its place.")]
    origin: KeyOrigin
    ended_at: Annotated[datetime | None, Field(description="When it was noted that its time had passed.")]

    @classmethod
    def of(cls, key: Key) -> Self:
        """The wire form of a key."""
        return cls(
            id=key.id,
            scopes=[Scope(scope) for scope in key.scopes],
            recorded_at=key.recorded_at,
            expires_at=key.ends_at,
            last_used_on=key.last_used_on,
            revoked_at=key.revoked_at,
            rotated=key.replaced_by_id is not None,
            origin=KeyOrigin(key.origin),
            ended_at=key.ended_at,
        )


class NewKeyOutput(KeyOutput):
    """A new key with its text, which is shown this once."""

    key: Annotated[str, Field(description="What to send as `Authorization: Bearer <key>`. Keep it: shown this once.")]


def new_key_output(new_key: NewKey) -> NewKeyOutput:
    """The wire form of a new key: the one answer that holds a secret."""
    return NewKeyOutput(**KeyOutput.of(new_key.key).model_dump(), key=new_key.text)


def new_key(
    session: Session,
    account_id: UUID,
    pepper: bytes,
    now: datetime,
    expires_at: datetime,
    scopes: Collection[Scope] = ALL_SCOPES,
    origin: KeyOrigin = KeyOrigin.COMMAND,
) -> NewKey:
    """Make a key for an account."""
    secret = _random(43)
    key = Key(
        id=_random(8),
        account_id=account_id,
        digest=_digest(secret, pepper),
        scopes=[scope for scope in Scope if scope in scopes],
        recorded_at=now,
        expires_at=expires_at,
        origin=origin,
    )
    session.add(key)
    session.flush()
    text = f"ua_{key.id}_{secret}"
    return NewKey(key, text + _checksum(text))


def create_key(session: Session, maker: Key, data: KeyInput, pepper: bytes, now: datetime) -> NewKey:
    """Make a key for the holder of `maker`, no wider than it and no longer alive. Raises: Invalid, ChangeRefused."""
    scopes = scopes_within(maker, data)
    expires_at = min(now + timedelta(days=data.days or DEFAULT_DAYS), maker.ends_at)
    if data.days and now + timedelta(days=data.days) > maker.ends_at:
        raise Invalid([FieldError("/days", "would let it outlive the key it is made with")])
    if len(active_keys(session, maker.account_id, now)) >= MAX_LIVE_KEYS:
        raise refused("live", "key.too_many")
    return new_key(session, maker.account_id, pepper, now, expires_at, scopes, origin_with(maker))


def scopes_within(maker: Key, data: KeyInput) -> frozenset[Scope]:
    """The scopes that are asked for, all of the maker's if none are named. Raises: Invalid when they are wider."""
    params = maker.granted_scopes if data.scopes is None else frozenset(data.scopes)
    if not params <= maker.granted_scopes:
        raise Invalid([FieldError("/scopes", "is wider than the key it is made with")])
    return params


def rotate(session: Session, key: Key, pepper: bytes, now: datetime, maker: Key | None = None) -> NewKey:
    """Make a key that takes the place of another, with its scopes and for as long as that was made for.

    The old one lives on for `OVERLAP` at most, so that two are live. `maker` is the key it is rotated with over HTTP:
    it gives nothing that it has not itself, and without the scope `manage` the end stays as it is, so that a key that
    leaked does not renew itself. Raises: ChangeRefused.
    """
    if not key.is_active(now):
        raise refused("ended", "key.ended")
    if _is_being_rotated(session, key, now):
        raise refused("live", "key.being_rotated")
    expires_at = now + (key.expires_at - key.recorded_at)
    if maker is not None and maker.id != key.id:
        if not key.granted_scopes <= maker.granted_scopes:
            raise refused("live", "key.wider")
        expires_at = min(expires_at, maker.ends_at)
    if maker is not None and Scope.MANAGE not in maker.granted_scopes:
        expires_at = min(expires_at, key.expires_at)
    origin = KeyOrigin.COMMAND if maker is None else origin_with(maker)
    minted = new_key(session, key.account_id, pepper, now, expires_at, key.granted_scopes, origin)
    # Where the first successor was lost and revoked, the days that the old key had left are not given again.
    key.replaced_by_id, key.retires_at = minted.key.id, key.retires_at or now + OVERLAP
    session.flush()
    return minted


def _is_being_rotated(session: Session, key: Key, now: datetime) -> bool:
    """True while the key and the one that replaces it, or the one it replaces, are both live."""
    live = active_keys(session, key.account_id, now)
    return any(other.id == key.replaced_by_id or other.replaced_by_id == key.id for other in live)


def revoke(key: Key, now: datetime) -> None:
    """Kill a key: it is dead on the next request. One that is dead already keeps the moment it died."""
    key.revoked_at = key.revoked_at or now


def origin_with(maker: Key) -> KeyOrigin:
    """How a key came to be that was made with another: what one person knew whole, they may know of it too."""
    return KeyOrigin.ENROLMENT_BY_ONE if maker.origin == KeyOrigin.ENROLMENT_BY_ONE else KeyOrigin.HOLDER


def end_expired(session: Session, now: datetime) -> None:
    """Put on record which keys' time has passed: from then on they are dead, whatever the clock says."""
    time_passed = or_(Key.expires_at <= now, Key.retires_at <= now)
    expired = and_(Key.ended_at.is_(None), Key.revoked_at.is_(None), time_passed)
    # Asked first: an update of no row would still count as a change of the network.
    if session.scalar(select(Key.id).where(expired).limit(1)) is not None:
        session.execute(update(Key).where(expired).values(ended_at=now))


def active_keys(session: Session, account_id: UUID, now: datetime) -> list[Key]:
    """The keys of an account that open something now, as they stand in the database."""
    query = select(Key).where(Key.account_id == account_id, Key.revoked_at.is_(None), Key.expires_at > now)
    rows = session.scalars(query.order_by(Key.id), execution_options={"populate_existing": True})
    return [key for key in rows if key.is_active(now)]


def note_use(session: Session, key_id: str, today: date) -> None:
    """Keep the day on which a key was last used; a day that is on record already is not written again."""
    earlier = or_(Key.last_used_on.is_(None), Key.last_used_on < today)
    session.execute(update(Key).where(Key.id == key_id, earlier).values(last_used_on=today))


def parts(text: str) -> tuple[str, str]:
    """The id and secret of a well-formed key. Raises: Unauthenticated, before any database is asked."""
    rest, checksum = text[:-6], text[-6:]
    found = rest.split("_")
    if len(text) != 61 or found[0] != "ua" or len(found) != 3 or not text.isascii() or _checksum(rest) != checksum:
        raise Unauthenticated
    return found[1], found[2]


def is_genuine(key: Key, secret: str, pepper: bytes) -> bool:
    """True when the secret is the one that the key was made with."""
    return hmac.compare_digest(key.digest, _digest(secret, pepper))


def _random(length: int) -> str:
    return "".join(secrets.choice(BASE62) for _ in range(length))


def _checksum(text: str) -> str:
    rest, digits = zlib.crc32(text.encode()), ""
    for _ in range(6):
        rest, digit = divmod(rest, 62)
        digits = BASE62[digit] + digits
    return digits


def keyed_hash(what: str, pepper: bytes) -> Callable[[bytes], bytes]:
    """Names, for what a process remembers by keys, that tell nothing of them: keyed hashes of 16 bytes."""
    name_key = hashlib.sha256(f"name of {what}".encode() + pepper).digest()
    return lambda told: hashlib.blake2b(told, key=name_key, digest_size=16).digest()


def _digest(secret: str, pepper: bytes) -> bytes:
    return hmac.digest(pepper, secret.encode(), hashlib.sha256)


def refused(state: str, code: str) -> ChangeRefused:
    """The refusal of this code, with its sentence."""
    return ChangeRefused(state, [Unmet(code, REFUSALS[code])])


REFUSALS = {
    "key.too_many": f"An account has at most {MAX_LIVE_KEYS} live keys; revoke one that is not needed.",
    "key.ended": "The key has expired, was rotated or was revoked; make a new one.",
    "key.being_rotated": "Two keys are live already, the old and the new; revoke one of them first.",
    "key.wider": "The key opens more than the one you use; rotate it with itself.",
    "key.live": "The account has a live key; its holder can make another or rotate it.",
}
"""Why a key is not made, by code."""
