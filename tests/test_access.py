"""Who sees a case, who may do what with it, and that the decision and its SQL are one rule."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import product
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from appeals.access import is_on_team, sees, visible_to, worked_on_by
from appeals.case import Case, new_reference
from appeals.database import new_id
from appeals.directory import Organisation
from appeals.errors import Forbidden, NotFound
from appeals.network import Account, Caller, Entity, Held, authenticate
from appeals.vocabulary import Role, Visibility
from appeals.web.door import Door, Visit
from tests.cast import CONSENTS, PARTIES, PEOPLE, TODAY, Body, World, consent, step_input
from tests.conftest import PEPPER
from tests.standing import DOORS, NOBODY, RECORDS

EVERYBODY = set(PEOPLE)
NAMED_TEAM = {"coordinator", "asia coordinator", "partner"}
LEAD_AND_ABOVE = NAMED_TEAM | {"caseworker", "reviewer", "reader", "asia caseworker", "asia reader"}
REGION = LEAD_AND_ABOVE | {"other partner"}
NETWORK = REGION | {"europe coordinator", "europe caseworker", "europe reader"}
SEERS = {"sealed": NAMED_TEAM, "restricted": LEAD_AND_ABOVE, "regional": REGION, "network": NETWORK}
"""Of a case that the partner logged at the Garment Workers Centre and that South Asia leads (domain.md 4)."""

COORDINATORS = {"coordinator", "asia coordinator"}
CASEWORKERS = COORDINATORS | {"caseworker", "asia caseworker"}
FIELD = CASEWORKERS | {"partner"}
TEAM = FIELD | {"reviewer"}


def asian_case(world: World, **changed: Any) -> str:
    """A case that the partner logged and South Asia leads, in screening."""
    known = {"parties": PARTIES, "consents": CONSENTS}
    reference = world.case("partner", **{"records": known, **changed})
    world.take(reference, "screening", assignee="asia coordinator")
    return reference


# Seeing


@pytest.mark.parametrize("visibility", SEERS)
def test_a_case_is_seen_by_whom_its_visibility_names(world: World, visibility: str) -> None:
    reference = asian_case(world, visibility=visibility)
    for name in EVERYBODY:
        status = world.as_(name).get(f"/v1/cases/{reference}").status_code
        assert status == (200 if name in SEERS[visibility] else 404), name
        listed = [case["reference"] for case in world.as_(name).get("/v1/cases").json().get("items", [])]
        assert listed == ([reference] if name in SEERS[visibility] else []), name


def test_a_sealed_case_follows_its_assignee(world: World) -> None:
    path = f"/v1/cases/{asian_case(world, visibility='sealed')}"
    worker = world.as_("asia caseworker")
    assert worker.get(path).status_code == 404
    assert world.coordinator.patch(path, {"assignee": "asia caseworker"}, If_Match="*").status_code == 200
    assert worker.get(path).status_code == 200
    assert world.coordinator.patch(path, {"assignee": "asia coordinator"}, If_Match="*").status_code == 200
    assert worker.get(path).status_code == 404


def test_who_is_asked_to_take_a_case_over_sees_it_and_only_the_coordinators(world: World) -> None:
    path = f"/v1/cases/{asian_case(world)}"
    assert world.as_("europe coordinator").get(path).status_code == 404
    assert world.coordinator.post(f"{path}/handover", step_input("handover"), If_Match="*").status_code == 201
    assert world.as_("europe coordinator").get(path).status_code == 200
    assert world.as_("europe coordinator").get(f"{path}/parties").status_code == 403
    assert world.as_("europe caseworker").get(path).status_code == 404


def test_a_case_leaves_the_sight_of_whoever_handed_it_over(world: World) -> None:
    path = f"/v1/cases/{asian_case(world)}"
    world.coordinator.post(f"{path}/handover", step_input("handover"), If_Match="*")
    taken = world.as_("europe coordinator").post(f"{path}/handover-acceptance", {}, If_Match="*")
    assert taken.status_code == 201
    assert world.as_("asia caseworker").get(path).status_code == 404
    assert world.as_("europe caseworker").get(f"{path}/parties").status_code == 200
    assert world.as_("partner").get(f"{path}/parties").status_code == 200


def test_tightening_the_visibility_hides_a_case_at_once(world: World) -> None:
    path = f"/v1/cases/{asian_case(world, visibility='network')}"
    assert world.as_("europe reader").get(path).status_code == 200
    assert world.coordinator.patch(path, {"visibility": "sealed"}, If_Match="*").status_code == 200
    assert world.as_("europe reader").get(path).status_code == 404


def test_a_case_logged_by_a_partner_is_no_other_partners(world: World) -> None:
    path = f"/v1/cases/{asian_case(world, visibility='regional')}"
    for door in ("", "/history", "/steps"):
        assert world.as_("other partner").get(path + door).status_code == 200
    for noun in RECORDS:
        assert world.as_("other partner").get(f"{path}/{noun}").status_code == 403
        assert world.as_("partner").get(f"{path}/{noun}").status_code == 200


# Doing: who passes each door on a case that everybody with a role in casework sees

RECORD_DOORS = {
    **dict.fromkeys(("parties", "violations", "consents", "tallies"), FIELD),
    **dict.fromkeys(("demands", "risk-assessments", "actions", "responses", "commitments", "outcomes"), CASEWORKERS),
    "approvals": {"reviewer"},
}
STEP_DOORS = {
    "acknowledgement": CASEWORKERS,
    "screening": COORDINATORS,
    "information-request": CASEWORKERS,
    "information": {"partner", "caseworker", "asia caseworker"},
    "verification": CASEWORKERS,
    "acceptance": COORDINATORS,
    "decline": COORDINATORS,
    "referral": COORDINATORS,
    "engagement": CASEWORKERS,
    "escalation": COORDINATORS,
    "de-escalation": COORDINATORS,
    "agreement": CASEWORKERS,
    "breach": CASEWORKERS,
    "monitoring": COORDINATORS,
    "suspension": CASEWORKERS,
    "resumption": COORDINATORS,
    "withdrawal": COORDINATORS,
    "closure": COORDINATORS,
    "reopening": COORDINATORS,
    "merger": COORDINATORS,
    "handover": COORDINATORS,
    "handover-acceptance": COORDINATORS,  # of the lead while it is offered to nobody: a guard tells them so
}
TOP_DOORS = {
    ("GET", "/v1/me"): EVERYBODY,
    ("GET", "/v1/organisations"): EVERYBODY,
    ("GET", "/v1/facilities"): EVERYBODY,
    ("GET", "/v1/entities"): EVERYBODY,
    ("GET", "/v1/vocabularies/{name}"): EVERYBODY,
    ("GET", "/v1/cases"): NETWORK,
    ("POST", "/v1/cases"): FIELD | {"other partner", "europe coordinator", "europe caseworker"},
    ("POST", "/v1/organisations"): FIELD | {"other partner", "europe coordinator", "europe caseworker"},
    ("POST", "/v1/facilities"): FIELD | {"other partner", "europe coordinator", "europe caseworker"},
    ("GET", "/v1/accounts"): {"admin", "coordinator", "asia coordinator", "europe coordinator"},
    ("POST", "/v1/accounts"): {"admin"},
    ("POST", "/v1/entities"): {"admin"},
}


def may_pass(door: Door) -> set[str]:
    """Who passes a door, as typed above."""
    if not door.path.startswith("/v1/cases/"):
        return TOP_DOORS[door.method, door.path]
    parts = door.path.split("/")[4:]
    if not parts:
        return NETWORK if door.method == "GET" else CASEWORKERS
    if parts in (["history"], ["steps"]):
        return NETWORK
    if door.method == "GET":
        return TEAM
    return STEP_DOORS[parts[0]] if parts[0] in STEP_DOORS else RECORD_DOORS[parts[-1] if len(parts) > 2 else parts[0]]


def knocked(session: Session, door: Door, caller: Caller, params: dict[str, str]) -> int:
    """The status with which a door's gate meets a caller."""
    try:
        door.gate(Visit(session, caller, params, datetime.now(UTC), writes=False))
    except NotFound:
        return 404
    except Forbidden:
        return 403
    return 200


def test_every_door_lets_in_whom_it_should_and_nobody_else(world: World) -> None:
    reference = asian_case(world, visibility="network")
    hidden = world.case(visibility="sealed")
    with world.database.reading() as session:
        case = session.scalars(select(Case).where(Case.reference == reference)).one()
        callers = {name: caller_of(world, session, name) for name in PEOPLE}
        for door, (name, caller) in product(DOORS, callers.items()):
            noun = door.path.split("/")[4] if "{id}" in door.path else ""
            held = getattr(case, noun.replace("-", "_"), []) if noun else []
            number = str(held[0].id) if held else NOBODY
            params = {"ref": reference, "id": number, "name": "status"}
            passes = name in may_pass(door)
            seen = name in NETWORK or "{ref}" not in door.path
            expected = 404 if not seen else 200 if passes else 403
            if number == NOBODY and "{id}" in door.path and name in TEAM:
                expected = 404
            assert knocked(session, door, caller, params) == expected, (door.method, door.path, name)
            if "{ref}" in door.path and name not in COORDINATORS:
                assert knocked(session, door, caller, {**params, "ref": hidden}) == 404, (door.path, name)


def caller_of(world: World, session: Session, name: str) -> Caller:
    """One of the people, as the service knows them by their key."""
    return authenticate(session, world.cast.keys[name], PEPPER.encode(), datetime.now(UTC))


def test_the_receiving_coordinator_passes_the_door_of_a_handover_and_no_other(world: World) -> None:
    reference = asian_case(world)
    assert world.coordinator.step(reference, "handover", step_input("handover")).status_code == 201
    assert world.as_("asia coordinator").step(reference, "handover-acceptance", {"x": 1}).status_code == 403
    europe = world.as_("europe coordinator")
    assert {noun for noun in STEP_DOORS if europe.step(reference, noun, {"x": 1}).status_code != 403} == {
        "handover-acceptance"
    }


def test_nobody_brings_along_with_a_step_what_they_may_not_record(world: World) -> None:
    reference = asian_case(world)
    world.take(reference, "information-request")
    body = step_input("information")
    partner = world.as_("partner")
    for noun in ("actions", "demands", "approvals"):
        brought = {**body, "records": {noun: [RECORDS[noun]]}}
        assert partner.step(reference, "information", brought).status_code == 403, noun
    brought = {**body, "records": {"consents": [consent("retain")]}}
    assert partner.step(reference, "information", brought).status_code == 201


def test_a_case_is_logged_only_where_one_holds_a_role(world: World) -> None:
    assert world.as_("partner").post("/v1/cases", {**intake_at("Tannery Workers Centre")}).status_code == 403
    assert world.as_("asia caseworker").post("/v1/cases", intake_at("Europe")).status_code == 403
    assert world.as_("asia caseworker").post("/v1/cases", intake_at("Tannery Workers Centre")).status_code == 201
    assert world.as_("partner").post("/v1/cases", intake_at("Garment Workers Centre")).status_code == 201


def intake_at(entity: str) -> Body:
    """A bare request logged at an entity."""
    from_ = {"name": "Union", "kind": "union_factory", "country": "BD"}
    return {
        "requesting_organisation": from_, "channel": "email", "received_on": TODAY.isoformat(), "country": "BD",
        "narrative": "N.", "narrative_language": "en", "violations": [{"code": "threat"}], "affected": "unknown",
        "help_asked": "H.", "danger": False, "entity": entity,
    }  # fmt: skip


# Amending


def test_who_sees_a_case_and_who_has_it_is_for_coordinators_to_say(world: World) -> None:
    path = f"/v1/cases/{asian_case(world)}"
    for changed in (
        {"visibility": "network"},
        {"assignee": "asia caseworker"},
        {"danger": True, "visibility": "sealed"},
    ):
        assert world.as_("asia caseworker").patch(path, changed, If_Match="*").status_code == 403
        assert world.as_("asia coordinator").patch(path, changed, If_Match="*").status_code == 200
    changed = {"danger": False, "title": "A title", "priority": "low"}
    amended = world.as_("asia caseworker").patch(path, changed, If_Match="*").json()
    assert {name: amended[name] for name in changed} == changed


@pytest.mark.parametrize("assignee", ["dashboard", "europe caseworker", "asia reader", "partner"])
def test_a_case_is_given_only_to_somebody_who_may_work_on_it(world: World, assignee: str) -> None:
    reference = asian_case(world)
    answer = world.coordinator.patch(f"/v1/cases/{reference}", {"assignee": assignee}, If_Match="*")
    assert (answer.status_code, [item["code"] for item in answer.json()["unmet"]]) == (409, ["assignee.without_role"])
    assert world.show(reference)["assignee_id"] == world.cast.accounts["asia coordinator"]


def test_a_case_is_not_given_to_a_member_that_is_a_party_to_it(world: World) -> None:
    party = {"role": "local_partner", "organisation": {"name": "International Office", "kind": "ccc_member"}}
    reference = asian_case(world, records={"parties": [party]})
    answer = world.coordinator.patch(f"/v1/cases/{reference}", {"assignee": "caseworker"}, If_Match="*")
    assert (answer.status_code, [item["code"] for item in answer.json()["unmet"]]) == (409, ["assignee.is_party"])


# What those who only follow the status do not get


def test_a_follower_gets_the_history_without_reasons_inputs_and_names(world: World) -> None:
    reference = asian_case(world, visibility="network")
    world.take(reference, "suspension", note="The union office was raided.")
    path = f"/v1/cases/{reference}/history"
    for name in ("europe reader", "asia reader", "other partner", "europe coordinator"):
        entries = world.as_(name).get(path).json()["items"]
        assert [entry["step"] for entry in entries] == ["intake", "screening", "suspension"]
        for entry in entries:
            assert [entry[sealed] for sealed in ("input", "reason", "overrides", "account_id")] == [None] * 4
    for name in ("partner", "reviewer", "asia caseworker"):
        last = world.as_(name).get(path).json()["items"][-1]
        assert (last["reason"], last["input"]["note"]) == ("safety", "The union office was raided.")
        assert last["account_id"] == world.cast.accounts["coordinator"]


def test_a_follower_is_not_told_which_guards_do_not_hold(world: World) -> None:
    reference = asian_case(world, visibility="network", records={})
    for name, told in {"europe reader": False, "europe coordinator": False, "partner": True, "reviewer": True}.items():
        items = world.as_(name).get(f"/v1/cases/{reference}/steps").json()["items"]
        assert any(item["unmet"] for item in items) is told, name
        assert not [item["noun"] for item in items if item["allowed"] and name not in STEP_DOORS[item["noun"]]]


def test_no_answer_of_a_case_holds_its_narrative_or_safe_contact_rule(world: World) -> None:
    reference = world.case(narrative="A sealed narrative.", visibility="network")
    world.take(reference, "acknowledgement", safe_contact_rule="A sealed rule.")
    for door in DOORS:
        if door.method == "GET" and "{id}" not in door.path:
            text = world.coordinator.get(door.path.format(ref=reference, name="status")).text
            assert "sealed narrative" not in text
            assert "sealed rule" not in text


def test_the_survivor_of_a_merger_is_not_named_to_who_may_not_see_it(world: World) -> None:
    merged, survivor = asian_case(world, visibility="network"), asian_case(world, visibility="network")
    world.take(merged, "merger", survivor=survivor)
    path = f"/v1/cases/{merged}"
    people = [world.as_(name) for name in ("europe reader", "reviewer")]
    for who in people:
        assert who.get(path).json()["merged_into_reference"] == survivor
    tags = [who.get(path).headers["etag"] for who in people]
    world.coordinator.patch(f"/v1/cases/{survivor}", {"visibility": "sealed"}, If_Match="*")
    for who, tag in zip(people, tags, strict=True):
        assert who.get(f"/v1/cases/{survivor}").status_code == 404
        again = who.get(path, If_None_Match=tag)
        assert (again.status_code, again.json()["merged_into_reference"]) == (200, None)
        for everything in (path, f"{path}/history", "/v1/cases", f"{path}/steps"):
            assert survivor not in who.get(everything).text
    assert world.history(merged)[-1]["input"]["survivor"] == survivor


def test_a_merger_tells_nothing_of_a_case_one_may_not_see(world: World) -> None:
    own, hidden = asian_case(world), world.case(visibility="sealed")
    asia = world.as_("asia coordinator")
    answers = [
        asia.step(own, "merger", {**step_input("merger"), "survivor": other})
        for other in (hidden, "UA-BGD-2026-00000", own)
    ]
    assert [answer.status_code for answer in answers] == [422, 422, 422]
    assert answers[0].content == answers[1].content == answers[2].content


# The decision and its SQL


@contextmanager
def all_kinds_of_cases(world: World) -> Iterator[tuple[Session, list[Case], list[UUID]]]:
    """Cases of every visibility, lead, place of logging and proposed handover, with and without a named team."""
    with world.database.writing() as session:
        entities = list(session.scalars(select(Entity).order_by(Entity.name)))
        places = [entity for entity in entities if entity.name not in {"East Asia", "South East Asia"}]
        people = list(session.scalars(select(Account.id).order_by(Account.name)))
        requester = Organisation(identity="x", name="x", kind="ngo", may_be_named=False, listed=False)
        session.add(requester)
        session.flush()
        combinations = product(Visibility, places, places[::2], [None, places[2]], [None, people[0]])
        rows = [
            {
                "id": new_id(), "reference": new_reference("BD", 2026), "title": "T", "narrative": "N",
                "narrative_language": "en", "help_asked": "H", "channel": "email", "country": "BD",
                "status": "received", "visibility": visibility, "publication": "none", "priority": "normal",
                "danger": False, "requester_id": requester.id, "intake_entity_id": intake.id,
                "lead_entity_id": lead.id, "region_id": lead.region_id, "handover_to_id": to.id if to else None,
                "assignee_id": assignee, "received_on": TODAY, "received_precision": "exact", "reopen_count": 0,
                "version": 1, "revision": 1, "recorded_at": datetime.now(UTC), "updated_at": datetime.now(UTC),
                "recorded_by": people[len(people) // 2],
            }
            for visibility, lead, intake, to, assignee in combinations
        ]  # fmt: skip
        session.execute(insert(Case), rows)
    with world.database.reading() as session:
        yield session, list(session.scalars(select(Case))), people


def test_the_decision_and_its_sql_agree_on_every_case_for_every_caller(world: World) -> None:
    with all_kinds_of_cases(world) as (session, cases, people):
        entities = list(session.scalars(select(Entity)))
        memberships = [Held(role, entity.id, entity.path) for role, entity in product(Role, entities)]
        singles = [(people[at % 3 - 1], (held,)) for at, held in enumerate(memberships)]
        pairs = [(people[1], (held, other)) for held, other in zip(memberships, memberships[13:], strict=False)]
        for account, held in [(people[0], ()), *singles, *pairs]:
            caller = Caller(account, "somebody", held)
            decided = {case.id for case in cases if sees(caller, case)}
            assert set(session.scalars(select(Case.id).where(visible_to(caller)))) == decided, held
            team = {case.id for case in cases if case.id in decided and is_on_team(caller, case)}
            both = select(Case.id).where(visible_to(caller), worked_on_by(caller))
            assert set(session.scalars(both)) == team, held
        assert session.scalar(select(func.count()).select_from(Case)) == len(cases) > 280
