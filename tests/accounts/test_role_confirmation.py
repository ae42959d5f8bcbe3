"""Four eyes on rights (domain.md 8): one person proposes a role, another confirms it; two tell the first key's code."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from httpx2 import Response
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import IntegrityError

from appeals.access.access_log import AccessEntry
from appeals.access.roles import CASE_ROLES
from appeals.accounts.account import UNCONFIRMED_ROLES, Account, Membership, account_named, grant
from appeals.accounts.api_key import new_key
from appeals.accounts.authentication import expire_keys_and_proposals
from appeals.accounts.enrolment import EnrolmentHalf
from appeals.accounts.entity import entity_named
from appeals.api.context import AppContext
from appeals.api.idempotency import IdempotentResponse
from appeals.lifecycle.due_dates import process_due
from appeals.vocabulary import AccountKind, Role
from tests.conftest import PEPPER, Template
from tests.support.cast import Body, Person, World, intake
from tests.support.live import Crowd, Live, live, served

__all__ = ["live"]
DAY = timedelta(days=1)
OFFICE = "International Office"
CONFIRMED_ROLES = [role for role in Role if role not in UNCONFIRMED_ROLES]


def codes(answer: Response) -> tuple[int, list[str]]:
    """The status, and what is unmet."""
    return answer.status_code, [item["code"] for item in answer.json().get("unmet", [])]


def add(who: Person, role: str = "caseworker", entity: str = "South Asia", name: str = "dhaka desk") -> Body:
    """An account that somebody makes, with a role: its id, and that of its membership."""
    kind = "machine" if name.startswith("machine") else "person"
    answer = who.post("/v1/accounts", {"name": name, "kind": kind, "role": role, "entity": entity})
    assert answer.status_code == 201, answer.text
    (membership,) = answer.json()["memberships"]
    return {"account": answer.json()["id"], "membership": membership["id"], "state": membership["state"]}


def propose(who: Person, account: str, role: str = "caseworker", entity: str = "South Asia") -> Response:
    return who.post(f"/v1/accounts/{account}/memberships", {"role": role, "entity": entity})


def confirm(who: Person, membership: str, **headers: str) -> Response:
    return who.post(f"/v1/memberships/{membership}/confirmation", {}, **headers)


def end(who: Person, membership: str) -> Response:
    return who.post(f"/v1/memberships/{membership}/ending", {})


def code_half(who: Person, account: str) -> list[str]:
    """What somebody is told of the code of an account."""
    answer = who.post(f"/v1/accounts/{account}/enrolment", {})
    assert answer.status_code == 201, answer.text
    halves: list[str] = answer.json()["halves"]
    return halves


def enrol(world: World, halves: list[str], **more: Any) -> Response:
    return world.nobody.post("/v1/enrolments", {"halves": halves, **more})


def enrolled(world: World, halves: list[str], **more: Any) -> Person:
    """The holder of an account, with the first key."""
    answer = enrol(world, halves, **more)
    assert answer.status_code == 201, answer.text
    person = Person(world.client, answer.json()["key"])
    person.account = person.get("/v1/me").json()["id"]
    return person


def alerts(who: Person, *kinds: str) -> list[tuple[str, str]]:
    """The kinds and sentences of what somebody is alerted to."""
    query = "&".join(f"kind={kind}" for kind in kinds)
    return [(item["kind"], item["text"]) for item in who.get(f"/v1/alerts?limit=200&{query}").json()["items"]]


def on_day(monkeypatch: pytest.MonkeyPatch, days: float) -> None:
    """Let the service's clock stand so many days from now."""
    monkeypatch.setattr(AppContext, "now", lambda _: datetime.now(UTC) + days * DAY)


def change(world: World, table: type[Membership] | type[Account], *where: Any, **values: Any) -> None:
    with world.database.writing() as session:
        session.execute(update(table).where(*where).values(**values))


def by_command(world: World, name: str, role: Role, entity: str = OFFICE) -> str:
    """Let one of the people hold a role as the command does; the id of the membership."""
    with world.database.writing() as session:
        account, place = account_named(session, name), entity_named(session, entity)
        assert account
        assert place
        return str(grant(session, account, role, place, datetime.now(UTC)).id)


def key_in_hand(world: World, account: str) -> str:
    """A key of somebody who was told no code, from wherever they have it."""
    now = datetime.now(UTC)
    with world.database.writing() as session:
        return new_key(session, UUID(account), PEPPER.encode(), now, now + DAY).text


# A proposal gives nothing


@pytest.mark.parametrize("role", CONFIRMED_ROLES)
def test_an_admin_alone_gives_nobody_a_role_that_sees_cases_or_gives_roles(world: World, role: Role) -> None:
    admin = world.as_("admin")
    made = add(admin, role)
    assert made["state"] == "proposed"
    assert admin.post(f"/v1/accounts/{made['account']}/keys", {}).status_code == 403
    assert codes(admin.post(f"/v1/accounts/{made['account']}/enrolment", {})) == (409, ["enrolment.no_role"])
    holder = world.as_("dashboard")
    assert propose(admin, holder.account, role, OFFICE).json()["state"] == "proposed"
    assert holder.get("/v1/cases").status_code == 403
    assert holder.get("/v1/accounts").status_code == 403
    assert holder.post("/v1/entities", {"name": "X", "kind": "member", "parent": "Europe"}).status_code == 403


def test_the_roles_that_one_admin_gives_are_those_that_see_no_case_and_give_no_roles() -> None:
    assert set(Role) - CASE_ROLES - {Role.ADMIN} == UNCONFIRMED_ROLES


@pytest.mark.parametrize("role", UNCONFIRMED_ROLES)
def test_a_role_that_sees_no_case_is_given_by_one_admin(world: World, role: Role) -> None:
    made = add(world.as_("admin"), role)
    assert made["state"] == "held"
    assert codes(confirm(world.coordinator, made["membership"])) == (409, ["confirmation.given"])


def test_a_proposed_role_counts_nowhere_as_a_role(world: World) -> None:
    made = add(world.as_("admin"), "coordinator")
    reference = world.case_in("screening")
    answer = world.coordinator.add(reference, "team", {"account": made["account"]})
    assert codes(answer) == (409, ["team.without_role"])
    admin = add(world.as_("admin"), "admin", OFFICE, "rival admin")
    second = world.newcomer("second admin", Role.ADMIN)
    (held,) = world.as_("admin").get("/v1/me").json()["memberships"]
    assert end(second, held["id"]).status_code == 201
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
    told = confirm(world.as_("asia coordinator"), proposed["id"])
    assert told.status_code == 201
    assert (told.json()["state"], told.json()["confirmed_by"]) == ("held", world.as_("asia coordinator").account)
    assert holder.get("/v1/cases").status_code == 200
    assert codes(confirm(world.coordinator, proposed["id"])) == (409, ["confirmation.given"])


# Who confirms


def test_a_coordinator_at_or_above_the_entity_confirms_and_nobody_else(world: World) -> None:
    world.newcomer("second admin", Role.ADMIN)
    machine = world.newcomer("machine coordinator", Role.COORDINATOR, kind=AccountKind.MACHINE)
    made = add(world.as_("admin"))
    assert codes(confirm(machine, made["membership"])) == (409, ["confirmation.person"])
    for name in ("europe coordinator", "asia caseworker", "reviewer", "partner", "auditor", "dashboard"):
        assert confirm(world.as_(name), made["membership"]).status_code == 403, name
    for absent in ("00000000-0000-4000-8000-000000000000", "x"):
        assert confirm(world.coordinator, absent).status_code == 404
    assert codes(confirm(world.as_("admin"), made["membership"])) == (409, ["confirmation.another"])
    assert confirm(world.as_("asia coordinator"), made["membership"]).status_code == 201


def test_another_admin_confirms_only_where_there_is_no_coordinator(world: World) -> None:
    second = world.newcomer("second admin", Role.ADMIN)
    made = add(world.as_("admin"), entity="Europe")
    assert codes(confirm(second, made["membership"])) == (409, ["confirmation.coordinator"])
    change(world, Membership, Membership.role == Role.COORDINATOR, ended_at=datetime.now(UTC))
    assert codes(confirm(world.as_("admin"), made["membership"])) == (409, ["confirmation.another"])
    assert confirm(second, made["membership"]).status_code == 201


def test_where_there_is_neither_the_command_gives_it(world: World) -> None:
    change(world, Membership, Membership.role == Role.COORDINATOR, ended_at=datetime.now(UTC))
    made = add(world.as_("admin"), "coordinator", OFFICE)
    (item,) = world.as_("admin").get("/v1/confirmations").json()["items"]
    assert (item["id"], item["confirmers"]) == (made["membership"], [])
    assert by_command(world, "dhaka desk", Role.COORDINATOR) == made["membership"]
    with world.database.reading() as session:
        held = session.get_one(Membership, UUID(made["membership"]))
        assert (held.state, held.confirmed_by, str(held.recorded_by)) == ("held", None, world.as_("admin").account)


def test_who_is_admin_and_coordinator_does_not_sign_twice(world: World) -> None:
    by_command(world, "admin", Role.COORDINATOR)
    made = add(world.as_("admin"))
    assert codes(confirm(world.as_("admin"), made["membership"])) == (409, ["confirmation.another"])


def test_who_proposed_does_not_confirm_in_a_role_they_got_since(world: World) -> None:
    admin, second = world.as_("admin"), world.newcomer("second admin", Role.ADMIN)
    made = add(admin)
    assert end(second, admin.get("/v1/me").json()["memberships"][0]["id"]).status_code == 201
    by_command(world, "admin", Role.COORDINATOR)
    assert codes(confirm(admin, made["membership"])) == (409, ["confirmation.another"])


def test_who_gets_it_does_not_confirm_it(world: World) -> None:
    coordinator = world.as_("asia coordinator")
    proposed = propose(world.as_("admin"), coordinator.account, "reviewer").json()
    assert codes(confirm(coordinator, proposed["id"])) == (409, ["confirmation.another"])


def test_nobody_proposes_for_themselves(world: World) -> None:
    by_command(world, "coordinator", Role.ADMIN)
    for who in (world.as_("admin"), world.coordinator):
        assert codes(propose(who, who.account, "reviewer", OFFICE)) == (409, ["account.own"])


def test_the_database_refuses_two_signatures_of_one_person(world: World) -> None:
    made = add(world.as_("admin"))
    for signer in (made["account"], world.as_("admin").account):
        with pytest.raises(IntegrityError, match="ck_membership_two_people"):
            change(world, Membership, Membership.id == UUID(made["membership"]), confirmed_by=UUID(signer))


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
    made = add(world.as_("admin"))
    on_day(monkeypatch, 15)
    again = propose(world.as_("admin"), made["account"]).json()
    assert (again["id"] != made["membership"], again["state"]) == (True, "proposed")
    assert codes(confirm(world.coordinator, made["membership"])) == (409, ["confirmation.ended"])
    assert confirm(world.coordinator, again["id"]).status_code == 201


@pytest.mark.parametrize("who", ["admin", "coordinator", "asia coordinator"])
def test_a_proposal_is_taken_back_by_admins_and_refused_by_coordinators(world: World, who: str) -> None:
    made = add(world.as_("admin"))
    assert end(world.as_("europe coordinator"), made["membership"]).status_code == 403
    ended = end(world.as_(who), made["membership"])
    assert (ended.status_code, ended.json()["state"]) == (201, "ended")
    assert codes(confirm(world.coordinator, made["membership"])) == (409, ["confirmation.ended"])
    assert codes(end(world.as_("admin"), made["membership"])) == (409, ["membership.ended"])


def test_a_coordinator_takes_no_role_away(world: World) -> None:
    made = add(world.as_("admin"))
    assert confirm(world.coordinator, made["membership"]).status_code == 201
    assert end(world.coordinator, made["membership"]).status_code == 403


@pytest.mark.parametrize("how", ["disabled", "role ended", "moved"])
def test_a_proposal_falls_with_the_power_of_who_made_it(world: World, how: str) -> None:
    proposer = world.newcomer("asia admin", Role.ADMIN, entity="South Asia")
    made = add(proposer)
    if how == "disabled":
        path = f"/v1/accounts/{proposer.account}/disabling"
        assert world.as_("admin").post(path, {"reason": "compromised"}).status_code == 201
    else:
        assert end(world.as_("admin"), proposer.get("/v1/me").json()["memberships"][0]["id"]).status_code == 201
    if how == "moved":
        by_command(world, "asia admin", Role.ADMIN, "Europe")
    assert codes(confirm(world.coordinator, made["membership"])) == (409, ["confirmation.void"])


def test_nothing_is_confirmed_for_an_account_out_of_service(world: World) -> None:
    made = add(world.as_("admin"))
    path = f"/v1/accounts/{made['account']}/disabling"
    assert world.as_("admin").post(path, {"reason": "left"}).status_code == 201
    assert codes(confirm(world.coordinator, made["membership"])) == (409, ["account.disabled"])
    assert world.coordinator.get("/v1/confirmations").json()["items"] == []


def test_what_is_proposed_again_stays_the_proposal_of_the_first(world: World) -> None:
    second = world.newcomer("second admin", Role.ADMIN)
    made = add(world.as_("admin"))
    again = propose(second, made["account"]).json()
    assert (again["id"], again["proposed_by"]) == (made["membership"], world.as_("admin").account)
    change(world, Membership, Membership.role == Role.COORDINATOR, ended_at=datetime.now(UTC))
    assert codes(confirm(world.as_("admin"), made["membership"])) == (409, ["confirmation.another"])
    assert confirm(second, made["membership"]).status_code == 201
    assert propose(second, made["account"]).json()["state"] == "held"


def test_a_confirmation_sent_again_gives_back_no_role_that_ended(world: World) -> None:
    made = add(world.as_("admin"))
    first = confirm(world.coordinator, made["membership"], Idempotency_Key="signing")
    assert end(world.as_("admin"), made["membership"]).status_code == 201
    again = confirm(world.coordinator, made["membership"], Idempotency_Key="signing")
    assert (again.content, again.headers["Idempotency-Replayed"]) == (first.content, "true")
    with world.database.reading() as session:
        assert session.get_one(Membership, UUID(made["membership"])).state == "ended"


def test_of_two_who_confirm_at_once_one_does(live: Live) -> None:
    made = add(live.world.as_("admin"), name="raced desk")
    with Crowd(live, 8) as crowd:
        names = ["coordinator", "asia coordinator"] * 4
        answers = crowd.all_at_once(
            [lambda world, name=name: confirm(world.as_(name), made["membership"]) for name in names]  # type: ignore[misc]
        )
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 7}


def test_of_a_confirmation_and_a_refusal_at_once_one_holds(live: Live) -> None:
    for number in range(4):
        made = add(live.world.as_("admin"), name=f"contested desk {number}")
        with Crowd(live, 2) as crowd:
            confirmed, refused = crowd.all_at_once(
                [
                    lambda world: confirm(world.as_("coordinator"), made["membership"]),  # noqa: B023
                    lambda world: end(world.as_("asia coordinator"), made["membership"]),  # noqa: B023
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
    assert [confirm(puppet, made["membership"]).status_code for made in puppets.values()] == [403] * 3
    confirmed = confirm(world.as_("asia coordinator"), puppets["coordinator"]["membership"])
    assert confirmed.status_code == 201
    assert confirm(puppet, puppets["caseworker"]["membership"]).status_code == 201
    assert confirm(puppet, add(asia, name="asia desk")["membership"]).status_code == 403


# What waits, and who is told


def test_what_waits_is_listed_for_those_who_answer_for_it(world: World) -> None:
    made = add(world.as_("admin"))
    given = by_command(world, "europe reader", Role.PARTNER, "Europe")
    listed = {
        name: [item["id"] for item in world.as_(name).get("/v1/confirmations").json()["items"]]
        for name in ("admin", "coordinator", "asia coordinator", "europe coordinator")
    }
    assert listed == {
        "admin": [made["membership"], given],
        "coordinator": [made["membership"], given],
        "asia coordinator": [made["membership"]],
        "europe coordinator": [given],
    }
    (item,) = world.as_("asia coordinator").get("/v1/confirmations").json()["items"]
    assert item["confirmers"] == ["asia coordinator", "coordinator"]
    assert (item["account"]["name"], item["proposed_by"]) == ("dhaka desk", world.as_("admin").account)
    lasts = datetime.fromisoformat(item["lapses_at"]) - datetime.fromisoformat(item["recorded_at"])
    assert lasts == 14 * DAY
    assert world.as_("auditor").get("/v1/confirmations").status_code == 403


def test_what_the_command_gave_is_confirmed_afterwards(world: World) -> None:
    given = by_command(world, "asia coordinator", Role.REVIEWER, "South Asia")
    assert codes(confirm(world.as_("asia coordinator"), given)) == (409, ["confirmation.another"])
    assert confirm(world.coordinator, given).status_code == 201
    assert world.coordinator.get("/v1/confirmations").json()["items"] == []
    text_ = "asia coordinator is reviewer of South Asia: given by the command on the machine"
    assert alerts(world.as_("asia coordinator"), "grant_by_command", "grant_confirmed")[-2:] == [
        ("grant_by_command", f"{text_}."),
        ("grant_confirmed", f"{text_}, confirmed by coordinator."),
    ]


def test_grants_are_told_to_those_who_answer_for_the_entity(world: World) -> None:
    made = add(world.as_("admin"))
    kinds = ("grant_confirmed", "grant_by_one")
    assert alerts(world.coordinator, *kinds) == []
    confirm(world.as_("asia coordinator"), made["membership"])
    add(world.as_("admin"), "auditor", "Europe", "europe auditor")
    first = (
        "grant_confirmed",
        "dhaka desk is caseworker of South Asia: proposed by admin, confirmed by asia coordinator.",
    )
    other = ("grant_by_one", "europe auditor is auditor of Europe: given by admin.")
    told = {name: alerts(world.as_(name), *kinds) for name in world.cast.keys}
    assert {name: items for name, items in told.items() if items} == {
        "admin": [first, other],
        "coordinator": [first, other],
        "asia coordinator": [first],
        "europe coordinator": [other],
    }


def test_of_a_new_admin_also_the_coordinators_below_are_told(world: World) -> None:
    made = add(world.as_("admin"), "admin", OFFICE, "second admin")
    confirm(world.coordinator, made["membership"])
    for name in ("admin", "coordinator", "asia coordinator", "europe coordinator"):
        assert alerts(world.as_(name), "new_admin")[-1][1].startswith("second admin is admin of International Office")
    assert alerts(world.as_("caseworker"), "new_admin") == []


# The first key


def brought_in(world: World, role: str = "caseworker", entity: str = "South Asia", name: str = "dhaka desk") -> Body:
    """An account whose role two people gave, and that has no key yet."""
    made = add(world.as_("admin"), role, entity, name)
    assert confirm(world.coordinator, made["membership"]).status_code == 201
    return made


def test_two_people_bring_in_a_third(world: World) -> None:
    made = brought_in(world)
    (first,), (second,) = (code_half(who, made["account"]) for who in (world.as_("admin"), world.coordinator))
    holder = enrolled(world, [first, second], scopes=["read", "write"], days=30)
    assert holder.account == made["account"]
    assert holder.post("/v1/cases", intake(entity="South Asia")).status_code == 201
    (key,) = holder.get("/v1/keys").json()["items"]
    assert (key["scopes"], key["origin"]) == (["read", "write"], "enrolment")
    lasts = datetime.fromisoformat(key["expires_at"]) - datetime.fromisoformat(key["recorded_at"])
    assert lasts == 30 * DAY
    used = [("code_used", "dhaka desk has a key: the code of which you told half was used.")]
    told = {name: alerts(world.as_(name), "code_used") for name in world.cast.keys}
    assert {name: items for name, items in told.items() if items} == {"admin": used, "coordinator": used}


def test_a_code_is_read_out_in_any_case_and_order_and_with_letters_that_look_alike(world: World) -> None:
    made = brought_in(world)
    (first,), (second,) = (code_half(who, made["account"]) for who in (world.as_("admin"), world.coordinator))
    assert len(first) == 4 * 5 + 4
    spoken = second.replace("-", "").lower().replace("0", "o").replace("1", "l")
    assert enrol(world, [spoken, first]).status_code == 201


@pytest.mark.parametrize(
    "said", [{"days": 366}, {"days": 0}, {"scopes": []}, {"scopes": ["all"]}, {"account": "x"}], ids=str
)
def test_a_first_key_opens_what_there_is_and_lasts_a_year_at_most(world: World, said: Body) -> None:
    made = brought_in(world)
    (first,), (second,) = (code_half(who, made["account"]) for who in (world.as_("admin"), world.coordinator))
    assert enrol(world, [first, second], **said).status_code == 422
    assert enrol(world, [first, second]).status_code == 201


def answers_alike(world: World, tries: dict[str, list[str]]) -> None:
    """Every one of these is refused, and none can be told from the others."""
    answers = {what: enrol(world, halves) for what, halves in tries.items()}
    assert {what: answer.status_code for what, answer in answers.items()} == dict.fromkeys(tries, 422)
    assert len({answer.content for answer in answers.values()}) == 1
    headers = [{k: v for k, v in answer.headers.items() if k != "x-request-id"} for answer in answers.values()]
    assert all(one == headers[0] for one in headers)


def test_halves_that_make_no_key_are_all_answered_alike(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    admin, coordinator = world.as_("admin"), world.coordinator
    made, other = brought_in(world), brought_in(world, name="chittagong desk")
    (replaced,), (first,), (second,) = (code_half(who, made["account"]) for who in (admin, admin, coordinator))
    (foreign,) = code_half(coordinator, other["account"])
    unknown = "0000-0000-0000-0000-0000"
    tries = {
        "unknown": [unknown, unknown],
        "one right": [first, unknown],
        "the same twice": [first, first],
        "replaced": [replaced, second],
        "of two accounts": [first, foreign],
    }
    answers_alike(world, tries)
    on_day(monkeypatch, 14.1)
    answers_alike(world, {**tries, "too old": [first, second]})
    process_due(world.database, datetime.now(UTC) + 14.1 * DAY)
    on_day(monkeypatch, 0)
    answers_alike(world, {**tries, "too old, and the clock set back": [first, second]})
    (first,), (second,) = (code_half(who, made["account"]) for who in (admin, coordinator))
    enrolled(world, [first, second])
    answers_alike(world, {**tries, "used": [first, second]})


@pytest.mark.parametrize(
    "how", ["account disabled", "role ended", "key made", "teller disabled", "teller's role ended"]
)
def test_a_code_falls_with_what_it_rests_on(world: World, how: str) -> None:
    second_admin = world.newcomer("second admin", Role.ADMIN)
    made = brought_in(world)
    (first,), (second,) = (code_half(who, made["account"]) for who in (second_admin, world.coordinator))
    admin = world.as_("admin")
    if how.endswith("disabled"):
        account = made["account"] if how.startswith("account") else second_admin.account
        assert admin.post(f"/v1/accounts/{account}/disabling", {"reason": "compromised"}).status_code == 201
    elif how == "key made":
        key_in_hand(world, made["account"])
    else:
        theirs = second_admin.get("/v1/me").json()["memberships"][0]["id"]
        assert end(admin, made["membership"] if how == "role ended" else theirs).status_code == 201
    answers_alike(world, {"unknown": ["0000-0000-0000-0000-0000"] * 2, how: [first, second]})


def test_a_code_is_used_once_also_by_many_at_once(live: Live) -> None:
    world = live.world
    made = brought_in(world, name="crowded desk")
    (first,), (second,) = (code_half(who, made["account"]) for who in (world.as_("admin"), world.coordinator))
    with Crowd(live, 8) as crowd:
        answers = crowd.all_at_once([lambda world: enrol(world, [first, second])] * 8)
    assert Counter(answer.status_code for answer in answers) == {201: 1, 422: 7}


def test_nobody_is_told_both_halves_of_a_code_that_opens_cases(world: World) -> None:
    """Not even who is admin and coordinator, and asks twice."""
    by_command(world, "admin", Role.COORDINATOR)
    admin, made = world.as_("admin"), brought_in(world)
    (one,), (other,) = code_half(admin, made["account"]), code_half(admin, made["account"])
    answers_alike(world, {"unknown": ["0000-0000-0000-0000-0000"] * 2, "one person": [one, other]})
    (second,) = code_half(world.as_("asia coordinator"), made["account"])
    assert enrol(world, [other, second]).status_code == 201


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("admin", "coordinator", 201),
        ("admin", "second admin", 422),  # there is a coordinator
        ("coordinator", "asia coordinator", 422),  # neither could have proposed it
        ("asia admin", "asia coordinator", 201),
    ],
)
def test_one_half_is_of_an_admin_and_one_of_a_coordinator(world: World, one: str, other: str, expected: int) -> None:
    people = {
        "second admin": world.newcomer("second admin", Role.ADMIN),
        "asia admin": world.newcomer("asia admin", Role.ADMIN, entity="South Asia"),
    }
    made = brought_in(world)
    (first,), (second,) = (code_half(people.get(who) or world.as_(who), made["account"]) for who in (one, other))
    assert enrol(world, [first, second]).status_code == expected


def test_where_there_is_no_coordinator_two_admins_tell_the_halves(world: World) -> None:
    second, made = world.newcomer("second admin", Role.ADMIN), brought_in(world)
    change(world, Membership, Membership.role == Role.COORDINATOR, ended_at=datetime.now(UTC))
    (one,), (other,) = (code_half(who, made["account"]) for who in (world.as_("admin"), second))
    assert enrol(world, [one, other]).status_code == 201


def test_where_nobody_else_can_be_told_the_command_makes_the_key(world: World) -> None:
    made = brought_in(world)
    change(world, Membership, Membership.role == Role.COORDINATOR, ended_at=datetime.now(UTC))
    answer = world.as_("admin").post(f"/v1/accounts/{made['account']}/enrolment", {})
    assert codes(answer) == (409, ["enrolment.nobody"])


def test_only_who_answers_for_all_of_an_account_is_told_a_half(world: World) -> None:
    """A key opens everything that the account holds, and what it held before may be given again."""
    europe = world.newcomer("europe admin", Role.ADMIN, entity="Europe")
    made = brought_in(world, entity="Europe")
    world.give(made["account"], "caseworker", "South Asia")
    path = f"/v1/accounts/{made['account']}/enrolment"
    for who in (europe, world.as_("europe coordinator"), world.as_("asia coordinator"), world.caseworker):
        assert who.post(path, {}).status_code == 403
    held = next(item for item in account(world, made["account"])["memberships"] if item["entity_name"] == "South Asia")
    assert end(world.as_("admin"), held["id"]).status_code == 201
    for who in (europe, world.as_("europe coordinator")):
        assert who.post(path, {}).status_code == 403
    (first,), (second,) = (code_half(who, made["account"]) for who in (world.as_("admin"), world.coordinator))
    assert enrol(world, [first, second]).status_code == 201


def account(world: World, account_id: str) -> Body:
    """An account, as an admin sees it."""
    items = world.as_("admin").get("/v1/accounts?limit=200").json()["items"]
    found: Body = next(item for item in items if item["id"] == account_id)
    return found


def test_a_code_is_for_an_account_without_a_key_whose_role_is_held(world: World) -> None:
    path = f"/v1/accounts/{world.caseworker.account}/enrolment"
    assert codes(world.as_("admin").post(path, {})) == (409, ["key.live"])
    assert codes(world.as_("admin").post(f"/v1/accounts/{world.as_('admin').account}/enrolment", {})) == (
        409, ["key.live"],
    )  # fmt: skip
    made = add(world.as_("admin"))
    assert codes(world.as_("admin").post(f"/v1/accounts/{made['account']}/enrolment", {})) == (
        409, ["enrolment.no_role"],
    )  # fmt: skip
    machine = world.newcomer("machine admin", Role.ADMIN, kind=AccountKind.MACHINE)
    confirm(world.coordinator, made["membership"])
    assert codes(machine.post(f"/v1/accounts/{made['account']}/enrolment", {})) == (409, ["confirmation.person"])


def test_a_lost_key_is_replaced_by_two_people_again(world: World) -> None:
    """An admin who revokes the keys of a coordinator gets nothing by it."""
    admin, lost = world.as_("admin"), world.as_("asia coordinator")
    assert admin.post(f"/v1/keys/{str(lost.key)[3:11]}/revocation", {}).status_code == 201
    (first,) = code_half(admin, lost.account)
    answers_alike(world, {"unknown": ["0000-0000-0000-0000-0000"] * 2, "one": [first, first]})
    assert admin.post(f"/v1/accounts/{lost.account}/enrolment", {}).json()["others"] == ["coordinator"]
    (first,), (second,) = (code_half(who, lost.account) for who in (admin, world.coordinator))
    assert enrolled(world, [second, first]).account == lost.account


# Codes of which one person knows both halves


def test_where_one_person_gives_the_roles_they_are_told_both_halves(world: World) -> None:
    made = add(world.as_("admin"), "dashboard", name="machine board")
    halves = code_half(world.as_("admin"), made["account"])
    assert world.coordinator.post(f"/v1/accounts/{made['account']}/enrolment", {}).status_code == 403
    board = enrolled(world, halves, scopes=["read"])
    assert board.get("/v1/statistics?by=status").status_code == 200
    assert board.get("/v1/keys").json()["items"][0]["origin"] == "enrolment_by_one"
    assert [kind for kind, _ in alerts(world.as_("admin"), "code_used")] == ["code_used"]


@pytest.mark.parametrize("way", ["confirmed", "by the command"])
def test_a_key_that_one_person_could_have_dies_when_its_account_gets_a_role_on_cases(world: World, way: str) -> None:
    """Else an admin would enrol an account as a dashboard, and have it made a coordinator for somebody."""
    made = add(world.as_("admin"), "dashboard", name="sly desk")
    sly = enrolled(world, code_half(world.as_("admin"), made["account"]))
    further = Person(world.client, sly.post("/v1/keys", {}).json()["key"])
    rotated = Person(world.client, sly.post(f"/v1/keys/{str(sly.key)[3:11]}/rotation", {}).json()["key"])
    assert [who.get("/v1/me").status_code for who in (sly, further, rotated)] == [200, 200, 200]
    if way == "confirmed":
        world.give(made["account"], "coordinator", "South Asia")
    else:
        by_command(world, "sly desk", Role.COORDINATOR, "South Asia")
    assert [who.get("/v1/me").status_code for who in (sly, further, rotated)] == [401, 401, 401]
    (first,), (second,) = (code_half(who, made["account"]) for who in (world.as_("admin"), world.coordinator))
    assert enrolled(world, [first, second]).get("/v1/cases").status_code == 200


def test_a_code_that_one_person_knew_makes_no_key_once_the_account_has_a_role_on_cases(world: World) -> None:
    made = add(world.as_("admin"), "auditor", name="sly desk")
    halves = code_half(world.as_("admin"), made["account"])
    world.give(made["account"], "reader", OFFICE)
    answers_alike(world, {"unknown": ["0000-0000-0000-0000-0000"] * 2, "known to one": halves})


def test_keys_of_two_people_stay_when_a_further_role_is_given(world: World) -> None:
    made = brought_in(world)
    (first,), (second,) = (code_half(who, made["account"]) for who in (world.as_("admin"), world.coordinator))
    holder = enrolled(world, [first, second])
    world.give(made["account"], "reviewer", "South Asia")
    assert holder.get("/v1/me").status_code == 200


# An account that held a role on cases is never one person's again


@pytest.mark.parametrize("role", ["coordinator", "reader", "admin"])
def test_an_account_that_ever_held_a_role_on_cases_is_told_to_two_people(world: World, role: str) -> None:
    """An admin who ends somebody's roles and gives them a dashboard gets no key to their account."""
    admin, made = world.as_("admin"), brought_in(world, role)
    assert end(admin, made["membership"]).status_code == 201
    assert propose(admin, made["account"], "dashboard").json()["state"] == "held"
    (one,), (again,) = code_half(admin, made["account"]), code_half(admin, made["account"])
    answers_alike(world, {"unknown": ["0000-0000-0000-0000-0000"] * 2, "known to one": [one, again]})
    (other,) = code_half(world.coordinator, made["account"])
    assert enrolled(world, [again, other]).get("/v1/keys").json()["items"][0]["origin"] == "enrolment"


def test_where_nobody_else_can_be_told_of_such_an_account_the_command_makes_the_key(world: World) -> None:
    admin, made = world.as_("admin"), brought_in(world)
    assert end(admin, made["membership"]).status_code == 201
    change(world, Membership, Membership.role == Role.COORDINATOR, ended_at=datetime.now(UTC))
    assert propose(admin, made["account"], "auditor").json()["state"] == "held"
    answer = admin.post(f"/v1/accounts/{made['account']}/enrolment", {})
    assert codes(answer) == (409, ["enrolment.nobody"])


def test_a_code_that_one_person_knew_makes_no_key_once_the_account_held_a_role_on_cases(world: World) -> None:
    admin, made = world.as_("admin"), add(world.as_("admin"), "dashboard", name="sly desk")
    halves = code_half(admin, made["account"])
    held = world.give(made["account"], "reader", OFFICE)
    assert end(admin, held["id"]).status_code == 201
    answers_alike(world, {"unknown": ["0000-0000-0000-0000-0000"] * 2, "known to one": halves})


def test_a_role_on_cases_that_was_only_proposed_asks_for_no_second_person(world: World) -> None:
    admin, made = world.as_("admin"), add(world.as_("admin"), "dashboard", name="board")
    proposed = propose(admin, made["account"], "reader").json()
    assert end(world.coordinator, proposed["id"]).status_code == 201
    assert len(code_half(admin, made["account"])) == 2


# What is kept of codes


def test_of_a_code_only_keyed_hashes_are_kept_and_no_answer(world: World) -> None:
    made = brought_in(world)
    path = f"/v1/accounts/{made['account']}/enrolment"
    answer = world.as_("admin").post(path, {}, Idempotency_Key="once")
    (first,) = answer.json()["halves"]
    again = world.as_("admin").post(path, {}, Idempotency_Key="once")
    assert (again.status_code, again.json()["code"]) == (409, "idempotency.secret_not_kept")
    (second,) = code_half(world.coordinator, made["account"])
    used = world.nobody.post("/v1/enrolments", {"halves": [first, second]}, Idempotency_Key="once")
    assert used.status_code == 201
    with world.database.reading() as session:
        halves = list(session.scalars(select(EnrolmentHalf)))
        assert {half.ended_at is not None for half in halves} == {True}
        kept = session.scalars(select(IdempotentResponse.body)).all()
        whole = repr([(half.digest, half.__dict__) for half in halves]) + repr(kept)
    for secret in (first, second, used.json()["key"]):
        assert secret not in whole
        assert secret.replace("-", "") not in whole


def test_enrolment_is_on_the_access_log_as_an_act_of_the_account(world: World) -> None:
    made = brought_in(world)
    (first,), (second,) = (code_half(who, made["account"]) for who in (world.as_("admin"), world.coordinator))
    key = enrol(world, [first, second]).json()
    with world.database.reading() as session:
        (row,) = session.scalars(select(AccessEntry).where(AccessEntry.operation == "enrol"))
        assert (row.kind, str(row.account_id), row.key_id, row.subjects) == (
            "key", made["account"], key["id"], [made["account"]],
        )  # fmt: skip


def test_strangers_find_no_room_for_tries(template: Template) -> None:
    url = template.copy()
    with served(url, template.cast, public_rate_per_minute="6") as running:
        tries = [enrol(running.world, ["0000-0000-0000-0000-0000"] * 2).status_code for _ in range(12)]
        assert (tries[0], tries[-1]) == (422, 429)
    template.drop(url)


def test_what_is_over_is_put_on_record_without_a_change_where_nothing_is(world: World) -> None:
    made = brought_in(world)
    code_half(world.as_("admin"), made["account"])
    with world.database.reading() as session:
        before = session.scalar(text("SELECT auth_version FROM network_state"))
    process_due(world.database, datetime.now(UTC))
    with world.database.reading() as session:
        assert session.scalar(text("SELECT auth_version FROM network_state")) == before
        assert session.scalar(select(func.count()).where(EnrolmentHalf.ended_at.is_(None))) == 1
    with world.database.writing() as session:
        expire_keys_and_proposals(session, datetime.now(UTC))
    process_due(world.database, datetime.now(UTC) + 15 * DAY)
    with world.database.reading() as session:
        assert session.scalar(select(func.count()).where(EnrolmentHalf.ended_at.is_(None))) == 0
