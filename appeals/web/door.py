"""Doors: the one mechanism behind every route that asks for a key.

A door says where it stands, who may pass (its gate), what it takes and gives. The order of refusals is kept here:
401 → 404 → 403 → 422 → 428 → 412 → 409. Every write is one transaction that holds its effect, its idempotency key
and the very bytes of its answer.
"""

import hashlib
import inspect
import re
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Annotated, Any, get_origin
from urllib.parse import unquote_to_bytes

from anyio import CapacityLimiter
from fastapi import Body, Depends, FastAPI, Header, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.routing import APIRoute
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from appeals.case import Case
from appeals.database import Database, Entangled
from appeals.errors import Fault, Invalid, NotFound, NotJson, PreconditionRequired, Stale, TooLarge
from appeals.idempotency import KeptAnswer, claim, fingerprint, keep
from appeals.network import Caller, authenticate
from appeals.step_input import REFERENCE
from appeals.web import body as body_reading
from appeals.web.body import clean
from appeals.web.problems import MEDIA_TYPE

Params = dict[str, str]
TRIES = 3
BEARER = HTTPBearer(auto_error=False, description="A key: `ua_<id>_<secret><checksum>`.")


@dataclass(frozen=True)
class Desk:
    """What every door works with. Writes take `turns`: as many at once as the database takes, the others in a queue
    in the order they came, where they keep no thread from those who read.
    """

    database: Database
    pepper: bytes
    body_limit: int
    turns: CapacityLimiter

    def now(self) -> datetime:
        """The server's time."""
        return datetime.now(UTC)


@dataclass(frozen=True)
class Visit:
    """Who stands at the door, in which transaction, and what the path names."""

    session: Session
    caller: Caller
    params: Params
    now: datetime
    writes: bool


Gate = Callable[[Visit], Any]
"""Lets a caller pass and returns what the door is about. Raises: NotFound, Forbidden."""


@dataclass(frozen=True)
class Call:
    """One call that has passed the gate."""

    visit: Visit
    subject: Any
    body: Any
    query: Any
    request: Request
    desk: Desk

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
        current = re.compile(rf'"{case.version}-[0-9]+[a-z]*"')
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


def rendered(output: BaseModel, status: int = 200, **headers: str) -> Answer:
    """A wire form as an answer. Header names are written with underscores."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(output.model_dump_json().encode(), status, named)


@dataclass(frozen=True)
class Door:
    """A route: method and path, its gate, what it does, what it takes and gives.

    `current` says that it needs If-Match, `forbids` that its gate may answer 403; `headers` are those of its answer.
    """

    method: str
    path: str
    name: str
    summary: str
    gate: Gate
    work: Callable[[Call], Answer]
    gives: type[BaseModel]
    status: int = 200
    takes: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    current: bool = False
    forbids: bool = True
    as_table: bool = False
    headers: tuple[str, ...] = ()
    tag: str = "cases"

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
        told = {401, 422, 503}
        told |= {404} if self.names else set()
        told |= {403} if self.forbids else set()
        told |= {409, 413, 415} if self.writes else {304}
        told |= {412, 428} if self.current else set()
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
    content: dict[str, Any] = {"application/json": {}}
    if door.as_table:
        content |= {
            "text/csv": {"schema": {"type": "string"}},
            "application/x-ndjson": {"schema": {"type": "string"}},
        }
    headers = _headers(*door.headers, *(() if door.writes else ("ETag",)), *(("Link",) if door.as_table else ()))
    done = {"model": door.gives, "description": door.summary, "content": content, "headers": headers}
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
REFUSAL_HEADERS = {304: ("ETag",), 401: ("WWW-Authenticate",), 503: ("Retry-After",)}
REFUSALS = {
    304: "Nothing new since the ETag in If-None-Match.",
    401: "No key, or a dead one.",
    403: "Your roles do not allow this here.",
    404: "There is nothing here that you may see.",
    409: "The state, a guard or a rule says no; `unmet` says which.",
    412: "The case has changed since you read it.",
    413: "The body is too large.",
    415: "The body is not said to be JSON.",
    422: "The input does not fit; `errors` says where.",
    428: "Send If-Match.",
    503: "Busy; nothing was changed, try again.",
}


class DoorRoute(APIRoute):
    """A route that reads the body strictly, and asks the gate first when the input does not fit."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, with the order of refusals kept: whoever may not pass learns nothing of the form."""
        ordinary = super().get_route_handler()
        entry: _Entry = getattr(self.endpoint, "entry")  # noqa: B009 - a function has no typed attributes

        async def handle(request: Request) -> Response:
            try:
                _read_query(request, entry.door)
                if entry.door.takes:
                    await body_reading.read(request, entry.desk.body_limit)
                if not entry.door.writes:
                    return await ordinary(request)
                # Nobody unknown stands in the queue of those who write.
                await run_in_threadpool(entry.know_caller, request)
                async with entry.desk.turns:
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


@dataclass(frozen=True)
class _Entry:
    """A door and the desk behind it: what runs when somebody calls."""

    door: Door
    desk: Desk

    def know_caller(self, request: Request) -> None:
        """Only see who calls. Raises: Unauthenticated."""
        with self.desk.database.reading() as session:
            self._caller(request, session)

    def pass_gate(self, request: Request) -> None:
        """Only see whether the caller may pass. Raises: Unauthenticated, NotFound, Forbidden."""
        with self.desk.database.reading() as session:
            self._visit(request, session, self._caller(request, session), writes=False)

    def _caller(self, request: Request, session: Session) -> Caller:
        return authenticate(session, _key(request), self.desk.pepper, self.desk.now())

    def _visit(self, request: Request, session: Session, caller: Caller, *, writes: bool) -> tuple[Visit, Any]:
        visit = Visit(session, caller, dict(request.path_params), self.desk.now(), writes)
        subject = self.door.gate(visit)
        # Who waited at the gate for another's write acts after it: its time is taken then.
        return replace(visit, now=self.desk.now()), subject

    def read(self, request: Request, query: Any) -> Response:
        """Answer a GET from one snapshot; 304 when the caller has it already."""
        with self.desk.database.reading() as session:
            visit, subject = self._visit(request, session, self._caller(request, session), writes=False)
            answer = self.door.work(Call(visit, subject, None, query, request, self.desk))
        tag = answer.headers.get("ETag") or f'"{hashlib.sha256(answer.content).hexdigest()[:32]}"'
        headers = {**answer.headers, "ETag": tag, "Vary": "Accept, Authorization"}
        known = [told.removeprefix("W/") for told in _listed(request, "if-none-match")]
        if tag in known or known == ["*"]:
            return Response(status_code=304, headers=headers)
        return Response(answer.content, answer.status, headers, answer.media_type)

    def write(self, request: Request, body: Any) -> Response:
        """Do it; again where it was rolled back only because it and another write waited for each other."""
        for _ in range(TRIES - 1):
            with suppress(Entangled):
                return self._write(request, body)
        return self._write(request, body)

    def _write(self, request: Request, body: Any) -> Response:
        """Do it once: the effect, the idempotency key and the answer are committed together, then sent."""
        with self.desk.database.writing() as session:
            caller = self._caller(request, session)
            # The key is taken before the gate locks the case: a second try waits for the first one's key alone.
            kept = self._claim(request, session, caller)
            visit, subject = self._visit(request, session, caller, writes=True)
            answer = self._once(request, Call(visit, subject, body, None, request, self.desk), kept)
        return Response(answer.content, answer.status, answer.headers, answer.media_type)

    def _claim(self, request: Request, session: Session, caller: Caller) -> KeptAnswer | None:
        key = request.headers.get("idempotency-key")
        return claim(session, caller.account_id, key, _asked(request), self.desk.now()) if key else None

    def _once(self, request: Request, call: Call, kept: KeptAnswer | None) -> Answer:
        if kept is not None:
            kept.require_same(_asked(request))
            return Answer(kept.body, kept.status, {**kept.headers, "Idempotency-Replayed": "true"})
        answer = self.door.work(call)
        key = request.headers.get("idempotency-key")
        if key:
            keep(call.session, call.caller.account_id, key, answer.status, answer.headers, answer.content)
        return answer


def _asked(request: Request) -> bytes:
    raw: bytes = getattr(request, "_body", b"")
    return fingerprint(request.method, request.scope["path"], raw)


def _key(request: Request) -> str | None:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" and key.isprintable() else None


def _endpoint(door: Door, desk: Desk) -> Callable[..., Response]:
    """A plain function with the signature that FastAPI reads: what the path, query, headers and body hold."""
    entry = _Entry(door, desk)

    def endpoint(request: Request, **said: Any) -> Response:
        if door.writes:
            return entry.write(request, said.get("body"))
        return entry.read(request, said.get("query"))

    parameters = {
        "request": Request,
        "credentials": Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)],
    }
    parameters |= {name: Annotated[str, Path(**PATH[name])] for name in door.names}
    if door.query:
        parameters["query"] = Annotated[door.query, Query()]
    if door.current:
        parameters["if_match"] = Annotated[str | None, IF_MATCH]
    if door.writes:
        parameters["idempotency_key"] = Annotated[str | None, IDEMPOTENCY_KEY]
    else:
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
    "ref": {"json_schema_extra": {"pattern": REFERENCE}, "description": "The reference of a case."},
    "id": {"json_schema_extra": {"pattern": _UUID}, "description": "The id of a record."},
    "name": {
        "json_schema_extra": {"pattern": "^[a-z]+(-[a-z]+)*$"},
        "description": "The name of a code list.",
    },
}


def one_of(params: Params, name: str, pattern: str) -> str:
    """A part of the path that has the right form. Raises: NotFound, as for one that does not exist."""
    if not re.fullmatch(pattern, params[name]):
        raise NotFound
    return params[name]
