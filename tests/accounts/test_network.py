"""The network: roles over the tree of entities, and who may change entities, accounts and memberships."""

from collections import Counter
from datetime import UTC, datetime
from itertools import pairwise
from uuid import UUID

import pytest
from httpx2 import Response
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from appeals.accounts.account import Account, Membership, account_named, disable, end, grant, grants_of, new_account
from appeals.accounts.alert import Alert, AlertRecipient
from appeals.accounts.api_key import Key, active_keys
from appeals.accounts.bootstrap import create_network
from appeals.accounts.caller import Caller, RoleGrant
from appeals.accounts.entity import Entity, entity_named, new_entity
from appeals.database.declarative import new_id
from appeals.errors import ChangeRefused, Invalid
from appeals.vocabulary import AccountKind, DisablingReason, EntityKind, Role
from tests.conftest import PEPPER, Template
from tests.support.cast import Person, World, step_input
from tests.support.live import Crowd, served
from tests.support.standing import Standing, standing

__all__ = ["standing"]
NOW = datetime.now(UTC)


def test_a_role_that_is_taken_away_is_gone_on_the_next_request(world: World) -> None:
    reference = world.case()
    with world.unprotected() as session:
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
        create_network(session)
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
    with world.unprotected() as session:
        for table in (Key, AlertRecipient, Alert, Membership, Account):
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
        held = RoleGrant(Role.READER, tree[held_at].id, tree[held_at].path, new_id())
        caller = Caller(account_id=tree[held_at].id, name="x", grants=(held,), now=NOW)
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
            grant(session, account, role, place, NOW)
            grant(session, account, role, place, NOW)
        caller = Caller(account_id=account.id, name="both", grants=grants_of(session, account.id), now=NOW)
    assert len(caller.grants) == 2
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


# The operations


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
    assert (answer.status_code, [error["pointer"] for error in answer.json()["errors"]]) == (422, [pointer])


@pytest.mark.parametrize(("role", "state"), [("reader", "proposed"), ("dashboard", "held")])
def test_an_admin_adds_an_account_with_a_role(world: World, role: str, state: str) -> None:
    body = {"name": "new desk", "kind": "machine", "role": role, "entity": "Europe"}
    made = world.as_("admin").post("/v1/accounts", body)
    assert made.status_code == 201
    told = [(held["role"], held["entity_name"], held["state"]) for held in made.json()["memberships"]]
    assert told == [(role, "Europe", state)]
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
    assert (answer.status_code, [error["pointer"] for error in answer.json()["errors"]]) == (422, [pointer])


def test_an_admin_of_a_region_adds_accounts_there_only(world: World) -> None:
    with world.database.writing() as session:
        admin, europe = account_named(session, "europe reader"), entity_named(session, "Europe")
        assert admin
        assert europe
        grant(session, admin, Role.ADMIN, europe, NOW)
    params = [
        {"name": f"a{n}", "kind": "person", "role": "reader", "entity": place}
        for n, place in enumerate(("Europe Production", "South Asia"))
    ]
    answers = [world.as_("europe reader").post("/v1/accounts", body).status_code for body in params]
    assert answers == [201, 403]


# Where an entity may lie

PARENTS = {
    "international_office": set[str](),
    "regional_coalition": {"international_office"},
    "subgroup": {"regional_coalition"},
    "working_group": {"international_office", "regional_coalition"},
    "national_coalition": {"international_office", "regional_coalition", "subgroup"},
    "member": {"international_office", "regional_coalition", "subgroup", "working_group", "national_coalition"},
}


@pytest.mark.parametrize("kind", PARENTS)
def test_an_entity_lies_where_its_kind_has_its_place(world: World, kind: str) -> None:
    admin = world.as_("admin")
    parents = {
        "international_office": "International Office",
        "regional_coalition": "Europe",
        "subgroup": "Europe Production",
        "member": "Garment Workers Centre",
    }
    for group in ("working_group", "national_coalition"):
        parents[group] = f"A {group}"
        below = {"name": parents[group], "kind": group, "parent": "Europe"}
        assert admin.post("/v1/entities", below).status_code == 201
    for parent, name in parents.items():
        answer = admin.post("/v1/entities", {"name": f"{kind} in {parent}", "kind": kind, "parent": name})
        assert answer.status_code == (201 if parent in PARENTS[kind] else 422), parent
        if answer.status_code == 422:
            assert [error["pointer"] for error in answer.json()["errors"]] == ["/kind"]


def test_a_wrong_place_is_told_with_the_right_ones(world: World) -> None:
    body = {"name": "New Group", "kind": "subgroup", "parent": "International Office"}
    error = world.as_("admin").post("/v1/entities", body).json()["errors"][0]
    assert error == {"pointer": "/kind", "says": "must be below one of: regional_coalition"}
    error = world.as_("admin").post("/v1/entities", {**body, "kind": "international_office"}).json()["errors"][0]
    assert error == {"pointer": "/kind", "says": "is that of the root, and the network has only one root"}


def test_only_the_root_lies_below_nothing(world: World) -> None:
    with world.database.writing() as session, pytest.raises(Invalid):
        new_entity(session, "Adrift", EntityKind.MEMBER, None, None)


def test_entities_are_listed_with_all_that_is_above_them(world: World) -> None:
    listed = {item["name"]: item for item in world.as_("dashboard").get("/v1/entities?limit=200").json()["items"]}
    assert {name: item["above"] for name, item in listed.items()} == {
        "International Office": [],
        **{name: ["International Office"] for name in ("South Asia", "South East Asia", "East Asia", "Europe")},
        "Europe Production": ["International Office", "Europe"],
        "Garment Workers Centre": ["International Office", "South Asia"],
        "Tannery Workers Centre": ["International Office", "South Asia"],
    }
    assert listed["Garment Workers Centre"]["kind"] == "member"
    assert listed["Garment Workers Centre"]["country"] == "BD"


# Memberships


def roles(world: World, name: str) -> dict[str, str]:
    """What somebody holds: the id of each membership, by role and entity."""
    held = world.as_(name).get("/v1/me").json()["memberships"]
    return {f"{one['role']} in {one['entity_name']}": one["id"] for one in held}


def grants(world: World, who: Person, name: str, role: str, entity: str) -> Response:
    """The answer when somebody lets one of the people hold a role."""
    path = f"/v1/accounts/{world.cast.accounts[name]}/memberships"
    return who.post(path, {"role": role, "entity": entity})


def ends(who: Person, membership: str) -> Response:
    """The answer when somebody takes a role away."""
    return who.post(f"/v1/memberships/{membership}/ending", {})


def codes(answer: Response) -> tuple[int, list[str]]:
    """The status, and what is unmet."""
    return answer.status_code, [item["code"] for item in answer.json().get("unmet", [])]


def test_a_role_is_granted_and_ended_and_granted_again(world: World) -> None:
    admin, reader = world.as_("admin"), world.as_("dashboard")
    assert reader.get("/v1/cases").status_code == 403
    made = world.give(reader.account, "caseworker", "Europe")
    assert (made["role"], made["entity_name"]) == ("caseworker", "Europe")
    assert grants(world, admin, "dashboard", "caseworker", "Europe").json() == made
    assert reader.get("/v1/cases").status_code == 200
    assert ends(admin, made["id"]).status_code == 201
    assert reader.get("/v1/cases").status_code == 403
    assert codes(ends(admin, made["id"])) == (409, ["membership.ended"])
    again = world.give(reader.account, "caseworker", "Europe")
    assert again["id"] != made["id"]
    assert roles(world, "dashboard") == {
        "dashboard in International Office": next(iter(roles(world, "dashboard").values())),
        "caseworker in Europe": again["id"],
    }
    with world.database.reading() as session:
        kept = session.get_one(Membership, UUID(made["id"]))
        assert kept.ended_at is not None


def test_the_database_holds_a_role_once_while_it_is_held(world: World) -> None:
    with world.database.writing() as session:
        held = session.scalars(select(Membership).where(Membership.role == Role.DASHBOARD)).one()
        again = Membership(account_id=held.account_id, entity_id=held.entity_id, role=held.role)
        session.add(again)
        with pytest.raises(IntegrityError):
            session.flush()
        session.rollback()


@pytest.mark.parametrize("role", ["coordinator", "admin", "reader"])
def test_nobody_grants_themselves_a_role(world: World, role: str) -> None:
    admin = world.as_("admin")
    assert codes(grants(world, admin, "admin", role, "Europe")) == (409, ["account.own"])
    (held,) = roles(world, "admin").values()
    assert codes(ends(admin, held)) == (409, ["account.own"])
    path = f"/v1/accounts/{admin.account}/disabling"
    assert codes(admin.post(path, {"reason": "left"})) == (409, ["account.own"])
    assert list(roles(world, "admin")) == ["admin in International Office"]


def test_an_admin_grants_and_ends_only_where_they_administer(world: World) -> None:
    europe = world.newcomer("europe admin", Role.ADMIN, entity="Europe")
    for entity, expected in {"Europe": 201, "Europe Production": 201, "South Asia": 403}.items():
        assert grants(world, europe, "europe reader", "partner", entity).status_code == expected, entity
    assert grants(world, europe, "europe reader", "reader", "International Office").status_code == 403
    assert grants(world, europe, "europe reader", "reader", "Nowhere").status_code == 422
    world.give(world.cast.accounts["asia reader"], "reader", "Europe")
    held = roles(world, "asia reader")
    assert ends(europe, held["reader in South Asia"]).status_code == 403
    assert ends(europe, held["reader in Europe"]).status_code == 201
    assert ends(world.as_("admin"), held["reader in South Asia"]).status_code == 201


def test_those_who_do_not_run_the_network_learn_of_no_account(world: World) -> None:
    account, membership = world.cast.accounts["reader"], next(iter(roles(world, "reader").values()))
    nobody = "00000000-0000-4000-8000-000000000000"
    for who, told in {"caseworker": [403] * 3, "coordinator": [403] * 3, "admin": [201, 404, 404]}.items():
        params = [
            world.as_(who).post(f"/v1/accounts/{number}/memberships", READER) for number in (account, nobody, "x")
        ]
        assert [answer.status_code for answer in params] == told, who
        params = [ends(world.as_(who), number) for number in (membership, nobody, "x")]
        # A coordinator, who lists all accounts, refuses what is proposed.
        assert [answer.status_code for answer in params] == ([403, 404, 404] if who == "coordinator" else told), who


READER = {"role": "reader", "entity": "Europe"}


def test_the_last_admin_of_the_root_stays(world: World) -> None:
    second = world.newcomer("second admin", Role.ADMIN)
    assert ends(world.as_("admin"), second.get("/v1/me").json()["memberships"][0]["id"]).status_code == 201
    with world.database.writing() as session:
        account = account_named(session, "admin")
        assert account
        held = session.scalars(select(Membership).where(Membership.account_id == account.id)).one()
        with pytest.raises(ChangeRefused) as ending:
            end(session, held, NOW)
        with pytest.raises(ChangeRefused) as disabling:
            disable(session, account, LEFT, NOW)
    for refused in ending.value, disabling.value:
        assert [item.code for item in refused.unmet] == ["admin.last"]
    assert list(roles(world, "admin")) == ["admin in International Office"]


LEFT = DisablingReason.LEFT


def test_an_admin_who_is_disabled_is_no_other_admin(world: World) -> None:
    second = world.newcomer("second admin", Role.ADMIN)
    admin = world.as_("admin")
    assert admin.post(f"/v1/accounts/{second.account}/disabling", {"reason": "left"}).status_code == 201
    with world.database.writing() as session:
        account = account_named(session, "admin")
        assert account
        with pytest.raises(ChangeRefused):
            disable(session, account, LEFT, NOW)


def test_of_two_admins_who_end_each_other_at_once_one_stays(template: Template) -> None:
    url = template.copy()
    world = World(url, PEPPER, template.cast)
    key = str(world.newcomer("rival admin", Role.ADMIN).key)
    world.end()
    with served(url, template.cast) as live, Crowd(live, 2) as crowd:
        admin, rival = live.world.as_("admin"), Person(live.world.client, key)
        theirs, mine = (one.get("/v1/me").json()["memberships"][0]["id"] for one in (rival, admin))
        answers = crowd.all_at_once(
            [lambda world: ends(world.as_("admin"), theirs), lambda world: ends(Person(world.client, key), mine)]
        )
        assert Counter(answer.status_code == 201 for answer in answers) == {True: 1, False: 1}
        both = [Person(live.world.client, one).get("/v1/me").json()["memberships"] for one in (key, admin.key)]
        assert sorted(map(len, both)) == [0, 1]
    template.drop(url)


# Disabling


def test_disabling_an_account_kills_its_keys_at_once_and_for_good(world: World) -> None:
    admin, worker = world.as_("admin"), world.caseworker
    further = worker.post("/v1/keys", {}).json()["key"]
    path = f"/v1/accounts/{worker.account}/disabling"
    answer = admin.post(path, {"reason": "compromised"})
    assert (answer.status_code, answer.json()["active"]) == (201, False)
    assert [Person(world.client, key).get("/v1/me").status_code for key in (worker.key, further)] == [401, 401]
    with world.database.reading() as session:
        assert active_keys(session, UUID(worker.account), NOW) == []
        kept = session.get_one(Account, UUID(worker.account))
        assert (kept.disabled_reason, kept.disabled_at is not None) == ("compromised", True)
    assert codes(admin.post(path, {"reason": "left"})) == (409, ["account.disabled"])
    assert codes(admin.post(f"/v1/accounts/{worker.account}/enrolment", {})) == (409, ["account.disabled"])
    assert codes(grants(world, admin, "caseworker", "reader", "Europe")) == (409, ["account.disabled"])
    assert worker.account not in {item["id"] for item in admin.get("/v1/accounts?limit=200").json()["items"]}


def test_an_admin_disables_only_whom_they_administer_wholly(world: World) -> None:
    europe = world.newcomer("europe admin", Role.ADMIN, entity="Europe")
    theirs, both = (world.newcomer(name, Role.READER, entity="Europe") for name in ("theirs", "both"))
    with world.database.writing() as session:
        account, asia = account_named(session, "both"), entity_named(session, "South Asia")
        assert account
        assert asia
        grant(session, account, Role.READER, asia, NOW)
    told = [europe.post(f"/v1/accounts/{p.account}/disabling", {"reason": "left"}).status_code for p in (theirs, both)]
    assert told == [201, 403]
    assert (theirs.get("/v1/me").status_code, both.get("/v1/me").status_code) == (401, 200)


@pytest.mark.parametrize("body", [{}, {"reason": "no reason"}, {"reason": "left", "who": "x"}])
def test_an_account_is_disabled_for_a_reason_on_the_list(world: World, body: dict[str, str]) -> None:
    assert world.as_("admin").post(f"/v1/accounts/{world.caseworker.account}/disabling", body).status_code == 422
    assert world.caseworker.get("/v1/me").status_code == 200


def test_a_retried_request_gets_the_first_answer(world: World) -> None:
    path = f"/v1/accounts/{world.caseworker.account}/memberships"
    answers = [world.as_("admin").post(path, READER, Idempotency_Key="granting") for _ in range(2)]
    assert answers[0].content == answers[1].content
    assert [answer.headers.get("Idempotency-Replayed") for answer in answers] == [None, "true"]
