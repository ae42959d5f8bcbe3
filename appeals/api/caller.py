"""Who calls, and how often: known before anything else is done for a request, before its body is read above all."""

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
"""Keys that are looked up in the database at once: who guesses keys takes no more threads and connections."""


class CallerMiddleware:
    """Finds out who calls and counts the request, once: `request.state.caller`, or why it is nobody.

    A live key counts for its account, wherever it comes from: guessing keys slows down an address and no account.
    Whether the key still lives, and what its holder may do, the transaction asks again.
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
        """Whose key is shown: from memory, from the database where this process did not meet it yet."""
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
    """The key in the Authorization header."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" and key.isprintable() else None
