"""API keys: their format, their scopes, and how they are created, rotated, revoked and marked as used.

A key is written `ua_<8-char id>_<43-char secret><6-char checksum>`. Only an HMAC of the secret is stored. The account
of a key and its roles are in other modules.
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
"""How long a rotated key still works beside its successor."""
MAX_LIVE_KEYS = 20
"""How many live keys an account may have: enough for each of its machines, too few to hide one among them."""
ALL_SCOPES = frozenset(Scope)


class Key(Base):
    """An API key of an account. It ends when it expires, is revoked, or retires after its rotation.

    `ended_at` is when its expiry was recorded. From then on it stays ended, even if the clock is set back.
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
        """The time at which it expires."""
        return min(self.expires_at, self.retires_at or self.expires_at)

    @property
    def granted_scopes(self) -> frozenset[Scope]:
        """The scopes of the key."""
        return frozenset(map(Scope, self.scopes))

    def is_active(self, now: datetime) -> bool:
        """Return whether it is neither revoked nor expired."""
        return self.revoked_at is None and self.ended_at is None and now < self.ends_at


@dataclass(frozen=True)
class NewKey:
    """A new key: its row, and its text, which is shown only once."""

    key: Key
    text: str


class KeyInput(Model):
    scopes: Annotated[
        list[Scope] | None,
        Field(
            min_length=1, max_length=len(Scope), description="At most the scopes of your key; if omitted, all of them."
        ),
    ] = None
    days: Annotated[
        int | None,
        Field(
            strict=True, ge=1, le=MAX_DAYS, description=f"For how many days it is valid; if omitted, {DEFAULT_DAYS}."
        ),
    ] = None


class KeyOutput(Model):
    """A key in lists, without its secret."""

    id: Annotated[str, Field(description="The 8 characters after `ua_`.")]
    scopes: list[Scope]
    recorded_at: datetime
    expires_at: Annotated[datetime, Field(description="When it expires; a rotation shortens that.")]
    last_used_on: Annotated[date | None, Field(description="The last day on which it was used.")]
    revoked_at: datetime | None
    rotated: Annotated[bool, Field(description="Whether a new key replaces it.")]
    origin: KeyOrigin
    ended_at: Annotated[datetime | None, Field(description="When its expiry was recorded.")]

    @classmethod
    def of(cls, key: Key) -> Self:
        """Return the wire form of a key."""
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
    """A new key with its text, which is shown only once."""

    key: Annotated[str, Field(description="The key to send as `Authorization: Bearer <key>`. It is shown only once.")]


def new_key_output(new_key: NewKey) -> NewKeyOutput:
    """Return the wire form of a new key, the only answer with its secret."""
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
    """Create a key for an account."""
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
    """Create a key for the holder of `maker`, with at most its scopes and its lifetime.

    Raises: Invalid, ChangeRefused.
    """
    scopes = scopes_within(maker, data)
    expires_at = min(now + timedelta(days=data.days or DEFAULT_DAYS), maker.ends_at)
    if data.days and now + timedelta(days=data.days) > maker.ends_at:
        raise Invalid([FieldError("/days", "makes it valid for longer than the key that you use")])
    if len(active_keys(session, maker.account_id, now)) >= MAX_LIVE_KEYS:
        raise refused("live", "key.too_many")
    return new_key(session, maker.account_id, pepper, now, expires_at, scopes, origin_with(maker))


def scopes_within(maker: Key, data: KeyInput) -> frozenset[Scope]:
    """Return the requested scopes, or all of the maker's if none are named.

    Raises: Invalid, if one is not the maker's.
    """
    params = maker.granted_scopes if data.scopes is None else frozenset(data.scopes)
    if not params <= maker.granted_scopes:
        raise Invalid([FieldError("/scopes", "has a scope that the key you use does not have")])
    return params


def rotate(session: Session, key: Key, pepper: bytes, now: datetime, maker: Key | None = None) -> NewKey:
    """Create a key that replaces another, with the same scopes and for as long as that was created for.

    The old key works for at most `OVERLAP` longer, so that two are live. `maker` is the key used for the rotation over
    HTTP: it cannot give more than it has, and without the scope `manage` the expiry stays the same, so that a leaked
    key cannot prolong itself. Raises: ChangeRefused.
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
    # If the first successor was lost and revoked, the overlap of the old key does not start again.
    key.replaced_by_id, key.retires_at = minted.key.id, key.retires_at or now + OVERLAP
    session.flush()
    return minted


def _is_being_rotated(session: Session, key: Key, now: datetime) -> bool:
    """Return whether the key and its successor, or the key and its predecessor, are both live."""
    live = active_keys(session, key.account_id, now)
    return any(other.id == key.replaced_by_id or other.replaced_by_id == key.id for other in live)


def revoke(key: Key, now: datetime) -> None:
    """Revoke a key, which does not work from the next request on. One that is revoked already keeps its time."""
    key.revoked_at = key.revoked_at or now


def origin_with(maker: Key) -> KeyOrigin:
    """Return the origin of a key created with another one: whoever knew that one may know the new one too."""
    return KeyOrigin.ENROLMENT_BY_ONE if maker.origin == KeyOrigin.ENROLMENT_BY_ONE else KeyOrigin.HOLDER


def end_expired(session: Session, now: datetime) -> None:
    """Record which keys have expired. From then on they stay ended, whatever the clock says."""
    time_passed = or_(Key.expires_at <= now, Key.retires_at <= now)
    expired = and_(Key.ended_at.is_(None), Key.revoked_at.is_(None), time_passed)
    # Read first: an update without rows would still count as a change of the network.
    if session.scalar(select(Key.id).where(expired).limit(1)) is not None:
        session.execute(update(Key).where(expired).values(ended_at=now))


def active_keys(session: Session, account_id: UUID, now: datetime) -> list[Key]:
    """Return the live keys of an account, as they are in the database."""
    query = select(Key).where(Key.account_id == account_id, Key.revoked_at.is_(None), Key.expires_at > now)
    rows = session.scalars(query.order_by(Key.id), execution_options={"populate_existing": True})
    return [key for key in rows if key.is_active(now)]


def note_use(session: Session, key_id: str, today: date) -> None:
    """Record the day on which a key was last used; nothing is written if that day is recorded already."""
    earlier = or_(Key.last_used_on.is_(None), Key.last_used_on < today)
    session.execute(update(Key).where(Key.id == key_id, earlier).values(last_used_on=today))


def parts(text: str) -> tuple[str, str]:
    """Split a well-formed key into its id and secret. Raises: Unauthenticated, before the database is read."""
    rest, checksum = text[:-6], text[-6:]
    words = rest.split("_")
    if len(text) != 61 or words[0] != "ua" or len(words) != 3 or not text.isascii() or _checksum(rest) != checksum:
        raise Unauthenticated
    return words[1], words[2]


def is_genuine(key: Key, secret: str, pepper: bytes) -> bool:
    """Return whether this is the secret of the key."""
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
    """Return a function that hashes to 16 bytes with a key made of the pepper, so that a cache holds no API keys."""
    name_key = hashlib.sha256(f"name of {what}".encode() + pepper).digest()
    return lambda content: hashlib.blake2b(content, key=name_key, digest_size=16).digest()


def _digest(secret: str, pepper: bytes) -> bytes:
    return hmac.digest(pepper, secret.encode(), hashlib.sha256)


def refused(state: str, code: str) -> ChangeRefused:
    """Return the refusal with this code and its sentence."""
    return ChangeRefused(state, [Unmet(code, REFUSALS[code])])


REFUSALS = {
    "key.too_many": f"An account may have at most {MAX_LIVE_KEYS} live keys; revoke one that is not needed.",
    "key.ended": "The key has expired, was rotated or was revoked; create a new one.",
    "key.being_rotated": "The old key and its successor are both live; revoke one of them first.",
    "key.wider": "The key has scopes that the key you use does not have; rotate it with itself.",
    "key.live": "The account has a live key; its holder can create another or rotate it.",
}
"""The sentences of refusals, by code."""
