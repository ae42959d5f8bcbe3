"""Four eyes on rights (domain.md 8): one person proposes a role, another confirms it."""

from collections import Counter
from datetime import UTC, datetime
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from appeals.access.roles import CASE_ROLES
from appeals.accounts.account import UNCONFIRMED_ROLES, Membership
from appeals.lifecycle.due_dates import process_due
from appeals.vocabulary import AccountKind, Role
from tests.support.cast import Person, World
from tests.support.clock import on_day
from tests.support.confirming import (
    DAY,
    OFFICE,
    add,
    alerts,
    by_command,
    change,
    codes,
    confirm,
    end,
    key_in_hand,
    propose,
)
from tests.support.live import Crowd, Live, live

__all__ = ["live"]
CONFIRMED_ROLES = [role for role in Role if role not in UNCONFIRMED_ROLES]


# A proposal gives nothing


@pytest.mark.parametrize("role", CONFIRMED_ROLES)
def test_an_admin_alone_gives_nobody_a_role_that_sees_cases_or_gives_roles(world: World, role: Role) -> None:
    admin = world.as_("admin")
    account = add(admin, role)
    assert account["state"] == "proposed"
    assert admin.post(f"/v1/accounts/{account['account']}/keys", {}).status_code == 403
    assert codes(admin.post(f"/v1/accounts/{account['account']}/enrolment", {})) == (409, ["enrolment.no_role"])
    holder = world.as_("dashboard")
    assert propose(admin, holder.account, role, OFFICE).json()["state"] == "proposed"
    assert holder.get("/v1/cases").status_code == 403
    assert holder.get("/v1/accounts").status_code == 403
    assert holder.post("/v1/entities", {"name": "X", "kind": "member", "parent": "Europe"}).status_code == 403


def test_the_roles_that_one_admin_gives_are_those_that_see_no_case_and_give_no_roles() -> None:
    assert set(Role) - CASE_ROLES - {Role.ADMIN} == UNCONFIRMED_ROLES


@pytest.mark.parametrize("role", UNCONFIRMED_ROLES)
def test_a_role_that_sees_no_case_is_given_by_one_admin(world: World, role: Role) -> None:
    account = add(world.as_("admin"), role)
    assert account["state"] == "held"
    assert codes(confirm(world.coordinator, account["membership"])) == (409, ["confirmation.given"])


def test_a_proposed_role_counts_nowhere_as_a_role(world: World) -> None:
    account = add(world.as_("admin"), "coordinator")
    reference = world.case_in("screening")
    answer = world.coordinator.add(reference, "team", {"account": account["account"]})
    assert codes(answer) == (409, ["team.without_role"])
    admin = add(world.as_("admin"), "admin", OFFICE, "rival admin")
    second = world.newcomer("second admin", Role.ADMIN)
    (membership,) = world.as_("admin").get("/v1/me").json()["memberships"]
    assert end(second, membership["id"]).status_code == 201
    with world.database.reading() as session:
        left = session.scalars(select(Membership).where(Membership.role == "admin", Membership.ended_at.is_(None)))
        assert {str(one.account_id) for one in left} == {second.account, admin["account"]}
    mine = second.get("/v1/me").json()["memberships"][0]["id"]
    other = world.newcomer("third admin", Role.ADMIN, entity="Europe")
    assert end(other, mine).status_code == 403
    assert codes(end(second, mine)) == (409, ["account.own"])


def test_what_is_confirmed_is_held_on_the_next_request(world: World) -> None:
    holder = world.as_("dashboard")
    proposed = propose(world.as_("admin"), holder.account).json()
    answer = confirm(world.as_("asia coordinator"), proposed["id"])
    assert answer.status_code == 201
    assert (answer.json()["state"], answer.json()["confirmed_by"]) == ("held", world.as_("asia coordinator").account)
    assert holder.get("/v1/cases").status_code == 200
    assert codes(confirm(world.coordinator, proposed["id"])) == (409, ["confirmation.given"])


# Who confirms


def test_a_coordinator_at_or_above_the_entity_confirms_and_nobody_else(world: World) -> None:
    world.newcomer("second admin", Role.ADMIN)
    machine = world.newcomer("machine coordinator", Role.COORDINATOR, kind=AccountKind.MACHINE)
    account = add(world.as_("admin"))
    assert codes(confirm(machine, account["membership"])) == (409, ["confirmation.person"])
    for name in ("europe coordinator", "asia caseworker", "reviewer", "partner", "auditor", "dashboard"):
        assert confirm(world.as_(name), account["membership"]).status_code == 403, name
    for absent in ("00000000-0000-4000-8000-000000000000", "x"):
        assert confirm(world.coordinator, absent).status_code == 404
    assert codes(confirm(world.as_("admin"), account["membership"])) == (409, ["confirmation.another"])
    assert confirm(world.as_("asia coordinator"), account["membership"]).status_code == 201


def test_another_admin_confirms_only_where_there_is_no_coordinator(world: World) -> None:
    second = world.newcomer("second admin", Role.ADMIN)
    account = add(world.as_("admin"), entity="Europe")
    assert codes(confirm(second, account["membership"])) == (409, ["confirmation.coordinator"])
    change(world, Membership, Membership.role == Role.COORDINATOR, ended_at=datetime.now(UTC))
    assert codes(confirm(world.as_("admin"), account["membership"])) == (409, ["confirmation.another"])
    assert confirm(second, account["membership"]).status_code == 201


def test_where_there_is_neither_the_command_gives_it(world: World) -> None:
    change(world, Membership, Membership.role == Role.COORDINATOR, ended_at=datetime.now(UTC))
    account = add(world.as_("admin"), "coordinator", OFFICE)
    (item,) = world.as_("admin").get("/v1/confirmations").json()["items"]
    assert (item["id"], item["confirmers"]) == (account["membership"], [])
    assert by_command(world, "dhaka desk", Role.COORDINATOR) == account["membership"]
    with world.database.reading() as session:
        membership = session.get_one(Membership, UUID(account["membership"]))
        assert (membership.state, membership.confirmed_by, str(membership.recorded_by)) == (
            "held",
            None,
            world.as_("admin").account,
        )


def test_who_is_admin_and_coordinator_does_not_sign_twice(world: World) -> None:
    by_command(world, "admin", Role.COORDINATOR)
    account = add(world.as_("admin"))
    assert codes(confirm(world.as_("admin"), account["membership"])) == (409, ["confirmation.another"])


def test_who_proposed_does_not_confirm_in_a_role_they_got_since(world: World) -> None:
    admin, second = world.as_("admin"), world.newcomer("second admin", Role.ADMIN)
    account = add(admin)
    assert end(second, admin.get("/v1/me").json()["memberships"][0]["id"]).status_code == 201
    by_command(world, "admin", Role.COORDINATOR)
    assert codes(confirm(admin, account["membership"])) == (409, ["confirmation.another"])


def test_who_gets_it_does_not_confirm_it(world: World) -> None:
    coordinator = world.as_("asia coordinator")
    proposed = propose(world.as_("admin"), coordinator.account, "reviewer").json()
    assert codes(confirm(coordinator, proposed["id"])) == (409, ["confirmation.another"])


def test_nobody_proposes_for_themselves(world: World) -> None:
    by_command(world, "coordinator", Role.ADMIN)
    for who in (world.as_("admin"), world.coordinator):
        assert codes(propose(who, who.account, "reviewer", OFFICE)) == (409, ["account.own"])


def test_the_database_refuses_two_signatures_of_one_person(world: World) -> None:
    account = add(world.as_("admin"))
    for signer in (account["account"], world.as_("admin").account):
        with pytest.raises(IntegrityError, match="ck_membership_two_people"):
            change(world, Membership, Membership.id == UUID(account["membership"]), confirmed_by=UUID(signer))


def test_a_machine_gives_only_what_needs_no_confirmation(world: World) -> None:
    machine = world.newcomer("machine admin", Role.ADMIN, kind=AccountKind.MACHINE)
    assert add(machine, "dashboard", name="machine one")["state"] == "held"
    body = {"name": "another", "kind": "person", "role": "reader", "entity": "Europe"}
    assert codes(machine.post("/v1/accounts", body)) == (409, ["confirmation.person"])


# While it is open


def test_a_proposal_lapses_after_14_days_also_when_the_clock_is_set_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, late = add(world.as_("admin")), add(world.as_("admin"), name="another desk")
    on_day(monkeypatch, 13.9)
    assert confirm(world.coordinator, kept["membership"]).status_code == 201
    on_day(monkeypatch, 14.1)
    assert codes(confirm(world.coordinator, late["membership"])) == (409, ["confirmation.ended"])
    assert world.coordinator.get("/v1/confirmations").json()["items"] == []
    process_due(world.database, datetime.now(UTC) + 14.1 * DAY)
    on_day(monkeypatch, 0)
    assert codes(confirm(world.coordinator, late["membership"])) == (409, ["confirmation.ended"])
    again = propose(world.as_("admin"), late["account"]).json()
    assert again["id"] != late["membership"]
    assert confirm(world.coordinator, again["id"]).status_code == 201


def test_a_lapsed_proposal_is_proposed_anew_before_anything_noted_its_end(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = add(world.as_("admin"))
    on_day(monkeypatch, 15)
    again = propose(world.as_("admin"), account["account"]).json()
    assert (again["id"] != account["membership"], again["state"]) == (True, "proposed")
    assert codes(confirm(world.coordinator, account["membership"])) == (409, ["confirmation.ended"])
    assert confirm(world.coordinator, again["id"]).status_code == 201


@pytest.mark.parametrize("who", ["admin", "coordinator", "asia coordinator"])
def test_a_proposal_is_taken_back_by_admins_and_refused_by_coordinators(world: World, who: str) -> None:
    account = add(world.as_("admin"))
    assert end(world.as_("europe coordinator"), account["membership"]).status_code == 403
    ended = end(world.as_(who), account["membership"])
    assert (ended.status_code, ended.json()["state"]) == (201, "ended")
    assert codes(confirm(world.coordinator, account["membership"])) == (409, ["confirmation.ended"])
    assert codes(end(world.as_("admin"), account["membership"])) == (409, ["membership.ended"])


def test_a_coordinator_takes_no_role_away(world: World) -> None:
    account = add(world.as_("admin"))
    assert confirm(world.coordinator, account["membership"]).status_code == 201
    assert end(world.coordinator, account["membership"]).status_code == 403


@pytest.mark.parametrize("how", ["disabled", "role ended", "moved"])
def test_a_proposal_falls_with_the_power_of_who_made_it(world: World, how: str) -> None:
    proposer = world.newcomer("asia admin", Role.ADMIN, entity="South Asia")
    account = add(proposer)
    if how == "disabled":
        path = f"/v1/accounts/{proposer.account}/disabling"
        assert world.as_("admin").post(path, {"reason": "compromised"}).status_code == 201
    else:
        assert end(world.as_("admin"), proposer.get("/v1/me").json()["memberships"][0]["id"]).status_code == 201
    if how == "moved":
        by_command(world, "asia admin", Role.ADMIN, "Europe")
    assert codes(confirm(world.coordinator, account["membership"])) == (409, ["confirmation.void"])


def test_nothing_is_confirmed_for_an_account_out_of_service(world: World) -> None:
    account = add(world.as_("admin"))
    path = f"/v1/accounts/{account['account']}/disabling"
    assert world.as_("admin").post(path, {"reason": "left"}).status_code == 201
    assert codes(confirm(world.coordinator, account["membership"])) == (409, ["account.disabled"])
    assert world.coordinator.get("/v1/confirmations").json()["items"] == []


def test_what_is_proposed_again_stays_the_proposal_of_the_first(world: World) -> None:
    second = world.newcomer("second admin", Role.ADMIN)
    account = add(world.as_("admin"))
    again = propose(second, account["account"]).json()
    assert (again["id"], again["proposed_by"]) == (account["membership"], world.as_("admin").account)
    change(world, Membership, Membership.role == Role.COORDINATOR, ended_at=datetime.now(UTC))
    assert codes(confirm(world.as_("admin"), account["membership"])) == (409, ["confirmation.another"])
    assert confirm(second, account["membership"]).status_code == 201
    assert propose(second, account["account"]).json()["state"] == "held"


def test_a_confirmation_sent_again_gives_back_no_role_that_ended(world: World) -> None:
    account = add(world.as_("admin"))
    first = confirm(world.coordinator, account["membership"], Idempotency_Key="signing")
    assert end(world.as_("admin"), account["membership"]).status_code == 201
    again = confirm(world.coordinator, account["membership"], Idempotency_Key="signing")
    assert (again.content, again.headers["Idempotency-Replayed"]) == (first.content, "true")
    with world.database.reading() as session:
        assert session.get_one(Membership, UUID(account["membership"])).state == "ended"


def test_of_two_who_confirm_at_once_one_does(live: Live) -> None:
    account = add(live.world.as_("admin"), name="raced desk")
    with Crowd(live, 8) as crowd:
        names = ["coordinator", "asia coordinator"] * 4
        answers = crowd.all_at_once(
            [lambda world, name=name: confirm(world.as_(name), account["membership"]) for name in names]  # type: ignore[misc]
        )
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 7}


def test_of_a_confirmation_and_a_refusal_at_once_one_holds(live: Live) -> None:
    for number in range(4):
        account = add(live.world.as_("admin"), name=f"contested desk {number}")
        with Crowd(live, 2) as crowd:
            confirmed, refused = crowd.all_at_once(
                [
                    lambda world: confirm(world.as_("coordinator"), account["membership"]),  # noqa: B023
                    lambda world: end(world.as_("asia coordinator"), account["membership"]),  # noqa: B023
                ]
            )
        # Whoever comes second is told: a refusal after the confirmation would take a role away.
        assert (confirmed.status_code, refused.status_code) in {(201, 403), (409, 201)}


# Whose account it is


def test_an_admin_brings_in_nobody_whom_others_administer(world: World) -> None:
    europe = world.newcomer("europe admin", Role.ADMIN, entity="Europe")
    theirs = add(world.as_("admin"), entity="South Asia")
    free = world.newcomer("free desk")
    for account, expected in {
        world.cast.accounts["asia reader"]: 403,  # holds a role elsewhere
        theirs["account"]: 403,  # is to hold one elsewhere
        world.cast.accounts["europe reader"]: 201,
        free.account: 201,  # holds none
        "00000000-0000-4000-8000-000000000000": 404,
    }.items():
        assert propose(europe, account, "reader", "Europe Production").status_code == expected
    assert propose(world.as_("admin"), world.cast.accounts["asia reader"], "reader", "Europe").status_code == 201


def test_a_chain_below_an_admin_holds_nothing_until_somebody_else_signs(world: World) -> None:
    """An entity, an admin and a coordinator of it, all made by one person, sign nothing for each other."""
    asia = world.newcomer("asia admin", Role.ADMIN, entity="South Asia")
    assert asia.post("/v1/entities", {"name": "Shell", "kind": "member", "parent": "South Asia"}).status_code == 201
    puppets = {role: add(asia, role, "Shell", f"shell {role}") for role in ("admin", "coordinator", "caseworker")}
    puppets["coordinator"]["key"] = key_in_hand(world, puppets["coordinator"]["account"])
    puppet = Person(world.client, puppets["coordinator"]["key"])
    assert puppet.get("/v1/me").json()["name"] == "shell coordinator"
    assert puppet.get("/v1/cases").status_code == 403
    assert [confirm(puppet, account["membership"]).status_code for account in puppets.values()] == [403] * 3
    confirmed = confirm(world.as_("asia coordinator"), puppets["coordinator"]["membership"])
    assert confirmed.status_code == 201
    assert confirm(puppet, puppets["caseworker"]["membership"]).status_code == 201
    assert confirm(puppet, add(asia, name="asia desk")["membership"]).status_code == 403


# What waits, and who is told


def test_what_waits_is_listed_for_those_who_answer_for_it(world: World) -> None:
    account = add(world.as_("admin"))
    membership = by_command(world, "europe reader", Role.PARTNER, "Europe")
    listed = {
        name: [item["id"] for item in world.as_(name).get("/v1/confirmations").json()["items"]]
        for name in ("admin", "coordinator", "asia coordinator", "europe coordinator")
    }
    assert listed == {
        "admin": [account["membership"], membership],
        "coordinator": [account["membership"], membership],
        "asia coordinator": [account["membership"]],
        "europe coordinator": [membership],
    }
    (item,) = world.as_("asia coordinator").get("/v1/confirmations").json()["items"]
    assert item["confirmers"] == ["asia coordinator", "coordinator"]
    assert (item["account"]["name"], item["proposed_by"]) == ("dhaka desk", world.as_("admin").account)
    lasts = datetime.fromisoformat(item["lapses_at"]) - datetime.fromisoformat(item["recorded_at"])
    assert lasts == 14 * DAY
    assert world.as_("auditor").get("/v1/confirmations").status_code == 403


def test_what_the_command_gave_is_confirmed_afterwards(world: World) -> None:
    membership = by_command(world, "asia coordinator", Role.REVIEWER, "South Asia")
    assert codes(confirm(world.as_("asia coordinator"), membership)) == (409, ["confirmation.another"])
    assert confirm(world.coordinator, membership).status_code == 201
    assert world.coordinator.get("/v1/confirmations").json()["items"] == []
    text_ = "asia coordinator is reviewer of South Asia: granted by the command on the machine"
    assert alerts(world.as_("asia coordinator"), "grant_by_command", "grant_confirmed")[-2:] == [
        ("grant_by_command", f"{text_}."),
        ("grant_confirmed", f"{text_}, confirmed by coordinator."),
    ]


def test_grants_are_told_to_those_who_answer_for_the_entity(world: World) -> None:
    account = add(world.as_("admin"))
    kinds = ("grant_confirmed", "grant_by_one")
    assert alerts(world.coordinator, *kinds) == []
    confirm(world.as_("asia coordinator"), account["membership"])
    add(world.as_("admin"), "auditor", "Europe", "europe auditor")
    first = (
        "grant_confirmed",
        "dhaka desk is caseworker of South Asia: proposed by admin, confirmed by asia coordinator.",
    )
    other = ("grant_by_one", "europe auditor is auditor of Europe: granted by admin.")
    alerts_by_name = {name: alerts(world.as_(name), *kinds) for name in world.cast.keys}
    assert {name: items for name, items in alerts_by_name.items() if items} == {
        "admin": [first, other],
        "coordinator": [first, other],
        "asia coordinator": [first],
        "europe coordinator": [other],
    }


def test_of_a_new_admin_also_the_coordinators_below_are_told(world: World) -> None:
    account = add(world.as_("admin"), "admin", OFFICE, "second admin")
    confirm(world.coordinator, account["membership"])
    for name in ("admin", "coordinator", "asia coordinator", "europe coordinator"):
        assert alerts(world.as_(name), "new_admin")[-1][1].startswith("second admin is admin of International Office")
    assert alerts(world.as_("caseworker"), "new_admin") == []
