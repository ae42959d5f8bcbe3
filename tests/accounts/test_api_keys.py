"""API keys: their format, how they end, what they permit, how they are replaced, and who may create them."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event, func, select, update

from appeals.access.access_log import AccessEntry
from appeals.accounts.account import Account, Membership, account_named
from appeals.accounts.api_key import Key, new_key, note_use
from appeals.accounts.authentication import authenticate
from appeals.accounts.entity import auth_version
from appeals.cases.case import Case
from appeals.errors import Unauthenticated
from appeals.lifecycle.due_dates import process_due
from appeals.vocabulary import Role, Scope
from tests.conftest import PEPPER
from tests.support.cast import Person, World, intake
from tests.support.clock import on_day
from tests.support.keys import DAY, NOW, PEPPER_, change_key, given, id_of, made, rotated, row, status
from tests.support.live import live

__all__ = ["live"]


# Form, and how a key dies


def test_a_key_has_the_form_of_the_contract(world: World) -> None:
    prefix, number, rest = world.cast.keys["coordinator"].split("_")
    assert (prefix, len(number), len(rest)) == ("ua", 8, 43 + 6)
    assert (number + rest).isalnum()
    assert (number + rest).isascii()


def test_no_two_keys_are_alike(world: World) -> None:
    keys = list(world.cast.keys.values())
    assert len({key[:11] for key in keys}) == len({key[12:] for key in keys}) == len(keys)


def test_of_a_key_only_its_hmac_is_kept(world: World) -> None:
    key = world.cast.keys["coordinator"]
    with world.database.reading() as session:
        row = session.scalars(select(Key).where(Key.id == key.split("_")[1])).one()
    assert len(row.digest) == 32
    assert key.split("_")[2][:43].encode() not in row.digest


def test_one_mistyped_character_kills_a_key_before_the_database_is_asked(world: World) -> None:
    key = world.cast.keys["coordinator"]
    for at in range(len(key)):
        mistyped = key[:at] + ("x" if key[at] != "x" else "y") + key[at + 1 :]
        with pytest.raises(Unauthenticated):
            authenticate(None, mistyped, PEPPER.encode(), NOW)  # type: ignore[arg-type]
    for cut in ("", "ua", "ua_", key[:-1], key + "0", key[1:], key.replace("_", "-"), "ü" * 61, "_" * 61):
        with pytest.raises(Unauthenticated):
            authenticate(None, cut, PEPPER.encode(), NOW)  # type: ignore[arg-type]


def test_a_well_formed_key_that_was_never_made_is_dead(world: World) -> None:
    with world.database.writing() as session:
        account = account_named(session, "coordinator")
        assert account
        unknown = new_key(session, account.id, PEPPER.encode(), NOW, NOW + timedelta(days=1)).text
        session.rollback()
    assert status(world, unknown) == 401


def test_the_secret_of_another_key_does_not_open(world: World) -> None:
    mine, other = world.cast.keys["coordinator"], world.cast.keys["admin"]
    change_key(world, other, digest=b"\0" * 32)
    assert (status(world, mine), status(world, other)) == (200, 401)


def test_a_key_is_dead_under_another_pepper(world: World) -> None:
    key = world.cast.keys["coordinator"]
    with world.database.reading() as session:
        assert authenticate(session, key, PEPPER.encode(), NOW).name == "coordinator"
        with pytest.raises(Unauthenticated):
            authenticate(session, key, b"another pepper", NOW)


def test_a_revoked_key_is_dead_on_the_next_request(world: World) -> None:
    key = world.cast.keys["coordinator"]
    assert status(world, key) == 200
    change_key(world, key, revoked_at=NOW)
    assert status(world, key) == 401


def test_a_key_lives_until_it_expires(world: World) -> None:
    key = world.cast.keys["coordinator"]
    ends = NOW + timedelta(days=1)
    change_key(world, key, expires_at=ends)
    with world.database.reading() as session:
        assert authenticate(session, key, PEPPER.encode(), ends - timedelta(microseconds=1)).name == "coordinator"
        with pytest.raises(Unauthenticated):
            authenticate(session, key, PEPPER.encode(), ends)
    change_key(world, key, expires_at=NOW - timedelta(seconds=1))
    assert status(world, key) == 401


def test_the_keys_of_an_inactive_account_are_dead(world: World) -> None:
    with world.database.writing() as session:
        session.execute(update(Account).where(Account.name == "caseworker").values(active=False))
    assert status(world, world.cast.keys["caseworker"]) == 401
    assert status(world, world.cast.keys["coordinator"]) == 200


def test_a_dead_key_gets_no_kept_answer(world: World) -> None:
    logged = world.coordinator.post("/v1/organisations", {"name": "A", "kind": "ngo"}, Idempotency_Key="k")
    assert logged.status_code == 201
    change_key(world, world.cast.keys["coordinator"], revoked_at=NOW)
    assert (
        world.coordinator.post("/v1/organisations", {"name": "A", "kind": "ngo"}, Idempotency_Key="k").status_code
        == 401
    )


@pytest.fixture
def second(world: World, database_url: str) -> Iterator[World]:
    """Another process's application on the same database."""
    other = World(database_url, PEPPER, world.cast)
    yield other
    other.end()


def test_what_one_process_revokes_is_dead_in_another_on_the_next_request(world: World, second: World) -> None:
    reader, elsewhere = world.as_("reader"), second.as_("reader")
    assert (reader.get("/v1/me").status_code, elsewhere.get("/v1/me").status_code) == (200, 200)
    made(reader.post(f"/v1/keys/{id_of(reader.key)}/revocation", {}))
    assert (reader.get("/v1/me").status_code, elsewhere.get("/v1/me").status_code) == (401, 401)
    worker, elsewhere = world.as_("caseworker"), second.as_("caseworker")
    assert elsewhere.get("/v1/me").status_code == 200
    path = f"/v1/accounts/{worker.account}/disabling"
    assert world.as_("admin").post(path, {"reason": "compromised"}).status_code == 201
    assert (worker.get("/v1/me").status_code, elsewhere.get("/v1/me").status_code) == (401, 401)


def test_whom_a_process_remembers_is_asked_for_again_before_they_write(world: World, second: World) -> None:
    remembered = second.app.state.context.callers
    for name in ("caseworker", "coordinator"):
        elsewhere = second.as_(name)
        for _ in range(2):  # the first use of a key on a day is no acquaintance yet
            made(elsewhere.post("/v1/cases", intake()))
        assert remembered.peek(elsewhere.key, datetime.now(UTC)).account_id == UUID(elsewhere.account)
    with world.database.writing() as session:
        of = Membership.account_id == UUID(world.as_("caseworker").account)
        session.execute(update(Membership).where(of).values(ended_at=NOW))
    change_key(world, world.cast.keys["coordinator"], revoked_at=NOW)
    assert second.as_("caseworker").post("/v1/cases", intake()).status_code == 403
    assert second.as_("coordinator").post("/v1/cases", intake()).status_code == 401
    with world.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Case)) == 4
        (denied,) = session.scalars(select(AccessEntry).where(AccessEntry.status == 401))
    assert denied.account_id is None


def test_a_process_remembers_no_key_and_nobody_beyond_their_day(world: World) -> None:
    for _ in range(2):
        world.coordinator.get("/v1/me")
    remembered = world.app.state.context.callers
    assert str(world.coordinator.key)[3:40] not in repr(remembered.__dict__)
    assert remembered.peek(world.coordinator.key, datetime.now(UTC))
    assert remembered.peek(world.coordinator.key, datetime.now(UTC) + DAY) is None
    assert remembered.peek(mistyped(str(world.coordinator.key)), datetime.now(UTC)) is None


def mistyped(key: str) -> str:
    """A key whose last character is another."""
    return key[:-1] + ("1" if key.endswith("0") else "0")


def test_every_dead_key_gets_the_same_answer(world: World) -> None:
    key = world.cast.keys["reader"]
    answers = [Person(world.client, text).get("/v1/me") for text in (None, "ua_", mistyped(key), key[:-1])]
    change_key(world, key, expires_at=NOW - DAY)
    answers.append(Person(world.client, key).get("/v1/me"))
    change_key(world, key, expires_at=NOW + DAY, revoked_at=NOW)
    answers.append(Person(world.client, key).get("/v1/me"))
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.content for answer in answers}) == 1


# What is told of keys


def test_everybody_lists_their_own_keys_and_no_secret(world: World) -> None:
    reader = world.as_("reader")
    fresh = made(reader.post("/v1/keys", {"scopes": ["write", "read"], "days": 2}))
    listed = reader.get("/v1/keys").json()["items"]
    assert [key["id"] for key in listed] == [id_of(reader.key), fresh["id"]]
    assert set(listed[1]) == {
        "id", "scopes", "recorded_at", "expires_at", "last_used_on", "revoked_at", "rotated", "origin", "ended_at",
    }  # fmt: skip
    assert [key["origin"] for key in listed] == ["command", "holder"]
    assert listed[1] == {name: value for name, value in fresh.items() if name != "key"}
    assert (listed[1]["scopes"], listed[1]["last_used_on"], listed[1]["rotated"]) == (["read", "write"], None, False)
    text = reader.get("/v1/keys").text + world.as_("admin").get(f"/v1/accounts/{reader.account}/keys").text
    for secret in (fresh["key"], reader.key or ""):
        assert secret[12:] not in text


def test_keys_are_listed_in_pages_and_none_twice(world: World) -> None:
    reader = world.as_("reader")
    ids = [id_of(reader.key)] + [made(reader.post("/v1/keys", {}))["id"] for _ in range(4)]
    listed, path = [], "/v1/keys?limit=2"
    while path:
        answer = reader.get(path).json()
        listed += [key["id"] for key in answer["items"]]
        path = f"/v1/keys?limit=2&cursor={answer['next']}" if answer["next"] else ""
    assert listed == ids


def test_of_two_keys_made_at_one_moment_none_is_lost_between_pages(world: World) -> None:
    reader = world.as_("reader")
    ids = {id_of(reader.key)} | {made(reader.post("/v1/keys", {}))["id"] for _ in range(3)}
    with world.unprotected() as session:
        session.execute(update(Key).values(recorded_at=NOW))
    listed, path = [], "/v1/keys?limit=1"
    while path:
        answer = reader.get(path).json()
        listed += [key["id"] for key in answer["items"]]
        path = f"/v1/keys?limit=1&cursor={answer['next']}" if answer["next"] else ""
    assert Counter(listed) == Counter(ids)


def test_a_key_of_somebody_else_is_not_there(world: World) -> None:
    theirs = id_of(world.cast.keys["coordinator"])
    for who in ("reader", "asia coordinator"):
        for noun in ("rotation", "revocation"):
            answers = [world.as_(who).post(f"/v1/keys/{key}/{noun}", {}) for key in (theirs, "00000000", "x", "%00")]
            assert {answer.status_code for answer in answers} == {404}
            assert len({answer.content for answer in answers}) == 1
    assert world.as_("admin").post(f"/v1/keys/{theirs}/rotation", {}).status_code == 404
    assert status(world, world.cast.keys["coordinator"]) == 200


# Last use


def test_a_use_is_to_be_noted_once_a_day(world: World) -> None:
    key = world.cast.keys["reader"]
    today = NOW.date()
    seen = []
    for on in (NOW, NOW, NOW + DAY, NOW - DAY):
        with world.database.writing() as session:
            caller = authenticate(session, key, PEPPER_, on)
            seen.append(caller.first_use_today)
            if caller.first_use_today:
                note_use(session, caller.key_id, on.date())
    assert seen == [True, False, True, False]
    assert row(world, id_of(key)).last_used_on == today + DAY


def test_a_day_of_use_is_written_once_and_never_set_back(world: World) -> None:
    key_id, other = id_of(world.cast.keys["reader"]), id_of(world.cast.keys["admin"])
    written: list[int] = []

    def count(_c: Any, cursor: Any, statement: str, *_: Any) -> None:
        written.extend([cursor.rowcount] if statement.startswith("UPDATE") else [])

    event.listen(world.database.engine, "after_cursor_execute", count)
    for day in (NOW.date(), NOW.date(), NOW.date() - DAY):
        with world.database.writing() as session:
            note_use(session, key_id, day)
    event.remove(world.database.engine, "after_cursor_execute", count)
    assert written == [1, 0, 0]
    assert row(world, key_id).last_used_on == NOW.date()
    assert row(world, other).last_used_on is None


def test_of_the_time_of_use_only_the_day_is_kept(world: World) -> None:
    with world.database.writing() as session:
        note_use(session, id_of(world.cast.keys["reader"]), NOW.date())
    kept = row(world, id_of(world.cast.keys["reader"])).last_used_on
    assert type(kept) is date
    assert world.as_("reader").get("/v1/keys").json()["items"][0]["last_used_on"] == NOW.date().isoformat()


# The clock set back


def test_a_key_that_was_refused_as_expired_stays_dead_when_the_clock_is_set_back(
    world: World, second: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = given(world, "reader", lasts=DAY)
    for service in (world, second):
        for _ in range(3):  # known to both processes, and to their quick way
            assert status(service, short.key) == 200
    on_day(monkeypatch, 2)
    assert status(world, short.key) == 401
    on_day(monkeypatch, 0)
    assert [status(service, short.key) for service in (world, second)] == [401, 401]
    assert row(world, id_of(short.key)).ended_at is not None
    listed = {key["id"]: key for key in world.as_("reader").get("/v1/keys").json()["items"]}
    assert listed[id_of(short.key)]["ended_at"] is not None


def test_what_the_clock_saw_end_stays_ended_after_a_restart(
    world: World, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    short, retired, long = (given(world, "reader", lasts=lasts) for lasts in (DAY, 300 * DAY, 300 * DAY))
    made(rotated(retired))
    process_due(world.database, datetime.now(UTC) + 8 * DAY)
    restarted = World(database_url, PEPPER, world.cast)
    assert [status(restarted, person.key) for person in (short, retired)] == [401, 401]
    assert status(restarted, long.key) == 200
    restarted.end()


def test_a_process_judges_keys_by_the_latest_moment_it_has_seen(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    short, long = given(world, "reader", lasts=DAY), given(world, "reader", lasts=100 * DAY)
    for _ in range(3):
        assert status(world, short.key) == 200
    on_day(monkeypatch, 2)
    assert status(world, long.key) == 200  # somebody else calls; nobody notices that the short one has ended
    on_day(monkeypatch, 0)
    assert status(world, short.key) == 401
    assert status(world, long.key) == 200


def test_an_hour_ahead_kills_no_key_that_ends_later(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    lasting = given(world, "reader", lasts=10 * DAY)
    on_day(monkeypatch, 9)
    process_due(world.database, datetime.now(UTC) + 9 * DAY)
    assert status(world, lasting.key) == 200
    on_day(monkeypatch, 0)
    assert status(world, lasting.key) == 200
    assert row(world, id_of(lasting.key)).ended_at is None


def test_looking_for_ended_keys_is_no_change_of_the_network(world: World) -> None:
    def version() -> int:
        with world.database.reading() as session:
            return auth_version(session)

    before = version()
    process_due(world.database, datetime.now(UTC))
    assert version() == before
    given(world, "reader", lasts=DAY)
    made_one = version()
    process_due(world.database, datetime.now(UTC) + 2 * DAY)
    assert made_one > before
    assert version() > made_one


# Revocation


def test_a_key_is_revoked_by_its_holder_and_stays_revoked_since_the_first_time(world: World) -> None:
    reader = world.as_("reader")
    lost = made(reader.post("/v1/keys", {}))
    answers = [made(reader.post(f"/v1/keys/{lost['id']}/revocation", {})) for _ in range(2)]
    assert answers[0] == answers[1]
    assert answers[0]["revoked_at"]
    assert (status(world, lost["key"]), status(world, reader.key)) == (401, 200)


def test_an_admin_revokes_keys_within_what_they_administer(world: World) -> None:
    europe = world.newcomer("europe admin", Role.ADMIN, entity="Europe")
    both = world.newcomer("both", Role.READER, entity="Europe")
    world.give(both.account, "reader", "South Asia")
    theirs, elsewhere = id_of(world.cast.keys["europe reader"]), id_of(world.cast.keys["asia reader"])
    for key in (elsewhere, id_of(both.key)):
        assert europe.post(f"/v1/keys/{key}/revocation", {}).status_code == 404
    made(europe.post(f"/v1/keys/{theirs}/revocation", {}))
    assert status(world, world.cast.keys["europe reader"]) == 401
    made(world.as_("admin").post(f"/v1/keys/{elsewhere}/revocation", {}))


# What is kept


def test_a_key_is_kept_with_all_its_scopes_in_one_order(world: World) -> None:
    with world.database.writing() as session:
        account = session.scalars(select(Account).where(Account.name == "reader")).one()
        kept = new_key(session, account.id, PEPPER_, NOW, NOW + DAY, [Scope.MANAGE, Scope.READ]).key
    assert row(world, kept.id).scopes == ["read", "manage"]
