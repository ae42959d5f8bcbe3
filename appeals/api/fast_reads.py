"""The fast path of repeated GETs: it runs the prepared read that a route left, with the driver and before routing.

It decides nothing. The route authorizes the caller as always and leaves a `PreparedRead`: the statement for the answer,
which contains the policy, and the rendering of its rows. It is valid for this key and request, as long as
`network_state.auth_version` is the same, which the statement reads in the same snapshot. Everything unusual (another
version, an ended key, no row) goes to the route. Both paths give the same answer, byte for byte.
"""

import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from weakref import WeakKeyDictionary

from fastapi import Request, Response
from sqlalchemy import select, true
from sqlalchemy.orm import Session
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from appeals.access.access_log import AccessEvent, AccessLogWriter
from appeals.accounts.api_key import keyed_hash
from appeals.accounts.caller import Caller
from appeals.accounts.entity import NetworkState, auth_version
from appeals.api.prepared_read import VARY, Parameters, PreparedRead, ReadParams, ReadResult, Render, tags_of
from appeals.database.failures import Unavailable
from appeals.database.raw_reads import CompiledQuery, RawReader, ReadUnavailable
from appeals.database.types import AnySelect
from appeals.errors import CursorExpired, Invalid
from appeals.fields import CASE_REFERENCE
from appeals.vocabulary import Logged

MAX_PLANS = 1000


@dataclass(frozen=True)
class CachedPlan:
    """A prepared read compiled for the driver, with the caller and the version for which it is valid.

    Its statement is not stored: SQLAlchemy's form takes a hundred times the memory of the text.
    """

    query: CompiledQuery
    parameters: Callable[[ReadParams], Parameters]
    render: Render
    waits: bool
    operation: str
    caller: Caller
    auth_version: int


class FastReads:
    """The cached plans of this process, and what is needed to run them."""

    def __init__(
        self,
        reader: RawReader,
        recorder: AccessLogWriter,
        pepper: bytes,
        now: Callable[[], datetime],
        latest: Callable[[datetime], datetime],
    ) -> None:
        self.reader, self._now, self._latest = reader, now, latest
        self._recorder = recorder
        self._hash = keyed_hash("a plan", pepper)
        self._plans: OrderedDict[bytes, CachedPlan] = OrderedDict()
        self._lock = Lock()  # routes add plans from threads
        self._compiled: WeakKeyDictionary[AnySelect, CompiledQuery] = WeakKeyDictionary()

    def clear(self) -> None:
        """Remove all plans, when another database is served."""
        with self._lock:
            self._plans.clear()

    def remember(
        self,
        session: Session,
        request: Request,
        operation: str,
        caller: Caller,
        prepared: PreparedRead,
    ) -> None:
        """Store the plan of a request, in the snapshot in which its route has just answered it."""
        name = self._request_key(request.scope)
        if name is None or caller.first_use_today:  # only the route records the first use
            return
        network, stands = auth_version(session), self._plans.get(name)
        if stands is not None and stands.auth_version == network and self.is_valid(stands):
            return
        query = self._compile(prepared)
        plan = CachedPlan(query, prepared.parameters, prepared.render, prepared.waits, operation, caller, network)
        with self._lock:
            self._plans[name] = plan
            self._plans.move_to_end(name)
            if len(self._plans) > MAX_PLANS:
                self._plans.popitem(last=False)

    def _compile(self, prepared: PreparedRead) -> CompiledQuery:
        """Compile a prepared read, once as long as others use the same statement."""
        question = self._compiled.get(prepared.statement)
        if question is None:
            inner, state = prepared.statement.subquery(), NetworkState.__table__
            whole = select(NetworkState.auth_version, *prepared.snapshot_columns, *inner.c).select_from(
                state.outerjoin(inner, true())
            )
            question = self.reader.compile(whole)
            if question.statement is None and not prepared.snapshot_columns:
                self._compiled[prepared.statement] = question
        return question

    def plan(self, scope: Scope) -> CachedPlan | None:
        """Return the plan of a request if there is one and its key is still valid."""
        name = self._request_key(scope)
        if name is None:
            return None
        with self._lock:
            plan = self._plans.get(name)
            if plan is None:
                return None
            if not self.is_valid(plan):
                del self._plans[name]
                return None
            self._plans.move_to_end(name)
            return plan

    def is_valid(self, plan: CachedPlan) -> bool:
        """Return whether the key of the plan is valid, and this is not its first use on a day, which the
        route records.
        """
        return plan.caller.is_valid(self._latest(self._now()))

    async def execute(self, plan: CachedPlan, params: ReadParams) -> ReadResult | None:
        """Return the result of a plan from one snapshot; None if the route must answer.

        Raises: ReadUnavailable, and Invalid or CursorExpired for a cursor.
        """
        rows = await self.reader.fetch(plan.query, now=self._now(), **plan.parameters(params))
        if rows[0][0] != plan.auth_version:
            return None
        return plan.render([row[1:] for row in rows], params)

    async def respond(self, scope: Scope) -> ReadResult | None:
        """Return the answer to a request once it is on the access log; None if the route must answer."""
        plan = self.plan(scope)
        if plan is None or plan.waits:
            return None
        params = read_params(scope)
        result = await self._try(plan, params)
        if result is not None and result.logged is not None and result.content is not None:
            await self._recorder.write([self._access(plan, params, result.logged)])
        return result

    async def poll(self, scope: Scope) -> ReadResult | None:
        """Return the answer to a long poll; None if the route must read with SQLAlchemy."""
        plan = self.plan(scope)
        return await self._try(plan, read_params(scope)) if plan else None

    async def _try(self, plan: CachedPlan, params: ReadParams) -> ReadResult | None:
        try:
            return await self.execute(plan, params)
        except (ReadUnavailable, Invalid, CursorExpired):
            return None

    def _access(self, plan: CachedPlan, params: ReadParams, kind: Logged) -> AccessEvent:
        about = (params.reference,) if params.reference else ()
        return AccessEvent(self._now(), plan.caller.account_id, plan.caller.key_id, kind, plan.operation, 200, about)

    def _request_key(self, scope: Scope) -> bytes | None:
        """Return a hash of the request and its key, by which plans are found. Keys are stored only as hashes.

        None if the query is spelled so that only the route can read it.
        """
        headers = [b"%s:%s" % (name, value) for name, value in scope["headers"] if name in _KEY_HEADERS]
        question = _query_without_cursor(scope)
        if question is None:
            return None
        parts = (_path_template(scope["path"]).encode(), question, *headers)
        return self._hash(b"".join(b"%d:%s" % (len(part), part) for part in parts))


_KEY_HEADERS = (b"authorization", b"accept")
_SINCE = re.compile(rb"(since)=([A-Za-z0-9_-]+)")
_CURSOR_PARAMETER = {
    "/v1/cases": re.compile(rb"(cursor)=([A-Za-z0-9_-]+)"),
    "/v1/changes": _SINCE,
    "/v1/changes/stream": _SINCE,
}
"""The parameter of each path that is a position in the list and not part of the plan."""


def _query_without_cursor(scope: Scope) -> bytes | None:
    """Return the query with the cursor reduced to its presence; None if a part is spelled unusually or given twice."""
    query: bytes = scope["query_string"]
    if not query:
        return b""
    varying, parts = _CURSOR_PARAMETER.get(scope["path"]), query.split(b"&")
    if any(b"%" in part.partition(b"=")[0] for part in parts):
        return None
    if varying is None:
        return query
    matches = [match for part in parts if (match := varying.fullmatch(part))]
    if len(matches) > 1:
        return None
    paged = [b"cursor" for match in matches if match[1] == b"cursor"]  # later pages have another statement
    return b"&".join([part for part in parts if not varying.fullmatch(part)] + paged)


_CASE = re.compile(rf"/v1/cases/({CASE_REFERENCE.strip('^$')})")


def _path_template(path: str) -> str:
    """Return the path with a placeholder for the case."""
    return "/v1/cases/{ref}" if _CASE.fullmatch(path) else path


def read_params(scope: Scope) -> ReadParams:
    """Return the parameters of a request that are not part of its plan."""
    path = _CASE.fullmatch(scope["path"])
    varying = _CURSOR_PARAMETER.get(scope["path"]) if scope["query_string"] else None
    places = [
        match[2].decode()
        for part in (scope["query_string"].split(b"&") if varying else ())
        if varying and (match := varying.fullmatch(part))
    ]
    tags = b",".join([value for name, value in scope["headers"] if name == b"if-none-match"]).decode("latin-1")
    return ReadParams(path[1] if path else "", places[0] if places else "", tags_of(tags))


class FastReadMiddleware:
    """Answers requests that have a plan, and passes all others to the routes."""

    def __init__(self, app: ASGIApp, quick: FastReads) -> None:
        self.app, self._quick = app, quick

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        result = None
        if scope["type"] == "http" and scope["method"] == "GET":
            try:
                result = await self._quick.respond(scope)
            except Unavailable:  # the access log cannot be written, which the route answers
                result = None
        if result is None:
            await self.app(scope, receive, send)
            return
        for message in asgi_messages(result):
            await send(message)


def asgi_messages(result: ReadResult) -> list[Message]:
    """Return the ASGI messages of a result."""
    headers = {"ETag": result.tag, "Vary": VARY, **result.headers}
    if result.content is not None:
        headers |= {"Content-Length": str(len(result.content)), "Content-Type": "application/json"}
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    status = 304 if result.content is None else 200
    return [
        {"type": "http.response.start", "status": status, "headers": raw},
        {"type": "http.response.body", "body": result.content or b""},
    ]


def response_of(result: ReadResult) -> Response:
    """Return the same answer as a response of a route."""
    status = 304 if result.content is None else 200
    return Response(result.content, status, {"ETag": result.tag, "Vary": VARY, **result.headers}, "application/json")
