"""Authentication: the account of an API key, and the cache of authenticated callers."""

from dataclasses import replace
from datetime import UTC, datetime

from sqlalchemy import Connection, and_, select, update
from sqlalchemy.orm import Session

from appeals.accounts import api_key as keys
from appeals.accounts.account import PROPOSALS_LAST, Account, Membership, grants_of
from appeals.accounts.api_key import Key
from appeals.accounts.caller import Caller
from appeals.accounts.entity import auth_version
from appeals.errors import KeyEnded, Unauthenticated


def authenticate(
    session: Session, key: str | None, pepper: bytes, now: datetime, latest: datetime | None = None
) -> Caller:
    """Return the caller of this key. `latest` is the latest time this process knows, in case the clock was set back.

    Raises: Unauthenticated, the same for every reason; KeyEnded, if the key has expired and this is not yet recorded.
    """
    key_id, secret = keys.parts(key or "")
    row = session.execute(
        select(Key, Account).join(Account, Account.id == Key.account_id).where(Key.id == key_id)
    ).one_or_none()
    if row is None:
        raise Unauthenticated
    stored, account = row
    genuine = keys.is_genuine(stored, secret, pepper)
    latest = max(now, latest or now)
    alive = account.active and stored.is_active(latest)
    if genuine and stored.ended_at is None and stored.ends_at <= latest:
        raise KeyEnded
    if not (genuine and alive):
        raise Unauthenticated
    return Caller(
        account_id=account.id,
        name=account.name,
        grants=grants_of(session, account.id),
        now=now,
        key_id=stored.id,
        scopes=stored.granted_scopes,
        expires_at=stored.ends_at,
        first_use_today=stored.last_used_on is None or stored.last_used_on < now.date(),
    )


def expire_keys_and_proposals(session: Session, now: datetime) -> None:
    """Record which keys and proposals have expired, so that they stay ended even if the clock is set back."""
    keys.end_expired(session, now)
    lapsed = and_(
        Membership.effective_at.is_(None),
        Membership.ended_at.is_(None),
        Membership.recorded_at <= now - PROPOSALS_LAST,
    )
    # Read first: an update without rows would still count as a change of the network.
    if session.scalar(select(Membership.id).where(lapsed).limit(1)) is not None:
        session.execute(update(Membership).where(lapsed).values(ended_at=now))


class CallerCache:
    """The cache of authenticated callers by their keys, valid as long as the version of the network is the same.

    It holds a keyed hash of each key, never its text.
    """

    def __init__(self, pepper: bytes) -> None:
        self._pepper = pepper
        self._hash = keys.keyed_hash("a known caller", pepper)
        self._callers: dict[bytes, tuple[int, Caller]] = {}
        self._latest = MIN_TIME

    def latest_time(self, now: datetime) -> datetime:
        """Return the latest time this process has seen, by which keys expire even if the clock is set back."""
        self._latest = max(self._latest, now)
        return self._latest

    def authenticate(self, connection: Connection, key: str | None, now: datetime) -> Caller:
        """Return the caller of this key, as `authenticate` does. Raises: Unauthenticated."""
        name = self._hash_of(key)
        known_in, caller = self._callers.get(name, (None, None))
        if caller is None:
            keys.parts(key or "")  # a malformed key is refused before the database is read
        # The version is read before the caller, so that a change in between makes the cached caller invalid.
        version = auth_version(connection)
        latest = self.latest_time(now)
        if caller is not None and known_in == version and caller.is_valid(latest):
            return replace(caller, now=now)
        self._callers.pop(name, None)
        with Session(connection) as session:
            caller = authenticate(session, key, self._pepper, now, latest)
        if not caller.first_use_today:
            if len(self._callers) >= MAX_CALLERS:
                self._callers.clear()
            self._callers[name] = version, caller
        return caller

    def peek(self, key: str | None, now: datetime) -> Caller | None:
        """Return the cached caller of this key without reading the database; the key or its roles may have changed
        since.
        """
        _, caller = self._callers.get(self._hash_of(key), (None, None))
        return caller if caller is not None and caller.is_valid(self.latest_time(now)) else None

    def clear(self) -> None:
        """Remove all callers, when another database is served."""
        self._callers.clear()
        self._latest = MIN_TIME

    def _hash_of(self, key: str | None) -> bytes:
        return self._hash((key or "").encode())


MAX_CALLERS = 10_000
MIN_TIME = datetime.min.replace(tzinfo=UTC)
