"""Doors of the feed: a page of changes, and the same as a stream of events. Waiting is done in `waiting.py`."""

import json
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import select

from appeals.feed import (
    ANEW,
    Changes,
    FeedQuery,
    Place,
    Places,
    Reading,
    SincePlace,
    changes_for,
    head,
    items_of,
    parameters,
    place_after,
    places_of,
    reached,
)
from appeals.field import Model
from appeals.web.door import Answer, Call, Door
from appeals.web.quick import Answered, Asked, Recipe, tag_of, unless_known

STREAM = "text/event-stream"
IN_A_CHUNK = 100


class StreamQuery(Model):
    """From which place on; the header Last-Event-ID, which comes when a connection broke, goes before it."""

    since: SincePlace = None


def list_changes(call: Call) -> Answer:
    query: FeedQuery = call.query
    places, recipe = places_of(call.session, call.caller, call.desk.pepper), changes_quickly(call)
    asked = Asked(cursor=query.since or "")
    rows = call.session.execute(recipe.statement, recipe.given(asked)).all()
    beside = call.session.execute(select(*recipe.beside)).one()
    content, tag, headers = _page(places, query, _read(places, asked), rows, (beside[0], beside[1]))
    return Answer(content, headers={"ETag": tag, **headers})


def _page(
    places: Places, query: FeedQuery, reading: Reading, rows: Sequence[Any], now: tuple[int | None, int | None]
) -> tuple[bytes, str, dict[str, str]]:
    """A page as JSON, its tag, and its headers.

    The tag is that of what is told, not of the place after it, which is spelt otherwise each time: so it is weak. Where
    nothing is told, the place is in a header all the same, and who takes it is told the sooner the next time.
    """
    joined = b",".join(items_of(rows, query.limit))
    following = places.seal(_read_on(reading, place_after(rows, query.limit, now), now))
    asked = urlencode(query.model_dump(include={"limit", "wait"}, exclude_unset=True) | {"since": following})
    content = b'{"items":[%s],"next":%s}' % (joined, json.dumps(following).encode())
    return content, f"W/{tag_of(joined)}", {"Link": f'</v1/changes?{asked}>; rel="next"'}


def _read(places: Places, asked: Asked) -> Reading:
    return places.unseal(asked.cursor) if asked.cursor else ANEW


def _read_on(reading: Reading, after: Place, now: tuple[int | None, int | None]) -> Reading:
    """Having read on; who had just begun began where the feed ends now."""
    return Reading(after, reached(now) if reading is ANEW else reading.began)


def changes_quickly(call: Call) -> Recipe:
    """The same page from any place on."""
    query: FeedQuery = call.query
    places = places_of(call.session, call.caller, call.desk.pepper)

    def make(rows: list[Any], asked: Asked) -> Answered:
        found = [row[2:] for row in rows if row[2] is not None]
        content, tag, headers = _page(places, query, _read(places, asked), found, rows[0][:2])
        return unless_known(content, tag, asked, headers=headers)

    return Recipe(changes_for(call.caller, ANEW, query.limit), _from(places), make, head())


def _from(places: Places) -> Callable[[Asked], dict[str, Any]]:
    return lambda asked: parameters(_read(places, asked))


def begin_stream(call: Call) -> Answer:
    """The first event: the place where the stream begins, which is now unless another is named."""
    places = places_of(call.session, call.caller, call.desk.pepper)
    since = call.request.headers.get("last-event-id") or call.query.since
    if since:
        places.unseal(since)
    else:
        end = reached(call.session.execute(select(*head())).one())
        since = places.seal(Reading(end, end))
    return Answer(event(since, b"begin", b"{}"), media_type=STREAM)


def stream_quickly(call: Call) -> Recipe:
    """The events after any place; the tag of what is answered is the place after them."""
    places = places_of(call.session, call.caller, call.desk.pepper)

    def make(rows: list[Any], asked: Asked) -> Answered:
        found, began = [row[2:] for row in rows if row[2] is not None], _read(places, asked).began
        told = zip(found, items_of(found, IN_A_CHUNK), strict=False)
        events = [event(places.seal(Reading((row[0], row[1]), began)), b"change", item) for row, item in told]
        return Answered(b"".join(events), places.seal(Reading(place_after(found, IN_A_CHUNK, rows[0][:2]), began)))

    return Recipe(changes_for(call.caller, ANEW, IN_A_CHUNK), _from(places), make, head(), goes_on=True)


def event(place: str, name: bytes, data: bytes) -> bytes:
    """A server-sent event (HTML standard, 9.2); JSON holds no line break."""
    return b"id: %s\nevent: %s\ndata: %s\n\n" % (place.encode(), name, data)


def doors() -> list[Door]:
    """The doors of the feed."""
    return [
        Door(
            "GET", "/v1/changes", "list_changes", "What changed of the cases you may see, in the order of commits.",
            list_changes, Changes, query=FeedQuery, quick=changes_quickly, headers=("Link",),
        ),
        Door(
            "GET", "/v1/changes/stream", "stream_changes", "The same as server-sent events, as it happens.",
            begin_stream, Changes, query=StreamQuery, quick=stream_quickly, streams=STREAM,
        ),
    ]  # fmt: skip
