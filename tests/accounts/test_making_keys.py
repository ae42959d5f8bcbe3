"""Creating and rotating API keys: scopes, lifetime, whose key it is, and a key that leaked."""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import update

from appeals.accounts import api_key as keys
from appeals.accounts.api_key import ALL_SCOPES, MAX_LIVE_KEYS, OVERLAP, Key, new_key
from appeals.accounts.authentication import authenticate
from appeals.errors import Unauthenticated
from appeals.vocabulary import Scope
from tests.support.cast import Body, Person, World
from tests.support.keys import DAY, NOW, PEPPER_, change_key, code, given, id_of, made, rotated, row, status
from tests.support.live import Crowd, Live, live

__all__ = ["live"]


def test_a_caller_knows_their_key_and_what_it_opens(world: World) -> None:
    narrow = given(world, "reader", Scope.READ)
    with world.database.reading() as session:
        assert authenticate(session, narrow.key, PEPPER_, NOW).scopes == {Scope.READ}
        caller = authenticate(session, world.cast.keys["reader"], PEPPER_, NOW)
    assert (caller.key_id, caller.scopes) == (id_of(world.cast.keys["reader"]), ALL_SCOPES)


def test_a_new_key_opens_what_its_maker_opens_unless_less_is_asked(world: World) -> None:
    narrow = given(world, "reader", Scope.READ, Scope.MANAGE)
    assert made(world.as_("reader").post("/v1/keys", {}))["scopes"] == list(Scope)
    assert made(narrow.post("/v1/keys", {}))["scopes"] == ["read", "manage"]
    assert made(narrow.post("/v1/keys", {"scopes": ["read", "read"]}))["scopes"] == ["read"]


@pytest.mark.parametrize("scopes", [["write"], ["read", "open"], ["read", "write", "open", "manage"]])
def test_no_key_is_made_wider_than_its_maker(world: World, scopes: list[str]) -> None:
    narrow = given(world, "admin", Scope.READ, Scope.MANAGE)
    assert code(narrow.post("/v1/keys", {"scopes": scopes})) == (422, ["/scopes"])


def test_a_narrow_key_gets_no_wider_by_rotating_a_wide_one(world: World) -> None:
    narrow, wide = given(world, "reader", Scope.READ, Scope.MANAGE), world.as_("reader")
    assert code(narrow.post(f"/v1/keys/{id_of(wide.key)}/rotation", {})) == (409, ["key.wider"])
    after = made(wide.post(f"/v1/keys/{id_of(narrow.key)}/rotation", {}))
    assert after["scopes"] == ["read", "manage"]


@pytest.mark.parametrize("scopes", [[], ["everything"], ["read"] * 5, None, "read"])
def test_scopes_are_some_of_those_there_are(world: World, scopes: Any) -> None:
    answer = world.as_("reader").post("/v1/keys", {"scopes": scopes})
    assert answer.status_code == (201 if scopes is None else 422)


# How long


def test_no_further_key_outlives_the_one_it_is_made_with(world: World) -> None:
    short = given(world, "reader", lasts=10 * DAY)
    assert code(short.post("/v1/keys", {"days": 11})) == (422, ["/days"])
    fresh = made(short.post("/v1/keys", {}))
    assert row(world, fresh["id"]).expires_at == row(world, id_of(short.key)).expires_at
    sooner = row(world, made(short.post("/v1/keys", {"days": 9}))["id"])
    assert sooner.expires_at - sooner.recorded_at == 9 * DAY
    long = given(world, "reader", lasts=3000 * DAY)
    usual = row(world, made(long.post("/v1/keys", {}))["id"])
    assert usual.expires_at - usual.recorded_at == 365 * DAY


@pytest.mark.parametrize("days", [0, -1, 3651, 1.5, "9", True])
def test_a_key_lasts_from_a_day_to_ten_years(world: World, days: Any) -> None:
    assert code(given(world, "reader", lasts=9000 * DAY).post("/v1/keys", {"days": days})) == (422, ["/days"])


def test_a_short_key_gets_no_longer_by_rotating_a_long_one(world: World) -> None:
    short = given(world, "reader", lasts=DAY)
    after = made(short.post(f"/v1/keys/{id_of(world.cast.keys['reader'])}/rotation", {}))
    assert row(world, after["id"]).expires_at == row(world, id_of(short.key)).expires_at


def test_an_account_has_so_many_live_keys_and_no_more(world: World) -> None:
    reader = world.as_("reader")
    with world.database.writing() as session:
        for _ in range(MAX_LIVE_KEYS - 2):
            new_key(session, UUID(reader.account), PEPPER_, NOW, NOW + DAY)
    fresh = made(reader.post("/v1/keys", {}))
    assert code(reader.post("/v1/keys", {})) == (409, ["key.too_many"])
    made(reader.post(f"/v1/keys/{fresh['id']}/revocation", {}))
    made(reader.post("/v1/keys", {}))


def test_a_rotation_leaves_two_live_keys_for_a_week(world: World) -> None:
    old = given(world, "reader", Scope.READ, Scope.MANAGE, lasts=100 * DAY)
    after = made(rotated(old))
    assert (after["scopes"], after["rotated"], len(after["key"])) == (["read", "manage"], False, 61)
    assert [status(world, key) for key in (old.key, after["key"])] == [200, 200]
    kept, fresh = row(world, id_of(old.key)), row(world, after["id"])
    assert kept.ends_at == fresh.recorded_at + OVERLAP
    assert OVERLAP == 7 * DAY
    assert fresh.expires_at - fresh.recorded_at == 100 * DAY
    listed = {key["id"]: key for key in old.get("/v1/keys").json()["items"]}
    assert listed[kept.id]["rotated"]
    assert datetime.fromisoformat(listed[kept.id]["expires_at"]) == kept.ends_at
    with world.database.reading() as session:
        assert authenticate(session, old.key, PEPPER_, kept.ends_at - timedelta(microseconds=1)).key_id == kept.id
        with pytest.raises(Unauthenticated):
            authenticate(session, old.key, PEPPER_, kept.ends_at)
        assert authenticate(session, after["key"], PEPPER_, kept.ends_at).key_id == fresh.id


def test_a_key_that_ends_sooner_does_not_live_longer_for_being_rotated(world: World) -> None:
    old = given(world, "reader", lasts=3 * DAY)
    before = row(world, id_of(old.key)).expires_at
    after = made(rotated(old))
    assert row(world, id_of(old.key)).ends_at == before
    assert row(world, after["id"]).expires_at > before


def test_while_two_are_live_neither_is_rotated(world: World) -> None:
    old = given(world, "reader", lasts=30 * DAY)
    new = Person(world.client, made(rotated(old))["key"])
    for person in (old, new):
        for key in (old.key, new.key):
            assert code(rotated(person, id_of(key))) == (409, ["key.being_rotated"])
    change_key(world, old.key or "", retires_at=NOW - DAY)
    assert status(world, old.key) == 401
    made(rotated(new))


def test_where_the_new_key_was_lost_another_may_take_its_place(world: World) -> None:
    old = given(world, "reader", lasts=30 * DAY)
    lost = made(rotated(old))
    ends = row(world, id_of(old.key)).ends_at
    made(old.post(f"/v1/keys/{lost['id']}/revocation", {}))
    again = made(rotated(old))
    assert row(world, id_of(old.key)).ends_at == ends
    fresh = row(world, again["id"])
    assert fresh.expires_at - fresh.recorded_at == 30 * DAY
    assert (status(world, lost["key"]), status(world, again["key"])) == (401, 200)


def test_a_dead_key_is_not_rotated(world: World) -> None:
    reader, dead = world.as_("reader"), given(world, "reader")
    change_key(world, dead.key or "", revoked_at=NOW)
    assert code(rotated(reader, id_of(dead.key))) == (409, ["key.ended"])
    change_key(world, dead.key or "", revoked_at=None, expires_at=NOW)
    assert code(rotated(reader, id_of(dead.key))) == (409, ["key.ended"])


def test_of_many_rotations_at_once_one_succeeds(live: Live) -> None:
    key = made(live.world.as_("reader").post("/v1/keys", {"days": 3}))["key"]
    with Crowd(live, 8) as crowd:
        answers = crowd.all_at_once([lambda world: rotated(Person(world.client, key))] * 8)
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 7}
    listed = live.world.as_("reader").get("/v1/keys").json()["items"]
    assert sum(item["rotated"] for item in listed) == 1


# A key that leaked

NARROW = [[Scope.READ], [Scope.READ, Scope.WRITE, Scope.OPEN], [Scope.OPEN]]


@pytest.mark.parametrize("scopes", NARROW, ids=str)
def test_a_key_that_leaked_keeps_its_end_however_often_it_rotates_itself(world: World, scopes: list[Scope]) -> None:
    leaked = given(world, "reader", *scopes, lasts=100 * DAY)
    change_key(world, leaked.key or "", recorded_at=NOW - 265 * DAY)
    end = row(world, id_of(leaked.key)).expires_at
    for _ in range(3):
        after = made(rotated(leaked))
        assert row(world, after["id"]).expires_at == end
        change_key(world, leaked.key or "", retires_at=NOW - DAY)
        leaked = Person(world.client, after["key"], leaked.account)


@pytest.mark.parametrize("scopes", NARROW, ids=str)
def test_a_key_that_leaked_touches_no_other_key_of_its_account(world: World, scopes: list[Scope]) -> None:
    leaked, other = given(world, "reader", *scopes), world.as_("reader")
    same = given(world, "reader", *scopes)
    for key in (other.key, same.key):
        for noun in ("revocation", "rotation"):
            assert leaked.post(f"/v1/keys/{id_of(key)}/{noun}", {}).status_code == 403
    assert all(row(world, id_of(key)).is_active(NOW) for key in (other.key, same.key))
    assert row(world, id_of(same.key)).retires_at is None
    made(leaked.post(f"/v1/keys/{id_of(leaked.key)}/revocation", {}))
    assert status(world, leaked.key) == 401


def test_a_key_of_an_admin_that_leaked_kills_no_key_of_others(world: World) -> None:
    leaked = given(world, "admin", Scope.READ, Scope.WRITE)
    theirs = world.cast.keys["reader"]
    assert leaked.post(f"/v1/keys/{id_of(theirs)}/revocation", {}).status_code == 403
    assert status(world, theirs) == 200


# Keys for others


@pytest.mark.parametrize("body", [{}, {"scopes": ["read"], "days": 1}], ids=str)
@pytest.mark.parametrize("lost", [False, True], ids=["a live key", "no key"])
def test_nobody_makes_a_key_for_another_account(world: World, body: Body, lost: bool) -> None:
    admin, coordinator = world.as_("admin"), world.coordinator
    if lost:
        with world.database.writing() as session:
            session.execute(update(Key).where(Key.account_id == UUID(coordinator.account)).values(revoked_at=NOW))
    answer = admin.post(f"/v1/accounts/{coordinator.account}/keys", body)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert "enrolment code" in answer.json()["detail"]
    listed = admin.get(f"/v1/accounts/{coordinator.account}/keys").json()["items"]
    assert [key["id"] for key in listed] == [id_of(coordinator.key)]


def test_an_admin_makes_a_further_key_of_their_own_no_wider_than_the_first(world: World) -> None:
    narrow = given(world, "admin", Scope.MANAGE, Scope.READ)
    path = f"/v1/accounts/{narrow.account}/keys"
    assert code(narrow.post(path, {"scopes": ["open"]})) == (422, ["/scopes"])
    fresh = made(narrow.post(path, {"days": 1}))
    assert (fresh["scopes"], fresh["origin"]) == (["read", "manage"], "holder")
    assert status(world, fresh["key"]) == 200


def test_a_key_that_dies_while_its_call_waits_makes_no_other(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    if world.database.embedded:
        return  # its writers take turns: nothing comes between
    reader, narrow = world.as_("reader"), given(world, "reader")
    genuine, seen = keys.is_genuine, Counter[str]()

    def and_dies(key: Key, secret: str, pepper: bytes) -> bool:
        seen[key.id] += 1
        if seen[key.id] == 2:  # the first time it stood in the queue, now it is about to write
            with world.database.writing() as session:
                session.get_one(Key, key.id).revoked_at = NOW
        return genuine(key, secret, pepper)

    monkeypatch.setattr(keys, "is_genuine", and_dies)
    answers = [reader.post("/v1/keys", {}), rotated(narrow)]
    monkeypatch.undo()
    assert [answer.status_code for answer in answers] == [401, 401]
    assert len(world.as_("admin").get(f"/v1/accounts/{reader.account}/keys").json()["items"]) == 2
