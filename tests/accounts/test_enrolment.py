"""The first key of an account (domain.md 8): two people each pass on half of its code."""

from collections import Counter
from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select, text

from appeals.access.access_log import AccessEntry
from appeals.accounts.account import Membership
from appeals.accounts.authentication import expire_keys_and_proposals
from appeals.accounts.enrolment import EnrolmentHalf
from appeals.api.idempotency import IdempotentResponse
from appeals.lifecycle.due_dates import process_due
from appeals.vocabulary import AccountKind, Role
from tests.conftest import Template
from tests.support.cast import Body, Person, World, intake
from tests.support.clock import on_day
from tests.support.confirming import (
    DAY,
    OFFICE,
    add,
    alerts,
    by_command,
    change,
    code_half,
    codes,
    confirm,
    end,
    enrol,
    enrolled,
    key_in_hand,
    propose,
)
from tests.support.live import Crowd, Live, live, served

__all__ = ["live"]


def brought_in(world: World, role: str = "caseworker", entity: str = "South Asia", name: str = "dhaka desk") -> Body:
    """An account whose role two people gave, and that has no key yet."""
    added = add(world.as_("admin"), role, entity, name)
    assert confirm(world.coordinator, added["membership"]).status_code == 201
    return added


def test_two_people_bring_in_a_third(world: World) -> None:
    added = brought_in(world)
    (first,), (second,) = (code_half(who, added["account"]) for who in (world.as_("admin"), world.coordinator))
    holder = enrolled(world, [first, second], scopes=["read", "write"], days=30)
    assert holder.account == added["account"]
    assert holder.post("/v1/cases", intake(entity="South Asia")).status_code == 201
    (key,) = holder.get("/v1/keys").json()["items"]
    assert (key["scopes"], key["origin"]) == (["read", "write"], "enrolment")
    lasts = datetime.fromisoformat(key["expires_at"]) - datetime.fromisoformat(key["recorded_at"])
    assert lasts == 30 * DAY
    used = [("code_used", "dhaka desk has a key: the enrolment code of which you issued a half was used.")]
    alerts_by_name = {name: alerts(world.as_(name), "code_used") for name in world.cast.keys}
    assert {name: items for name, items in alerts_by_name.items() if items} == {"admin": used, "coordinator": used}


def test_a_code_is_read_out_in_any_case_and_order_and_with_letters_that_look_alike(world: World) -> None:
    added = brought_in(world)
    (first,), (second,) = (code_half(who, added["account"]) for who in (world.as_("admin"), world.coordinator))
    assert len(first) == 4 * 5 + 4
    spoken = second.replace("-", "").lower().replace("0", "o").replace("1", "l")
    assert enrol(world, [spoken, first]).status_code == 201


@pytest.mark.parametrize(
    "said", [{"days": 366}, {"days": 0}, {"scopes": []}, {"scopes": ["all"]}, {"account": "x"}], ids=str
)
def test_a_first_key_opens_what_there_is_and_lasts_a_year_at_most(world: World, said: Body) -> None:
    added = brought_in(world)
    (first,), (second,) = (code_half(who, added["account"]) for who in (world.as_("admin"), world.coordinator))
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
    added, other = brought_in(world), brought_in(world, name="chittagong desk")
    (replaced,), (first,), (second,) = (code_half(who, added["account"]) for who in (admin, admin, coordinator))
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
    (first,), (second,) = (code_half(who, added["account"]) for who in (admin, coordinator))
    enrolled(world, [first, second])
    answers_alike(world, {**tries, "used": [first, second]})


@pytest.mark.parametrize(
    "how", ["account disabled", "role ended", "key made", "teller disabled", "teller's role ended"]
)
def test_a_code_falls_with_what_it_rests_on(world: World, how: str) -> None:
    second_admin = world.newcomer("second admin", Role.ADMIN)
    added = brought_in(world)
    (first,), (second,) = (code_half(who, added["account"]) for who in (second_admin, world.coordinator))
    admin = world.as_("admin")
    if how.endswith("disabled"):
        account = added["account"] if how.startswith("account") else second_admin.account
        assert admin.post(f"/v1/accounts/{account}/disabling", {"reason": "compromised"}).status_code == 201
    elif how == "key made":
        key_in_hand(world, added["account"])
    else:
        theirs = second_admin.get("/v1/me").json()["memberships"][0]["id"]
        assert end(admin, added["membership"] if how == "role ended" else theirs).status_code == 201
    answers_alike(world, {"unknown": ["0000-0000-0000-0000-0000"] * 2, how: [first, second]})


def test_a_code_is_used_once_also_by_many_at_once(live: Live) -> None:
    world = live.world
    added = brought_in(world, name="crowded desk")
    (first,), (second,) = (code_half(who, added["account"]) for who in (world.as_("admin"), world.coordinator))
    with Crowd(live, 8) as crowd:
        answers = crowd.all_at_once([lambda world: enrol(world, [first, second])] * 8)
    assert Counter(answer.status_code for answer in answers) == {201: 1, 422: 7}


def test_nobody_is_told_both_halves_of_a_code_that_opens_cases(world: World) -> None:
    """Not even who is admin and coordinator, and asks twice."""
    by_command(world, "admin", Role.COORDINATOR)
    admin, added = world.as_("admin"), brought_in(world)
    (one,), (other,) = code_half(admin, added["account"]), code_half(admin, added["account"])
    answers_alike(world, {"unknown": ["0000-0000-0000-0000-0000"] * 2, "one person": [one, other]})
    (second,) = code_half(world.as_("asia coordinator"), added["account"])
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
    added = brought_in(world)
    (first,), (second,) = (code_half(people.get(who) or world.as_(who), added["account"]) for who in (one, other))
    assert enrol(world, [first, second]).status_code == expected


def test_where_there_is_no_coordinator_two_admins_tell_the_halves(world: World) -> None:
    second, added = world.newcomer("second admin", Role.ADMIN), brought_in(world)
    change(world, Membership, Membership.role == Role.COORDINATOR, ended_at=datetime.now(UTC))
    (one,), (other,) = (code_half(who, added["account"]) for who in (world.as_("admin"), second))
    assert enrol(world, [one, other]).status_code == 201


def test_where_nobody_else_can_be_told_the_command_makes_the_key(world: World) -> None:
    added = brought_in(world)
    change(world, Membership, Membership.role == Role.COORDINATOR, ended_at=datetime.now(UTC))
    answer = world.as_("admin").post(f"/v1/accounts/{added['account']}/enrolment", {})
    assert codes(answer) == (409, ["enrolment.nobody"])


def test_only_who_answers_for_all_of_an_account_is_told_a_half(world: World) -> None:
    """A key opens everything that the account holds, and what it held before may be given again."""
    europe = world.newcomer("europe admin", Role.ADMIN, entity="Europe")
    added = brought_in(world, entity="Europe")
    world.give(added["account"], "caseworker", "South Asia")
    path = f"/v1/accounts/{added['account']}/enrolment"
    for who in (europe, world.as_("europe coordinator"), world.as_("asia coordinator"), world.caseworker):
        assert who.post(path, {}).status_code == 403
    membership = next(
        item for item in account(world, added["account"])["memberships"] if item["entity_name"] == "South Asia"
    )
    assert end(world.as_("admin"), membership["id"]).status_code == 201
    for who in (europe, world.as_("europe coordinator")):
        assert who.post(path, {}).status_code == 403
    (first,), (second,) = (code_half(who, added["account"]) for who in (world.as_("admin"), world.coordinator))
    assert enrol(world, [first, second]).status_code == 201


def account(world: World, account_id: str) -> Body:
    """An account, as an admin sees it."""
    items = world.as_("admin").get("/v1/accounts?limit=200").json()["items"]
    entry: Body = next(item for item in items if item["id"] == account_id)
    return entry


def test_a_code_is_for_an_account_without_a_key_whose_role_is_held(world: World) -> None:
    path = f"/v1/accounts/{world.caseworker.account}/enrolment"
    assert codes(world.as_("admin").post(path, {})) == (409, ["key.live"])
    assert codes(world.as_("admin").post(f"/v1/accounts/{world.as_('admin').account}/enrolment", {})) == (
        409, ["key.live"],
    )  # fmt: skip
    added = add(world.as_("admin"))
    assert codes(world.as_("admin").post(f"/v1/accounts/{added['account']}/enrolment", {})) == (
        409, ["enrolment.no_role"],
    )  # fmt: skip
    machine = world.newcomer("machine admin", Role.ADMIN, kind=AccountKind.MACHINE)
    confirm(world.coordinator, added["membership"])
    assert codes(machine.post(f"/v1/accounts/{added['account']}/enrolment", {})) == (409, ["confirmation.person"])


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
    added = add(world.as_("admin"), "dashboard", name="machine board")
    halves = code_half(world.as_("admin"), added["account"])
    assert world.coordinator.post(f"/v1/accounts/{added['account']}/enrolment", {}).status_code == 403
    board = enrolled(world, halves, scopes=["read"])
    assert board.get("/v1/statistics?by=status").status_code == 200
    assert board.get("/v1/keys").json()["items"][0]["origin"] == "enrolment_by_one"
    assert [kind for kind, _ in alerts(world.as_("admin"), "code_used")] == ["code_used"]


@pytest.mark.parametrize("way", ["confirmed", "by the command"])
def test_a_key_that_one_person_could_have_dies_when_its_account_gets_a_role_on_cases(world: World, way: str) -> None:
    """Else an admin would enrol an account as a dashboard, and have it made a coordinator for somebody."""
    added = add(world.as_("admin"), "dashboard", name="sly desk")
    sly = enrolled(world, code_half(world.as_("admin"), added["account"]))
    further = Person(world.client, sly.post("/v1/keys", {}).json()["key"])
    rotated = Person(world.client, sly.post(f"/v1/keys/{str(sly.key)[3:11]}/rotation", {}).json()["key"])
    assert [who.get("/v1/me").status_code for who in (sly, further, rotated)] == [200, 200, 200]
    if way == "confirmed":
        world.give(added["account"], "coordinator", "South Asia")
    else:
        by_command(world, "sly desk", Role.COORDINATOR, "South Asia")
    assert [who.get("/v1/me").status_code for who in (sly, further, rotated)] == [401, 401, 401]
    (first,), (second,) = (code_half(who, added["account"]) for who in (world.as_("admin"), world.coordinator))
    assert enrolled(world, [first, second]).get("/v1/cases").status_code == 200


def test_a_code_that_one_person_knew_makes_no_key_once_the_account_has_a_role_on_cases(world: World) -> None:
    added = add(world.as_("admin"), "auditor", name="sly desk")
    halves = code_half(world.as_("admin"), added["account"])
    world.give(added["account"], "reader", OFFICE)
    answers_alike(world, {"unknown": ["0000-0000-0000-0000-0000"] * 2, "known to one": halves})


def test_keys_of_two_people_stay_when_a_further_role_is_given(world: World) -> None:
    added = brought_in(world)
    (first,), (second,) = (code_half(who, added["account"]) for who in (world.as_("admin"), world.coordinator))
    holder = enrolled(world, [first, second])
    world.give(added["account"], "reviewer", "South Asia")
    assert holder.get("/v1/me").status_code == 200


# An account that held a role on cases is never one person's again


@pytest.mark.parametrize("role", ["coordinator", "reader", "admin"])
def test_an_account_that_ever_held_a_role_on_cases_is_told_to_two_people(world: World, role: str) -> None:
    """An admin who ends somebody's roles and gives them a dashboard gets no key to their account."""
    admin, added = world.as_("admin"), brought_in(world, role)
    assert end(admin, added["membership"]).status_code == 201
    assert propose(admin, added["account"], "dashboard").json()["state"] == "held"
    (one,), (again,) = code_half(admin, added["account"]), code_half(admin, added["account"])
    answers_alike(world, {"unknown": ["0000-0000-0000-0000-0000"] * 2, "known to one": [one, again]})
    (other,) = code_half(world.coordinator, added["account"])
    assert enrolled(world, [again, other]).get("/v1/keys").json()["items"][0]["origin"] == "enrolment"


def test_where_nobody_else_can_be_told_of_such_an_account_the_command_makes_the_key(world: World) -> None:
    admin, added = world.as_("admin"), brought_in(world)
    assert end(admin, added["membership"]).status_code == 201
    change(world, Membership, Membership.role == Role.COORDINATOR, ended_at=datetime.now(UTC))
    assert propose(admin, added["account"], "auditor").json()["state"] == "held"
    answer = admin.post(f"/v1/accounts/{added['account']}/enrolment", {})
    assert codes(answer) == (409, ["enrolment.nobody"])


def test_a_code_that_one_person_knew_makes_no_key_once_the_account_held_a_role_on_cases(world: World) -> None:
    admin, added = world.as_("admin"), add(world.as_("admin"), "dashboard", name="sly desk")
    halves = code_half(admin, added["account"])
    membership = world.give(added["account"], "reader", OFFICE)
    assert end(admin, membership["id"]).status_code == 201
    answers_alike(world, {"unknown": ["0000-0000-0000-0000-0000"] * 2, "known to one": halves})


def test_a_role_on_cases_that_was_only_proposed_asks_for_no_second_person(world: World) -> None:
    admin, added = world.as_("admin"), add(world.as_("admin"), "dashboard", name="board")
    proposed = propose(admin, added["account"], "reader").json()
    assert end(world.coordinator, proposed["id"]).status_code == 201
    assert len(code_half(admin, added["account"])) == 2


# What is kept of codes


def test_of_a_code_only_keyed_hashes_are_kept_and_no_answer(world: World) -> None:
    added = brought_in(world)
    path = f"/v1/accounts/{added['account']}/enrolment"
    answer = world.as_("admin").post(path, {}, Idempotency_Key="once")
    (first,) = answer.json()["halves"]
    again = world.as_("admin").post(path, {}, Idempotency_Key="once")
    assert (again.status_code, again.json()["code"]) == (409, "idempotency.secret_not_kept")
    (second,) = code_half(world.coordinator, added["account"])
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
    added = brought_in(world)
    (first,), (second,) = (code_half(who, added["account"]) for who in (world.as_("admin"), world.coordinator))
    key = enrol(world, [first, second]).json()
    with world.database.reading() as session:
        (row,) = session.scalars(select(AccessEntry).where(AccessEntry.operation == "enrol"))
        assert (row.kind, str(row.account_id), row.key_id, row.subjects) == (
            "key", added["account"], key["id"], [added["account"]],
        )  # fmt: skip


def test_strangers_find_no_room_for_tries(template: Template) -> None:
    url = template.copy()
    with served(url, template.cast, public_rate_per_minute="6") as running:
        tries = [enrol(running.world, ["0000-0000-0000-0000-0000"] * 2).status_code for _ in range(12)]
        assert (tries[0], tries[-1]) == (422, 429)
    template.drop(url)


def test_what_is_over_is_put_on_record_without_a_change_where_nothing_is(world: World) -> None:
    added = brought_in(world)
    code_half(world.as_("admin"), added["account"])
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
