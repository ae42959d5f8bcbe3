"""The rate limit: how many requests an account, or an address without a live key, may make. It is in memory, per
process.

It uses GCRA, the generic cell rate algorithm: each bucket is stored as the time at which it would be full again. With n
worker processes, up to n times the rate may pass.
"""

import ipaddress
import math
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from appeals.errors import RateExceeded
from appeals.settings import Settings

BURST_S = 100
MOST_BUCKETS = 20_000
PROXY_FACTOR = 20
EPOCH, MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
SECOND, MINUTE = 1_000_000, 60_000_000


@dataclass(frozen=True)
class RateLimit:
    """One request every `interval` microseconds, and `burst` of them at once after a pause."""

    interval: int
    burst: int

    @classmethod
    def of(cls, per_minute: int) -> "RateLimit | None":
        """Return the limit of so many requests a minute, with a burst of those of 100 seconds; None for 0, which means
        no limit.
        """
        return cls(-(-MINUTE // per_minute), max(1, per_minute * BURST_S // 60)) if per_minute else None


class RateLimiter:
    """The buckets of one rate limit.

    If there are too many, the one used longest ago is removed, since it is full again.
    """

    def __init__(self, limit: RateLimit | None) -> None:
        self._limit = limit
        self._full_at: OrderedDict[Hashable, int] = OrderedDict()

    def acquire(self, bucket: Hashable, now: datetime) -> None:
        """Take one request from a bucket. Raises: RateExceeded, with the seconds until the next one."""
        if self._limit is None:
            return
        moment, interval = (now - EPOCH) // MICROSECOND, self._limit.interval
        empty_at = moment + self._limit.burst * interval
        # A bucket is never more than empty, so that a clock set back locks nobody out.
        full_at = min(max(self._full_at.pop(bucket, moment), moment), empty_at)
        wait = full_at + interval - empty_at
        self._full_at[bucket] = full_at if wait > 0 else full_at + interval
        if len(self._full_at) > MOST_BUCKETS:
            self._full_at.popitem(last=False)
        if wait > 0:
            raise RateExceeded(math.ceil(wait / SECOND))


@dataclass(frozen=True)
class RateLimiters:
    """The rate limiters of a process: for accounts, for addresses without a live key, and for all such requests that
    come through one web server, because a web server on this machine may name any address.
    """

    accounts: RateLimiter
    addresses: RateLimiter
    proxies: RateLimiter

    @classmethod
    def of(cls, settings: Settings) -> "RateLimiters":
        """Return the limiters of the settings."""
        public = settings.public_rate_per_minute
        rates = settings.rate_per_minute, public, PROXY_FACTOR * public
        return cls(*(RateLimiter(RateLimit.of(rate)) for rate in rates))

    def acquire_anonymous(self, host: str, peer: str, now: datetime) -> None:
        """Count a request without a live key from an address, which `peer` sent or passed on. Raises: RateExceeded."""
        if peer != host:
            self.proxies.acquire(peer, now)
        self.addresses.acquire(network_of(host), now)


def network_of(host: str) -> str:
    """Return an IPv4 address as it is, and for IPv6 the network that one household or server has."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    mapped = address.ipv4_mapped
    return str(mapped or ipaddress.ip_network((address, 64), strict=False))
