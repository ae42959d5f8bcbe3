"""Reasons with which a guard does not apply, and details of guards."""

import pytest

from tests.support.cast import Body, World, action, consent, day, organisation, step_input
from tests.support.guard_trips import (
    KEPT,
    UNION,
    VERIFIED,
    add,
    amend,
    codes,
    dispose,
    in_,
    later,
    parties,
    records,
    sign,
    take,
    trips,
)

AT_ONCE = ["imminent_danger", "workers_request", "already_public"]

WITHOUT_RESULT = ["no_result", "unsafe_to_continue", "contact_lost", "taken_over_by_other"]

# Reasons that lift


@pytest.mark.parametrize("reason", AT_ONCE)
def test_a_case_goes_public_at_once_for(world: World, reason: str) -> None:
    reference = world.case_in("accepted")
    assert world.take(reference, "escalation", reason=reason)["entry"]["reason"] == reason


@pytest.mark.parametrize("reason", WITHOUT_RESULT)
def test_a_closing_without_result_says_what_it_leaves_open(world: World, reason: str) -> None:
    reference = world.case_in("remediation")
    add("tallies", kind="arrested", low=5, high=6, as_of=day())(world, reference)
    add("tallies", kind="charged_named", low=2, high=2, as_of=day())(world, reference)
    closed = world.take(reference, "closure", reason=reason)
    assert closed["entry"]["left_open"] == {"demands": 1, "commitments": 1, "held": 6, "charged": 2}


@pytest.mark.parametrize("reason", ["demands_met", "settled_partial", "overtaken_by_events"])
def test_no_other_reason_leaves_demands_promises_or_people_behind(world: World, reason: str) -> None:
    reference = world.case_in("remediation")
    add("tallies", kind="arrested", low=5, high=6, as_of=day())(world, reference)
    add("tallies", kind="charged_named", low=2, high=2, as_of=day())(world, reference)
    said = {**step_input("closure"), "reason": reason, "workers_accept": True}
    refused = world.coordinator.step(reference, "closure", said)
    four = {"demand.undisposed", "commitment.open", "detention.open", "charges.open"}
    assert set(codes(refused)) - {"close_reason.disagrees"} == four
    assert {tuple(item["unless_reason"]) for item in refused.json()["unmet"] if item["code"] in four} == {
        tuple(WITHOUT_RESULT)
    }


@pytest.mark.parametrize("reason", ["imminent_danger", "already_public", "quiet_work_exhausted"])
def test_a_critical_risk_is_not_lifted_by(world: World, reason: str) -> None:
    reference = trips()["risk.critical"].case(world)
    refused = world.coordinator.step(reference, "escalation", {**step_input("escalation"), "reason": reason})
    assert codes(refused) == ["risk.critical"]


# Finer points


def test_a_signature_given_before_the_risk_turned_critical_does_not_count(world: World) -> None:
    reference = in_("engagement", sign(), add("risk-assessments", level="critical", assessed_on=day()))(world)
    said = {**step_input("escalation"), "reason": "workers_request"}
    assert codes(world.coordinator.step(reference, "escalation", said)) == ["signature.missing"]
    sign()(world, reference)
    assert world.coordinator.step(reference, "escalation", said).status_code == 201


def test_a_signature_under_a_narrower_publication_does_not_count(world: World) -> None:
    reference = in_("engagement", sign("anonymised"))(world)
    refused = world.coordinator.step(reference, "escalation", step_input("escalation"))
    assert codes(refused) == ["signature.missing"]
    narrower = {**step_input("escalation"), "publication_level": "anonymised"}
    assert world.coordinator.step(reference, "escalation", narrower).status_code == 201


def test_a_signature_is_good_for_one_publication(world: World) -> None:
    reference = world.case_in("public_campaign")
    world.take(reference, "de-escalation")
    assert codes(world.coordinator.step(reference, "escalation", step_input("escalation"))) == ["signature.missing"]


def test_the_unions_consent_is_not_the_workers_own(world: World) -> None:
    given = records(lacking=("take_up", "workers"))
    given["consents"].append(consent("take_up", "workers_union"))
    reference = in_("screening", VERIFIED, records=given)(world)
    refused = world.coordinator.step(reference, "acceptance", step_input("acceptance"))
    assert codes(refused) == ["consent.take_up.workers.missing"]


@pytest.mark.parametrize(
    "given",
    [
        {"state": "requested", "given_on": None, "method": None},
        {"state": "refused", "given_on": None, "method": None},
        {"expires_on": day(1)},
    ],
)
def test_a_consent_that_is_not_in_force_counts_for_nothing(world: World, given: Body) -> None:
    brought = records(lacking=("take_up", "workers"))
    brought["consents"].append({**consent("take_up"), **given})
    reference = in_("screening", VERIFIED, records=brought)(world)
    refused = world.coordinator.step(reference, "acceptance", step_input("acceptance"))
    assert codes(refused) == ["consent.take_up.workers.missing"]


def test_a_consent_must_be_in_force_on_the_day_of_the_step_as_well_as_today(world: World) -> None:
    reference = in_("screening", VERIFIED)(world)
    back_then = {"occurred_on": day(31), "occurred_precision": "estimate"}
    refused = world.coordinator.step(reference, "acceptance", {**step_input("acceptance"), **back_then})
    assert set(codes(refused)) == {"consent.take_up.workers.missing", "risk.missing"}


@pytest.mark.parametrize(
    "verifier",
    [
        organisation("Sample Brand", "ngo", "BD"),
        {"name": "SAMPLE  brand.", "kind": "company"},
        organisation("Bright Stitch Ltd", "company"),
    ],
)
def test_a_target_does_not_verify_under_another_kind_country_or_spelling(world: World, verifier: Body) -> None:
    reference = world.case()
    said = {**step_input("verification"), "verifying_organisation": verifier}
    assert codes(world.coordinator.step(reference, "verification", said)) == ["verifier.is_target"]


def test_a_yellow_union_does_not_verify(world: World) -> None:
    yellow = organisation("Bright Stitch Welfare Union")
    reference = in_("received", add("parties", role="yellow_union", organisation=yellow))(world)
    said = {**step_input("verification"), "verifying_organisation": yellow}
    assert codes(world.coordinator.step(reference, "verification", said)) == ["verifier.is_target"]


def test_one_of_two_requesters_verifies(world: World) -> None:
    other = organisation("Garment Women Alliance", "ngo")
    reference = in_("received", add("parties", role="requester", organisation=other))(world)
    world.take(reference, "verification", verifying_organisation=organisation(UNION))
    assert world.records(reference, "violations")[0]["grade"] == "confirmed"


@pytest.mark.parametrize(("evidence", "status"), [("An order sheet.", 201), (None, 409)])
def test_a_disputed_supply_link_stands_only_with_evidence(world: World, evidence: str | None, status: int) -> None:
    brand = {**parties("brand")[0], "link_strength": "disputed", "link_evidence": evidence}
    reference = world.case_in("accepted", records=records(parties=[*parties("factory"), brand]))
    assert world.coordinator.step(reference, "engagement", step_input("engagement")).status_code == status


def test_a_consent_to_contact_named_brands_is_no_consent_to_contact_others(world: World) -> None:
    brought = records(lacking=("contact_brand", "workers"))
    brought["consents"].append(consent("contact_brand", recipients=["Second Brand"]))
    reference = world.case_in("accepted", records=brought)
    refused = world.coordinator.step(reference, "engagement", step_input("engagement"))
    assert codes(refused) == ["consent.contact_brand.missing"]
    add("consents", **consent("contact_brand", recipients=["Sample brand"]))(world, reference)
    assert world.coordinator.step(reference, "engagement", step_input("engagement")).status_code == 201


@pytest.mark.parametrize("grade", ["investigating", "holding_reply"])
def test_a_holding_answer_is_inadequate_once_its_own_follow_up_day_passed(world: World, grade: str) -> None:
    reference = in_("engagement", sign())(world)
    (event,) = world.records(reference, "actions")
    answer = {"action": event["id"], "received_on": day(8), "grade": grade}
    add("responses", **answer, follow_up_on=day())(world, reference)
    refused = world.coordinator.step(reference, "escalation", step_input("escalation"))
    assert codes(refused) == ["quiet_action.missing"]


@pytest.mark.parametrize("grade", ["substantive_commits", "substantive_no_commitment"])
def test_an_adequate_answer_keeps_a_case_quiet_and_an_overdue_letter_does_not(world: World, grade: str) -> None:
    reference = in_("engagement", sign(), add("responses", action="#letter", received_on=day(8), grade=grade))(world)
    refused = world.coordinator.step(reference, "escalation", step_input("escalation"))
    assert codes(refused) == ["quiet_action.missing"]
    add("actions", **action(kind="factory_letter", target="#factory", answer_due_on=day(1)))(world, reference)
    assert world.coordinator.step(reference, "escalation", step_input("escalation")).status_code == 201


@pytest.mark.parametrize("whose", ["#factory", "#union"])
def test_what_others_say_of_a_letter_opens_no_way_to_the_public(world: World, whose: str) -> None:
    first = action(label="letter", answer_due_on=later(1))
    said = {"action": "#letter", "party": whose, "received_on": day(8), "grade": "denies_violation"}
    reference = in_("accepted", take("engagement", first_action=first), sign(), add("responses", **said))(world)
    refused = world.coordinator.step(reference, "escalation", step_input("escalation"))
    assert codes(refused) == ["quiet_action.missing"]


def test_a_letter_that_was_only_planned_meets_no_silence(world: World) -> None:
    first = action(label="letter", answer_due_on=later(1))
    reference = in_("accepted", take("engagement", first_action=first), sign())(world)
    add("actions", **{**action(), "status": "planned", "done_on": None, "answer_due_on": day(1)})(world, reference)
    refused = world.coordinator.step(reference, "escalation", step_input("escalation"))
    assert codes(refused) == ["quiet_action.missing"]


def test_a_promise_that_was_kept_is_not_broken_by_the_passing_of_its_day(world: World) -> None:
    reference = in_("remediation", amend("commitments", "promise", **KEPT))(world)
    assert codes(world.coordinator.step(reference, "breach", step_input("breach"))) == ["breach.not_due"]


@pytest.mark.parametrize("days", [0, -1])
def test_a_review_lies_after_the_monitoring_began(world: World, days: int) -> None:
    reference = in_("engagement", dispose("met"))(world)
    said = {**step_input("monitoring"), "review_on": later(days)}
    assert codes(world.coordinator.step(reference, "monitoring", said)) == ["review.too_far"]


@pytest.mark.parametrize(
    ("disposition", "reason", "agrees"),
    [
        ("met", "demands_met", True),
        ("partly_met", "demands_met", False),
        ("dropped_by_workers", "demands_met", False),
        ("not_met", "settled_partial", False),
        ("partly_met", "settled_partial", True),
        ("not_met", "no_result", True),
        ("partly_met", "no_result", False),
        ("dropped_by_workers", "overtaken_by_events", True),
        ("not_met", "unsafe_to_continue", True),
    ],
)
def test_the_reason_of_a_closing_agrees_with_what_became_of_the_demands(
    world: World, disposition: str, reason: str, agrees: bool
) -> None:
    reference = in_("engagement", dispose(disposition))(world)
    said = {**step_input("closure"), "reason": reason, "workers_accept": True}
    answer = world.coordinator.step(reference, "closure", said)
    assert (answer.status_code == 201) is agrees
    assert agrees or codes(answer) == ["close_reason.disagrees"]


def test_a_late_answer_and_silence_never_keep_a_case_from_closing(world: World) -> None:
    reference = in_("engagement", dispose("met"))(world)
    add("actions", **action(done_on=day(1), answer_due_on=later(30)))(world, reference)
    assert world.take(reference, "closure", reason="demands_met")["case"]["status"] == "closed"


def test_a_first_action_needs_a_target_and_a_day_for_the_answer(world: World) -> None:
    reference = world.case_in("accepted")
    for missing in ({"target": None, "answer_due_on": None}, {"answer_due_on": None}):
        said = {"first_action": {**action(), **missing}}
        assert world.coordinator.step(reference, "engagement", said).status_code == 422
