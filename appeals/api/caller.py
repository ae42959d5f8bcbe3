"""The middleware that identifies the caller and counts the request, before anything else and before the body
is read.
"""

from collections.abc import Callable
from datetime import datetime

from anyio import CapacityLimiter, to_thread
from starlette.requests import HTTPConnection, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from appeals.accounts import api_key as keys
from appeals.accounts.authentication import CallerCache
from appeals.accounts.caller import Caller
from appeals.api.problems import HANDLERS, answer_to
from appeals.api.rate_limit import RateLimiters
from appeals.database.engine import Database
from appeals.errors import Unauthenticated

NEEDS_A_KEY = "/v1/"
MAX_LOOKUPS = 4
"""How many keys are looked up in the database at once, so that guessed keys cannot use up threads and connections."""


class CallerMiddleware:
    """Sets `request.state.caller` to the caller or the refusal, and counts the request against a rate limit.

    A request with a live key counts for its account from any address, and all others for their address. So guessed keys
    slow down an address and no account. The transaction checks the key and its roles again.
    """

    def __init__(
        self,
        app: ASGIApp,
        database: Database,
        callers: CallerCache,
        limiters: RateLimiters,
        now: Callable[[], datetime],
    ) -> None:
        self.app = app
        self._database, self._callers, self._limiters, self._now = database, callers, limiters, now
        self._lookups = CapacityLimiter(MAX_LOOKUPS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            state = scope.setdefault("state", {})
            try:
                state["caller"] = await self._count(scope)
            except tuple(HANDLERS) as refusal:
                await answer_to(Request(scope), refusal)(scope, receive, send)
                return
        await self.app(scope, receive, send)

    async def _count(self, scope: Scope) -> Caller | Unauthenticated:
        caller, now = await self._caller(scope), self._now()
        if isinstance(caller, Unauthenticated):
            host = scope["client"][0] if scope["client"] else ""
            self._limiters.acquire_anonymous(host, scope["state"].get("peer", host), now)
        else:
            self._limiters.accounts.acquire(caller.account_id, now)
        return caller

    async def _caller(self, scope: Scope) -> Caller | Unauthenticated:
        """Return the caller from the cache, or from the database if the cache does not have the key."""
        key = bearer_token(HTTPConnection(scope))
        caller = self._callers.peek(key, self._now()) if key else None
        if caller is not None or not key or not scope["path"].startswith(NEEDS_A_KEY):
            return caller or Unauthenticated()
        try:
            keys.parts(key)
            return await to_thread.run_sync(self._look_up, key, limiter=self._lookups)
        except Unauthenticated as refusal:
            return refusal

    def _look_up(self, key: str) -> Caller:
        with self._database.reading() as session:
            return self._callers.authenticate(session.connection(), key, self._now())


def bearer_token(request: HTTPConnection) -> str | None:
    """Return the key in the Authorization header, or None."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" and key.isprintable() else None
