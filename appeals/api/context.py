"""The application's context: what the routes of a process share."""

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
    """The objects that routes work with.

    `write_queue` runs as many writes at once as the database can take. The others wait in order, without a thread.
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
        """Return the server's time."""
        return datetime.now(UTC)

    def clear_caches(self) -> None:
        """Clear everything that was read from the database, when another one is served."""
        self.database.clear_caches()
        for cache in (self.callers, self.access_log, self.fast_reads, self.readiness):
            cache.clear()


def context_of(request: Request) -> AppContext:
    """Return the context of the application that serves a request."""
    context: AppContext = request.app.state.context
    return context
