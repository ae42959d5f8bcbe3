"""The rate limit: bursts pass, floods are slowed, nobody is locked out; each worker counts for itself."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event
from starlette.testclient import TestClient

from appeals.api import rate_limit
from appeals.api import request_body as body_reading
from appeals.api.context import AppContext
from appeals.api.rate_limit import SECOND, RateLimit, RateLimiter, RateLimiters, network_of
from appeals.errors import RateExceeded
from appeals.settings import Settings
from appeals.vocabulary import Role
from tests.conftest import PEPPER, Template
from tests.support.cast import Person, World, intake, organisation

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TEN = RateLimit(SECOND, 10)
"""One a second, ten at once."""
PAUSES = st.lists(st.integers(0, 20 * SECOND), max_size=120)


def at(seconds: float) -> datetime:
    """So many seconds after noon."""
    return NOW + timedelta(seconds=seconds)


def passes(limiter: RateLimiter, bucket: str, seconds: float) -> bool:
    """Whether a request passes at a moment."""
    try:
        limiter.acquire(bucket, at(seconds))
    except RateExceeded:
        return False
    return True


def passed(limiter: RateLimiter, bucket: str, seconds: float, times: int) -> int:
    """How many of so many requests pass at a moment."""
    return sum(passes(limiter, bucket, seconds) for _ in range(times))


# The measure


@given(st.integers(1, 5 * SECOND), st.integers(1, 40), PAUSES)
def test_never_more_passes_than_the_burst_and_what_time_gives(interval: int, burst: int, pauses: list[int]) -> None:
    limiter, now = RateLimiter(RateLimit(interval, burst)), 0
    times: list[int] = []
    for pause in pauses:
        now += pause
        if passes(limiter, "a", now / SECOND):
            times.append(now)
    for index, since in enumerate(times):
        for count, until in enumerate(times[index:], 1):
            assert count * interval <= burst * interval + until - since


@given(st.integers(1, 5 * SECOND), st.integers(1, 40), PAUSES)
def test_who_waits_as_told_passes_and_nobody_waits_longer_than_for_one(
    interval: int, burst: int, pauses: list[int]
) -> None:
    limiter, now = RateLimiter(RateLimit(interval, burst)), 0.0
    for pause in pauses:
        now += pause / SECOND
        wait = refused_for(limiter, now)
        if wait:
            assert wait <= -(-interval // SECOND)
            now += wait
            assert refused_for(limiter, now) == 0


def refused_for(limiter: RateLimiter, seconds: float) -> int:
    """For how many seconds a request is refused at a moment; 0 where it passes."""
    try:
        limiter.acquire("a", at(seconds))
    except RateExceeded as refusal:
        return refusal.retry_after_s
    return 0


def test_it_is_told_to_the_second_how_long_to_wait() -> None:
    limiter = RateLimiter(RateLimit(2_500_000, 2))
    assert [refused_for(limiter, seconds) for seconds in (0, 0, 0, 0.4, 0.6, 2.4, 2.5, 2.6)] == [0, 0, 3, 3, 2, 1, 0, 3]


def test_a_bucket_gives_its_burst_and_then_what_time_brings() -> None:
    limiter = RateLimiter(TEN)
    assert [passed(limiter, "a", seconds, 8) for seconds in (0, 0, 0, 2.5, 3)] == [8, 2, 0, 2, 1]
    assert passed(limiter, "b", 3, 12) == 10
    assert passed(limiter, "a", 3600, 12) == 10


def test_a_clock_that_was_put_back_shuts_nobody_out() -> None:
    limiter = RateLimiter(TEN)
    assert passed(limiter, "a", 3600, 12) == 10
    assert passed(limiter, "a", 0, 1) == 0
    assert passed(limiter, "a", 1, 1) == 1


def test_what_is_kept_is_bounded_and_forgets_what_was_used_longest_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limit, "MOST_BUCKETS", 3)
    limiter = RateLimiter(TEN)
    assert passed(limiter, "used all the time", 0, 20) == 10
    for number in range(50):
        assert passed(limiter, f"bucket {number}", 0, 1) == 1
        assert passed(limiter, "used all the time", 0, 1) == 0
        assert len(limiter._full_at) <= 3
    assert passed(limiter, "bucket 0", 0, 20) == 10


@pytest.mark.parametrize(("per_minute", "limit"), [(1200, (50_000, 2000)), (7, (8_571_429, 11))])
def test_the_limit_of_a_setting(per_minute: int, limit: tuple[int, int]) -> None:
    assert RateLimit.of(per_minute) == RateLimit(*limit)


def test_by_default_a_replay_passes_and_nought_is_no_limit() -> None:
    settings = Settings()
    usual = RateLimit.of(settings.rate_per_minute)
    assert usual is not None
    assert usual.burst >= 2 * 900
    assert RateLimit.of(settings.public_rate_per_minute)
    assert RateLimit.of(0) is None
    limiter = RateLimiter(None)
    assert passed(limiter, "a", 0, 10_000) == 10_000


def test_of_ipv6_a_network_is_one_address() -> None:
    assert network_of("192.0.2.7") == network_of("::ffff:192.0.2.7")
    assert network_of("2001:db8:0:1::1") == network_of("2001:db8:0:1:ffff::2") == network_of("2001:db8:0:1::3%eth0")
    hosts = "192.0.2.7", "192.0.2.8", "2001:db8:0:1::1", "2001:db8:0:2::1", "testclient", ""
    assert len({network_of(host) for host in hosts}) == len(hosts)


def test_one_web_server_passes_on_no_more_than_its_share_whatever_addresses_it_names() -> None:
    limiters = RateLimiters.of(Settings(public_rate_per_minute=6))
    answers = 0
    for number in range(1000):
        try:
            limiters.acquire_anonymous(f"198.51.100.{number}", "127.0.0.1", NOW)
            answers += 1
        except RateExceeded:
            pass
    assert answers == rate_limit.PROXY_FACTOR * 10
    limiters.acquire_anonymous("127.0.0.1", "127.0.0.1", NOW)  # itself, as when it asks whether the service is well


# The service


Limited = Callable[..., World]


@pytest.fixture
def limited(template: Template, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Limited]:
    """Services on one database, each a worker: an account has ten requests at once, then one every ten seconds.

    Their clocks stand still.
    """
    now = datetime.now(UTC)
    monkeypatch.setattr(AppContext, "now", lambda _: now)
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
        patched.setattr(AppContext, "now", lambda _: then)
        yield


def statuses(person: Person, times: int, path: str = "/v1/me") -> list[int]:
    """What somebody is answered so many times."""
    return [person.get(path).status_code for _ in range(times)]


def calling_from(world: World, host: str, key: str | None = None) -> Person:
    """Somebody at an address."""
    return Person(TestClient(world.app, client=(host, 1), raise_server_exceptions=False), key)


def test_after_the_wait_one_request_passes(limited: Limited, monkeypatch: pytest.MonkeyPatch) -> None:
    world = limited()
    assert statuses(world.coordinator, 16) == [200] * 10 + [429] * 6
    refused = world.coordinator.get("/v1/me")
    assert refused.json()["code"] == "rate.exceeded"
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert refused.headers["X-Request-Id"]
    wait = int(refused.headers["Retry-After"])
    assert 1 <= wait <= 10
    assert statuses(world.caseworker, 3) == [200] * 3
    with later(monkeypatch, wait):
        assert statuses(world.coordinator, 2) == [200, 429]


def test_a_crowd_at_once_passes_the_burst_and_no_more(limited: Limited) -> None:
    world = limited()
    with ThreadPoolExecutor(20) as callers:
        answered = list(callers.map(lambda _: world.coordinator.get("/v1/me").status_code, range(40)))
    assert (answered.count(200), answered.count(429)) == (10, 30)


def test_writes_count_once_and_a_refused_one_does_nothing(limited: Limited) -> None:
    world = limited()
    answers = [world.coordinator.post("/v1/cases", intake()) for _ in range(12)]
    assert [answer.status_code for answer in answers] == [201] * 10 + [429] * 2
    assert len(world.caseworker.get("/v1/cases").json()["items"]) == 10


def test_a_request_counts_once_whichever_way_it_is_answered(limited: Limited) -> None:
    """The first reading is the operation's, those after it are quick; a poll that waits asks several times."""
    world = limited()
    reference = world.case()
    reading = statuses(world.caseworker, 4, f"/v1/cases/{reference}") + statuses(world.caseworker, 3, "/v1/changes")
    assert reading == [200] * 7
    since = world.caseworker.get("/v1/changes").json()["next"]
    assert statuses(world.caseworker, 3, f"/v1/changes?since={since}&wait=1") == [200, 200, 429]


def test_requests_that_do_not_fit_count_too(limited: Limited) -> None:
    world = limited()
    assert [world.coordinator.post("/v1/cases", {}).status_code for _ in range(11)] == [422] * 10 + [429]
    assert statuses(world.caseworker, 11, "/v1/cases?limit=0") == [422] * 10 + [429]
    big = b"x" * 2_000_000
    assert [world.as_("partner").post("/v1/cases", big).status_code for _ in range(11)] == [413] * 10 + [429]


def test_nothing_is_read_of_a_request_that_is_too_many(limited: Limited, monkeypatch: pytest.MonkeyPatch) -> None:
    world = limited()
    statuses(world.coordinator, 10)
    monkeypatch.setattr(body_reading, "read", None)
    assert world.coordinator.post("/v1/cases", intake()).status_code == 429


def test_guessing_keys_slows_the_address_and_shuts_out_no_account(limited: Limited) -> None:
    world = limited(public_rate_per_minute=6)
    guess = Person(world.client, world.coordinator.key[:-1] + "0" if world.coordinator.key else "")
    genuine_id = Person(world.client, f"{str(world.coordinator.key)[:12]}{'x' * 49}")
    assert statuses(guess, 5) + statuses(genuine_id, 5) == [401] * 10
    assert statuses(world.nobody, 3) + statuses(genuine_id, 3) == [429] * 6
    assert statuses(world.coordinator, 5) == [200] * 5
    assert statuses(calling_from(world, "198.51.100.7"), 2) == [401] * 2


def test_a_key_that_died_is_counted_for_its_account_once_more_and_then_for_the_address(limited: Limited) -> None:
    world = limited(public_rate_per_minute=6)
    newcomer = world.newcomer("a desk", Role.READER)
    assert statuses(newcomer, 3) == [200] * 3
    reason = {"reason": "left"}
    assert world.as_("admin").post(f"/v1/accounts/{newcomer.account}/disabling", reason).status_code == 201
    assert statuses(newcomer, 14) == [401] * 11 + [429] * 3


def test_nought_is_no_limit(limited: Limited) -> None:
    world = limited(rate_per_minute=0)
    assert statuses(world.coordinator, 30) == [200] * 30
    assert statuses(world.nobody, 30) == [401] * 30


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/version", "/docs", "/openapi.json", "/nothing/here"])
def test_whatever_is_asked_for_counts(limited: Limited, path: str) -> None:
    world = limited(public_rate_per_minute=6)
    usual = 404 if path.startswith("/nothing") else 200
    assert statuses(world.nobody, 11, path) == [usual] * 10 + [429]
    assert statuses(world.coordinator, 1, "/v1/me") == [200]
    assert statuses(calling_from(world, "198.51.100.7"), 1, path) == [usual]


def test_asking_whether_it_is_alive_with_any_key_asks_no_database(limited: Limited) -> None:
    world, params = limited(public_rate_per_minute=6), list[Any]()
    event.listen(world.database.engine, "before_cursor_execute", lambda *said: params.append(said))
    assert statuses(world.coordinator, 10, "/healthz") == [200] * 10
    assert params == []
    assert statuses(world.coordinator, 1, "/healthz") == [429]  # as it did not meet this key
    assert statuses(world.coordinator, 2) == [200] * 2  # the first use on a day is noted first
    assert statuses(world.coordinator, 8, "/healthz") == [200] * 8


def test_a_newcomer_has_a_full_bucket(limited: Limited) -> None:
    world = limited()
    assert statuses(world.coordinator, 11)[-1] == 429
    assert statuses(world.newcomer("later here", Role.READER), 10) == [200] * 10


def test_workers_count_each_for_itself(limited: Limited) -> None:
    both = limited(), limited()
    answered = [status for _ in range(16) for world in both for status in statuses(world.coordinator, 1)]
    assert (answered.count(200), answered.count(429)) == (20, 12)


def test_what_a_web_server_says_of_addresses_is_believed_up_to_its_share(limited: Limited) -> None:
    world = limited(public_rate_per_minute=6)
    share = RateLimit.of(rate_limit.PROXY_FACTOR * 6)
    assert share

    async def passed_on(scope: Any, receive: Any, send: Any) -> None:
        """As Uvicorn hands it over: the address is the one that was named, the peer the one that named it."""
        await world.app({**scope, "state": {"peer": "127.0.0.1"}}, receive, send)

    def answer(number: int) -> int:
        named = TestClient(passed_on, client=(f"198.51.100.{number % 250}", 1), raise_server_exceptions=False)
        return int(named.get("/healthz").status_code)

    assert [answer(number) for number in range(share.burst + 3)] == [200] * share.burst + [429] * 3
    assert statuses(calling_from(world, "127.0.0.1"), 1, "/healthz") == [200]


def test_a_body_without_a_key_is_never_parsed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_reading, "read", None)
    for key in (None, "ua_nonsense", f"{str(world.coordinator.key)[:12]}{'x' * 49}"):
        answer = Person(world.client, key).post("/v1/organisations", organisation("Sample"))
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
