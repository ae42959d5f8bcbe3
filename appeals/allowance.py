"""The allowance: how many requests an account, or an address without a key, may make; one count for all processes.

The measure is GCRA: of each bucket only the time is kept at which it would be full again if nothing more came. A
process takes requests from it in portions, so that the database is asked once a portion and not once a request.
"""

import asyncio
import hashlib
import hmac
import ipaddress
import logging
import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Lock
from uuid import UUID

from anyio import to_thread
from sqlalchemy import BigInteger, delete
from sqlalchemy.orm import Mapped, Session, mapped_column

from appeals.database import Base, Database, claim_row
from appeals.errors import RateExceeded

PATIENCE_S = 0.25
SECOND, MINUTE = 1_000_000, 60_000_000
BURST_S = 100
PORTIONS = 10
CLEAN_EVERY = 200
BUCKETS_KEPT = 20_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
log = logging.getLogger("appeals")


class Allowance(Base):
    """A bucket. `full_at` is when it holds its whole burst again, in microseconds since 1970."""

    __tablename__ = "allowance"

    bucket: Mapped[str] = mapped_column(primary_key=True)
    full_at: Mapped[int] = mapped_column(BigInteger, index=True)


@dataclass(frozen=True)
class Taken:
    """What a bucket gave: requests, when it is full again, and (if it gave none) how long until it gives one."""

    given: int
    full_at: int
    wait: int


@dataclass(frozen=True)
class Pace:
    """One request every `interval`, and `burst` of them at once after a rest. Times are in microseconds."""

    interval: int
    burst: int
    portion: int

    @classmethod
    def of(cls, per_minute: int, workers: int) -> "Pace | None":
        """The pace of so many a minute, with a burst of what comes together in 100 s; None for 0: no limit.

        The portion is small enough for all workers to have one: what one keeps, another cannot give.
        """
        burst = max(1, per_minute * BURST_S // 60)
        return cls(-(-MINUTE // per_minute), burst, max(1, burst // (PORTIONS * workers))) if per_minute else None

    def take(self, full_at: int, now: int, wanted: int, owed: int = 0) -> Taken:
        """Take up to `wanted` requests from a bucket, and `owed` ones that were let pass before.

        No bucket is emptier than empty: neither debts nor a clock that was put back shut anybody out for longer than
        it takes to fill one.
        """
        empty = now + self.burst * self.interval
        level = min(max(full_at, now) + owed * self.interval, empty)
        given = min(wanted, (empty - level) // self.interval)
        wait = 0 if given else level + self.interval - empty
        return Taken(given, level + given * self.interval, wait)


def take(database: Database, bucket: str, pace: Pace, now: datetime, wanted: int, owed: int = 0) -> Taken:
    """Take from a bucket of all processes. Raises: Busy, when it cannot be had within a quarter of a second."""
    moment = (now - EPOCH) // timedelta(microseconds=1)
    fresh = pace.take(moment, moment, wanted, owed)
    with database.writing(patience_s=PATIENCE_S) as session:
        if claim_row(session, Allowance, {"bucket": bucket, "full_at": fresh.full_at}):
            return fresh
        return _take_from(session, bucket, pace, moment, (wanted, owed))


def _take_from(session: Session, bucket: str, pace: Pace, moment: int, asked: tuple[int, int]) -> Taken:
    found = session.get_one(Allowance, bucket, with_for_update=True)
    taken = pace.take(found.full_at, moment, *asked)
    found.full_at = taken.full_at
    return taken


def clean(database: Database, now: datetime) -> None:
    """Delete the buckets that are full: they say no more than none. Raises: Busy."""
    moment = (now - EPOCH) // timedelta(microseconds=1)
    with database.writing(patience_s=PATIENCE_S) as session:
        session.execute(delete(Allowance).where(Allowance.full_at < moment))


class Unportioned(Exception):
    """This process holds nothing of the bucket: `Limiter.fetch` a portion, and try again."""

    def __init__(self, bucket: str) -> None:
        self.bucket = bucket


@dataclass
class _Held:
    """What a process holds of a bucket: requests it may let pass, those let pass on credit, a refusal that lasts."""

    left: int = 0
    owed: int = 0
    refused_until: datetime = EPOCH


class Limiter:
    """Lets requests pass as their buckets allow. A limiter must not take the service down: where the bucket cannot be
    had at once, requests pass on credit, and are counted with the next portion.
    """

    def __init__(self, database: Database, pepper: bytes, account: Pace | None, public: Pace | None) -> None:
        self._database, self._pepper = database, pepper
        self._paces = {"account": account, "address": public}
        self._lock = Lock()
        self._held: dict[str, _Held] = {}
        self._fetching: dict[str, asyncio.Task[None]] = {}
        self._fetched = 0

    def forget(self) -> None:
        """Forget every portion: another database is served now."""
        with self._lock:
            self._held.clear()

    def of_account(self, account_id: UUID) -> str:
        """The bucket of an account."""
        return f"account:{account_id}"

    def of_address(self, host: str, now: datetime) -> str:
        """The bucket of an address on this day: a keyed hash, which tells nothing of it and ends with the day."""
        said = f"{now.date()}\n{_network(host)}".encode()
        return f"address:{hmac.digest(self._pepper, b'address' + said, hashlib.sha256).hex()[:32]}"

    def spend(self, bucket: str) -> None:
        """Let one request pass, if this process holds any. Raises: Unportioned."""
        if self._pace(bucket) is None:
            return
        with self._lock:
            held = self._held.get(bucket)
            if held is None or held.left < 1:
                raise Unportioned(bucket)
            held.left -= 1

    def give_back(self, bucket: str) -> None:
        """Undo a `spend`: the same request is counted again elsewhere."""
        if self._pace(bucket) is not None:
            with self._lock:
                self._held.setdefault(bucket, _Held()).left += 1

    async def fetch(self, bucket: str, now: datetime) -> None:
        """Get a portion of the bucket, once for all who ask at the moment. Raises: RateExceeded."""
        self._require_open(bucket, now)
        fetching = self._fetching.get(bucket)
        if fetching is None or fetching.done():
            fetching = self._fetching[bucket] = asyncio.create_task(self._fetch(bucket, now))
            fetching.add_done_callback(lambda _: self._fetching.pop(bucket, None))
        await asyncio.wait({fetching}, timeout=2 * PATIENCE_S)
        if not fetching.done():  # not even a connection was to be had
            self._credit(bucket)
        self._require_open(bucket, now)

    def _require_open(self, bucket: str, now: datetime) -> None:
        with self._lock:
            held = self._held.get(bucket)
            if held and held.left < 1 and held.refused_until > now:
                raise RateExceeded(max(1, math.ceil((held.refused_until - now).total_seconds())))

    async def _fetch(self, bucket: str, now: datetime) -> None:
        await to_thread.run_sync(self._portion, bucket, now)

    def _portion(self, bucket: str, now: datetime) -> None:
        pace, owed = self._pace(bucket), self._of(bucket).owed
        if pace is None:
            return
        try:
            taken = take(self._database, bucket, pace, now, pace.portion, owed)
            with self._lock:
                held = self._held.setdefault(bucket, _Held())
                held.left, held.owed = held.left + taken.given, max(0, held.owed - owed)
                held.refused_until = now + timedelta(microseconds=taken.wait)
            self._now_and_then(now)
        except Exception as error:  # whatever it is: nobody waits for a portion that does not come
            log.warning("the allowance could not be asked: %s", type(error).__name__)
            self._credit(bucket)

    def _now_and_then(self, now: datetime) -> None:
        """Clean with every so many portions."""
        self._fetched += 1
        if self._fetched % CLEAN_EVERY == 0:
            clean(self._database, now)

    def _of(self, bucket: str) -> _Held:
        with self._lock:
            if len(self._held) > BUCKETS_KEPT:
                self._held.clear()
            return self._held.setdefault(bucket, _Held())

    def _credit(self, bucket: str) -> None:
        pace, held = self._pace(bucket), self._of(bucket)
        with self._lock:
            if pace and held.left < 1:
                held.left, held.owed = pace.portion, held.owed + pace.portion

    def _pace(self, bucket: str) -> Pace | None:
        return self._paces[bucket.partition(":")[0]]


def _network(host: str) -> str:
    """The address; of IPv6 the network that one household or server gets whole."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    mapped = address.ipv4_mapped
    return str(mapped or ipaddress.ip_network((address, 64), strict=False))
