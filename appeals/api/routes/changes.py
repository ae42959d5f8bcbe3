"""Operations of the feed: a page of changes, and the same as a stream of events. Waiting is done in `waiting.py`."""

import json
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import select

from appeals.api.fast_reads import PreparedRead, ReadParams, ReadResult, or_not_modified, tag_of
from appeals.api.routing import Operation, RequestContext, Result
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

STREAM = "text/event-stream"
IN_A_CHUNK = 100


class StreamQuery(Model):
    """From which place on; the header Last-Event-ID, which comes when a connection broke, goes before it."""

    since: SinceCursor = None


def list_changes(call: RequestContext) -> Result:
    query: FeedQuery = call.query
    places, prepared = cursor_for(call.session, call.caller, call.context.pepper), prepare_changes(call)
    params = ReadParams(cursor=query.since or "")
    rows = call.session.execute(prepared.statement, prepared.parameters(params)).all()
    beside = call.session.execute(select(*prepared.snapshot_columns)).one()
    content, tag, headers = _page(places, query, _read(places, params), rows, (beside[0], beside[1]))
    return Result(content, headers={"ETag": tag, **headers})


def _page(
    places: FeedCursor, query: FeedQuery, reading: ReadRange, rows: Sequence[Any], now: tuple[int | None, int | None]
) -> tuple[bytes, str, dict[str, str]]:
    """A page as JSON, its tag, and its headers.

    The tag is that of what is told, not of the place after it, which is spelt otherwise each time: so it is weak. Where
    nothing is told, the place is in a header all the same, and who takes it is told the sooner the next time.
    """
    joined = b",".join(items_from(rows, query.limit))
    following = places.encode(_read_on(reading, next_position(rows, query.limit, now), now))
    params = urlencode(query.model_dump(include={"limit", "wait"}, exclude_unset=True) | {"since": following})
    content = b'{"items":[%s],"next":%s}' % (joined, json.dumps(following).encode())
    return content, f"W/{tag_of(joined)}", {"Link": f'</v1/changes?{params}>; rel="next"'}


def _read(places: FeedCursor, params: ReadParams) -> ReadRange:
    return places.decode(params.cursor) if params.cursor else FROM_START


def _read_on(reading: ReadRange, after: FeedPosition, now: tuple[int | None, int | None]) -> ReadRange:
    """Having read on; who had just begun began where the feed ends now."""
    return ReadRange(after, position_from(now) if reading is FROM_START else reading.began)


def prepare_changes(call: RequestContext) -> PreparedRead:
    """The same page from any place on."""
    query: FeedQuery = call.query
    places = cursor_for(call.session, call.caller, call.context.pepper)

    def make(rows: list[Any], params: ReadParams) -> ReadResult:
        found = [row[2:] for row in rows if row[2] is not None]
        content, tag, headers = _page(places, query, _read(places, params), found, rows[0][:2])
        return or_not_modified(content, tag, params, headers=headers)

    return PreparedRead(changes_for(call.caller, FROM_START, query.limit), _from(places), make, head_position())


def _from(places: FeedCursor) -> Callable[[ReadParams], dict[str, Any]]:
    return lambda params: parameters(_read(places, params))


def begin_stream(call: RequestContext) -> Result:
    """The first event: the place where the stream begins, which is now unless another is named."""
    places = cursor_for(call.session, call.caller, call.context.pepper)
    since = call.request.headers.get("last-event-id") or call.query.since
    if since:
        places.decode(since)
    else:
        end = position_from(call.session.execute(select(*head_position())).one())
        since = places.encode(ReadRange(end, end))
    return Result(event(since, b"begin", b"{}"), media_type=STREAM)


def prepare_stream(call: RequestContext) -> PreparedRead:
    """The events after any place; the tag of what is answered is the place after them."""
    places = cursor_for(call.session, call.caller, call.context.pepper)

    def make(rows: list[Any], params: ReadParams) -> ReadResult:
        found, began = [row[2:] for row in rows if row[2] is not None], _read(places, params).began
        told = zip(found, items_from(found, IN_A_CHUNK), strict=False)
        events = [event(places.encode(ReadRange((row[0], row[1]), began)), b"change", item) for row, item in told]
        return ReadResult(
            b"".join(events), places.encode(ReadRange(next_position(found, IN_A_CHUNK, rows[0][:2]), began))
        )

    return PreparedRead(
        changes_for(call.caller, FROM_START, IN_A_CHUNK), _from(places), make, head_position(), streams=True
    )


def event(place: str, name: bytes, data: bytes) -> bytes:
    """A server-sent event (HTML standard, 9.2); JSON holds no line break."""
    return b"id: %s\nevent: %s\ndata: %s\n\n" % (place.encode(), name, data)


def operations() -> list[Operation]:
    """The operations of the feed."""
    return [
        Operation(
            "GET", "/v1/changes", "list_changes", "What changed of the cases you may see, in the order of commits.",
            list_changes, Changes, query_model=FeedQuery, fast_read=prepare_changes, headers=("Link",),
        ),
        Operation(
            "GET", "/v1/changes/stream", "stream_changes", "The same as server-sent events, as it happens.",
            begin_stream, Changes, query_model=StreamQuery, fast_read=prepare_stream, streams=STREAM,
        ),
    ]  # fmt: skip
