"""The network: keys and how they die, roles over the tree of entities, and the directories of both."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import select, update

from appeals.errors import Unauthenticated
from appeals.network import (
    Account,
    Caller,
    Entity,
    Held,
    Key,
    Membership,
    account_named,
    authenticate,
    entity_named,
    found_network,
    grant,
    held_by,
    new_account,
    new_entity,
    new_key,
)
from appeals.vocabulary import AccountKind, EntityKind, Role
from tests.cast import Person, World, step_input
from tests.conftest import PEPPER
from tests.standing import Standing, standing

__all__ = ["standing"]
NOW = datetime.now(UTC)


def status(world: World, key: str | None) -> int:
    """How the service answers to a key."""
    code: int = Person(world.client, key).get("/v1/me").status_code
    return code


def change_key(world: World, key: str, **values: Any) -> None:
    """Change the row of a key."""
    with world.database.writing() as session:
        session.execute(update(Key).where(Key.id == key.split("_")[1]).values(**values))


# Keys


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
        unknown = new_key(session, account, PEPPER.encode(), NOW, NOW + timedelta(days=1))
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


def test_a_role_that_is_taken_away_is_gone_on_the_next_request(world: World) -> None:
    reference = world.case()
    with world.database.writing() as session:
        session.execute(update(Membership).where(Membership.role == Role.COORDINATOR).values(role=Role.READER))
    assert world.coordinator.step(reference, "screening", step_input("screening")).status_code == 403


# The tree


def entity(world: World, name: str) -> Entity:
    """The entity of this name."""
    with world.database.reading() as session:
        found = entity_named(session, name)
    assert found
    return found


def test_the_network_begins_with_its_office_its_coalitions_and_the_subgroup(empty_world: World) -> None:
    with empty_world.database.writing() as session:
        found_network(session)
        tree = {found.name: found for found in session.scalars(select(Entity))}
    parents = {
        name: next((n for n, e in tree.items() if e.id == found.parent_id), None) for name, found in tree.items()
    }
    assert parents == {
        "International Office": None,
        "South Asia": "International Office",
        "South East Asia": "International Office",
        "East Asia": "International Office",
        "Europe": "International Office",
        "Europe Production": "Europe",
    }


@pytest.fixture
def empty_world(world: World) -> World:
    """The world without its network."""
    with world.database.writing() as session:
        for table in (Key, Membership, Account):
            session.query(table).delete()
        session.query(Entity).update({"parent_id": None, "region_id": None})
        session.query(Entity).delete()
    return world


def test_a_path_leads_from_the_root_to_the_entity(world: World) -> None:
    chain = [entity(world, name) for name in ("International Office", "South Asia", "Garment Workers Centre")]
    assert chain[0].path == f"/{chain[0].id.hex}/"
    for above, below in pairwise(chain):
        assert below.path == f"{above.path}{below.id.hex}/"


def test_a_regional_coalition_is_the_region_of_all_below_it(world: World) -> None:
    asia, europe = entity(world, "South Asia"), entity(world, "Europe")
    assert entity(world, "International Office").region_id is None
    assert asia.region_id == asia.id == entity(world, "Garment Workers Centre").region_id
    assert entity(world, "Europe Production").region_id == europe.id
    with world.database.writing() as session:
        group = new_entity(session, "Group", EntityKind.WORKING_GROUP, session.merge(asia), None)
        assert new_entity(session, "Member", EntityKind.MEMBER, group, "BD").region_id == asia.id


def test_a_role_is_good_where_it_is_held_and_below_and_nowhere_else(world: World) -> None:
    names = ("International Office", "South Asia", "Garment Workers Centre", "Tannery Workers Centre", "Europe")
    tree = {name: entity(world, name) for name in names}

    def good_for(held_at: str) -> set[str]:
        caller = Caller(tree[held_at].id, "x", (Held(Role.READER, tree[held_at].id, tree[held_at].path),))
        return {name for name, found in tree.items() if caller.roles_over(found.path) == {Role.READER}}

    assert good_for("International Office") == set(names)
    assert good_for("South Asia") == {"South Asia", "Garment Workers Centre", "Tannery Workers Centre"}
    assert good_for("Garment Workers Centre") == {"Garment Workers Centre"}
    assert good_for("Europe") == {"Europe"}


def test_roles_held_in_several_places_add_up(world: World) -> None:
    with world.database.writing() as session:
        account = new_account(session, "both", AccountKind.MACHINE, NOW)
        for name, role in (("South Asia", Role.READER), ("Garment Workers Centre", Role.CASEWORKER)):
            place = entity_named(session, name)
            assert place
            grant(session, account, role, place)
            grant(session, account, role, place)
        caller = Caller(account.id, "both", held_by(session, account.id))
    assert len(caller.held) == 2
    assert caller.roles_over(entity(world, "Garment Workers Centre").path) == {Role.READER, Role.CASEWORKER}
    assert caller.roles_over(entity(world, "Tannery Workers Centre").path) == {Role.READER}
    assert caller.roles_over(entity(world, "Europe").path) == set()


def test_entities_and_accounts_are_named_by_name_or_by_id(world: World) -> None:
    asia = entity(world, "South Asia")
    with world.database.reading() as session:
        for told in ("South Asia", str(asia.id), str(asia.id).upper()):
            found = entity_named(session, told)
            assert found
            assert found.id == asia.id
        for told in ("south asia", asia.id.hex, "", "0"):
            assert entity_named(session, told) is None
        number = world.cast.accounts["caseworker"]
        assert account_named(session, number) is account_named(session, "caseworker") is not None


def test_an_inactive_account_is_not_there_to_be_named(world: World) -> None:
    reference = world.case()
    with world.database.writing() as session:
        session.execute(update(Account).where(Account.name == "caseworker").values(active=False))
    body = {**step_input("screening"), "assignee": "caseworker"}
    assert world.coordinator.step(reference, "screening", body).status_code == 422
    listed = world.as_("admin").get("/v1/accounts?limit=200").json()["items"]
    assert "caseworker" not in {account["name"] for account in listed}


# The doors


def test_everybody_is_told_who_they_are(standing: Standing) -> None:
    me = standing.world.as_("asia caseworker").get("/v1/me").json()
    assert (me["id"], me["name"], me["kind"]) == (
        standing.world.cast.accounts["asia caseworker"],
        "asia caseworker",
        "person",
    )
    assert [(held["role"], held["entity_name"]) for held in me["memberships"]] == [("caseworker", "South Asia")]


def test_an_admin_adds_an_entity_below_another(world: World) -> None:
    body = {"name": "Leather Workers Centre", "kind": "member", "parent": "South Asia", "country": "IN"}
    made = world.as_("admin").post("/v1/entities", body)
    assert made.status_code == 201
    assert made.json()["parent_id"] == str(entity(world, "South Asia").id)
    assert made.json() in world.as_("dashboard").get("/v1/entities?limit=200").json()["items"]


@pytest.mark.parametrize(("parent", "pointer"), [("Nowhere", "/parent"), ("South Asia", "/name")])
def test_an_entity_has_a_parent_and_a_name_of_its_own(world: World, parent: str, pointer: str) -> None:
    body = {"name": "Europe", "kind": "member", "parent": parent}
    answer = world.as_("admin").post("/v1/entities", body)
    assert (answer.status_code, [fault["pointer"] for fault in answer.json()["errors"]]) == (422, [pointer])


def test_an_admin_adds_an_account_with_a_role(world: World) -> None:
    body = {"name": "new reader", "kind": "machine", "role": "reader", "entity": "Europe"}
    made = world.as_("admin").post("/v1/accounts", body)
    assert made.status_code == 201
    assert [(held["role"], held["entity_name"]) for held in made.json()["memberships"]] == [("reader", "Europe")]
    assert made.json() in world.coordinator.get("/v1/accounts?limit=200").json()["items"]


@pytest.mark.parametrize(
    ("changed", "pointer"),
    [({"name": "coordinator"}, "/name"), ({"entity": "Nowhere"}, "/entity"), ({"role": "king"}, "/role")],
)
def test_an_account_has_a_name_of_its_own_a_role_and_a_place(
    world: World, changed: dict[str, str], pointer: str
) -> None:
    body = {"name": "new", "kind": "person", "role": "reader", "entity": "Europe", **changed}
    answer = world.as_("admin").post("/v1/accounts", body)
    assert (answer.status_code, [fault["pointer"] for fault in answer.json()["errors"]]) == (422, [pointer])


def test_an_admin_of_a_region_adds_accounts_there_only(world: World) -> None:
    with world.database.writing() as session:
        admin, europe = account_named(session, "europe reader"), entity_named(session, "Europe")
        assert admin
        assert europe
        grant(session, admin, Role.ADMIN, europe)
    asked = [
        {"name": f"a{n}", "kind": "person", "role": "reader", "entity": place}
        for n, place in enumerate(("Europe Production", "South Asia"))
    ]
    answers = [world.as_("europe reader").post("/v1/accounts", body).status_code for body in asked]
    assert answers == [201, 403]
