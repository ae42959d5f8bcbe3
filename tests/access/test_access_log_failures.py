"""The access log under failure and load: without a row there is no answer, and a hundred readers share few commits."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Connection, event

from appeals.access import access_log
from appeals.access.access_log import AccessEvent
from appeals.database.failures import Deadlock
from tests.support.cast import World, action
from tests.support.logged_operations import CANARY, KEY, broken, logged, mended, rows, told
from tests.support.standing import ABSENT

__all__ = ["logged"]


def test_where_the_log_cannot_be_written_nothing_is_told_and_nothing_done(logged: World) -> None:
    reference = logged.case(title=f"Dismissals at {CANARY}")
    shown = f"/v1/cases/{reference}"
    assert CANARY in logged.coordinator.get(shown).text
    hidden = logged.as_("europe reader")
    assert hidden.get(shown).status_code == 404
    before = told(logged)
    broken(logged)
    answers = [
        logged.coordinator.get(shown),
        logged.coordinator.get("/v1/cases", Accept="text/csv"),
        hidden.get(shown),
        hidden.get(f"/v1/cases/{ABSENT}"),
        logged.coordinator.add(reference, "roles", {}, Idempotency_Key=KEY),
    ]
    mended(logged)
    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (503, "busy")
        assert "Retry-After" in answer.headers
        assert CANARY not in answer.text
        assert reference not in answer.text
    assert told(logged) == before
    again = logged.coordinator.add(reference, "roles", {}, Idempotency_Key=KEY)
    assert (again.status_code, again.headers.get("Idempotency-Replayed")) == (201, None)


def test_a_log_that_cannot_be_reached_in_time_is_503(logged: World, monkeypatch: pytest.MonkeyPatch) -> None:
    path = f"/v1/cases/{logged.case()}"
    logged.coordinator.get(path)
    monkeypatch.setattr(logged.database, "lock_timeout_s", 0.1)
    ordinary = access_log.write_events

    def slow(connection: Connection, events: list[AccessEvent]) -> None:
        time.sleep(0.5)
        ordinary(connection, events)

    monkeypatch.setattr(access_log, "write_events", slow)
    assert logged.coordinator.get(path).status_code == 503


def test_what_goes_wrong_besides_the_database_is_told_to_who_waits(
    logged: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"/v1/cases/{logged.case()}"

    def fail(*_: object) -> None:
        raise KeyError

    monkeypatch.setattr(access_log, "_row", fail)
    assert logged.coordinator.get(path).status_code == 503


def test_the_row_stands_when_the_answer_is_read(logged: World) -> None:
    path = f"/v1/cases/{logged.case()}"
    for number in range(1, 20):
        logged.coordinator.get(path)
        assert len(rows(logged)) == number


def test_rows_that_lost_in_a_deadlock_are_written_again(logged: World, monkeypatch: pytest.MonkeyPatch) -> None:
    path = f"/v1/cases/{logged.case()}"
    for times, status in ((2, 200), (3, 503)):
        with monkeypatch.context() as patched:
            writing, left = logged.database.writing, [Deadlock()] * times
            patched.setattr(logged.database, "writing", lambda: raised(left.pop()) if left else writing())  # noqa: B023
            logged.app.state.context.fast_reads.clear()  # what the quick way cannot log is tried again at the operation
            assert logged.coordinator.get(path).status_code == status
    assert len(rows(logged)) == 1


def raised(error: Exception) -> Any:
    raise error


# Many at once


def test_a_hundred_reads_at_once_share_few_commits(logged: World) -> None:
    path = f"/v1/cases/{logged.case()}"
    logged.coordinator.get(path)
    commits: list[object] = []
    event.listen(logged.database.engine, "commit", commits.append)
    with ThreadPoolExecutor(100) as callers:
        answers = list(callers.map(lambda _: logged.coordinator.get(path).status_code, range(100)))
    assert answers == [200] * 100
    assert len(rows(logged)) == 101
    assert 0 < len(commits) <= 50


def test_reads_that_are_logged_get_through_a_crowd_of_writers(logged: World) -> None:
    reference = logged.case()

    def ask(number: int) -> int:
        if number % 2:
            return logged.coordinator.get(f"/v1/cases/{reference}").status_code
        return logged.coordinator.add(reference, "actions", action()).status_code

    with ThreadPoolExecutor(30) as callers:
        assert set(callers.map(ask, range(60))) == {200, 201}
    assert len(rows(logged)) == 30
