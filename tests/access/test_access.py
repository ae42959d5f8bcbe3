"""Who sees a case and who may do what with it; the decision and its SQL are the same rule."""

from datetime import UTC, datetime
from itertools import product
from typing import Any

import pytest

from appeals.accounts.entity import entity_named, new_entity
from appeals.lifecycle.steps import STEPS
from appeals.vocabulary import EntityKind, Role
from tests.support.cast import CONSENTS, PARTIES, Body, World, consent, intake, settle, step_input, today
from tests.support.people import PEOPLE
from tests.support.standing import DOORS, RECORDS

EVERYBODY = set(PEOPLE)
NAMED_TEAM = {"asia coordinator", "partner"}
LEAD_AND_ABOVE = NAMED_TEAM | {"coordinator", "caseworker", "reviewer", "reader", "asia caseworker", "asia reader"}
REGION = LEAD_AND_ABOVE | {"other partner"}
NETWORK = REGION | {"europe coordinator", "europe caseworker", "europe reader"}
SEERS = {"sealed": NAMED_TEAM, "restricted": LEAD_AND_ABOVE, "regional": REGION, "network": NETWORK}
"""Of a case that the partner logged at the Garment Workers Centre and that South Asia leads (domain.md 4)."""


def asian_case(world: World, **changed: Any) -> str:
    """A case that the partner logged and South Asia leads, in screening."""
    known = {"parties": PARTIES, "consents": CONSENTS}
    sealing = changed.pop("visibility", "restricted")
    reference = world.case("partner", **{"records": known, **changed})
    world.take(reference, "screening", assignee="asia coordinator")
    path = f"/v1/cases/{reference}"
    assert world.as_("asia coordinator").patch(path, {"visibility": sealing}, If_Match="*").status_code == 200
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


def test_who_is_given_a_sealed_case_is_named_on_its_team(world: World) -> None:
    path = f"/v1/cases/{asian_case(world, visibility='sealed')}"
    worker = world.as_("asia caseworker")
    assert worker.get(path).status_code == 404
    assert world.as_("asia coordinator").patch(path, {"assignee": "asia caseworker"}, If_Match="*").status_code == 200
    assert worker.get(path).status_code == 200


def test_the_last_named_on_a_sealed_case_stays_also_while_somebody_has_broken_its_glass(world: World) -> None:
    path = f"/v1/cases/{asian_case(world, visibility='sealed')}"
    broken = world.coordinator.post(f"{path}/break-glass", {"reason": "A hearing tomorrow, and nobody can be reached."})
    assert broken.status_code == 201
    lead = world.as_("asia coordinator")
    team = lead.get(f"{path}/team").json()["items"]
    named = [member["id"] for member in team if member["until"] is None]
    answers = [lead.patch(f"{path}/team/{number}", {"status": "left"}) for number in named]
    assert [answer.status_code for answer in answers] == [*([200] * (len(named) - 1)), 409]
    assert [unmet["code"] for unmet in answers[-1].json()["unmet"]] == ["team.last"]


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
    for operation in ("", "/history", "/steps"):
        assert world.as_("other partner").get(path + operation).status_code == 200
    for noun in RECORDS:
        assert world.as_("other partner").get(f"{path}/{noun}").status_code == 403
        assert world.as_("partner").get(f"{path}/{noun}").status_code == 200


@pytest.mark.parametrize(("entity", "regional"), [("South Asia", 200), ("International Office", 404)])
def test_a_partner_works_on_what_their_own_entity_logged_and_not_on_what_those_below_did(
    world: World, entity: str, regional: int
) -> None:
    """Domain.md 3: on its own entity's requests, not those of entities below."""
    above = world.newcomer("partner above", Role.PARTNER, entity=entity)
    path = f"/v1/cases/{asian_case(world, narrative='What happened below.')}"
    opening = {"fields": ["narrative"], "reason": "To call them back."}
    assert above.get(path).status_code == 404
    assert above.post(f"{path}/openings", opening).status_code == 404
    assert above.get("/v1/cases").json()["items"] == []
    assert world.coordinator.patch(path, {"visibility": "regional"}, If_Match="*").status_code == 200
    assert above.get(path).status_code == regional
    assert above.post(f"{path}/openings", opening).status_code in (403, 404)
    own = above.post("/v1/cases", intake_at(entity))
    assert own.status_code == 201, own.text
    assert above.get(own.headers["Location"]).json()["view"] == "work"


def test_of_what_an_entity_logged_each_of_its_partners_works_on_all(world: World) -> None:
    colleague = world.newcomer("colleague", Role.PARTNER, entity="Garment Workers Centre")
    below = world.newcomer("caseworker above", Role.CASEWORKER, entity="South Asia")
    path = f"/v1/cases/{asian_case(world)}"
    assert [who.get(path).json()["view"] for who in (colleague, below)] == ["work", "work"]


# Led by an entity without a coalition

PLACES_OF_A_LEAD = {
    "lead": "Brand Research Group",
    "below": "Research Partner",
    "above": "International Office",
    "beside": "Another Group",
    "elsewhere": "South Asia",
}
SEEN_WITHOUT_COALITION = """
             restricted: lead below above beside elsewhere | regional: the same
partner      work   -      -      -      -    | work   status -      -      -
caseworker   work   -      work   -      -    | work   status work   -      -
coordinator  work   -      work   -      -    | work   status work   -      -
reviewer     work   -      work   -      -    | work   status work   -      -
reader       status -      status -      -    | status status status -      -
dashboard    -      -      -      -      -    | -      -      -      -      -
auditor      -      -      -      -      -    | -      -      -      -      -
admin        -      -      -      -      -    | -      -      -      -      -
"""
"""Of a case that a working group without a coalition logged and leads (domain.md 8, visibility)."""


def without_coalition(world: World) -> str:
    """A working group of the International Office with a partner below it, another group; a case it leads."""
    with world.database.writing() as session:
        office = entity_named(session, "International Office")
        group, _ = (
            new_entity(session, PLACES_OF_A_LEAD[place], EntityKind.WORKING_GROUP, office, None)
            for place in ("lead", "beside")
        )
        new_entity(session, PLACES_OF_A_LEAD["below"], EntityKind.MEMBER, group, "BD")
    logging = world.newcomer("logging", Role.COORDINATOR, entity=PLACES_OF_A_LEAD["lead"])
    logged = logging.post("/v1/cases", intake(visibility="restricted"))
    assert logged.status_code == 201, logged.text
    reference: str = logged.json()["reference"]
    return reference


def show(world: World, reference: str, visibility: str) -> None:
    """Give a case a visibility."""
    changed = world.coordinator.patch(f"/v1/cases/{reference}", {"visibility": visibility}, If_Match="*")
    assert changed.status_code == 200, changed.text


def test_regional_is_the_lead_and_below_where_the_lead_has_no_coalition(world: World) -> None:
    reference = without_coalition(world)
    people = {
        (role.value, place): world.newcomer(f"{role} {place}", role, entity=entity)
        for role, (place, entity) in product(Role, PLACES_OF_A_LEAD.items())
    }
    lines = [line.split(maxsplit=1) for line in SEEN_WITHOUT_COALITION.strip().splitlines()[1:]]
    for at, visibility in enumerate(("restricted", "regional")):
        show(world, reference, visibility)
        expected = {
            (role, place): view
            for role, cells in lines
            for place, view in zip(PLACES_OF_A_LEAD, cells.split("|")[at].split(), strict=True)
        }
        views = {who: person.get(f"/v1/cases/{reference}").json().get("view", "-") for who, person in people.items()}
        assert views == expected
        listed = {
            who
            for who, person in people.items()
            if reference in person.get("/v1/cases").text and person.get("/v1/cases").status_code == 200
        }
        assert listed == {who for who, view in expected.items() if view != "-"}


@pytest.mark.parametrize("visibility", ["regional", "restricted"])
def test_what_the_office_itself_leads_is_not_shared_with_the_network_without_consent(
    world: World, visibility: str
) -> None:
    """Below the office is everybody: what is regional to it must not be as wide as what was agreed to be shared."""
    path = f"/v1/cases/{world.case(visibility=visibility)}"
    seen = [world.as_(name).get(path).status_code for name in ("europe reader", "partner", "dashboard", "reader")]
    assert seen == [404, 404, 404, 200]


def test_a_lead_without_a_coalition_narrows_for_those_below_and_the_feed_tells_them(world: World) -> None:
    reference = without_coalition(world)
    show(world, reference, "regional")
    below, beside = (
        world.newcomer(f"reader {place}", Role.READER, entity=PLACES_OF_A_LEAD[place]) for place in ("below", "beside")
    )
    places = {}
    for who in (below, beside):
        settle(who)
        answer = who.get("/v1/changes").json()
        places[who] = answer["next"]
        assert len(answer["items"]) == (1 if who is below else 0)
    show(world, reference, "restricted")
    settle(below)
    kinds = {
        who: [item["kind"] for item in who.get(f"/v1/changes?since={place}").json()["items"]]
        for who, place in places.items()
    }
    assert kinds == {below: ["removed"], beside: []}
    assert below.get(f"/v1/cases/{reference}").status_code == 404


def test_the_past_under_a_lead_without_a_coalition_is_that_of_the_lead_and_below(world: World) -> None:
    """After a hand-over to South Asia those below the former lead see it no more, and who sees it sees no such past."""
    reference = without_coalition(world)
    show(world, reference, "regional")
    below = world.newcomer("reader below", Role.READER, entity=PLACES_OF_A_LEAD["below"])
    tannery = world.newcomer("reader of tannery", Role.READER, entity="Tannery Workers Centre")
    path, shown = f"/v1/cases/{reference}", datetime.now(UTC).isoformat().replace("+00:00", "Z")
    assert [who.get(f"{path}?as_of={shown}").status_code for who in (below, tannery)] == [200, 404]
    offer = {"receiving_entity": "South Asia", "reason": "Nearer."}
    assert world.coordinator.step(reference, "handover", offer).status_code == 201
    assert world.as_("asia coordinator").step(reference, "handover-acceptance", {}).status_code == 201
    assert [who.get(path).status_code for who in (below, tannery)] == [404, 200]
    assert tannery.get(f"{path}?as_of={shown}").status_code == 404


# Doing


def test_the_receiving_coordinator_passes_the_door_of_a_handover_and_no_other(world: World) -> None:
    reference = asian_case(world)
    assert world.coordinator.step(reference, "handover", step_input("handover")).status_code == 201
    assert world.as_("asia coordinator").step(reference, "handover-acceptance", {"x": 1}).status_code == 403
    europe = world.as_("europe coordinator")
    assert {step.noun for step in STEPS if europe.step(reference, step.noun, {"x": 1}).status_code != 403} == {
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
    above = world.newcomer("partner above", Role.PARTNER, entity="South Asia")
    assert above.post("/v1/cases", intake_at("Garment Workers Centre")).status_code == 403


def intake_at(entity: str) -> Body:
    """A bare request logged at an entity."""
    from_ = {"name": "Union", "kind": "union_factory", "country": "BD"}
    return {
        "requesting_organisation": from_, "channel": "email", "received_on": today().isoformat(), "country": "BD",
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
    reference = asian_case(world, visibility="network", records={"consents": [consent("share_network")]})
    for name, shown in {"europe reader": False, "europe coordinator": False, "partner": True, "reviewer": True}.items():
        items = world.as_(name).get(f"/v1/cases/{reference}/steps").json()["items"]
        assert any(item["unmet"] for item in items) is shown, name
        assert name == "partner" or not [item["noun"] for item in items if item["yours"]]


def test_no_answer_of_a_case_holds_its_narrative_or_safe_contact_rule(world: World) -> None:
    reference = world.case(narrative="A sealed narrative.", visibility="network")
    world.take(reference, "acknowledgement", safe_contact_rule="A sealed rule.")
    for operation in DOORS:
        if operation.method == "GET" and not {"id", "token"} & set(operation.param_convertors):
            text = world.coordinator.get(operation.path.format(ref=reference, name="status")).text
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
