"""Waiting for what is new: long polls and streams. They take no thread and no connection while they wait.

One question in a tenth of a second, for all who wait in this process, tells whether anything has changed; then each
asks anew, the quick way. Who waits is let in by the operation like everybody else, and again whenever the network
changed.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import anyio
from sqlalchemy import select
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from appeals.api.fast_reads import CachedPlan, FastReads, ReadParams, ReadResult, asgi_messages, read_params
from appeals.database.raw_reads import RawReader, ReadUnavailable
from appeals.errors import CursorExpired, Invalid
from appeals.read_models.change_feed import head_position

POLL_INTERVAL_S = 0.1
KEEP_ALIVE_S = 15
MAX_REPLANS = 3
SHARED_FOR_S = 0.5
"""How long an answer is given to others who wait at the same place; then what they may see is asked anew."""
PAGE, STREAM = "/v1/changes", "/v1/changes/stream"
_WAIT = re.compile(rb"(?:^|&)wait=0*([1-9]|[12][0-9]|30)(?=&|$)")
_EMPTY_PAGE = b'{"items":[],'
_EVENT_ID = re.compile(rb"id: ([A-Za-z0-9_-]+)\n")


class ChangeWatcher:
    """Looks whether anything changed, while somebody waits."""

    def __init__(self, reader: RawReader) -> None:
        self._reader = reader
        self._head: Any = None
        self._moved = asyncio.Event()
        self._waiting = 0
        self._looking: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """While this lasts, `moved` tells."""
        self._waiting += 1
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        try:
            yield
        finally:
            self._waiting -= 1
            if not self._waiting and self._looking is not None:
                self._looking.cancel()
                self._looking = None

    def now(self) -> asyncio.Event:
        """What is set at the next move; to be taken before one asks what is new."""
        return self._moved

    async def _look(self) -> None:
        question = self._reader.compile(select(*head_position()))
        while True:
            with suppress(ReadUnavailable):
                found = await self._reader.fetch(question)
                if found != self._head:
                    self._head, moved, self._moved = found, self._moved, asyncio.Event()
                    moved.set()
            await asyncio.sleep(POLL_INTERVAL_S)


@dataclass(frozen=True)
class _SharedQuery:
    """A question that was put for all who wait at a place, by a plan, and when."""

    plan: CachedPlan
    begun: float
    answer: asyncio.Future[ReadResult | None]


@dataclass
class BufferedResponse:
    """An answer of the operations that was not sent on."""

    messages: list[Message] = field(default_factory=list)

    async def take(self, message: Message) -> None:
        self.messages.append(message)

    @property
    def status(self) -> int:
        return int(self.messages[0]["status"])

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages[1:])


class LongPollMiddleware:
    """Serves those who wait, and lets all else pass."""

    def __init__(self, app: ASGIApp, quick: FastReads) -> None:
        self.app, self._quick = app, quick
        self._watch = ChangeWatcher(quick.reader)
        self._since: asyncio.Event | None = None
        self._queries: dict[tuple[int, ...], _SharedQuery] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        serve = self._serves(scope)
        if serve is None:
            await self.app(scope, receive, send)
            return
        async with self._watch.watching(), anyio.create_task_group() as tasks:
            tasks.start_soon(_until_disconnected, receive, tasks.cancel_scope)
            await serve(scope, send)
            tasks.cancel_scope.cancel()

    def _serves(self, scope: Scope) -> Any:
        if scope["type"] != "http" or scope["method"] != "GET":
            return None
        if scope["path"] == STREAM:
            return self._stream
        return self._poll if scope["path"] == PAGE and _WAIT.search(scope["query_string"]) else None

    async def _call_app(self, scope: Scope) -> BufferedResponse:
        """What the operations answer."""
        buffered = BufferedResponse()
        await self.app(scope, _empty_body, buffered.take)
        return buffered

    async def _poll(self, scope: Scope, send: Send) -> None:
        waits = _WAIT.search(scope["query_string"])
        until = anyio.current_time() + int(waits[1] if waits else 0)
        buffered = await self._call_app(scope)
        while _is_empty(buffered) and (left := until - anyio.current_time()) > 0:
            moved = self._watch.now()
            found = await self._poll_again(scope)
            if found is not None:
                buffered.messages = found
            if _is_empty(buffered):
                try:
                    await _either(moved, left)
                except asyncio.CancelledError:  # the service ends: they are told that nothing was new
                    break
        for message in buffered.messages:
            await send(message)

    async def _poll_again(self, scope: Scope) -> list[Message]:
        """The same question once more: the quick way, or where that is not known, at the operation."""
        plan = self._quick.plan(scope)
        with suppress(ReadUnavailable, Invalid, CursorExpired):
            result = await self._quick.execute(plan, read_params(scope)) if plan else None
            if result is not None:
                return asgi_messages(result)
        return (await self._call_app(scope)).messages

    async def _shared_query(self, plan: CachedPlan, params: ReadParams, since: asyncio.Event) -> ReadResult | None:
        """What is answered now, asked once for all who wait at one place with one key."""
        if self._since is not since:
            self._since, self._queries = since, {}
        waits_at, now = (id(plan), *plan.parameters(params).values()), anyio.current_time()
        shared = self._queries.get(waits_at)
        if shared is None or shared.plan is not plan or now - shared.begun > SHARED_FOR_S:
            answer = asyncio.ensure_future(self._quick.execute(plan, params))
            shared = self._queries[waits_at] = _SharedQuery(plan, now, answer)
        return await asyncio.shield(shared.answer)

    async def _stream(self, scope: Scope, send: Send) -> None:
        buffered = await self._call_app(scope)
        began = _EVENT_ID.search(buffered.body)
        if buffered.status != 200 or began is None:
            for message in buffered.messages:
                await send(message)
            return
        await send(_without_length(buffered.messages[0]))
        await send({"type": "http.response.body", "body": buffered.body, "more_body": True})
        with suppress(
            ReadUnavailable, Invalid, CursorExpired, asyncio.CancelledError
        ):  # the last when the service ends
            await self._events(scope, began[1].decode(), send)
        await send({"type": "http.response.body", "body": b""})

    async def _events(self, scope: Scope, place: str, send: Send) -> None:
        """Send what happens from a place on, until the caller may no longer hear of it."""
        told_at, plan, again = anyio.current_time(), self._quick.plan(scope), 0
        while True:
            moved = self._watch.now()
            plan = plan if plan and self._quick.is_valid(plan) else None
            result = await self._shared_query(plan, ReadParams(cursor=place), moved) if plan else None
            if result is None:
                query = urlencode({"since": place}).encode()
                params = await self._call_app({**scope, "query_string": query, "headers": _without_place(scope)})
                plan, again = self._quick.plan(scope), again + 1
                # The first use of a key on a day is noted by the operation, which leaves no plan then.
                if params.status != 200 or again > MAX_REPLANS:
                    return
                continue
            again, place, silent = 0, result.tag, anyio.current_time() - told_at
            if result.content or silent >= KEEP_ALIVE_S:
                body = result.content or b": still here\n\n"
                await send({"type": "http.response.body", "body": body, "more_body": True})
                told_at, silent = anyio.current_time(), 0
            if not result.content:
                await _either(moved, KEEP_ALIVE_S - silent)


def _is_empty(buffered: BufferedResponse) -> bool:
    """Whether nothing is new: the caller has it, or there is nothing in it."""
    return buffered.status == 304 or (buffered.status == 200 and buffered.body.startswith(_EMPTY_PAGE))


def _without_length(start: Message) -> Message:
    left_out = (b"content-length", b"etag")
    return {**start, "headers": [header for header in start["headers"] if header[0] not in left_out]}


def _without_place(scope: Scope) -> list[tuple[bytes, bytes]]:
    return [header for header in scope["headers"] if header[0] != b"last-event-id"]


async def _either(moved: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(moved.wait(), max(seconds, 0))


async def _empty_body() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _until_disconnected(receive: Receive, serving: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    serving.cancel()
