"""The route class of all routes: what happens before FastAPI reads the input, and after a route has answered.

It keeps the order of refusals: 401 → 404 → 403 → 422 → 428 → 412 → 409. A route is an ordinary FastAPI route. Its
function has the name of its operation, of its policy (`permissions.py`) and of its operationId. Its docstring is the
summary and the description in the OpenAPI document.
"""

import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any, get_origin
from urllib.parse import unquote_to_bytes

import anyio
from fastapi import APIRouter, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from appeals.accounts.authentication import expire_keys_and_proposals
from appeals.accounts.caller import Caller
from appeals.api import request_body
from appeals.api.context import context_of
from appeals.api.openapi import Responses, header_refs, refusal_responses
from appeals.api.permissions import Policy, policy_of
from appeals.api.prepared_read import VARY
from appeals.api.request_body import ANONYMOUS_LIMIT, clean
from appeals.api.request_log import note_denial, state_of, write_noted_events
from appeals.api.transaction import Access, Replayed
from appeals.database.engine import MAX_TRIES
from appeals.database.failures import Busy, Deadlock
from appeals.errors import FieldError, Forbidden, Invalid, KeyEnded, NotFound, NotJson, TooLarge, Unauthenticated
from appeals.json_types import JsonObject

Handler = Callable[[Request], Coroutine[object, object, Response]]


class Route(APIRoute):
    """A route that checks 401 and the body first, then calls FastAPI; if the input is not valid, it checks 404 and 403
    first.

    No answer is sent before it is on the access log. Raises MissingPolicy if no policy has the name of the route.
    """

    def __init__(self, path: str, endpoint: Callable[..., object], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        calls: Iterator[object] = (inner.call for inner in self.dependant.dependencies)
        self.access: Access = next(call for call in calls if isinstance(call, Access))
        (self.method,) = self.methods or {"GET"}
        self.writes = self.method != "GET"
        self.query_model = _model(_query_types(self.dependant))
        self.body_model = _model(field.field_info.annotation for field in self.dependant.body_params)
        if options.get("summary") is None:
            self.summary, _, self.description = (text.strip() for text in self.description.partition("\n"))
        self.responses = refusal_responses(self.refusals) | self._success(self.responses)

    @property
    def policy(self) -> Policy:
        """Its line in the permissions."""
        return policy_of(self.name)

    @property
    def refusals(self) -> list[int]:
        """The statuses of all refusals of this route."""
        statuses = {422, 429, 503, 507} if self.policy.public else {401, 422, 429, 503, 507}
        statuses |= {404} if self.param_convertors or "Location" in self._declared_headers else set()
        statuses |= {403} if self.policy.forbids else set()
        statuses |= {413, 415} if self.writes else {304}
        statuses |= {409} if self.writes and not self.policy.public else set()
        statuses |= {412, 428} if self.access.needs_if_match else set()
        statuses |= {410} if self.query_model and "since" in self.query_model.model_fields else set()
        return sorted(statuses)

    @property
    def _declared_headers(self) -> JsonObject:
        headers: JsonObject = self.responses.get(self.status_code or 200, {}).get("headers", {})
        return headers

    def _success(self, declared: Responses) -> Responses:
        """Return the successful answer as declared, with the headers that every answer has."""
        status = self.status_code or 200
        self.response_description = self.summary or ""
        usual = header_refs() if self.writes else header_refs("ETag")
        return {status: {**declared.get(status, {}), "headers": usual | self._declared_headers}}

    def get_route_handler(self) -> Handler:
        """Return the handler, which keeps the order of refusals: callers who may not pass learn nothing of the input's
        form.
        """
        handle = super().get_route_handler()

        async def handle_in_order(request: Request) -> Response:
            try:
                response = await self._handle(request, handle)
            except (Unauthenticated, NotFound, Forbidden) as refusal:
                if isinstance(refusal, KeyEnded):
                    await _expire(request)
                note_denial(request, refusal)
                await write_noted_events(request)
                raise
            await write_noted_events(request)
            return response

        return handle_in_order

    async def _handle(self, request: Request, handle: Handler) -> Response:
        if not self.policy.public:
            _require_caller(request)
        try:
            _check_query(request, self.query_model)
            if self.body_model:
                await request_body.read(request, self._body_limit(request))
            return await (self._write(request, handle) if self.writes else self._read(request, handle))
        except (RequestValidationError, Invalid, TooLarge, NotJson):
            await run_in_threadpool(self.access.require, request)
            raise

    def _body_limit(self, request: Request) -> int:
        """Return the largest body that is read, in bytes."""
        limit = context_of(request).body_limit
        return min(limit, ANONYMOUS_LIMIT) if self.policy.public else limit

    async def _read(self, request: Request, handle: Handler) -> Response:
        response = await handle(request)
        if self.is_sse_stream:
            response.headers.update({"Cache-Control": "no-store", "Vary": VARY})
        return response

    async def _write(self, request: Request, handle: Handler) -> Response:
        """Run a write in its turn, and again if it failed only by a deadlock with another write."""
        waits_until = time.monotonic() + context_of(request).database.lock_timeout_s
        await write_noted_events(request)
        if self.body_model and self.access.prepare:
            await run_in_threadpool(self.access.prepare_write, request)
        async with _write_turn(request, waits_until):
            try:
                for _ in range(MAX_TRIES - 1):
                    with suppress(Deadlock):
                        return await handle(request)
                return await handle(request)
            except Replayed as replayed:
                return replayed.response


def new_router(tag: str) -> APIRouter:
    """Return a router for the routes of one subject. The name of a function is the operationId."""
    return APIRouter(
        route_class=Route,
        tags=[tag],
        generate_unique_id_function=lambda route: route.name,
    )


def _require_caller(request: Request) -> None:
    """Check that a live key was sent, before anything else is read. Raises: Unauthenticated."""
    caller: Caller | Unauthenticated = request.state.caller
    if isinstance(caller, Unauthenticated):
        raise caller
    state_of(request).caller = caller


@asynccontextmanager
async def _write_turn(request: Request, waits_until: float) -> AsyncIterator[None]:
    """Wait for a turn in the queue of writes, until `waits_until`, which also limits the locks after it.

    Raises: Busy.
    """
    state_of(request).waits_until, queue = waits_until, context_of(request).write_queue
    try:
        with anyio.fail_after(waits_until - time.monotonic()):
            await queue.acquire()
    except TimeoutError:
        raise Busy from None
    try:
        yield
    finally:
        queue.release()


async def _expire(request: Request) -> None:
    """Record that a key has expired, so that it stays ended even if the clock is set back."""
    context = context_of(request)

    def expire() -> None:
        with context.database.writing() as session:
            expire_keys_and_proposals(session, context.callers.latest_time(context.now()))

    async with _write_turn(request, time.monotonic() + context.database.lock_timeout_s):
        await run_in_threadpool(expire)


def _query_types(dependant: Dependant) -> Iterator[object]:
    yield from (field.field_info.annotation for field in dependant.query_params)
    for inner in dependant.dependencies:
        yield from _query_types(inner)


def _model(types: Iterator[object]) -> type[BaseModel] | None:
    return next((kind for kind in types if isinstance(kind, type) and issubclass(kind, BaseModel)), None)


def _check_query(request: Request, query_model: type[BaseModel] | None) -> None:
    """Refuse parameters that would be ignored, and texts that no database stores. Raises: Invalid."""
    params = request.query_params.multi_items()
    if not params:
        return
    if query_model is None:
        raise Invalid([FieldError("?", "has parameters, but this operation takes none")])
    if not _is_utf_8(request.scope["query_string"]) or not all(clean(text) for pair in params for text in pair):
        raise Invalid([FieldError("?", "contains a character that is not allowed")])
    single = {name for name, info in query_model.model_fields.items() if get_origin(info.annotation) is not list}
    names = [name for name, _ in params]
    repeated = sorted(name for name in single if names.count(name) > 1)
    if repeated:
        raise Invalid([FieldError(f"?{name}", "is given more than once") for name in repeated])


def _is_utf_8(query: bytes) -> bool:
    try:
        unquote_to_bytes(query).decode()
    except UnicodeDecodeError:
        return False
    return True
