"""Operations: the one mechanism behind every route that asks for a key.

An operation says where it stands, who may pass (its gate), what it takes and gives. The order of refusals is kept here:
401 → 404 → 403 → 422 → 428 → 412 → 409. Every write is one transaction that holds its effect, its idempotency key
and the very bytes of its answer.
"""

import inspect
import re
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from typing import Annotated, Any, get_origin
from urllib.parse import unquote_to_bytes

import anyio
from anyio import CapacityLimiter
from fastapi import Body, Depends, FastAPI, Header, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.routing import APIRoute
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ValidationError
from sqlalchemy import Connection
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from appeals.access.access_log import AccessEvent, AccessLogWriter
from appeals.accounts.authentication import CallerCache, expire_keys_and_proposals
from appeals.accounts.caller import Caller, anonymous_caller
from appeals.api import request_body as body_reading
from appeals.api.authorization import (
    AuthorizationContext,
    authorize,
    filter_replayed,
    require_role,
    require_scope,
    require_work_view,
)
from appeals.api.caller import bearer_token
from appeals.api.fast_reads import VARY, FastReads, PreparedRead, matches_tag, tag_of, tags_of
from appeals.api.idempotency import IdempotentResponse, claim, fingerprint, store_response
from appeals.api.permissions import Policy, policy_of
from appeals.api.problems import MEDIA_TYPE, STATUS
from appeals.api.rate_limit import RateLimiters
from appeals.api.request_body import ANONYMOUS_LIMIT, clean
from appeals.cases.case import Case
from appeals.cases.publication import TOKEN
from appeals.database.engine import MAX_TRIES, Database
from appeals.database.failures import Busy, Deadlock
from appeals.database.readiness import Readiness
from appeals.errors import (
    FieldError,
    Forbidden,
    Invalid,
    KeyEnded,
    NotFound,
    NotJson,
    PreconditionFailed,
    PreconditionRequired,
    Refusal,
    SecretNotKept,
    TooLarge,
    Unauthenticated,
)
from appeals.fields import CASE_REFERENCE
from appeals.transaction import Transaction, transaction
from appeals.vocabulary import Logged

BEARER = HTTPBearer(auto_error=False, description="A key: `ua_<id>_<secret><checksum>`.")


@dataclass(frozen=True)
class AppContext:
    """What every operation works with. Writes take `turns`: as many at once as the database takes, the others in a
    queue in the order they came, where they keep no thread from those who read.
    """

    database: Database
    callers: CallerCache
    pepper: bytes
    body_limit: int
    write_queue: CapacityLimiter
    access_log: AccessLogWriter
    limiters: RateLimiters
    fast_reads: FastReads
    readiness: Readiness
    webhooks_to_loopback: bool = False

    def now(self) -> datetime:
        """The server's time."""
        return datetime.now(UTC)

    def clear_caches(self) -> None:
        """Forget all that was learnt of a database: another is served now."""
        self.database.clear_caches()
        for knows in (self.callers, self.access_log, self.fast_reads, self.readiness):
            knows.clear()


SubjectFinder = Callable[[AuthorizationContext, Case | None], Any]
"""Finds what an operation is about, given the case it is one of. Raises: NotFound."""


def the_case(_: AuthorizationContext, case: Case | None) -> Case | None:
    """The operation is about the case itself, or about nothing in particular."""
    return case


@dataclass(frozen=True)
class RequestContext:
    """One call that has passed the gate."""

    authorization: AuthorizationContext
    subject: Any
    body: Any
    query: Any
    request: Request
    context: AppContext
    prepared: Any = None
    logged: list[tuple[Logged, tuple[str, ...]]] = field(default_factory=list)

    def log(self, kind: Logged, *subjects: str) -> None:
        """Have it on the access log, instead of what the operation says: as what kind, about which references and ids.

        Without subjects it is about what the path names. Never content: neither names nor anything that was sent.
        """
        self.logged.append((kind, subjects))

    @property
    def session(self) -> Session:
        """The transaction."""
        return self.authorization.session

    @property
    def tx(self) -> Transaction:
        """The transaction of a write."""
        if self.authorization.tx is None:
            raise RuntimeError("a read writes nothing")
        return self.authorization.tx

    @property
    def caller(self) -> Caller:
        """Who calls."""
        return self.authorization.caller

    @property
    def now(self) -> datetime:
        """When the call came in."""
        return self.authorization.now

    def require_current(self, case: Case) -> None:
        """Raises: PreconditionRequired, PreconditionFailed, when If-Match does not name the case's version.

        Only the version counts, not the revision: what was logged under the case meanwhile is no conflict.
        """
        tags = _listed(self.request, "if-match")
        if not tags:
            raise PreconditionRequired
        current = re.compile(rf'"{case.version}-[0-9a-z]+"')
        if tags != ["*"] and not any(current.fullmatch(tag) for tag in tags):
            raise PreconditionFailed


def _listed(request: Request, header: str) -> list[str]:
    """The members of a header that is a list, also when it came in several lines."""
    return [member.strip() for line in request.headers.getlist(header) for member in line.split(",")]


@dataclass(frozen=True)
class Result:
    """What an operation gives back."""

    content: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    media_type: str = "application/json"


class ReplayPolicy(StrEnum):
    """What a repeated request gets where the first answer held a secret and so is not kept."""

    REPEAT = "again"  # it is done again: a reading by nature
    REFUSE = "refuse"  # 409: doing it again would make another


def json_response(output: BaseModel, status: int = 200, **headers: str) -> Result:
    """A wire form as an answer. Header names are written with underscores."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Result(output.model_dump_json().encode(), status, named)


@dataclass(frozen=True)
class Operation:
    """A route: method and path, its name in the policy, what it does, what it takes and gives.

    `finds` what it is about; `current` says that it needs If-Match; `headers` are those of its answer; `secret` that
    the answer is not kept; `quick` how it is answered the next time (`quick.py`); `streams` the
    media type of its answer where that is a stream. What `prepare` gives, from a snapshot and before the write waits
    for its turn, is `prepared` on the call.
    """

    method: str
    path: str
    name: str
    summary: str
    handler: Callable[[RequestContext], Result]
    response_model: type[BaseModel]
    status: int = 200
    body_model: type[BaseModel] | None = None
    query_model: type[BaseModel] | None = None
    subject: SubjectFinder = the_case
    needs_if_match: bool = False
    as_table: bool = False
    headers: tuple[str, ...] = ()
    tag: str = "cases"
    replay_policy: ReplayPolicy | None = None
    fast_read: Callable[[RequestContext], PreparedRead | None] | None = None
    streams: str | None = None
    prepare: Callable[[AuthorizationContext, Any], Any] | None = None

    @property
    def policy(self) -> Policy:
        """Its line in the policy. Raises: MissingPolicy."""
        return policy_of(self.name)

    def authorize(self, authorization: AuthorizationContext) -> Any:
        """Let the caller pass, and find what the operation is about. Raises: NotFound, Forbidden."""
        case = authorize(authorization, self.policy)
        subject = self.subject(authorization, case)
        if case is not None:
            require_role(authorization, self.policy, case)
        require_scope(authorization.caller, self.policy)
        return subject

    @property
    def writes(self) -> bool:
        """True for all but reading."""
        return self.method != "GET"

    @property
    def path_parameters(self) -> list[str]:
        """The names of the parts of the path that are given by the caller."""
        return [part.strip("{}") for part in self.path.split("/") if part.startswith("{")]

    @property
    def refusals(self) -> list[int]:
        """Every refusal this operation may answer, as statuses."""
        told = {422, 429, 503, 507} if self.policy.public else {401, 422, 429, 503, 507}
        told |= {404} if self.path_parameters or "Location" in self.headers else set()
        told |= {403} if self.policy.forbids else set()
        told |= {413, 415} if self.writes else {304}
        told |= {409} if self.writes and not self.policy.public else set()
        told |= {412, 428} if self.needs_if_match else set()
        told |= {410} if self.query_model and "since" in self.query_model.model_fields else set()
        return sorted(told)

    @property
    def single(self) -> set[str]:
        """The parameters that may be given once only."""
        fields = self.query_model.model_fields if self.query_model else {}
        return {name for name, info in fields.items() if get_origin(info.annotation) is not list}


def register_operations(app: FastAPI, operations: list[Operation], context: AppContext) -> None:
    """Make every operation a route of the application itself: a router included in it would cost each call a search."""
    for operation in operations:
        app.router.add_api_route(
            operation.path,
            _endpoint(operation, context),
            route_class_override=OperationRoute,
            methods=[operation.method],
            name=operation.name,
            operation_id=operation.name,
            summary=operation.summary,
            tags=[operation.tag],
            status_code=operation.status,
            response_class=Response,
            responses=_responses(operation),
        )


def _responses(operation: Operation) -> dict[int | str, dict[str, Any]]:
    problem = {"content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    told: dict[int | str, dict[str, Any]] = {
        status: {
            "description": REFUSALS[status],
            "headers": _headers(*REFUSAL_HEADERS.get(status, ())),
            **(problem if status != 304 else {}),
        }
        for status in operation.refusals
    }
    content: dict[str, Any] = {operation.streams or "application/json": {}}
    if operation.as_table:
        content |= {
            "text/csv": {"schema": {"type": "string"}},
            "application/x-ndjson": {"schema": {"type": "string"}},
        }
    headers = _headers(
        *operation.headers, *(() if operation.writes else ("ETag",)), *(("Link",) if operation.as_table else ())
    )
    done: dict[str, Any] = {"description": operation.summary, "content": content, "headers": headers}
    if not operation.streams:
        done["model"] = operation.response_model
    return {**told, operation.status: done}


def _headers(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in (*names, "X-Request-Id")}


_HEADER_TEXTS = {
    "ETag": "The validator of what is answered; of a case also what If-Match asks for.",
    "Link": "The page after this one, as rel=next; absent on the last.",
    "Location": "Where to read what was made.",
    "Retry-After": "Seconds to wait.",
    "WWW-Authenticate": "Bearer.",
    "X-Request-Id": "What to quote when you ask about this answer.",
}
HEADERS = {
    name: {"description": says, "required": name != "Link", "schema": {"type": "string"}}
    for name, says in _HEADER_TEXTS.items()
}
"""The headers of answers, as OpenAPI describes them."""
REFUSAL_HEADERS = {304: ("ETag",), 401: ("WWW-Authenticate",), **dict.fromkeys((429, 503, 507), ("Retry-After",))}
REFUSALS = {
    304: "Nothing new since the ETag in If-None-Match.",
    401: "No key, or a dead one.",
    403: "Your roles do not allow this here.",
    404: "There is nothing here that you may see.",
    410: "Your roles or the feed have changed since that place; begin anew.",
    409: "The state, a guard or a rule says no; `unmet` says which.",
    412: "The case has changed since you read it.",
    413: "The body is too large.",
    415: "The body is not said to be JSON.",
    422: "The input does not fit; `errors` says where.",
    428: "Send If-Match.",
    429: "Too many requests in a short time.",
    503: "Busy, or the database is away; try again.",
    507: "The database is full; nothing was changed, try again later.",
}


class OperationRoute(APIRoute):
    """A route that reads the body strictly, and asks the gate first when the input does not fit.

    Nothing leaves before it is on the access log.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, with the order of refusals kept: whoever may not pass learns nothing of the form."""
        ordinary = super().get_route_handler()
        entry: _Handler = getattr(self.endpoint, "entry")  # noqa: B009 - a function has no typed attributes

        async def handle(request: Request) -> Response:
            try:
                answer = await answered(request)
            except (Unauthenticated, NotFound, Forbidden) as refusal:
                if isinstance(refusal, KeyEnded):
                    await entry.expire(request)
                entry.note_denial(request, refusal)
                await entry.write_access_log(request)
                raise
            await entry.write_access_log(request)
            return answer

        async def answered(request: Request) -> Response:
            entry.require_caller(request)
            try:
                _read_query(request, entry.operation)
                if entry.operation.body_model:
                    await body_reading.read(request, entry.body_limit)
                if not entry.operation.writes:
                    return await ordinary(request)
                waits_until = time.monotonic() + entry.context.database.lock_timeout_s
                await entry.write_access_log(request)
                if entry.operation.prepare:
                    await run_in_threadpool(entry.prepare, request)
                async with entry.write_turn(request, waits_until):
                    return await ordinary(request)
            except (RequestValidationError, Invalid, TooLarge, NotJson):
                await run_in_threadpool(entry.authorize, request)
                raise

        return handle


def _read_query(request: Request, operation: Operation) -> None:
    """Refuse a parameter that would be ignored, and text no database keeps. Raises: Invalid."""
    given = request.query_params.multi_items()
    if not given:
        return
    if operation.query_model is None:
        raise Invalid([FieldError("?", "takes no parameters")])
    if not _is_utf_8(request.scope["query_string"]) or not all(clean(text) for pair in given for text in pair):
        raise Invalid([FieldError("?", "holds a character that is not allowed")])
    names = [name for name, _ in given]
    again = sorted(name for name in operation.single if names.count(name) > 1)
    if again:
        raise Invalid([FieldError(f"?{name}", "is given more than once") for name in again])


def _is_utf_8(query: bytes) -> bool:
    try:
        unquote_to_bytes(query).decode()
    except UnicodeDecodeError:
        return False
    return True


@dataclass
class _RequestState:
    """What is known of a request while it is served: who it is from, whether that use of the key is on the access log,
    what is still to be written there, until when a write waits for others, and what was prepared for it.
    """

    key_id: str | None = None
    caller: Caller | None = None
    use_logged: bool = False
    events: list[AccessEvent] = field(default_factory=list)
    waits_until: float = 0.0
    prepared: Any = None


def _request_state(request: Request) -> _RequestState:
    if not hasattr(request.state, "noted"):
        match = _KEY_ID.match(bearer_token(request) or "")
        request.state.noted = _RequestState(key_id=match[1] if match else None)
    noted: _RequestState = request.state.noted
    return noted


_KEY_ID = re.compile(r"ua_([0-9A-Za-z]{8})_[0-9A-Za-z]{49}\Z")


@dataclass(frozen=True)
class _Handler:
    """An operation and the desk behind it: what runs when somebody calls."""

    operation: Operation
    context: AppContext

    @property
    def body_limit(self) -> int:
        """The largest body that is read, in bytes."""
        return (
            min(self.context.body_limit, ANONYMOUS_LIMIT) if self.operation.policy.public else self.context.body_limit
        )

    def require_caller(self, request: Request) -> None:
        """See that a live key is shown where one is needed, before anything else is read. Raises: Unauthenticated."""
        if self.operation.policy.public:
            return
        caller: Caller | Unauthenticated = request.state.caller
        if isinstance(caller, Unauthenticated):
            raise caller
        _request_state(request).caller = caller

    @asynccontextmanager
    async def write_turn(self, request: Request, waits_until: float) -> AsyncIterator[None]:
        """A turn among those who write; the time is for the queue and for the locks after it. Raises: Busy."""
        _request_state(request).waits_until = waits_until
        try:
            with anyio.fail_after(waits_until - time.monotonic()):
                await self.context.write_queue.acquire()
        except TimeoutError:
            raise Busy from None
        try:
            yield
        finally:
            self.context.write_queue.release()

    def prepare(self, request: Request) -> None:
        """Do what can be done of a write without keeping others waiting. Raises: Unauthenticated, Forbidden, Busy."""
        if self.operation.prepare is None or self.operation.body_model is None:
            return
        with suppress(ValidationError), self.context.database.reading() as session:
            authorization, _ = self._authorized(request, session, self._caller(request, session.connection()))
            body = self.operation.body_model.model_validate(getattr(request, "_json", None))
            _request_state(request).prepared = self.operation.prepare(authorization, body)

    def authorize(self, request: Request) -> None:
        """Only see whether the caller may pass. Raises: Unauthenticated, NotFound, Forbidden."""
        with self.context.database.reading() as session:
            self._authorized(request, session, self._caller(request, session.connection()))

    async def expire(self, request: Request) -> None:
        """Put on record that a key's time has passed, so that it stays dead when the clock is set back."""
        async with self.write_turn(request, time.monotonic() + self.context.database.lock_timeout_s):
            await run_in_threadpool(self._expire)

    def _expire(self) -> None:
        with self.context.database.writing() as session:
            expire_keys_and_proposals(session, self.context.callers.latest_time(self.context.now()))

    def note_denial(self, request: Request, refusal: Refusal) -> None:
        """Have a denial on the access log, if it tells more than that a path or a key was mistyped."""
        noted = _request_state(request)
        if noted.key_id is None or (isinstance(refusal, NotFound) and not self.operation.path_parameters):
            return
        noted.events = [self._access_event(request, Logged.DENIAL, STATUS[type(refusal)])]

    def _access_event(self, request: Request, kind: Logged, status: int, subjects: tuple[str, ...] = ()) -> AccessEvent:
        noted, about = _request_state(request), subjects or _subjects(request.path_params)
        account_id = noted.caller.account_id if noted.caller else None
        return AccessEvent(self.context.now(), account_id, noted.key_id, kind, self.operation.name, status, about)

    def _access_events(self, call: RequestContext, answer: Result) -> list[AccessEvent]:
        """What the access log is told of an answer that was given."""
        if self.operation.policy.public:
            return []
        usual = self.operation.policy.logged
        said = call.logged or ([(usual, ())] if usual else [])
        if answer.media_type.partition(";")[0] in EXPORTS:
            said = [(Logged.EXPORT, tuple(subject for _, subjects in said for subject in subjects))]
        return [self._access_event(call.request, kind, answer.status, subjects) for kind, subjects in said]

    async def write_access_log(self, request: Request) -> None:
        """Return when all that was noted so far is on the access log. Raises: Unavailable."""
        noted = _request_state(request)
        events, noted.events = noted.events, []
        new_use = noted.caller is not None and noted.caller.first_use_today and not noted.use_logged
        use = self._access_event(request, Logged.KEY, 200, (str(noted.key_id),)) if new_use else None
        await self.context.access_log.write(events, use)
        noted.use_logged = noted.caller is not None

    def _caller(self, request: Request, connection: Connection) -> Caller:
        """Who calls, as the transaction sees them. Raises: Unauthenticated."""
        if self.operation.policy.public:
            return anonymous_caller(self.context.now())
        noted = _request_state(request)
        noted.caller = None
        noted.caller = self.context.callers.authenticate(connection, bearer_token(request), self.context.now())
        return noted.caller

    def _authorized(
        self, request: Request, session: Session | None, caller: Caller, tx: Transaction | None = None
    ) -> tuple[AuthorizationContext, Any]:
        authorization = AuthorizationContext(session, caller, dict(request.path_params), self.context.now(), tx)
        subject = self.operation.authorize(authorization)
        # Who waited at the gate for another's write acts after it: its time is taken then.
        return replace(authorization, now=self.context.now()), subject

    def read(self, request: Request, query: Any) -> Response:
        """Answer a GET from one snapshot; 304 when the caller has it already."""
        with self.context.database.reading() as session:
            authorization, subject = self._authorized(request, session, self._caller(request, session.connection()))
            call = RequestContext(authorization, subject, None, query, request, self.context)
            answer = self.operation.handler(call)
            if self.operation.fast_read:
                self.context.fast_reads.remember(
                    session, request, self.operation.name, call.caller, partial(self.operation.fast_read, call)
                )
        tag = answer.headers.get("ETag") or tag_of(answer.content)
        headers = {
            **answer.headers,
            "ETag": tag,
            **(PUBLIC_HEADERS if self.operation.policy.public else {"Vary": VARY}),
        }
        if matches_tag(tag, tags_of(",".join(request.headers.getlist("if-none-match")))):
            return Response(status_code=304, headers=headers)
        _request_state(request).events = self._access_events(call, answer)
        return Response(answer.content, answer.status, headers, answer.media_type)

    def write(self, request: Request, body: Any) -> Response:
        """Do it; again where it was rolled back only because it and another write waited for each other."""
        for _ in range(MAX_TRIES - 1):
            with suppress(Deadlock):
                return self._write(request, body)
        return self._write(request, body)

    def _write(self, request: Request, body: Any) -> Response:
        """Do it once: the effect, the idempotency key and the answer are committed together, then sent."""
        patience_s = _request_state(request).waits_until - time.monotonic()
        with transaction(self.context.database, patience_s=max(patience_s, 0)) as tx:
            caller = self._caller(request, tx.connection)
            # The key is taken before the gate locks the case: a second try waits for the first one's key alone.
            stored = self._claim(request, tx, caller)
            authorization, subject = self._authorized(request, None, caller, tx)
            call = RequestContext(
                authorization, subject, body, None, request, self.context, _request_state(request).prepared
            )
            answer, store = self._respond_once(request, call, stored)
            tx.commit(authorization.now, caller.account_id, self._access_events(call, answer), store)
        return Response(answer.content, answer.status, answer.headers, answer.media_type)

    def _claim(self, request: Request, tx: Transaction, caller: Caller) -> IdempotentResponse | None:
        key = self._idempotency_key(request)
        return (
            claim(tx.session, caller.account_id, key, _request_fingerprint(request), self.context.now())
            if key
            else None
        )

    def _idempotency_key(self, request: Request) -> str | None:
        """The key under which the answer is kept: with an account, so that strangers share none."""
        return None if self.operation.policy.public else request.headers.get("idempotency-key")

    def _respond_once(
        self, request: Request, call: RequestContext, stored: IdempotentResponse | None
    ) -> tuple[Result, Callable[[Connection], None] | None]:
        """The answer, and what keeps it under the key that it was asked with."""
        if stored is not None:
            stored.require_same(_request_fingerprint(request))
            if self.operation.replay_policy is None:
                return self._replay(call, stored), None
            if self.operation.replay_policy is ReplayPolicy.REFUSE:
                raise SecretNotKept
        answer = self.operation.handler(call)
        key = self._idempotency_key(request)
        if not key:
            return answer, None
        kept = {
            "status": answer.status,
            "headers": {} if self.operation.replay_policy else answer.headers,
            "body": b"" if self.operation.replay_policy else answer.content,
            "logged": call.logged,
        }
        return answer, partial(store_response, account_id=call.caller.account_id, key=key, response=kept)

    def _replay(self, call: RequestContext, stored: IdempotentResponse) -> Result:
        """The first answer again, as far as the caller may still have it. Raises: NotFound, Forbidden."""
        case = (
            call.authorization.params["ref"]
            if self.operation.policy.view
            else _case_at(stored.headers.get("Location", ""))
        )
        if case is not None:
            require_work_view(call.authorization, case)
        content = filter_replayed(call.authorization, stored.body)
        call.logged.extend((Logged(kind), tuple(subjects)) for kind, subjects in stored.logged)
        return Result(content, stored.status, {**stored.headers, "Idempotency-Replayed": "true"})


def _case_at(location: str) -> str | None:
    """The reference of the case that was made at a location; None where something else was."""
    _, found, reference = location.partition("/v1/cases/")
    return reference if found else None


PUBLIC_HEADERS = {"Vary": "Accept", "Cache-Control": "public, no-cache"}
"""What is published may be kept by caches, but is asked for anew each time: it may come down at any moment."""


def _request_fingerprint(request: Request) -> bytes:
    raw: bytes = getattr(request, "_body", b"")
    return fingerprint(request.method, request.scope["path"], raw)


EXPORTS = {"text/csv", "application/x-ndjson"}
_SUBJECT = re.compile(rf"{CASE_REFERENCE}|^[0-9a-f]{{8}}(-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}\Z")


def _subjects(params: dict[str, str]) -> tuple[str, ...]:
    """What the path names by reference or id; whatever else stands there is not ours, and may be anything."""
    return tuple(value for value in params.values() if _SUBJECT.fullmatch(value))


def _endpoint(operation: Operation, context: AppContext) -> Callable[..., Response]:
    """A plain function with the signature that FastAPI reads: what the path, query, headers and body hold."""
    entry = _Handler(operation, context)

    def endpoint(request: Request, **values: Any) -> Response:
        if operation.writes:
            return entry.write(request, values.get("body"))
        return entry.read(request, values.get("query"))

    parameters: dict[str, Any] = {"request": Request}
    if not operation.policy.public:
        parameters["credentials"] = Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]
    parameters |= {name: Annotated[str, Path(**PATH_PARAMETERS[name])] for name in operation.path_parameters}
    if operation.query_model:
        parameters["query"] = Annotated[operation.query_model, Query()]
    if operation.needs_if_match:
        parameters["if_match"] = Annotated[str | None, IF_MATCH]
    if operation.writes and not operation.policy.public:
        parameters["idempotency_key"] = Annotated[str | None, IDEMPOTENCY_KEY]
    if not operation.writes:
        parameters["if_none_match"] = Annotated[str | None, IF_NONE_MATCH]
    if operation.body_model:
        parameters["body"] = Annotated[operation.body_model, Body()]
    optional = {"if_match", "idempotency_key", "if_none_match"}
    endpoint.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                annotation=kind,
                default=None if name in optional else inspect.Parameter.empty,
            )
            for name, kind in parameters.items()
        ]
    )
    endpoint.entry = entry  # type: ignore[attr-defined]
    return endpoint


IF_MATCH = Header(alias="If-Match", description="The ETag of the case as you last read it. Without it: 428.")
IF_NONE_MATCH = Header(alias="If-None-Match", description="The ETag you have; 304 when nothing is new.")
IDEMPOTENCY_KEY = Header(
    alias="Idempotency-Key",
    min_length=1,
    max_length=64,
    pattern=r"^[!-~]+$",
    description="Send the same key with the same request again, and get the first answer again.",
)
_UUID = r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
PATH_PARAMETERS: dict[str, dict[str, Any]] = {
    "ref": {"json_schema_extra": {"pattern": CASE_REFERENCE}, "description": "The reference of a case."},
    "id": {"json_schema_extra": {"pattern": _UUID}, "description": "The id of a record."},
    "token": {"json_schema_extra": {"pattern": TOKEN}, "description": "The token of a publication."},
    "delivery": {"json_schema_extra": {"pattern": _UUID}, "description": "The id of a delivery."},
    "key": {"json_schema_extra": {"pattern": "^[0-9A-Za-z]{8}$"}, "description": "The 8 characters after `ua_`."},
    "name": {
        "json_schema_extra": {"pattern": "^[a-z]+(-[a-z]+)*$"},
        "description": "The name of a code list.",
    },
}
