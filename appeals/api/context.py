"""The application's context: what the routes of one process share."""

from dataclasses import dataclass
from datetime import UTC, datetime

from anyio import CapacityLimiter
from fastapi import Request

from appeals.access.access_log import AccessLogWriter
from appeals.accounts.authentication import CallerCache
from appeals.api.fast_reads import FastReads
from appeals.api.long_polling import ChangeWatcher, SharedReads
from appeals.api.rate_limit import RateLimiters
from appeals.database.engine import Database
from appeals.database.readiness import Readiness


@dataclass(frozen=True)
class AppContext:
    """What every route works with.

    `write_queue` lets as many writes run at once as the database takes; the others wait in the order they came,
    without a thread.
    """

    database: Database
    callers: CallerCache
    pepper: bytes
    body_limit: int
    write_queue: CapacityLimiter
    access_log: AccessLogWriter
    limiters: RateLimiters
    fast_reads: FastReads
    changes: ChangeWatcher
    shared_reads: SharedReads
    readiness: Readiness
    webhooks_to_loopback: bool = False

    def now(self) -> datetime:
        """The server's time."""
        return datetime.now(UTC)

    def clear_caches(self) -> None:
        """Forget everything read from the database: another one is served from now on."""
        self.database.clear_caches()
        for cache in (self.callers, self.access_log, self.fast_reads, self.readiness):
            cache.clear()


def context_of(request: Request) -> AppContext:
    """The context of the application that serves a request."""
    context: AppContext = request.app.state.context
    return context
