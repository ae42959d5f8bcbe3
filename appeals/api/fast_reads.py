"""Fast path for repeated GETs: runs the prepared read that the route left, through the driver and before routing.

Nothing is decided here. The route lets the caller pass as always and leaves a `PreparedRead`: the statement that
answers the question, with the policy in it, and the rendering of its rows. It is good for this key and this question,
and while `network_state.auth_version` is the one it was made in: the statement says so in the same snapshot. Anything
odd (another version, an ended key, no row) goes to the route. Both ways give the same answer, byte for byte.
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
    """A recipe as the driver takes it, and for whom and how long it is good.

    Its statement is not kept: as SQLAlchemy has it, it takes a hundred times the room of the text.
    """

    query: CompiledQuery
    parameters: Callable[[ReadParams], Parameters]
    render: Render
    waits: bool
    operation: str
    caller: Caller
    auth_version: int


class FastReads:
    """The plans of this process, and what is needed to carry them out."""

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
        self._lock = Lock()  # operations learn in threads
        self._compiled: WeakKeyDictionary[AnySelect, CompiledQuery] = WeakKeyDictionary()

    def clear(self) -> None:
        """Forget every plan: another database is served now."""
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
        """Remember how a question is answered, in the snapshot in which its route has just answered it."""
        name = self._request_key(request.scope)
        if name is None or caller.first_use_today:  # the route writes the day into the access log
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
        """The recipe as a question; written once for as long as others keep its statement."""
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
        """How this is answered, if that is known and the key is still good."""
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
        """False when the key has ended, or is used for the first time on a day, which the operation notes."""
        return plan.caller.is_valid(self._latest(self._now()))

    async def execute(self, plan: CachedPlan, params: ReadParams) -> ReadResult | None:
        """What is answered, from one snapshot; None where the operation has to be asked.

        Raises: ReadUnavailable, and Invalid or CursorExpired for a cursor.
        """
        rows = await self.reader.fetch(plan.query, now=self._now(), **plan.parameters(params))
        if rows[0][0] != plan.auth_version:
            return None
        return plan.render([row[1:] for row in rows], params)

    async def respond(self, scope: Scope) -> ReadResult | None:
        """The answer to a request, once it is on the access log; None where the route has to answer."""
        plan = self.plan(scope)
        if plan is None or plan.waits:
            return None
        params = read_params(scope)
        result = await self._try(plan, params)
        if result is not None and result.logged is not None and result.content is not None:
            await self._recorder.write([self._access(plan, params, result.logged)])
        return result

    async def poll(self, scope: Scope) -> ReadResult | None:
        """The answer to a request that waits for news; None where the route has to ask through SQLAlchemy."""
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
        """What tells questions apart, and who asks; a key is kept as a keyed hash only.

        None where the question is spelt so that only the operation can say what it means.
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
"""The parameter that is no part of the question, but of where in its answers one is."""


def _query_without_cursor(scope: Scope) -> bytes | None:
    """The query without what varies, but that it is there; None where a part is spelt oddly, or given twice."""
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
    paged = [b"cursor" for match in matches if match[1] == b"cursor"]  # another statement than that of the first page
    return b"&".join([part for part in parts if not varying.fullmatch(part)] + paged)


_CASE = re.compile(rf"/v1/cases/({CASE_REFERENCE.strip('^$')})")


def _path_template(path: str) -> str:
    """The path without the case in it."""
    return "/v1/cases/{ref}" if _CASE.fullmatch(path) else path


def read_params(scope: Scope) -> ReadParams:
    """What a request asks for that is not in its plan."""
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
    """Answers what it has a plan for, and lets all else pass to the operations."""

    def __init__(self, app: ASGIApp, quick: FastReads) -> None:
        self.app, self._quick = app, quick

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        result = None
        if scope["type"] == "http" and scope["method"] == "GET":
            try:
                result = await self._quick.respond(scope)
            except Unavailable:  # the access log cannot be written: the operation says so
                result = None
        if result is None:
            await self.app(scope, receive, send)
            return
        for message in asgi_messages(result):
            await send(message)


def asgi_messages(result: ReadResult) -> list[Message]:
    """What is answered, as ASGI sends it."""
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
    """The same as a response of a route."""
    status = 304 if result.content is None else 200
    return Response(result.content, status, {"ETag": result.tag, "Vary": VARY, **result.headers}, "application/json")
