"""Waiting for what is new: long polls and streams. They take no thread and no connection while they wait.

One question in a tenth of a second, for all who wait in this process, tells whether anything has changed; then each
asks anew, the quick way. Who waits is let in by the door like everybody else, and again whenever the network changed.
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

from appeals.errors import Gone, Invalid
from appeals.feed import head
from appeals.reader import Reader, Unreadable
from appeals.web.quick import Answered, Asked, Plan, Quick, answer_of, asked_in

EVERY_S = 0.1
STILL_HERE_S = 15
ASKED_AGAIN = 3
TOGETHER_S = 0.5
"""How long an answer is given to others who wait at the same place; then what they may see is asked anew."""
PAGE, STREAM = "/v1/changes", "/v1/changes/stream"
_WAIT = re.compile(rb"(?:^|&)wait=0*([1-9]|[12][0-9]|30)(?=&|$)")
_NOTHING = b'{"items":[],'
_PLACE = re.compile(rb"id: ([A-Za-z0-9_-]+)\n")


class Watch:
    """Looks whether anything changed, while somebody waits."""

    def __init__(self, reader: Reader) -> None:
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
        question = self._reader.written(select(*head()))
        while True:
            with suppress(Unreadable):
                found = await self._reader.answer(question)
                if found != self._head:
                    self._head, moved, self._moved = found, self._moved, asyncio.Event()
                    moved.set()
            await asyncio.sleep(EVERY_S)


@dataclass(frozen=True)
class _Asking:
    """A question that was put for all who wait at a place, by a plan, and when."""

    plan: Plan
    begun: float
    answer: asyncio.Future[Answered | None]


@dataclass
class _Caught:
    """An answer of the doors that was not sent on."""

    messages: list[Message] = field(default_factory=list)

    async def take(self, message: Message) -> None:
        self.messages.append(message)

    @property
    def status(self) -> int:
        return int(self.messages[0]["status"])

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages[1:])


class WaitingWay:
    """Serves those who wait, and lets all else pass."""

    def __init__(self, app: ASGIApp, quick: Quick) -> None:
        self.app, self._quick = app, quick
        self._watch = Watch(quick.reader)
        self._since: asyncio.Event | None = None
        self._asking: dict[tuple[int, ...], _Asking] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        serve = self._serves(scope)
        if serve is None:
            await self.app(scope, receive, send)
            return
        async with self._watch.watching(), anyio.create_task_group() as tasks:
            tasks.start_soon(_until_gone, receive, tasks.cancel_scope)
            await serve(scope, send)
            tasks.cancel_scope.cancel()

    def _serves(self, scope: Scope) -> Any:
        if scope["type"] != "http" or scope["method"] != "GET":
            return None
        if scope["path"] == STREAM:
            return self._stream
        return self._poll if scope["path"] == PAGE and _WAIT.search(scope["query_string"]) else None

    async def _ask(self, scope: Scope) -> _Caught:
        """What the doors answer."""
        caught = _Caught()
        await self.app(scope, _nothing_more, caught.take)
        return caught

    async def _poll(self, scope: Scope, send: Send) -> None:
        waits = _WAIT.search(scope["query_string"])
        until = anyio.current_time() + int(waits[1] if waits else 0)
        caught = await self._ask(scope)
        while _is_nothing(caught) and (left := until - anyio.current_time()) > 0:
            moved = self._watch.now()
            found = await self._again(scope)
            if found is not None:
                caught.messages = found
            if _is_nothing(caught):
                try:
                    await _either(moved, left)
                except asyncio.CancelledError:  # the service ends: they are told that nothing was new
                    break
        for message in caught.messages:
            await send(message)

    async def _again(self, scope: Scope) -> list[Message]:
        """The same question once more: the quick way, or where that is not known, at the door."""
        plan = self._quick.plan(scope)
        with suppress(Unreadable, Invalid, Gone):
            found = await self._quick.answered(plan, asked_in(scope)) if plan else None
            if found is not None:
                return answer_of(found)
        return (await self._ask(scope)).messages

    async def _together(self, plan: Plan, asked: Asked, since: asyncio.Event) -> Answered | None:
        """What is answered now, asked once for all who wait at one place with one key."""
        if self._since is not since:
            self._since, self._asking = since, {}
        waits_at, now = (id(plan), *plan.given(asked).values()), anyio.current_time()
        known = self._asking.get(waits_at)
        if known is None or known.plan is not plan or now - known.begun > TOGETHER_S:
            answer = asyncio.ensure_future(self._quick.answered(plan, asked))
            known = self._asking[waits_at] = _Asking(plan, now, answer)
        return await asyncio.shield(known.answer)

    async def _stream(self, scope: Scope, send: Send) -> None:
        caught = await self._ask(scope)
        began = _PLACE.search(caught.body)
        if caught.status != 200 or began is None:
            for message in caught.messages:
                await send(message)
            return
        await send(_without_length(caught.messages[0]))
        await send({"type": "http.response.body", "body": caught.body, "more_body": True})
        with suppress(Unreadable, Invalid, Gone, asyncio.CancelledError):  # the last when the service ends
            await self._events(scope, began[1].decode(), send)
        await send({"type": "http.response.body", "body": b""})

    async def _events(self, scope: Scope, place: str, send: Send) -> None:
        """Send what happens from a place on, until the caller may no longer hear of it."""
        told_at, plan, again = anyio.current_time(), self._quick.plan(scope), 0
        while True:
            moved = self._watch.now()
            plan = plan if plan and self._quick.is_good(plan) else None
            found = await self._together(plan, Asked(cursor=place), moved) if plan else None
            if found is None:
                query = urlencode({"since": place}).encode()
                asked = await self._ask({**scope, "query_string": query, "headers": _without_place(scope)})
                plan, again = self._quick.plan(scope), again + 1
                # The first use of a key on a day is noted by the door, which leaves no plan then.
                if asked.status != 200 or again > ASKED_AGAIN:
                    return
                continue
            again, place, silent = 0, found.tag, anyio.current_time() - told_at
            if found.content or silent >= STILL_HERE_S:
                body = found.content or b": still here\n\n"
                await send({"type": "http.response.body", "body": body, "more_body": True})
                told_at, silent = anyio.current_time(), 0
            if not found.content:
                await _either(moved, STILL_HERE_S - silent)


def _is_nothing(caught: _Caught) -> bool:
    """Whether nothing is new: the caller has it, or there is nothing in it."""
    return caught.status == 304 or (caught.status == 200 and caught.body.startswith(_NOTHING))


def _without_length(start: Message) -> Message:
    left_out = (b"content-length", b"etag")
    return {**start, "headers": [header for header in start["headers"] if header[0] not in left_out]}


def _without_place(scope: Scope) -> list[tuple[bytes, bytes]]:
    return [header for header in scope["headers"] if header[0] != b"last-event-id"]


async def _either(moved: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(moved.wait(), max(seconds, 0))


async def _nothing_more() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _until_gone(receive: Receive, serving: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    serving.cancel()
