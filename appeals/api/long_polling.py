"""Long polls and streams. Waiting for changes takes neither a thread nor a database connection.

One query each tenth of a second checks for changes, for all who wait in this process. After a change each of them reads
again, on the fast path if there is a plan.
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
"""Seconds for which a result is shared with others who wait at the same position; then their access is
checked again.
"""


class ChangeWatcher:
    """Watches the head of the feed while somebody waits. `is_stopped` is set when the server ends."""

    def __init__(self, reader: RawReader) -> None:
        self._reader = reader
        self._head: list[FetchedRow] | None = None
        self._waiting = 0
        self._watch: asyncio.Task[None] | None = None
        self.moved = asyncio.Event()
        """Set at the next change; take it before you ask what is new."""
        self.is_stopped = False

    def stop(self) -> None:
        """Wake up all who wait, since the server ends."""
        self.is_stopped = True
        self.moved.set()

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Set `moved` at every change, as long as the context is open."""
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
    """Wait for a change, at most so many seconds."""
    with suppress(TimeoutError):
        await asyncio.wait_for(moved.wait(), max(seconds, 0))


Poll = Callable[[], Awaitable[tuple[Response, bool]]]
"""Reads once, and returns the answer and whether it contains news."""


async def poll_until_news(request: Request, watcher: ChangeWatcher, poll: Poll, seconds: float) -> Response:
    """Return the first answer with news, or the last one when the time is over, the server ends or the client
    has left.
    """
    try:
        async with watcher.watching(), anyio.create_task_group() as tasks:
            tasks.start_soon(_cancel_when_disconnected, request, tasks.cancel_scope)
            response = await _poll_in_turn(watcher, poll, anyio.current_time() + seconds)
            tasks.cancel_scope.cancel()
            return response
    except ExceptionGroup as failures:  # a refusal of the read, which is answered as any other
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
    """A read for all who wait at one position with one key: its plan, its start and its result."""

    plan: CachedPlan
    begun: float
    result: "asyncio.Future[ReadResult | None]"


class SharedReads:
    """Shares one read of the changes after a position among all streams with the same key."""

    def __init__(self, fast_reads: FastReads) -> None:
        self._fast_reads = fast_reads
        self._moved: asyncio.Event | None = None
        self._reads: dict[tuple[object, ...], _SharedRead] = {}

    async def after(self, request: Request, place: str, moved: asyncio.Event) -> ReadResult | None:
        """Return the events after a position; None if the route must read them."""
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
