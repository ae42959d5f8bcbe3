"""Doors: the one mechanism behind every route that asks for a key.

A door says where it stands, who may pass (its gate), what it takes and gives. The order of refusals is kept here:
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
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from appeals.access import Policy, policy_of
from appeals.access_log import Access, Recorder, record
from appeals.case import Case
from appeals.database import TRIES, Busy, Database, Entangled
from appeals.errors import (
    Fault,
    Forbidden,
    Invalid,
    KeyEnded,
    NotFound,
    NotJson,
    PreconditionRequired,
    Refusal,
    SecretNotKept,
    Stale,
    TooLarge,
    Unauthenticated,
)
from appeals.field import CASE_REFERENCE
from appeals.idempotency import KeptAnswer, claim, fingerprint, keep
from appeals.kept_view import keep as keep_views
from appeals.network import Acquaintances, Caller, expire, outsider
from appeals.publication import TOKEN
from appeals.rate_limit import RateLimiters
from appeals.readiness import Readiness
from appeals.vocabulary import Logged
from appeals.web import body as body_reading
from appeals.web.body import ANONYMOUS_LIMIT, clean
from appeals.web.caller import bearer_token
from appeals.web.gate import Visit, admit, require_role, require_scope, require_work_view, still_seen
from appeals.web.problems import MEDIA_TYPE, STATUS
from appeals.web.quick import VARIES, Quick, Recipe, is_known, tag_of, tags_of

BEARER = HTTPBearer(auto_error=False, description="A key: `ua_<id>_<secret><checksum>`.")


@dataclass(frozen=True)
class Desk:
    """What every door works with. Writes take `turns`: as many at once as the database takes, the others in a queue
    in the order they came, where they keep no thread from those who read.
    """

    database: Database
    acquaintances: Acquaintances
    pepper: bytes
    body_limit: int
    turns: CapacityLimiter
    recorder: Recorder
    limiters: RateLimiters
    quick: Quick
    readiness: Readiness
    webhooks_to_loopback: bool = False

    def now(self) -> datetime:
        """The server's time."""
        return datetime.now(UTC)

    def forget(self) -> None:
        """Forget all that was learnt of a database: another is served now."""
        self.database.statements.clear()
        for knows in (self.acquaintances, self.recorder, self.quick, self.readiness):
            knows.forget()


Finder = Callable[[Visit, Case | None], Any]
"""Finds what a door is about, given the case it is one of. Raises: NotFound."""


def the_case(_: Visit, case: Case | None) -> Case | None:
    """The door is about the case itself, or about nothing in particular."""
    return case


@dataclass(frozen=True)
class Call:
    """One call that has passed the gate."""

    visit: Visit
    subject: Any
    body: Any
    query: Any
    request: Request
    desk: Desk
    prepared: Any = None
    logged: list[tuple[Logged, tuple[str, ...]]] = field(default_factory=list)

    def log(self, kind: Logged, *subjects: str) -> None:
        """Have it on the access log, instead of what the door says: as what kind, about which references and ids.

        Without subjects it is about what the path names. Never content: neither names nor anything that was sent.
        """
        self.logged.append((kind, subjects))

    @property
    def session(self) -> Session:
        """The transaction."""
        return self.visit.session

    @property
    def caller(self) -> Caller:
        """Who calls."""
        return self.visit.caller

    @property
    def now(self) -> datetime:
        """When the call came in."""
        return self.visit.now

    def require_current(self, case: Case) -> None:
        """Raises: PreconditionRequired, Stale, when If-Match does not name the case's version.

        Only the version counts, not the revision: what was logged under the case meanwhile is no conflict.
        """
        tags = _listed(self.request, "if-match")
        if not tags:
            raise PreconditionRequired
        current = re.compile(rf'"{case.version}-[0-9a-z]+"')
        if tags != ["*"] and not any(current.fullmatch(tag) for tag in tags):
            raise Stale


def _listed(request: Request, header: str) -> list[str]:
    """The members of a header that is a list, also when it came in several lines."""
    return [member.strip() for line in request.headers.getlist(header) for member in line.split(",")]


@dataclass(frozen=True)
class Answer:
    """What a door gives back."""

    content: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    media_type: str = "application/json"


class Secret(StrEnum):
    """What a repeated request gets where the first answer held a secret and so is not kept."""

    AGAIN = "again"  # it is done again: a reading by nature
    REFUSE = "refuse"  # 409: doing it again would make another


def rendered(output: BaseModel, status: int = 200, **headers: str) -> Answer:
    """A wire form as an answer. Header names are written with underscores."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(output.model_dump_json().encode(), status, named)


@dataclass(frozen=True)
class Door:
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
    work: Callable[[Call], Answer]
    gives: type[BaseModel]
    status: int = 200
    takes: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    finds: Finder = the_case
    current: bool = False
    as_table: bool = False
    headers: tuple[str, ...] = ()
    tag: str = "cases"
    secret: Secret | None = None
    quick: Callable[[Call], Recipe | None] | None = None
    streams: str | None = None
    prepare: Callable[[Visit, Any], Any] | None = None

    @property
    def policy(self) -> Policy:
        """Its line in the policy. Raises: Unruled."""
        return policy_of(self.name)

    def gate(self, visit: Visit) -> Any:
        """Let the caller pass, and find what the door is about. Raises: NotFound, Forbidden."""
        case = admit(visit, self.policy)
        subject = self.finds(visit, case)
        if case is not None:
            require_role(visit, self.policy, case)
        require_scope(visit.caller, self.policy)
        return subject

    @property
    def writes(self) -> bool:
        """True for all but reading."""
        return self.method != "GET"

    @property
    def names(self) -> list[str]:
        """The names of the parts of the path that are given by the caller."""
        return [part.strip("{}") for part in self.path.split("/") if part.startswith("{")]

    @property
    def refusals(self) -> list[int]:
        """Every refusal this door may answer, as statuses."""
        told = {422, 429, 503, 507} if self.policy.public else {401, 422, 429, 503, 507}
        told |= {404} if self.names or "Location" in self.headers else set()
        told |= {403} if self.policy.forbids else set()
        told |= {413, 415} if self.writes else {304}
        told |= {409} if self.writes and not self.policy.public else set()
        told |= {412, 428} if self.current else set()
        told |= {410} if self.query and "since" in self.query.model_fields else set()
        return sorted(told)

    @property
    def single(self) -> set[str]:
        """The parameters that may be given once only."""
        fields = self.query.model_fields if self.query else {}
        return {name for name, info in fields.items() if get_origin(info.annotation) is not list}


def hang(app: FastAPI, doors: list[Door], desk: Desk) -> None:
    """Make every door a route of the application itself: a router included in it would cost each call a search."""
    for door in doors:
        app.router.add_api_route(
            door.path,
            _endpoint(door, desk),
            route_class_override=DoorRoute,
            methods=[door.method],
            name=door.name,
            operation_id=door.name,
            summary=door.summary,
            tags=[door.tag],
            status_code=door.status,
            response_class=Response,
            responses=_responses(door),
        )


def _responses(door: Door) -> dict[int | str, dict[str, Any]]:
    problem = {"content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    told: dict[int | str, dict[str, Any]] = {
        status: {
            "description": REFUSALS[status],
            "headers": _headers(*REFUSAL_HEADERS.get(status, ())),
            **(problem if status != 304 else {}),
        }
        for status in door.refusals
    }
    content: dict[str, Any] = {door.streams or "application/json": {}}
    if door.as_table:
        content |= {
            "text/csv": {"schema": {"type": "string"}},
            "application/x-ndjson": {"schema": {"type": "string"}},
        }
    headers = _headers(*door.headers, *(() if door.writes else ("ETag",)), *(("Link",) if door.as_table else ()))
    done: dict[str, Any] = {"description": door.summary, "content": content, "headers": headers}
    if not door.streams:
        done["model"] = door.gives
    return {**told, door.status: done}


def _headers(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in (*names, "X-Request-Id")}


_SAYS = {
    "ETag": "The validator of what is answered; of a case also what If-Match asks for.",
    "Link": "The page after this one, as rel=next; absent on the last.",
    "Location": "Where to read what was made.",
    "Retry-After": "Seconds to wait.",
    "WWW-Authenticate": "Bearer.",
    "X-Request-Id": "What to quote when you ask about this answer.",
}
HEADERS = {
    name: {"description": says, "required": name != "Link", "schema": {"type": "string"}}
    for name, says in _SAYS.items()
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


class DoorRoute(APIRoute):
    """A route that reads the body strictly, and asks the gate first when the input does not fit.

    Nothing leaves before it is on the access log.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, with the order of refusals kept: whoever may not pass learns nothing of the form."""
        ordinary = super().get_route_handler()
        entry: _Entry = getattr(self.endpoint, "entry")  # noqa: B009 - a function has no typed attributes

        async def handle(request: Request) -> Response:
            try:
                answer = await answered(request)
            except (Unauthenticated, NotFound, Forbidden) as refusal:
                if isinstance(refusal, KeyEnded):
                    await entry.expire(request)
                entry.note_denial(request, refusal)
                await entry.write_down(request)
                raise
            await entry.write_down(request)
            return answer

        async def answered(request: Request) -> Response:
            entry.require_known(request)
            try:
                _read_query(request, entry.door)
                if entry.door.takes:
                    await body_reading.read(request, entry.body_limit)
                if not entry.door.writes:
                    return await ordinary(request)
                waits_until = time.monotonic() + entry.desk.database.lock_timeout_s
                await entry.write_down(request)
                if entry.door.prepare:
                    await run_in_threadpool(entry.prepare, request)
                async with entry.turn(request, waits_until):
                    return await ordinary(request)
            except (RequestValidationError, Invalid, TooLarge, NotJson):
                await run_in_threadpool(entry.pass_gate, request)
                raise

        return handle


def _read_query(request: Request, door: Door) -> None:
    """Refuse a parameter that would be ignored, and text no database keeps. Raises: Invalid."""
    given = request.query_params.multi_items()
    if not given:
        return
    if door.query is None:
        raise Invalid([Fault("?", "takes no parameters")])
    if not _is_utf_8(request.scope["query_string"]) or not all(clean(text) for pair in given for text in pair):
        raise Invalid([Fault("?", "holds a character that is not allowed")])
    names = [name for name, _ in given]
    again = sorted(name for name in door.single if names.count(name) > 1)
    if again:
        raise Invalid([Fault(f"?{name}", "is given more than once") for name in again])


def _is_utf_8(query: bytes) -> bool:
    try:
        unquote_to_bytes(query).decode()
    except UnicodeDecodeError:
        return False
    return True


@dataclass
class _Noted:
    """What is known of a request while it is served: who it is from, whether that use of the key is on the access log,
    what is still to be written there, until when a write waits for others, and what was prepared for it.
    """

    key_id: str | None = None
    caller: Caller | None = None
    used: bool = False
    accesses: list[Access] = field(default_factory=list)
    waits_until: float = 0.0
    prepared: Any = None


def _noted(request: Request) -> _Noted:
    if not hasattr(request.state, "noted"):
        told = _KEY_ID.match(bearer_token(request) or "")
        request.state.noted = _Noted(key_id=told[1] if told else None)
    noted: _Noted = request.state.noted
    return noted


_KEY_ID = re.compile(r"ua_([0-9A-Za-z]{8})_[0-9A-Za-z]{49}\Z")


@dataclass(frozen=True)
class _Entry:
    """A door and the desk behind it: what runs when somebody calls."""

    door: Door
    desk: Desk

    @property
    def body_limit(self) -> int:
        """The largest body that is read, in bytes."""
        return min(self.desk.body_limit, ANONYMOUS_LIMIT) if self.door.policy.public else self.desk.body_limit

    def require_known(self, request: Request) -> None:
        """See that a live key is shown where one is needed, before anything else is read. Raises: Unauthenticated."""
        if self.door.policy.public:
            return
        caller: Caller | Unauthenticated = request.state.caller
        if isinstance(caller, Unauthenticated):
            raise caller
        _noted(request).caller = caller

    @asynccontextmanager
    async def turn(self, request: Request, waits_until: float) -> AsyncIterator[None]:
        """A turn among those who write; the time is for the queue and for the locks after it. Raises: Busy."""
        _noted(request).waits_until = waits_until
        try:
            with anyio.fail_after(waits_until - time.monotonic()):
                await self.desk.turns.acquire()
        except TimeoutError:
            raise Busy from None
        try:
            yield
        finally:
            self.desk.turns.release()

    def prepare(self, request: Request) -> None:
        """Do what can be done of a write without keeping others waiting. Raises: Unauthenticated, Forbidden, Busy."""
        if self.door.prepare is None or self.door.takes is None:
            return
        with suppress(ValidationError), self.desk.database.reading() as session:
            visit, _ = self._visit(request, session, self._caller(request, session), writes=False)
            body = self.door.takes.model_validate(getattr(request, "_json", None))
            _noted(request).prepared = self.door.prepare(visit, body)

    def pass_gate(self, request: Request) -> None:
        """Only see whether the caller may pass. Raises: Unauthenticated, NotFound, Forbidden."""
        with self.desk.database.reading() as session:
            self._visit(request, session, self._caller(request, session), writes=False)

    async def expire(self, request: Request) -> None:
        """Put on record that a key's time has passed, so that it stays dead when the clock is set back."""
        async with self.turn(request, time.monotonic() + self.desk.database.lock_timeout_s):
            await run_in_threadpool(self._expire)

    def _expire(self) -> None:
        with self.desk.database.writing() as session:
            expire(session, self.desk.acquaintances.latest(self.desk.now()))

    def note_denial(self, request: Request, refusal: Refusal) -> None:
        """Have a denial on the access log, if it tells more than that a path or a key was mistyped."""
        noted = _noted(request)
        if noted.key_id is None or (isinstance(refusal, NotFound) and not self.door.names):
            return
        noted.accesses = [self._access(request, Logged.DENIAL, STATUS[type(refusal)])]

    def _access(self, request: Request, kind: Logged, status: int, subjects: tuple[str, ...] = ()) -> Access:
        noted, about = _noted(request), subjects or _subjects(request.path_params)
        account_id = noted.caller.account_id if noted.caller else None
        return Access(self.desk.now(), account_id, noted.key_id, kind, self.door.name, status, about)

    def _accesses(self, call: Call, answer: Answer) -> list[Access]:
        """What the access log is told of an answer that was given."""
        if self.door.policy.public:
            return []
        usual = self.door.policy.logged
        said = call.logged or ([(usual, ())] if usual else [])
        if answer.media_type.partition(";")[0] in EXPORTS:
            said = [(Logged.EXPORT, tuple(subject for _, subjects in said for subject in subjects))]
        return [self._access(call.request, kind, answer.status, subjects) for kind, subjects in said]

    async def write_down(self, request: Request) -> None:
        """Return when all that was noted so far is on the access log. Raises: Unavailable."""
        noted = _noted(request)
        accesses, noted.accesses = noted.accesses, []
        new_use = noted.caller is not None and noted.caller.first_use_today and not noted.used
        use = self._access(request, Logged.KEY, 200, (str(noted.key_id),)) if new_use else None
        await self.desk.recorder.write(accesses, use)
        noted.used = noted.caller is not None

    def _caller(self, request: Request, session: Session) -> Caller:
        """Who calls, as the transaction sees them. Raises: Unauthenticated."""
        if self.door.policy.public:
            return outsider(self.desk.now())
        noted = _noted(request)
        noted.caller = None
        noted.caller = self.desk.acquaintances.who(session, bearer_token(request), self.desk.now())
        return noted.caller

    def _visit(self, request: Request, session: Session, caller: Caller, *, writes: bool) -> tuple[Visit, Any]:
        visit = Visit(session, caller, dict(request.path_params), self.desk.now(), writes)
        subject = self.door.gate(visit)
        # Who waited at the gate for another's write acts after it: its time is taken then.
        return replace(visit, now=self.desk.now()), subject

    def read(self, request: Request, query: Any) -> Response:
        """Answer a GET from one snapshot; 304 when the caller has it already."""
        with self.desk.database.reading() as session:
            visit, subject = self._visit(request, session, self._caller(request, session), writes=False)
            call = Call(visit, subject, None, query, request, self.desk)
            answer = self.door.work(call)
            if self.door.quick:
                self.desk.quick.learn(session, request, self.door.name, call.caller, partial(self.door.quick, call))
        tag = answer.headers.get("ETag") or tag_of(answer.content)
        headers = {**answer.headers, "ETag": tag, **(OPENLY if self.door.policy.public else {"Vary": VARIES})}
        if is_known(tag, tags_of(",".join(request.headers.getlist("if-none-match")))):
            return Response(status_code=304, headers=headers)
        _noted(request).accesses = self._accesses(call, answer)
        return Response(answer.content, answer.status, headers, answer.media_type)

    def write(self, request: Request, body: Any) -> Response:
        """Do it; again where it was rolled back only because it and another write waited for each other."""
        for _ in range(TRIES - 1):
            with suppress(Entangled):
                return self._write(request, body)
        return self._write(request, body)

    def _write(self, request: Request, body: Any) -> Response:
        """Do it once: the effect, the idempotency key and the answer are committed together, then sent."""
        patience_s = _noted(request).waits_until - time.monotonic()
        with self.desk.database.writing(patience_s=max(patience_s, 0)) as session:
            caller = self._caller(request, session)
            # The key is taken before the gate locks the case: a second try waits for the first one's key alone.
            kept = self._claim(request, session, caller)
            keep_views(session, self.desk.now(), caller.account_id)
            visit, subject = self._visit(request, session, caller, writes=True)
            call = Call(visit, subject, body, None, request, self.desk, _noted(request).prepared)
            answer = self._once(request, call, kept)
            record(session, self._accesses(call, answer))
        return Response(answer.content, answer.status, answer.headers, answer.media_type)

    def _claim(self, request: Request, session: Session, caller: Caller) -> KeptAnswer | None:
        key = self._idempotency_key(request)
        return claim(session, caller.account_id, key, _asked(request), self.desk.now()) if key else None

    def _idempotency_key(self, request: Request) -> str | None:
        """The key under which the answer is kept: with an account, so that strangers share none."""
        return None if self.door.policy.public else request.headers.get("idempotency-key")

    def _once(self, request: Request, call: Call, kept: KeptAnswer | None) -> Answer:
        if kept is not None:
            kept.require_same(_asked(request))
            if self.door.secret is None:
                return self._replayed(call, kept)
            if self.door.secret is Secret.REFUSE:
                raise SecretNotKept
        answer = self.door.work(call)
        key = self._idempotency_key(request)
        if key:
            told = {} if self.door.secret else answer.headers
            content = b"" if self.door.secret else answer.content
            keep(call.session, call.caller.account_id, key, answer.status, told, content, call.logged)
        return answer

    def _replayed(self, call: Call, kept: KeptAnswer) -> Answer:
        """The first answer again, as far as the caller may still have it. Raises: NotFound, Forbidden."""
        case = call.visit.params["ref"] if self.door.policy.view else _case_at(kept.headers.get("Location", ""))
        if case is not None:
            require_work_view(call.visit, case)
        content = still_seen(call.visit, kept.body)
        call.logged.extend((Logged(kind), tuple(subjects)) for kind, subjects in kept.logged)
        return Answer(content, kept.status, {**kept.headers, "Idempotency-Replayed": "true"})


def _case_at(location: str) -> str | None:
    """The reference of the case that was made at a location; None where something else was."""
    _, found, reference = location.partition("/v1/cases/")
    return reference if found else None


OPENLY = {"Vary": "Accept", "Cache-Control": "public, no-cache"}
"""What is published may be kept by caches, but is asked for anew each time: it may come down at any moment."""


def _asked(request: Request) -> bytes:
    raw: bytes = getattr(request, "_body", b"")
    return fingerprint(request.method, request.scope["path"], raw)


EXPORTS = {"text/csv", "application/x-ndjson"}
_SUBJECT = re.compile(rf"{CASE_REFERENCE}|^[0-9a-f]{{8}}(-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}\Z")


def _subjects(params: dict[str, str]) -> tuple[str, ...]:
    """What the path names by reference or id; whatever else stands there is not ours, and may be anything."""
    return tuple(value for value in params.values() if _SUBJECT.fullmatch(value))


def _endpoint(door: Door, desk: Desk) -> Callable[..., Response]:
    """A plain function with the signature that FastAPI reads: what the path, query, headers and body hold."""
    entry = _Entry(door, desk)

    def endpoint(request: Request, **said: Any) -> Response:
        if door.writes:
            return entry.write(request, said.get("body"))
        return entry.read(request, said.get("query"))

    parameters: dict[str, Any] = {"request": Request}
    if not door.policy.public:
        parameters["credentials"] = Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]
    parameters |= {name: Annotated[str, Path(**PATH[name])] for name in door.names}
    if door.query:
        parameters["query"] = Annotated[door.query, Query()]
    if door.current:
        parameters["if_match"] = Annotated[str | None, IF_MATCH]
    if door.writes and not door.policy.public:
        parameters["idempotency_key"] = Annotated[str | None, IDEMPOTENCY_KEY]
    if not door.writes:
        parameters["if_none_match"] = Annotated[str | None, IF_NONE_MATCH]
    if door.takes:
        parameters["body"] = Annotated[door.takes, Body()]
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
PATH: dict[str, dict[str, Any]] = {
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
