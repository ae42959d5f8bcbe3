"""Long polls and streams: waiting for changes takes neither a thread nor a connection to the database.

One query each tenth of a second, for everybody who waits in this process, sees whether anything changed. Then each
asks again, by the fast path where that is known.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import anyio
from fastapi import Request, Response
from sqlalchemy import select

from appeals.api.fast_reads import CachedPlan, FastReads
from appeals.api.prepared_read import ReadParams, ReadResult
from appeals.database.raw_reads import FetchedRow, RawReader, ReadUnavailable
from appeals.errors import CursorExpired, Invalid
from appeals.read_models.change_feed import head_position

POLL_INTERVAL_S = 0.1
SHARED_FOR_S = 0.5
"""How long an answer is given to others who wait at the same place; then what they may see is asked anew."""


class ChangeWatcher:
    """Watches the head of the feed while somebody waits. `is_stopped` once the server was told to stop."""

    def __init__(self, reader: RawReader) -> None:
        self._reader = reader
        self._head: list[FetchedRow] | None = None
        self._waiting = 0
        self._watch: asyncio.Task[None] | None = None
        self.moved = asyncio.Event()
        """Set at the next change; take it before you ask what is new."""
        self.is_stopped = False

    def stop(self) -> None:
        """Let everybody go who waits."""
        self.is_stopped = True
        self.moved.set()

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """While this lasts, `moved` is set at every change."""
        self._waiting += 1
        if self._watch is None or self._watch.done():
            self._watch = asyncio.create_task(self._watch_head())
        try:
            yield
        finally:
            self._waiting -= 1
            if not self._waiting and self._watch is not None:
                self._watch.cancel()
                self._watch = None

    async def _watch_head(self) -> None:
        query = self._reader.compile(select(*head_position()))
        while not self.is_stopped:
            with suppress(ReadUnavailable):
                head = await self._reader.fetch(query)
                if head != self._head:
                    self._head, moved, self.moved = head, self.moved, asyncio.Event()
                    moved.set()
            await asyncio.sleep(POLL_INTERVAL_S)


async def wait_for(moved: asyncio.Event, seconds: float) -> None:
    """Return when something changed, or the time is over."""
    with suppress(TimeoutError):
        await asyncio.wait_for(moved.wait(), max(seconds, 0))


Poll = Callable[[], Awaitable[tuple[Response, bool]]]
"""Asks once: the answer, and whether there is news in it."""


async def poll_until_news(request: Request, watcher: ChangeWatcher, poll: Poll, seconds: float) -> Response:
    """The first answer with news, or the last one when the time is over, the server stops or the client has left."""
    try:
        async with watcher.watching(), anyio.create_task_group() as tasks:
            tasks.start_soon(_cancel_when_disconnected, request, tasks.cancel_scope)
            response = await _poll_in_turn(watcher, poll, anyio.current_time() + seconds)
            tasks.cancel_scope.cancel()
            return response
    except ExceptionGroup as failures:  # a refusal of the poll, which is answered as any other
        raise failures.exceptions[0] from None
    return Response()


async def _poll_in_turn(watcher: ChangeWatcher, poll: Poll, until: float) -> Response:
    while True:
        moved = watcher.moved
        response, is_news = await poll()
        left = until - anyio.current_time()
        if is_news or left <= 0 or watcher.is_stopped:
            return response
        await wait_for(moved, left)


async def _cancel_when_disconnected(request: Request, waiting: anyio.CancelScope) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    waiting.cancel()


@dataclass(frozen=True)
class _SharedRead:
    """A read for everybody who waits at one place with one key: by which plan, and since when."""

    plan: CachedPlan
    begun: float
    result: "asyncio.Future[ReadResult | None]"


class SharedReads:
    """What is new after a place is read once for everybody who streams from there with the same key."""

    def __init__(self, fast_reads: FastReads) -> None:
        self._fast_reads = fast_reads
        self._moved: asyncio.Event | None = None
        self._reads: dict[tuple[object, ...], _SharedRead] = {}

    async def after(self, request: Request, place: str, moved: asyncio.Event) -> ReadResult | None:
        """The events after a place; None where only the route can answer."""
        plan, params = self._fast_reads.plan(request.scope), ReadParams(cursor=place)
        if plan is None:
            return None
        with suppress(ReadUnavailable, Invalid, CursorExpired):
            return await asyncio.shield(self._shared(plan, params, moved).result)
        return None

    def _shared(self, plan: CachedPlan, params: ReadParams, moved: asyncio.Event) -> _SharedRead:
        if self._moved is not moved:
            self._moved, self._reads = moved, {}
        key, now = (id(plan), *plan.parameters(params).values()), anyio.current_time()
        shared = self._reads.get(key)
        if shared is None or shared.plan is not plan or now - shared.begun > SHARED_FOR_S:
            shared = _SharedRead(plan, now, asyncio.ensure_future(self._fast_reads.execute(plan, params)))
            self._reads[key] = shared
        return shared
