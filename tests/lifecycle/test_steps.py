"""Steps: which are legal from which state and for whom, and what each does besides moving the case.

LEGAL and WHO are typed from domain.md 3, not imported: two copies of the table, and this one is the judge.
"""

from collections.abc import Callable

import pytest

from appeals.lifecycle import steps
from appeals.vocabulary import Status
from tests.support.cast import (
    CONSENTS,
    PARTIES,
    Body,
    Person,
    World,
    action,
    consent,
    day,
    intake,
    organisation,
    step_input,
)
from tests.support.people import PEOPLE
from tests.support.stepping import INTAKE, OPEN, WORK, signed

ENDED = ["declined", "referred", "closed"]

SAME, BACK = "no change", "the state it came from"

LEGAL: dict[str, tuple[list[str], str]] = {
    "acknowledgement": (OPEN, SAME),
    "screening": (["received"], "screening"),
    "information-request": (["screening"], "info_requested"),
    "information": (["info_requested"], "screening"),
    "verification": (OPEN, SAME),
    "acceptance": (["screening"], "accepted"),
    "decline": (["received", "screening", "info_requested"], "declined"),
    "referral": (["screening", "info_requested", "accepted"], "referred"),
    "engagement": (["accepted"], "engagement"),
    "escalation": (["accepted", "engagement", "remediation", "monitoring"], "public_campaign"),
    "de-escalation": (["public_campaign"], "engagement"),
    "agreement": (["engagement", "public_campaign"], "remediation"),
    "breach": (["remediation", "monitoring"], "engagement"),
    "monitoring": (["engagement", "public_campaign", "remediation"], "monitoring"),
    "suspension": ([*INTAKE, *WORK], "suspended"),
    "resumption": (["suspended"], BACK),
    "withdrawal": (OPEN, "closed"),
    "closure": ([*WORK, "suspended"], "closed"),
    "reopening": (ENDED, "screening"),
    "merger": (OPEN, "closed"),
    "handover": (OPEN, SAME),
    "handover-acceptance": (OPEN, SAME),
}

WHO: dict[str, set[str]] = {
    "acknowledgement": {"caseworker", "coordinator"},
    "screening": {"coordinator"},
    "information-request": {"caseworker", "coordinator"},
    "information": {"partner", "caseworker"},
    "verification": {"caseworker", "coordinator"},
    "acceptance": {"coordinator"},
    "decline": {"coordinator"},
    "referral": {"coordinator"},
    "engagement": {"caseworker", "coordinator"},
    "escalation": {"coordinator"},
    "de-escalation": {"coordinator"},
    "agreement": {"caseworker", "coordinator"},
    "breach": {"caseworker", "coordinator"},
    "monitoring": {"coordinator"},
    "suspension": {"caseworker", "coordinator"},
    "resumption": {"coordinator"},
    "withdrawal": {"coordinator"},
    "closure": {"coordinator"},
    "reopening": {"coordinator"},
    "merger": {"coordinator"},
    "handover": {"coordinator"},
    "handover-acceptance": {"coordinator"},
}

A_CASEWORKERS = {noun for noun, roles in WHO.items() if "caseworker" in roles}

A_COORDINATORS = {noun for noun, roles in WHO.items() if "coordinator" in roles}

MAY: dict[str, set[str]] = {
    "coordinator": A_COORDINATORS,
    "caseworker": A_CASEWORKERS,
    "asia coordinator": A_COORDINATORS - {"handover-acceptance"},
    "asia caseworker": A_CASEWORKERS,
    "partner": {"information"},
    "europe coordinator": {"handover-acceptance"},
    "reviewer": set(),
    "reader": set(),
    "asia reader": set(),
}
"""What each may do with a case of South Asia that the partner logged and that is offered to Europe."""

AS_A_PARTNER: Body = {"parties": PARTIES, "consents": CONSENTS}


def legal_from(state: str) -> set[str]:
    return {noun for noun, (sources, _) in LEGAL.items() if state in sources}


# The table


def test_the_table_holds_exactly_the_legal_steps() -> None:
    told = {step.noun: ({*step.sources}, step.target, step.returns) for step in steps.STEPS}
    judged = {
        noun: ({*sources}, None if target in {SAME, BACK} else target, target == BACK)
        for noun, (sources, target) in LEGAL.items()
    }
    assert told == judged


def test_the_table_asks_the_roles_that_the_domain_names() -> None:
    assert {step.noun: {*step.roles} for step in steps.STEPS} == WHO


def test_only_an_escalation_asks_for_a_second_person_and_only_a_handover_for_the_receiver() -> None:
    assert {step.noun: step.second for step in steps.STEPS if step.second} == {"escalation": "reviewer"}
    assert [step.noun for step in steps.STEPS if step.receiving] == ["handover-acceptance"]


# Every state and step, over HTTP


def _nothing(_: World, __: str) -> Body:
    return {}


def _verified(world: World, reference: str) -> Body:
    world.take(reference, "verification")
    return {}


def _signed_in_danger(world: World, reference: str) -> Body:
    return {**signed(world, reference), "reason": "imminent_danger"}


def _disposed(world: World, reference: str) -> Body:
    world.dispose(reference)
    return {}


def _kept(world: World, reference: str) -> Body:
    world.dispose(reference)
    verified = {"status": "verified_done", "verified_by": "Bright Stitch Workers Union", "verified_on": day()}
    (promise,) = world.records(reference, "commitments")
    assert world.coordinator.patch(f"/v1/cases/{reference}/commitments/{promise['id']}", verified).status_code == 200
    return {}


def _promised(world: World, reference: str) -> Body:
    promise = step_input("agreement")["commitments"][0]
    assert world.coordinator.add(reference, "commitments", promise).status_code == 201
    return {}


def _offered(world: World, reference: str) -> Body:
    world.take(reference, "handover")
    return {}


def _survivor(world: World, _: str) -> Body:
    return {"survivor": world.case()}


def _reviewed_early(_: World, __: str) -> Body:
    return {"reason": "demands_met", "overrides": [{"guard": "review.pending", "reason": "The factory was sold."}]}


PUT_RIGHT: dict[tuple[str, str], Callable[[World, str], Body]] = {
    ("acceptance", "screening"): _verified,
    ("escalation", "accepted"): _signed_in_danger,
    ("escalation", "engagement"): signed,
    ("escalation", "remediation"): signed,
    ("escalation", "monitoring"): signed,
    ("monitoring", "engagement"): _disposed,
    ("monitoring", "public_campaign"): _disposed,
    ("monitoring", "remediation"): _kept,
    ("breach", "monitoring"): _promised,
    ("closure", "monitoring"): _reviewed_early,
    **{("handover-acceptance", state): _offered for state in OPEN},
    **{("merger", state): _survivor for state in OPEN},
}
"""What has to be on record before, and said besides, where the full input alone is not enough."""


def _takes(world: World, noun: str) -> Person:
    return world.as_("coordinator" if "coordinator" in WHO[noun] else "caseworker")


@pytest.mark.parametrize("state", list(Status))
def test_every_legal_step_is_taken_from(world: World, state: Status) -> None:
    staying = world.case_in(state)
    wrong = {}
    for noun in sorted(legal_from(state)):
        target = LEGAL[noun][1]
        reference = staying if target == SAME else world.case_in(state)
        besides = PUT_RIGHT.get((noun, state), _nothing)(world, reference)
        before = world.history(reference)
        answer = _takes(world, noun).step(reference, noun, {**step_input(noun), **besides})
        to = {SAME: state, BACK: before[-1]["from_status"]}.get(target, target)
        if answer.status_code != 201:
            wrong[noun] = answer.text
            continue
        entry = answer.json()["entry"]
        told = (entry["sequence"], entry["step"], entry["from_status"], entry["to_status"])
        assert told == (len(before) + 1, noun, state, to)
        assert answer.json()["case"]["status"] == world.show(reference)["status"] == to
        assert world.history(reference) == [*before, entry]
    assert wrong == {}


@pytest.mark.parametrize("state", list(Status))
def test_every_other_step_is_refused_and_changes_nothing_from(world: World, state: Status) -> None:
    reference = world.case_in(state)
    before, entries = world.show(reference), world.history(reference)
    for noun in sorted(set(LEGAL) - legal_from(state)):
        answer = _takes(world, noun).step(reference, noun, step_input(noun))
        assert answer.status_code == 409, (noun, answer.text)
        told = answer.json()
        assert (told["code"], told["state"], told["unmet"]) == ("step.not_open", state, []), noun
        theirs = A_COORDINATORS if "coordinator" in WHO[noun] else A_CASEWORKERS
        assert set(told["open_steps"]) == legal_from(state) & theirs, noun
    assert (world.show(reference), world.history(reference)) == (before, entries)


@pytest.mark.parametrize("state", list(Status))
def test_the_preview_names_every_step_and_tells_which_are_open_in(world: World, state: Status) -> None:
    reference = world.case_in(state)
    told = world.coordinator.get(f"/v1/cases/{reference}/steps").json()["items"]
    assert [item["noun"] for item in told] == list(LEGAL)
    assert {item["noun"] for item in told if item["open"]} == legal_from(state)
    assert {item["noun"] for item in told if item["yours"]} == A_COORDINATORS
    assert all(item["open"] and item["yours"] and not item["unmet"] for item in told if item["allowed"])
    assert {item["href"] for item in told} == {f"/v1/cases/{reference}/{noun}" for noun in LEGAL}


# Every role and step


def test_everybody_may_take_the_steps_of_their_role_and_no_others(world: World) -> None:
    reference = world.case("partner", records=AS_A_PARTNER)
    world.take(reference, "screening")
    world.take(reference, "handover")
    before = world.show(reference)
    told: dict[str, dict[str, int]] = {
        name: {noun: world.as_(name).step(reference, noun, {"unknown": 1}).status_code for noun in LEGAL}
        for name in PEOPLE
    }
    passes, seen, unseen = 422, 403, 404  # an input that does not fit is refused after the roles were asked
    assert told == {
        name: {noun: passes if noun in MAY.get(name, ()) else seen if name in MAY else unseen for noun in LEGAL}
        for name in PEOPLE
    }
    assert world.show(reference) == before


def test_a_request_is_logged_by_partners_caseworkers_and_coordinators_only(world: World) -> None:
    told = {name: world.as_(name).post("/v1/cases", {"unknown": 1}).status_code for name in PEOPLE}
    logging = {"partner", "caseworker", "coordinator"}
    assert told == {name: 422 if role in logging else 403 for name, (role, _) in PEOPLE.items()}


def test_a_reviewer_and_nobody_else_signs(world: World) -> None:
    reference = world.case("partner", records=AS_A_PARTNER)
    told = {name: world.as_(name).add(reference, "approvals", {"level": "named"}).status_code for name in PEOPLE}
    assert {name for name, status in told.items() if status == 201} == {"reviewer"}


def test_nobody_takes_a_step_without_a_key(world: World) -> None:
    reference = world.case()
    assert {world.nobody.step(reference, noun, step_input(noun)).status_code for noun in LEGAL} == {401}


# What comes along


def test_an_arrest_at_night_is_taken_from_intake_to_accepted_with_what_came_along(world: World) -> None:
    night = {
        "parties": [
            {
                "label": "police",
                "role": "security_force",
                "organisation": organisation("Industrial Police", "authority"),
            },
        ],
        "consents": [consent("take_up", given_on=day())],
        "risk_assessments": [{"level": "critical", "assessed_on": day()}],
        "tallies": [{"kind": "arrested", "low": 3, "high": 4, "as_of": day()}],
    }
    arrest = {"label": "arrest", "code": "arbitrary_arrest", "perpetrator": "#police"}
    reference = world.case(received_on=day(), danger=True, violations=[arrest], records=night)
    world.take(reference, "screening")
    world.take(reference, "verification", grades=[{"violation": "#arrest", "grade": "likely"}])
    release = {"kind": "release", "text": "Release all.", "addressees": ["#police"]}
    answer = world.take(reference, "acceptance", demands=[release])
    told = {name: answer["case"][name] for name in ("status", "priority", "risk", "still_held")}
    assert told == {"status": "accepted", "priority": "urgent", "risk": "critical", "still_held": 4}


def test_an_acceptance_brings_along_all_that_its_guards_ask_for(world: World) -> None:
    reference = world.case(records={})
    world.take(reference, "screening")
    world.take(reference, "verification")
    refused = world.coordinator.step(reference, "acceptance", {"rationale": "They ask for it."})
    brought = intake()["records"]
    answer = world.coordinator.step(reference, "acceptance", {**step_input("acceptance"), "records": brought})
    assert (refused.status_code, answer.status_code) == (409, 201)
    assert len(world.records(reference, "consents")) == len(brought["consents"])


def test_a_refused_step_leaves_none_of_the_records_it_brought(world: World) -> None:
    reference = world.case_in("screening")
    before = {noun: world.records(reference, noun) for noun in ("consents", "demands", "parties", "tallies")}
    brought = {
        "consents": [consent("research_use")],
        "parties": [{"role": "investor", "organisation": organisation("Sample Fund", "company")}],
        "tallies": [{"kind": "arrested", "low": 1, "high": 1, "as_of": day()}],
    }
    answer = world.coordinator.step(reference, "acceptance", {**step_input("acceptance"), "records": brought})
    assert answer.status_code == 409
    assert {noun: world.records(reference, noun) for noun in before} == before


def test_one_fault_among_the_records_of_an_intake_leaves_no_case(world: World) -> None:
    records = {**intake()["records"], "actions": [action(), action(target="#nobody")]}
    answer = world.coordinator.post("/v1/cases", intake(records=records))
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/records/actions/1/target")
    assert world.coordinator.get("/v1/cases").json()["items"] == []


def test_a_step_does_not_bring_records_its_taker_may_not_write(world: World) -> None:
    reference = world.case("partner", records=AS_A_PARTNER)
    world.take(reference, "screening")
    world.take(reference, "information-request")
    brought = {"risk_assessments": [{"level": "low", "assessed_on": day()}]}
    answer = world.as_("partner").step(reference, "information", {"answers": "Yes.", "records": brought})
    assert answer.status_code == 403
    assert world.show(reference)["status"] == "info_requested"
