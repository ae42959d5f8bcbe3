"""Long polls and streams: they return at a change, only for those who may see it, and take no thread."""

import asyncio
import json
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import asynccontextmanager, suppress
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
from sqlalchemy import update

from appeals.accounts.entity import NetworkState
from appeals.api.prepared_read import ReadResult
from appeals.api.routes import changes
from appeals.database.engine import Database
from appeals.errors import Unauthenticated
from benchmarks.service import PATIENCE_S
from tests.conftest import Template
from tests.support.cast import Body
from tests.support.feed import read_changes
from tests.support.live import Live, live, served

__all__ = ["live"]


def test_a_stream_goes_on_when_the_network_changes(live: Live) -> None:
    database = Database(live.database_url)
    seen: list[Body] = []
    listening = threading.Thread(target=streamed, args=(live, "caseworker", seen))
    listening.start()
    while not seen:
        time.sleep(0.01)
    with database.writing() as session:
        session.execute(update(NetworkState).values(auth_version=NetworkState.auth_version + 1))
    database.engine.dispose()
    made = [live.world.case(), live.world.case()]
    listening.join(PATIENCE_S)
    assert [item.get("reference") for item in seen] == [None, *made]


class Watcher:
    """Something changes all the time."""

    is_stopped = False

    def __init__(self) -> None:
        self.moved = asyncio.Event()
        self.moved.set()

    @asynccontextmanager
    async def watching(self) -> Any:
        yield


def happened(number: int) -> ReadResult:
    return ReadResult(b"", f"place{number}", events=((f"place{number}", b"{}"),))


def stream_of(
    monkeypatch: pytest.MonkeyPatch, fast: list[ReadResult | None], slow: list[ReadResult | Exception]
) -> list[tuple[str, str | None]]:
    """The events of a stream whose fast path and whose route give these results, one after the other."""
    fast_results, slow_results = iter(fast), iter(slow)

    class SharedReads:
        async def after(self, *_: Any) -> ReadResult | None:
            return next(fast_results, None)

    def events_after(_: Any, __: str) -> ReadResult:
        result = next(slow_results, Unauthenticated())
        if isinstance(result, Exception):
            raise result
        return result

    monkeypatch.setattr(changes, "events_after", events_after)
    monkeypatch.setattr(changes, "context_of", lambda _: SimpleNamespace(changes=Watcher(), shared_reads=SharedReads()))

    async def listen() -> list[tuple[str, str | None]]:
        nothing: Any = None
        return [(str(event.event), event.id) async for event in changes.stream_changes(nothing, "place0", nothing)]

    return asyncio.run(listen())


@pytest.mark.parametrize("unknown", [0, 1, 2])
def test_a_stream_asks_its_route_while_the_fast_path_is_not_known(
    unknown: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first use of a key on a day leaves no plan."""
    slow = [happened(number + 1) for number in range(unknown)]
    fast = [happened(number + 1) for number in range(unknown, 3)]
    events = stream_of(monkeypatch, [*[None] * unknown, *fast], [*slow])
    assert events == [("begin", "place0"), *(("change", f"place{number}") for number in (1, 2, 3))]


def test_a_stream_ends_with_the_key_and_not_with_the_event_after(monkeypatch: pytest.MonkeyPatch) -> None:
    events = stream_of(monkeypatch, [happened(1), None, happened(2)], [Unauthenticated()])
    assert events == [("begin", "place0"), ("change", "place1")]


def test_who_waits_is_answered_when_the_server_is_told_to_stop(template: Template) -> None:
    """At once, and whole: neither cut off, nor only after the time that a server takes for what it still does."""
    url = template.copy()
    with served(url, template.cast) as stopping:
        key = {"Authorization": f"Bearer {template.cast.keys['coordinator']}"}
        answers: list[Any] = []

        def ask(path: str) -> None:
            with httpx2.Client(base_url=stopping.url, headers=key, timeout=PATIENCE_S, trust_env=False) as client:
                answers.append(client.get(path))

        place = stopping.world.coordinator.get("/v1/changes").json()["next"]
        asking = [
            threading.Thread(target=ask, args=(path,))
            for path in (f"/v1/changes?since={place}&wait=30", "/v1/changes/stream")
        ]
        for one in asking:
            one.start()
        time.sleep(1)
        begun = time.monotonic()
        stopping.process.terminate()
        for one in asking:
            one.join(PATIENCE_S)
        assert [answer.status_code for answer in answers] == [200, 200]
        assert time.monotonic() - begun < 3
    template.drop(url)


def test_a_stream_is_not_to_be_stored(live: Live) -> None:
    key = {"Authorization": f"Bearer {live.cast.keys['coordinator']}"}
    with httpx2.stream(
        "GET", f"{live.url}/v1/changes/stream", headers=key, timeout=PATIENCE_S, trust_env=False
    ) as answer:
        assert answer.headers.get_list("cache-control") == ["no-store"]
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert next(events_in(answer.iter_lines()))["event"] == "begin"


def streamed(live: Live, person: str, seen: list[Body], **headers: str) -> None:
    """Listen until the third event, or the service ends the stream."""
    key = {"Authorization": f"Bearer {live.cast.keys[person]}", **headers}
    with httpx2.stream(
        "GET", f"{live.url}/v1/changes/stream", headers=key, timeout=PATIENCE_S, trust_env=False
    ) as answer:
        for event in events_in(answer.iter_lines()):
            seen.append({"place": event["id"], **json.loads(event["data"])})
            if len(seen) == 3:
                return


def events_in(lines: Iterable[str]) -> Iterator[dict[str, str]]:
    """The server-sent events in the lines of a stream, each by its fields; pings left out."""
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        if name:
            fields[name] = value
        elif fields:
            yield fields
            fields = {}


def test_a_stream_tells_what_happens_and_goes_on_from_the_last_event(live: Live) -> None:
    seen: list[Body] = []
    listening = threading.Thread(target=streamed, args=(live, "coordinator", seen))
    listening.start()
    while not seen:
        time.sleep(0.01)
    hidden, made = live.world.case(), [live.world.case(), live.world.case()]
    listening.join(PATIENCE_S)
    assert [item.get("reference") for item in seen] == [None, hidden, made[0]]
    rest: list[Body] = []
    with suppress(httpx2.ReadTimeout):
        headers = {"Last-Event-ID": seen[1]["place"]}
        streamed(live, "coordinator", rest, **headers)
    assert [item.get("reference") for item in rest] == [None, *made]


def test_a_long_poll_ends_when_something_happens_and_only_for_those_who_may_know(live: Live) -> None:
    reader, coordinator = live.world.as_("europe reader"), live.world.coordinator
    _, unseen = read_changes(reader)
    _, place = read_changes(coordinator)
    answers: list[Any] = []

    def wait(spelt: str) -> None:
        headers = {"Authorization": f"Bearer {coordinator.key}"}
        with httpx2.Client(base_url=live.url, timeout=PATIENCE_S, trust_env=False) as client:
            answers.append(client.get(f"/v1/changes?since={place}&wait={spelt}", headers=headers))

    waiting = [threading.Thread(target=wait, args=(spelt,)) for spelt in ("30", "030")]
    for one in waiting:
        one.start()
    time.sleep(0.5)
    assert answers == []
    reference = live.world.case()
    for one in waiting:
        one.join(PATIENCE_S)
    told_of = [[item["reference"] for item in answer.json()["items"]] for answer in answers]
    assert told_of == [[reference], [reference]]
    assert reader.get(f"/v1/changes?since={unseen}&wait=1").json()["items"] == []
