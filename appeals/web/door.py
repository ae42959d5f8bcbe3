"""Doors: the one mechanism behind every route that asks for a key.

A door says where it stands, who may pass (its gate), what it takes and gives. The order of refusals is kept here:
401 → 404 → 403 → 422 → 428 → 412 → 409. Every write is one transaction that holds its effect, its idempotency key
and the very bytes of its answer.
"""

import hashlib
import inspect
import re
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Body, Depends, FastAPI, Header, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.routing import APIRoute, APIRouter
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from appeals.case import Case
from appeals.database import Database
from appeals.errors import Fault, Invalid, NotFound, NotJson, PreconditionRequired, Stale, TooLarge
from appeals.idempotency import claim, fingerprint, keep
from appeals.network import Caller, authenticate
from appeals.step_input import REFERENCE
from appeals.web import body as body_reading
from appeals.web.body import clean
from appeals.web.problems import MEDIA_TYPE

Params = dict[str, str]
BEARER = HTTPBearer(auto_error=False, description="A key: `ua_<id>_<secret><checksum>`.")


@dataclass(frozen=True)
class Desk:
    """What every door works with."""

    database: Database
    pepper: bytes
    body_limit: int

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
        given = self.request.headers.get("if-match")
        if given is None:
            raise PreconditionRequired
        tags = [tag.strip() for tag in given.split(",")]
        if "*" not in tags and not any(tag.startswith(f'"{case.version}-') for tag in tags):
            raise Stale


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

    `current` says that it needs If-Match; `refuses` that it may answer 409.
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
    refuses: bool = False
    as_table: bool = False
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
        told = {401, 403, 404, 422, 503}
        told |= {409, 413, 415} if self.writes else {304}
        told |= {412, 428} if self.current else set()
        return sorted(told)


def hang(app: FastAPI, doors: list[Door], desk: Desk) -> None:
    """Make every door a route of the application."""
    router = APIRouter(route_class=DoorRoute)
    for door in doors:
        router.add_api_route(
            door.path,
            _endpoint(door, desk),
            methods=[door.method],
            name=door.name,
            operation_id=door.name,
            summary=door.summary,
            tags=[door.tag],
            status_code=door.status,
            response_class=Response,
            responses=_responses(door),
        )
    app.include_router(router)


def _responses(door: Door) -> dict[int | str, dict[str, Any]]:
    problem = {"content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    told: dict[int | str, dict[str, Any]] = {
        status: {"description": REFUSALS[status], **(problem if status != 304 else {})} for status in door.refusals
    }
    content: dict[str, Any] = {"application/json": {}}
    if door.as_table:
        content |= {
            "text/csv": {"schema": {"type": "string"}},
            "application/x-ndjson": {"schema": {"type": "string"}},
        }
    return {**told, door.status: {"model": door.gives, "description": door.summary, "content": content}}


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
                await body_reading.read(request, entry.desk.body_limit)
                return await ordinary(request)
            except (RequestValidationError, Invalid, TooLarge, NotJson):
                await run_in_threadpool(entry.pass_gate, request)
                raise

        return handle


def _read_query(request: Request, door: Door) -> None:
    """Refuse a parameter that would be ignored, and text no database keeps. Raises: Invalid."""
    given = request.query_params.multi_items()
    if given and door.query is None:
        raise Invalid([Fault("?", "takes no parameters")])
    if not all(clean(value) for _, value in given):
        raise Invalid([Fault("?", "holds a character that is not allowed")])


@dataclass(frozen=True)
class _Entry:
    """A door and the desk behind it: what runs when somebody calls."""

    door: Door
    desk: Desk

    def pass_gate(self, request: Request) -> None:
        """Only see whether the caller may pass. Raises: Unauthenticated, NotFound, Forbidden."""
        with self.desk.database.reading() as session:
            self._visit(request, session, writes=False)

    def _visit(self, request: Request, session: Session, *, writes: bool) -> tuple[Visit, Any]:
        now = self.desk.now()
        caller = authenticate(session, _key(request), self.desk.pepper, now)
        visit = Visit(session, caller, dict(request.path_params), now, writes)
        return visit, self.door.gate(visit)

    def read(self, request: Request, query: Any) -> Response:
        """Answer a GET from one snapshot; 304 when the caller has it already."""
        with self.desk.database.reading() as session:
            visit, subject = self._visit(request, session, writes=False)
            answer = self.door.work(Call(visit, subject, None, query, request, self.desk))
        tag = answer.headers.get("ETag") or f'"{hashlib.sha256(answer.content).hexdigest()[:32]}"'
        headers = {**answer.headers, "ETag": tag, "Vary": "Accept, Authorization"}
        known = [told.strip().removeprefix("W/") for told in request.headers.get("if-none-match", "").split(",")]
        if tag in known or "*" in known:
            return Response(status_code=304, headers=headers)
        return Response(answer.content, answer.status, headers, answer.media_type)

    def write(self, request: Request, body: Any) -> Response:
        """Do it once: the effect, the idempotency key and the answer are committed together, then sent."""
        with self.desk.database.writing() as session:
            visit, subject = self._visit(request, session, writes=True)
            answer = self._once(request, Call(visit, subject, body, None, request, self.desk))
        return Response(answer.content, answer.status, answer.headers, answer.media_type)

    def _once(self, request: Request, call: Call) -> Answer:
        key = request.headers.get("idempotency-key")
        if key is None:
            return self.door.work(call)
        raw: bytes = getattr(request, "_body", b"")
        asked = fingerprint(request.method, request.url.path, raw)
        kept = claim(call.session, call.caller.account_id, key, asked, call.now)
        if kept is not None:
            return Answer(kept.body, kept.status, {**kept.headers, "Idempotency-Replayed": "true"})
        answer = self.door.work(call)
        keep(call.session, call.caller.account_id, key, answer.status, answer.headers, answer.content)
        return answer


def _key(request: Request) -> str | None:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else None


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
