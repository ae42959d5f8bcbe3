"""Routes of the change feed: a page of changes, with long polling, and a stream of server-sent events."""

import json
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Depends, Query, Request, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from sqlalchemy import select
from starlette.concurrency import run_in_threadpool

from appeals.api.context import context_of
from appeals.api.dependencies import Read
from appeals.api.fast_reads import response_of
from appeals.api.long_polling import poll_until_news, wait_for
from appeals.api.openapi import with_headers
from appeals.api.prepared_read import Parameters, PreparedRead, ReadParams, ReadResult, or_not_modified, tag_of
from appeals.api.routing import new_router
from appeals.api.snapshot import Snapshot
from appeals.api.transaction import ReadRequest
from appeals.database.failures import Unavailable
from appeals.database.raw_reads import FetchedRow
from appeals.errors import Refusal
from appeals.fields import Model
from appeals.read_models.change_feed import (
    FROM_START,
    Changes,
    FeedCursor,
    FeedPosition,
    FeedQuery,
    ReadRange,
    SinceCursor,
    changes_for,
    cursor_for,
    head_position,
    items_from,
    next_position,
    parameters,
    position_from,
)

EVENTS_AT_ONCE = 100
RECHECK_S = 15
"""Seconds after which a stream without changes checks its key again. FastAPI sends a ping as often."""
router = new_router("cases")


class StreamQuery(Model):
    """The cursor to start from. The header Last-Event-ID, sent after a broken connection, has precedence."""

    since: SinceCursor = None


@router.get("/v1/changes", response_model=Changes, responses=with_headers(200, "ETag", "Link"))
async def list_changes(request: Request, query: Annotated[FeedQuery, Query()], read: Read) -> Response:
    """What changed of the cases you may see, in the order of commits.

    Read from the cursor of the answer before, and keep the answer's `next`. A removal tells that you may not see a
    case any more.
    """
    context = context_of(request)

    async def poll() -> tuple[Response, bool]:
        result = await context.fast_reads.poll(request.scope)
        if result is not None:
            return response_of(result), result.content is not None and result.is_news
        return await run_in_threadpool(changes_page, read, query)

    if query.wait:
        return await poll_until_news(request, context.changes, poll, query.wait)
    response, _ = await run_in_threadpool(changes_page, read, query)
    return response


def changes_page(read: ReadRequest, query: FeedQuery) -> tuple[Response, bool]:
    """Return a page, and whether it contains changes."""
    with read.snapshot() as tx:
        result = tx.read(changes_read(tx, query), query.since or "")
        response = tx.send(result)
        return response, response.status_code == 200 and result.is_news


def changes_read(tx: Snapshot, query: FeedQuery) -> PreparedRead:
    """Return the prepared read of a page after any cursor."""
    cursors = cursor_for(tx.session, tx.caller, tx.context.pepper)

    def render(rows: Sequence[FetchedRow], params: ReadParams) -> ReadResult:
        changes = [row[2:] for row in rows if row[2] is not None]
        content, tag, headers = _page(cursors, query, _range_read(cursors, params), changes, rows[0][:2])
        return or_not_modified(ReadResult(content, tag, headers, is_news=bool(changes)), params)

    statement = changes_for(tx.caller, FROM_START, query.limit)
    return PreparedRead(statement, _after(cursors), render, head_position(), waits=query.wait > 0)


def _page(
    cursors: FeedCursor, query: FeedQuery, read: ReadRange, rows: Sequence[FetchedRow], head: Sequence[int | None]
) -> tuple[bytes, str, dict[str, str]]:
    """Return a page as JSON, its tag, and its headers.

    The tag covers the items and not the cursor after them, which is encrypted differently each time; so it is weak. If
    there are no items, the cursor is also in a header; a caller that uses it is answered faster next time.
    """
    items = b",".join(items_from(rows, query.limit))
    cursor = cursors.encode(_read_on(read, next_position(rows, query.limit, head), head))
    params = urlencode(query.model_dump(include={"limit", "wait"}, exclude_unset=True) | {"since": cursor})
    content = b'{"items":[%s],"next":%s}' % (items, json.dumps(cursor).encode())
    return content, f"W/{tag_of(items)}", {"Link": f'</v1/changes?{params}>; rel="next"'}


def _range_read(cursors: FeedCursor, params: ReadParams) -> ReadRange:
    return cursors.decode(params.cursor) if params.cursor else FROM_START


def _read_on(read: ReadRange, after: FeedPosition, head: Sequence[int | None]) -> ReadRange:
    """Return how far a page has read. A caller who just began starts at the end of the feed."""
    return ReadRange(after, position_from(head) if read is FROM_START else read.began)


def _after(cursors: FeedCursor) -> Callable[[ReadParams], Parameters]:
    return lambda params: parameters(_range_read(cursors, params))


def stream_start(request: Request, query: Annotated[StreamQuery, Query()], read: Read) -> str:
    """Return the cursor at which a stream starts: the end of the feed, unless another is given.

    It is a dependency, because nothing can be refused once a stream has begun. Raises: Invalid, CursorExpired.
    """
    with read.snapshot() as tx:
        cursors = cursor_for(tx.session, tx.caller, tx.context.pepper)
        since = request.headers.get("last-event-id") or query.since
        if since:
            cursors.decode(since)
            return since
        head = position_from(tx.session.execute(select(*head_position())).one())
        return cursors.encode(ReadRange(head, head))


@router.get("/v1/changes/stream", response_class=EventSourceResponse, responses=with_headers(200))
async def stream_changes(
    request: Request, start: Annotated[str, Depends(stream_start)], read: Read
) -> AsyncIterator[ServerSentEvent]:
    """The same as server-sent events, as it happens.

    The stream stays open and sends an event for each change. The first event is `begin`,
    with the cursor of the start as its id. After a break, send the last id as `Last-Event-ID` or `since`.
    """
    context, place = context_of(request), start
    yield ServerSentEvent(event="begin", raw_data="{}", id=place)
    async with context.changes.watching():
        while not context.changes.is_stopped:
            moved = context.changes.moved
            result = await context.shared_reads.after(request, place, moved)
            try:
                if result is None:
                    result = await run_in_threadpool(events_after, read, place)
            except (Refusal, Unavailable):  # the caller may no longer read the feed
                return
            for event_id, data in result.events:
                yield ServerSentEvent(event="change", raw_data=data.decode(), id=event_id)
            place = result.tag
            if not result.events:
                await wait_for(moved, RECHECK_S)


def events_after(read: ReadRequest, place: str) -> ReadResult:
    """Return the events after a cursor."""
    with read.snapshot() as tx:
        return tx.read(events_read(tx), place)


def events_read(tx: Snapshot) -> PreparedRead:
    """Return the prepared read of the events after any cursor. The tag of its result is the cursor after them."""
    cursors = cursor_for(tx.session, tx.caller, tx.context.pepper)

    def render(rows: Sequence[FetchedRow], params: ReadParams) -> ReadResult:
        changes, began = [row[2:] for row in rows if row[2] is not None], _range_read(cursors, params).began
        items = zip(changes, items_from(changes, EVENTS_AT_ONCE), strict=False)
        events = tuple((cursors.encode(ReadRange((row[0], row[1]), began)), item) for row, item in items)
        place = cursors.encode(ReadRange(next_position(changes, EVENTS_AT_ONCE, rows[0][:2]), began))
        return ReadResult(b"", place, events=events)

    statement = changes_for(tx.caller, FROM_START, EVENTS_AT_ONCE)
    return PreparedRead(statement, _after(cursors), render, head_position(), waits=True)
