"""Stuck writers: reads are answered, and a write waits only once, in the queue or in the database."""

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from httpx2 import Response
from sqlalchemy import text

from appeals.database.engine import MIN_CONNECTIONS, RESERVED_CONNECTIONS, Database
from tests.support.cast import World, action, as_owner
from tests.support.inside import in_loop_of

WAITING = (
    "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'relation' AND relation = '\"case\"'::regclass"
)


@contextmanager
def stuck(database_url: str) -> Iterator[Database]:
    """Somebody else holds what every writer needs; readers do not need it."""
    other = Database(as_owner(database_url))
    with other.engine.execution_options(writing=True).connect() as connection:
        if not other.embedded:
            connection.execute(text('LOCK TABLE "case" IN EXCLUSIVE MODE'))
        else:
            connection.execute(text("SELECT 1"))
        try:
            yield other
        finally:
            connection.rollback()
    other.engine.dispose()


def writes(world: World, reference: str, size: int, threads: ThreadPoolExecutor) -> list[Future[Response]]:
    """So many who log an action at once."""
    return [threads.submit(world.coordinator.add, reference, "actions", action()) for _ in range(size)]


def await_writers(world: World, other: Database) -> None:
    """Until as many writers wait in the database as are let in."""
    give_up_at = time.monotonic() + 30
    while time.monotonic() < give_up_at:
        with other.reading() as session:
            if other.embedded or session.scalar(text(WAITING)) == world.database.writes_at_once:
                return
        time.sleep(0.01)
    raise AssertionError("the writers do not come")


UNLOGGED = ("/v1/me", "/v1/cases", "/v1/statistics", "/v1/entities", "/v1/changes", "/public/cases")
LOGGED = ("/v1/cases/{ref}", "/v1/cases/{ref}/history", "/v1/cases/{ref}/steps", "/v1/attention")


def test_readers_are_answered_while_all_writers_are_stuck(world: World, database_url: str) -> None:
    reference = world.case()
    world.coordinator.get("/v1/me")
    # SQLite has one writer, and what is logged is written: there it is another process that is in the way.
    paths = [path.format(ref=reference) for path in UNLOGGED + (() if world.database.embedded else LOGGED)]
    size = 3 * world.database.writes_at_once
    with ThreadPoolExecutor(size) as threads, stuck(database_url) as other:
        writers = writes(world, reference, size, threads)
        await_writers(world, other)
        with ThreadPoolExecutor(20) as readers:
            answers = list(readers.map(world.coordinator.get, paths * 10))
        assert {answer.status_code for answer in answers} == {200}
        assert not any(writer.done() for writer in writers)
    assert {writer.result().status_code for writer in writers} == {201}


def test_whoever_waits_long_in_the_queue_of_writers_is_told_busy(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    reference, turns = world.case(), world.app.state.context.write_queue
    world.coordinator.get("/v1/me")
    monkeypatch.setattr(world.database, "lock_timeout_s", 0.2)
    others = [object() for _ in range(int(turns.total_tokens))]
    for other in others:
        in_loop_of(world.service)(turns.acquire_on_behalf_of_nowait, other)
    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(world.coordinator.add, reference, "actions", action())
        try:
            refused = answer.result(timeout=30)
        finally:
            for other in others:
                in_loop_of(world.service)(turns.release_on_behalf_of, other)
    assert (refused.status_code, refused.json()["code"]) == (503, "busy")
    assert refused.headers["Retry-After"] == "2"
    assert world.records(reference, "actions") == []


def test_what_was_waited_in_the_queue_is_not_waited_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    reference, turns = world.case(), world.app.state.context.write_queue
    writing, patience = world.database.transaction, list[float]()

    def noting(**given: Any) -> Any:
        if "patience_s" in given:
            patience.append(given["patience_s"])
        return writing(**given)

    world.coordinator.get("/v1/me")
    monkeypatch.setattr(world.database, "transaction", noting)
    others = [object() for _ in range(int(turns.total_tokens))]
    for other in others:
        in_loop_of(world.service)(turns.acquire_on_behalf_of_nowait, other)
    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(world.coordinator.add, reference, "actions", action())
        while not turns.statistics().tasks_waiting:
            time.sleep(0.01)
        time.sleep(0.5)
        for other in others:
            in_loop_of(world.service)(turns.release_on_behalf_of, other)
        assert answer.result(timeout=30).status_code == 201
    assert len(patience) == 1
    assert patience[0] <= world.database.lock_timeout_s - 0.5


def test_what_was_waited_for_one_lock_is_not_waited_for_the_next(world: World) -> None:
    if world.database.embedded:
        pytest.skip("SQLite has one lock")
    with world.database.writing(patience_s=9) as session:
        assert 8_000 < told(session) <= 9_000
        session.execute(text("SELECT pg_sleep(0.6)"))
        assert told(session) <= 9_000 - 600
    with world.database.writing() as session:
        assert told(session) == 10_000
        session.execute(text("SELECT pg_sleep(0.6)"))
        assert told(session) == 10_000


def test_whose_patience_is_used_up_waits_for_nothing_more(world: World) -> None:
    if world.database.embedded:
        pytest.skip("SQLite has one lock")
    with world.database.writing(patience_s=0.3) as session:
        session.execute(text("SELECT pg_sleep(0.6)"))
        assert told(session) == 1
        assert session.scalar(text("SELECT 2")) == 2


def told(session: Any) -> int:
    """For how many milliseconds the server lets this transaction wait for a lock."""
    return int(session.scalar(text("SELECT setting FROM pg_settings WHERE name = 'lock_timeout'")))


def test_a_writer_is_told_busy_and_nothing_was_changed(
    world: World, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = world.case()
    world.coordinator.get("/v1/me")
    monkeypatch.setattr(world.database, "lock_timeout_s", 0.5)
    size = 2 * world.database.writes_at_once
    with ThreadPoolExecutor(size) as threads, stuck(database_url):
        assert {writer.result().status_code for writer in writes(world, reference, size, threads)} == {503}
    assert world.records(reference, "actions") == []


@pytest.mark.parametrize("size", [MIN_CONNECTIONS, 10, 200])
def test_some_connections_are_never_taken_by_writers(world: World, database_url: str, size: int) -> None:
    database = Database(database_url, pool_size=size)
    assert database.writes_at_once == (1 if database.embedded else size - RESERVED_CONNECTIONS)
    assert RESERVED_CONNECTIONS >= 3
    database.engine.dispose()
