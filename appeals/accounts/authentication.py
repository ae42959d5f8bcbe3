"""Authentication: whose key it is, and the cache of callers that were authenticated."""

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
    alive = account.active and found.is_active(latest)
    if genuine and found.ended_at is None and found.ends_at <= latest:
        raise KeyEnded
    if not (genuine and alive):
        raise Unauthenticated
    return Caller(
        account_id=account.id,
        name=account.name,
        grants=grants_of(session, account.id),
        now=now,
        key_id=found.id,
        scopes=found.granted_scopes,
        expires_at=found.ends_at,
        first_use_today=found.last_used_on is None or found.last_used_on < now.date(),
    )


def expire_keys_and_proposals(session: Session, now: datetime) -> None:
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


class CallerCache:
    """Whom this process met, by their keys: good as long as the network is the one it met them in.

    Of a key a keyed hash is kept, never the text.
    """

    def __init__(self, pepper: bytes) -> None:
        self._pepper = pepper
        self._hash = keys.keyed_hash("a known caller", pepper)
        self._callers: dict[bytes, tuple[int, Caller]] = {}
        self._latest = MIN_TIME

    def latest_time(self, now: datetime) -> datetime:
        """The latest moment this process has seen. Keys are judged by it: a clock set back makes none live again."""
        self._latest = max(self._latest, now)
        return self._latest

    def authenticate(self, connection: Connection, key: str | None, now: datetime) -> Caller:
        """Who holds this key, as `authenticate` tells. Raises: Unauthenticated."""
        name = self._hash_of(key)
        known_in, caller = self._callers.get(name, (None, None))
        if caller is None:
            keys.parts(key or "")  # what is no key is refused before the database is asked
        # Asked before the caller is looked up, so that they are kept for an older network rather than for a newer one.
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
        """Who held this key when it was last asked for. Whether they still do, and as what, only `authenticate` can
        tell.
        """
        _, caller = self._callers.get(self._hash_of(key), (None, None))
        return caller if caller is not None and caller.is_valid(self.latest_time(now)) else None

    def clear(self) -> None:
        """Forget everybody: another database is served now."""
        self._callers.clear()
        self._latest = MIN_TIME

    def _hash_of(self, key: str | None) -> bytes:
        return self._hash((key or "").encode())


MAX_CALLERS = 10_000
MIN_TIME = datetime.min.replace(tzinfo=UTC)
