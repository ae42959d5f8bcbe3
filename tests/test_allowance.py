"""The allowance: bursts pass, floods are slowed, nobody is shut out; one count for all processes."""

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select, text
from starlette.testclient import TestClient

from appeals import allowance
from appeals.allowance import EPOCH, SECOND, Allowance, Limiter, Pace, Unportioned, clean, take
from appeals.database import Busy, Database, new_id
from appeals.errors import RateExceeded
from appeals.settings import Settings
from appeals.vocabulary import Role
from appeals.web.door import Desk
from tests.cast import Person, World, intake
from tests.conftest import PEPPER, Template
from tests.live import served

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SIXTY = Pace(SECOND, 10, 3)
"""One a second, ten at once, three a portion."""
ASKED = st.lists(st.tuples(st.integers(0, 20 * SECOND), st.integers(1, 12)), max_size=60)


def at(seconds: float) -> datetime:
    """So many seconds after noon."""
    return NOW + timedelta(seconds=seconds)


# The measure


@given(st.integers(1, 5 * SECOND), st.integers(1, 40), ASKED)
def test_never_more_passes_than_the_burst_and_what_time_gives(
    interval: int, burst: int, asked: list[tuple[int, int]]
) -> None:
    pace, full_at, now = Pace(interval, burst, 1), 0, 0
    passed: list[tuple[int, int]] = []
    for pause, wanted in asked:
        now += pause
        taken = pace.take(full_at, now, wanted)
        full_at = taken.full_at
        passed.append((now, taken.given))
        for index, (since, _) in enumerate(passed):
            given_since = sum(given for _, given in passed[index:])
            assert given_since * interval <= burst * interval + now - since


@given(st.integers(1, 5 * SECOND), st.integers(1, 40), ASKED)
def test_who_waits_as_told_gets_one_and_nobody_is_refused_what_there_is(
    interval: int, burst: int, asked: list[tuple[int, int]]
) -> None:
    pace, full_at, now = Pace(interval, burst, 1), 0, 0
    for pause, wanted in asked:
        now += pause
        taken = pace.take(full_at, now, wanted)
        full_at = taken.full_at
        assert (taken.given > 0) is (taken.wait == 0)
        if taken.wait:
            assert taken.wait <= interval
            assert pace.take(full_at, now + taken.wait - 1, 1).given == 0
            assert pace.take(full_at, now + taken.wait, 1).given == 1


def test_a_clock_that_was_put_back_shuts_nobody_out() -> None:
    ahead = SIXTY.take(0, 3600 * SECOND, 10).full_at
    refused = SIXTY.take(ahead, 0, 1)
    assert (refused.given, refused.wait) == (0, SECOND)
    assert SIXTY.take(refused.full_at, SECOND, 1).given == 1


def test_what_is_owed_is_taken_first_and_at_most_a_burst_of_it() -> None:
    assert SIXTY.take(0, 0, 10, owed=4).given == 6
    deep = SIXTY.take(0, 0, 1, owed=1000)
    assert (deep.given, deep.wait) == (0, SECOND)


@pytest.mark.parametrize(
    ("per_minute", "workers", "pace"), [(1200, 1, (50_000, 2000, 200)), (7, 64, (8_571_429, 11, 1))]
)
def test_the_pace_of_a_setting(per_minute: int, workers: int, pace: tuple[int, int, int]) -> None:
    assert Pace.of(per_minute, workers) == Pace(*pace)


def test_by_default_a_replay_passes_and_nought_is_no_limit() -> None:
    settings = Settings()
    usual = Pace.of(settings.rate_per_minute, settings.workers)
    assert usual is not None
    assert usual.burst >= 2 * 900
    assert Pace.of(settings.public_rate_per_minute, 1)
    assert Pace.of(0, 1) is None


# The bucket of all processes


@pytest.fixture
def database(world: World) -> Database:
    return world.database


def test_a_bucket_gives_what_it_holds_and_says_how_long_to_wait(database: Database) -> None:
    asked = [(0, 8), (0, 8), (0, 8), (2.5, 8), (3, 1)]
    taken = [take(database, "account:a", SIXTY, at(moment), wanted) for moment, wanted in asked]
    assert [(found.given, found.wait) for found in taken] == [(8, 0), (2, 0), (0, SECOND), (2, 0), (1, 0)]
    assert take(database, "account:b", SIXTY, at(3), 8).given == 8


def test_many_who_take_at_once_get_no_more_than_there_is(database: Database) -> None:
    def one(_: int) -> int:
        while True:
            try:
                return take(database, "account:a", SIXTY, at(0), 3).given
            except Busy:
                continue

    with ThreadPoolExecutor(8) as takers:
        assert sum(takers.map(one, range(16))) == 10


def test_buckets_that_are_full_are_cleaned_away(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    for seconds, bucket in ((0, "account:a"), (0, "account:b"), (3600, "account:c")):
        take(database, bucket, SIXTY, at(seconds), 3)
    clean(database, at(2))
    assert buckets(database) == {"account:a", "account:b", "account:c"}
    clean(database, at(4))
    assert buckets(database) == {"account:c"}
    monkeypatch.setattr(allowance, "CLEAN_EVERY", 2)
    limiter = a_limiter(database)
    pass_at(limiter, "account:d", 7200, 6)
    assert buckets(database) == {"account:d"}


def buckets(database: Database) -> set[str]:
    """The buckets that are kept."""
    with database.reading() as session:
        return set(session.scalars(select(Allowance.bucket)))


# What a process holds


def a_limiter(database: Database, pace: Pace = SIXTY) -> Limiter:
    """The limiter of a process."""
    return Limiter(database, b"pepper", pace, pace)


def pass_at(limiter: Limiter, bucket: str, seconds: float, wanted: int) -> int:
    """How many of so many requests pass at a moment."""

    async def one() -> bool:
        with suppress(RateExceeded):
            while True:
                try:
                    limiter.spend(bucket)
                except Unportioned:
                    await limiter.fetch(bucket, at(seconds))
                else:
                    return True
        return False

    async def all_of_them() -> int:
        return sum(await asyncio.gather(*(one() for _ in range(wanted))))

    return asyncio.run(all_of_them())


def test_processes_share_a_bucket_and_never_pass_more_than_it_gives(database: Database) -> None:
    both = [a_limiter(database), a_limiter(database)]
    passed = 0
    for seconds in (0, 0, 1, 1.5, 4, 4, 30, 30, 31):
        passed += sum(pass_at(limiter, "account:a", seconds, 7) for limiter in both)
        assert passed <= 10 + seconds
    assert passed >= 25


def test_the_database_is_asked_once_a_portion(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    ordinary = allowance.take

    def counted(*given: Any) -> Any:
        asked.append(1)
        return ordinary(*given)

    monkeypatch.setattr(allowance, "take", counted)
    monkeypatch.setattr(allowance, "PATIENCE_S", 30)  # however busy the machine is
    limiter = a_limiter(database, Pace(SECOND, 100, 50))
    assert pass_at(limiter, "account:a", 0, 100) == 100
    assert len(asked) == 2
    assert pass_at(limiter, "account:a", 0, 100) == 0
    assert len(asked) == 3


def test_a_bucket_that_cannot_be_had_lets_pass_and_counts_later(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    limiter = a_limiter(database)
    with monkeypatch.context() as patched:
        patched.setattr(allowance, "take", failing)
        assert pass_at(limiter, "account:a", 0, 6) == 6
    assert pass_at(limiter, "account:a", 0, 9) == 4
    other = a_limiter(database)
    assert pass_at(other, "account:a", 0, 1) == 0


def failing(*_: object) -> None:
    raise Busy


def test_where_the_table_is_away_requests_pass(database: Database) -> None:
    with database.writing() as session:
        session.execute(text("DROP TABLE allowance"))
    assert pass_at(a_limiter(database), "account:a", 0, 25) == 25


def test_it_waits_for_no_other_writer_for_long(database: Database) -> None:
    take(database, "account:a", SIXTY, at(0), 1)
    limiter = a_limiter(database)
    with database.writing() as session:
        session.get_one(Allowance, "account:a", with_for_update=True)
        began = time.monotonic()
        assert pass_at(limiter, "account:a", 0, 3) == 3
        assert time.monotonic() - began < 3
    assert database.lock_timeout_s == 10


def test_a_portion_that_does_not_come_at_all_is_not_waited_for(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(allowance, "PATIENCE_S", 0.05)

    def slow(*_: object) -> None:
        time.sleep(0.4)
        raise Busy

    monkeypatch.setattr(allowance, "take", slow)
    assert pass_at(a_limiter(database), "account:a", 0, 3) == 3


def test_what_a_process_holds_is_bounded(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allowance, "BUCKETS_KEPT", 3)
    limiter = a_limiter(database)
    for number in range(20):
        assert pass_at(limiter, f"address:{number}", 0, 1) == 1
    assert len(limiter._held) <= 4
    limiter.forget()
    assert limiter._held == {}


def test_an_address_is_kept_as_a_hash_that_ends_with_the_day(database: Database) -> None:
    limiter, other = a_limiter(database), Limiter(database, b"another pepper", SIXTY, SIXTY)
    bucket = limiter.of_address("192.0.2.7", NOW)
    assert "192.0.2" not in bucket
    assert bucket == limiter.of_address("::ffff:192.0.2.7", at(3600))
    different = {
        bucket,
        other.of_address("192.0.2.7", NOW),
        limiter.of_address("192.0.2.7", at(24 * 3600)),
        limiter.of_address("192.0.2.8", NOW),
        limiter.of_address("2001:db8:0:1::1", NOW),
        limiter.of_address("2001:db8:0:2::1", NOW),
        limiter.of_address("testclient", NOW),
    }
    assert len(different) == 7
    assert limiter.of_address("2001:db8:0:1::1", NOW) == limiter.of_address("2001:db8:0:1:ffff::2", NOW)
    assert limiter.of_account(new_id()) != limiter.of_account(new_id())


# The service


Limited = Callable[..., World]


@pytest.fixture
def limited(template: Template, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Limited]:
    """Services on one database, each a worker: an account has ten requests at once, then one every ten seconds.

    Their clocks stand still, and they wait for a portion however busy the machine is.
    """
    now = datetime.now(UTC)
    monkeypatch.setattr(Desk, "now", lambda _: now)
    monkeypatch.setattr(allowance, "PATIENCE_S", 10)
    with ExitStack() as running:

        def serve(**given: int) -> World:
            world = World(database_url, PEPPER, template.cast, **{"rate_per_minute": 6, **given})
            running.callback(world.end)
            return world

        yield serve


@contextmanager
def later(monkeypatch: pytest.MonkeyPatch, seconds: float) -> Iterator[None]:
    """Let so many seconds pass for the services."""
    with monkeypatch.context() as patched:
        then = datetime.now(UTC) + timedelta(seconds=seconds)
        patched.setattr(Desk, "now", lambda _: then)
        yield


def statuses(person: Person, times: int, path: str = "/v1/me") -> list[int]:
    """What somebody is answered so many times."""
    return [person.get(path).status_code for _ in range(times)]


def test_two_workers_share_the_limit_and_after_the_wait_one_request_passes(
    limited: Limited, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = limited(), limited()
    answered = [status for _ in range(8) for world in (one, two) for status in statuses(world.coordinator, 1)]
    assert (answered.count(200), answered.count(429)) == (10, 6)
    refused = two.coordinator.get("/v1/me")
    assert refused.json()["code"] == "rate.exceeded"
    assert refused.headers["Content-Type"] == "application/problem+json"
    wait = int(refused.headers["Retry-After"])
    assert 1 <= wait <= 10
    assert statuses(one.caseworker, 3) == [200] * 3
    with later(monkeypatch, wait):
        assert statuses(one.coordinator, 2) == [200, 429]


def test_a_crowd_at_once_passes_no_more_than_the_burst(limited: Limited) -> None:
    both = [limited(), limited()]
    with ThreadPoolExecutor(20) as callers:
        answered = list(callers.map(lambda n: both[n % 2].coordinator.get("/v1/me").status_code, range(40)))
    # What one process holds is not asked of another: at the end a request may be refused that a neighbour would pass.
    assert 8 <= answered.count(200) <= 10
    assert answered.count(200) + answered.count(429) == 40


def test_writes_count_once_and_a_refused_one_does_nothing(limited: Limited) -> None:
    world = limited()
    answers = [world.coordinator.post("/v1/cases", intake()) for _ in range(12)]
    assert [answer.status_code for answer in answers] == [201] * 10 + [429] * 2
    assert len(world.caseworker.get("/v1/cases").json()["items"]) == 10


def test_requests_that_do_not_fit_count_too(limited: Limited) -> None:
    world = limited()
    assert [world.coordinator.post("/v1/cases", {}).status_code for _ in range(11)] == [422] * 10 + [429]
    assert statuses(world.caseworker, 11, "/v1/cases?limit=0") == [422] * 10 + [429]
    big = b"x" * 2_000_000
    assert [world.as_("partner").post("/v1/cases", big).status_code for _ in range(11)] == [413] * 10 + [429]


def test_guessing_keys_slows_the_address_and_shuts_out_no_account(limited: Limited) -> None:
    world = limited(public_rate_per_minute=6)
    guess = Person(world.client, world.coordinator.key[:-1] + "0" if world.coordinator.key else "")
    genuine_id = Person(world.client, f"{str(world.coordinator.key)[:12]}{'x' * 49}")
    assert statuses(guess, 5) + statuses(genuine_id, 5) == [401] * 10
    assert statuses(world.nobody, 3) + statuses(genuine_id, 3) == [429] * 6
    assert statuses(world.coordinator, 5) == [200] * 5
    elsewhere = TestClient(world.app, client=("198.51.100.7", 1), raise_server_exceptions=False)
    assert statuses(Person(elsewhere, None), 2) == [401] * 2


def test_the_address_itself_is_nowhere_in_the_database(limited: Limited) -> None:
    world = limited(public_rate_per_minute=6)
    statuses(world.nobody, 1)
    (bucket,) = buckets(world.database)
    assert bucket == world.app.state.desk.limiter.of_address("testclient", datetime.now(UTC))
    assert "testclient" not in bucket


def test_nought_is_no_limit(limited: Limited) -> None:
    world = limited(rate_per_minute=0)
    assert statuses(world.coordinator, 30) == [200] * 30
    assert statuses(world.nobody, 30) == [401] * 30
    assert buckets(world.database) == set()


def test_watching_it_run_needs_no_allowance(limited: Limited) -> None:
    world = limited(public_rate_per_minute=6)
    statuses(world.nobody, 12)
    assert [world.nobody.get(path).status_code for path in ("/healthz", "/readyz", "/version")] == [200] * 3


def test_a_newcomer_has_a_full_bucket(limited: Limited) -> None:
    world = limited()
    assert statuses(world.coordinator, 11)[-1] == 429
    assert statuses(world.newcomer("later here", Role.READER), 10) == [200] * 10


def test_worker_processes_share_the_limit(template: Template, database_url: str) -> None:
    if template.dialect == "sqlite":
        pytest.skip("SQLite has one writing process")
    with served(database_url, template.cast, workers="2", rate_per_minute="6") as live:
        answered = statuses(live.world.coordinator, 16)
        assert (answered.count(200), answered.count(429)) == (10, 6)


def test_a_bucket_is_one_row_however_much_was_asked(limited: Limited) -> None:
    world = limited()
    statuses(world.coordinator, 12)
    with world.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Allowance)) == 1
        full_at = session.scalars(select(Allowance.full_at)).one()
    assert EPOCH + timedelta(microseconds=full_at) <= datetime.now(UTC) + timedelta(seconds=100)
