"""What single steps do besides moving a case: withdrawal, resumption, merger, handover, breach."""

from datetime import timedelta
from typing import Any

import pytest
from httpx2 import Response

from tests.support.cast import CONSENTS, PARTIES, Body, World, action, consent, day, step_input, today
from tests.support.stepping import INTAKE, OPEN, WORK, signed

# Withdrawal


@pytest.mark.parametrize("state", OPEN)
def test_a_withdrawal_is_never_blocked_in(world: World, state: str) -> None:
    reference = world.case_in(state)
    world.coordinator.add(reference, "tallies", {"kind": "arrested", "low": 9, "high": 9, "as_of": day()})
    world.coordinator.add(reference, "risk-assessments", {"level": "critical", "assessed_on": day()})
    for given in world.records(reference, "consents"):
        path = f"/v1/cases/{reference}/consents/{given['id']}"
        assert world.coordinator.patch(path, {"state": "withdrawn"}).status_code == 200
    answer = world.take(reference, "withdrawal", occurred_on=day(400))
    assert (answer["case"]["status"], answer["case"]["close_reason"]) == ("closed", "withdrawn_by_workers")
    assert answer["entry"]["left_open"]["held"] == 9


def test_a_withdrawal_takes_the_publication_down_and_tells_what_it_leaves_open(world: World) -> None:
    reference = world.case_in("public_campaign")
    assert world.show(reference)["publication"] == "named"
    answer = world.take(reference, "withdrawal", withdrawn_by="requester")
    assert (answer["case"]["publication"], answer["case"]["close_reason"]) == ("none", "withdrawn_by_requester")
    assert answer["entry"]["left_open"] == {"demands": 1}


# Suspension and resumption


def _withdraw(world: World, reference: str, *scopes: str) -> None:
    for given in world.records(reference, "consents"):
        if given["scope"] in scopes:
            path = f"/v1/cases/{reference}/consents/{given['id']}"
            no = {"state": "withdrawn", "withdrawn_on": day(3)}
            assert world.coordinator.patch(path, no).status_code == 200


def _resume(world: World, reference: str, **changed: Any) -> Response:
    return world.coordinator.step(reference, "resumption", {**step_input("resumption"), **changed})


@pytest.mark.parametrize("state", [*INTAKE, *WORK])
def test_a_case_resumes_where_it_was_suspended_from(world: World, state: str) -> None:
    reference = world.case_in(state)
    assert world.take(reference, "suspension", reason="negotiation_pause")["case"]["suspended_from"] == state
    resumed = _resume(world, reference).json()["case"]
    assert (resumed["status"], resumed["suspended_from"]) == (state, None)


def test_a_resumption_asks_the_guards_of_its_state_again_and_offers_an_earlier_one(world: World) -> None:
    reference = world.case_in("engagement")
    world.take(reference, "suspension")
    _withdraw(world, reference, "contact_brand")
    refused = _resume(world, reference).json()
    assert [item["code"] for item in refused["unmet"]] == ["consent.contact_brand.missing"]
    assert refused["resume_to"] == "accepted"
    other = _resume(world, reference, resume_to="screening").json()
    assert [item["code"] for item in other["unmet"]] == ["resumption.not_offered"]
    assert _resume(world, reference, resume_to="accepted").json()["case"]["status"] == "accepted"


def test_a_resumption_offers_the_nearest_state_whose_guards_hold(world: World) -> None:
    reference = world.case_in("engagement")
    world.take(reference, "suspension")
    _withdraw(world, reference, "contact_brand", "take_up")
    refused = _resume(world, reference).json()
    assert refused["resume_to"] == "screening"
    preview = world.coordinator.get(f"/v1/cases/{reference}/steps").json()["items"]
    told = next(item for item in preview if item["noun"] == "resumption")
    assert (told["resume_to"], told["to_status"], told["allowed"]) == ("screening", "engagement", False)
    missing = ["consent.take_up.workers.missing", "consent.contact_brand.missing"]
    assert [item["code"] for item in told["unmet"]] == missing


@pytest.mark.parametrize("state", ["closed", "monitoring", "declined", "suspended"])
def test_a_resumption_leads_to_no_state_that_is_not_offered(world: World, state: str) -> None:
    reference = world.case_in("suspended")
    refused = _resume(world, reference, resume_to=state)
    assert (refused.status_code, world.show(reference)["status"]) == (409, "suspended")
    assert "resumption.not_offered" in [item["code"] for item in refused.json()["unmet"]]


def test_a_stale_risk_review_is_asked_on_resumption_and_may_be_overridden(world: World) -> None:
    long_ago = {
        "parties": PARTIES,
        "consents": [{**given, "given_on": day(85)} for given in CONSENTS],
        "risk_assessments": [{"level": "low", "assessed_on": day(80)}],
    }
    reference = world.case(received_on=day(90), records=long_ago)
    for noun in ("screening", "verification", "acceptance"):
        world.take(reference, noun, occurred_on=day(60))
    event = action(label="letter", done_on=day(60))
    world.take(reference, "engagement", occurred_on=day(60), first_action=event)
    world.take(reference, "suspension")
    refused = _resume(world, reference).json()
    assert ([item["code"] for item in refused["unmet"]], refused["resume_to"]) == (["risk.stale"], "accepted")
    why = "Nobody can reach the town to look."
    resumed = _resume(world, reference, overrides=[{"guard": "risk.stale", "reason": why}])
    assert resumed.json()["entry"]["overrides"] == {"risk.stale": why}


def test_a_campaign_whose_publication_is_up_resumes_without_new_signatures(world: World) -> None:
    reference = world.case_in("public_campaign")
    world.take(reference, "suspension", reason="negotiation_pause")
    resumed = _resume(world, reference).json()["case"]
    assert (resumed["status"], resumed["publication"]) == ("public_campaign", "named")


def test_a_campaign_whose_consent_ended_resumes_only_with_new_consent_and_new_signatures(world: World) -> None:
    reference = world.case_in("public_campaign")
    _withdraw(world, reference, "publish_named")
    refused = _resume(world, reference).json()
    assert {item["code"] for item in refused["unmet"]} == {
        "consent.publish.workers.missing",
        "consent.publish.partner.missing",
        "signature.missing",
    }
    for subject in ("workers", "local_partner"):
        again = consent("publish_named", subject, given_on=day(1))
        assert world.coordinator.add(reference, "consents", again).status_code == 201
    assert [item["code"] for item in _resume(world, reference).json()["unmet"]] == ["signature.missing"]
    signed(world, reference)
    resumed = _resume(world, reference).json()["case"]
    assert (resumed["status"], resumed["publication"]) == ("public_campaign", "named")


def test_a_campaign_resumes_at_critical_risk_only_when_the_workers_ask(world: World) -> None:
    reference = world.case_in("public_campaign")
    world.take(reference, "suspension", reason="awaiting_proceeding")
    world.coordinator.add(reference, "risk-assessments", {"level": "critical", "assessed_on": day()})
    refused = _resume(world, reference, reason="imminent_danger").json()
    assert ([item["code"] for item in refused["unmet"]], refused["resume_to"]) == (["risk.critical"], "engagement")
    assert _resume(world, reference, reason="workers_request").json()["case"]["status"] == "public_campaign"


def test_nobody_goes_public_by_resuming(world: World) -> None:
    reference = world.case_in("remediation")
    signed(world, reference)
    world.take(reference, "suspension")
    (promise,) = world.records(reference, "commitments")
    world.coordinator.patch(f"/v1/cases/{reference}/commitments/{promise['id']}", {"status": "superseded"})
    refused = _resume(world, reference).json()
    assert [item["code"] for item in refused["unmet"]] == ["commitment.missing"]
    assert refused["resume_to"] == "engagement"
    assert _resume(world, reference, resume_to="public_campaign").status_code == 409


def test_the_review_of_the_monitoring_is_due_again_after_a_pause(world: World) -> None:
    reference = world.case_in("monitoring")
    due = world.show(reference)["review_on"]
    assert due == (today() + timedelta(days=180)).isoformat()
    assert world.take(reference, "suspension")["case"]["review_on"] != due
    assert _resume(world, reference).json()["case"]["review_on"] == due


# Reopening


def test_a_reopened_case_keeps_its_reference_counts_and_keeps_the_earlier_closing(world: World) -> None:
    reference = world.case_in("closed")
    earlier = world.history(reference)
    answer = world.take(reference, "reopening")
    told = {name: answer["case"][name] for name in ("reference", "status", "reopen_count", "closed_on", "close_reason")}
    fresh = {"status": "screening", "reopen_count": 1, "closed_on": None, "close_reason": None}
    assert told == {"reference": reference, **fresh}
    assert world.history(reference)[:-1] == earlier
    assert earlier[-1]["input"]["summary"] == "The factory did not move."
    world.take(reference, "decline")
    assert world.take(reference, "reopening")["case"]["reopen_count"] == 2


@pytest.mark.parametrize(
    "given",
    [{}, {"given_on": day(1)}, {"given_on": day(), "subject": "workers_union"}, {"given_on": day(), "scope": "retain"}],
)
def test_a_reopening_needs_a_consent_given_after_the_ending_by_the_workers_to_take_up(
    world: World, given: Body
) -> None:
    reference = world.case_in("declined")
    brought = {"consents": [{**consent("take_up"), **given}]}
    answer = world.coordinator.step(reference, "reopening", {**step_input("reopening"), "records": brought})
    assert [item["code"] for item in answer.json()["unmet"]] == ["consent.take_up.renewed.missing"]


def test_a_consent_recorded_before_the_ending_does_not_reopen(world: World) -> None:
    reference = world.case()
    world.coordinator.add(reference, "consents", consent("take_up", given_on=day()))
    world.take(reference, "decline")
    answer = world.coordinator.step(reference, "reopening", {"reason": "error"})
    assert [item["code"] for item in answer.json()["unmet"]] == ["consent.take_up.renewed.missing"]


# Merger


def test_a_merger_closes_one_keeps_both_histories_and_takes_the_stricter_visibility(world: World) -> None:
    strict, open_ = world.case_in("public_campaign"), world.case(visibility="network")
    before, kept = world.history(strict), world.history(open_)
    merged = world.take(strict, "merger", survivor=open_)["case"]
    told = {name: merged[name] for name in ("status", "close_reason", "merged_into_reference", "publication")}
    ended = {"status": "closed", "close_reason": "merged", "publication": "none"}
    assert told == {**ended, "merged_into_reference": open_}
    assert world.show(open_)["visibility"] == "restricted"
    assert (world.history(strict)[:-1], world.history(open_)) == (before, kept)


def test_whoever_last_read_the_survivor_before_a_merger_decides_anew(world: World) -> None:
    merged, survivor = world.case(), world.case()
    tag = world.coordinator.get(f"/v1/cases/{survivor}").headers["ETag"]
    world.take(merged, "merger", survivor=survivor)
    answer = world.coordinator.step(survivor, "screening", step_input("screening"), If_Match=tag)
    assert answer.status_code == 412


def test_a_merger_never_widens_what_the_survivor_shows(world: World) -> None:
    strict, open_ = world.case(visibility="sealed"), world.case(visibility="network")
    world.take(open_, "merger", survivor=strict)
    assert world.show(strict)["visibility"] == "sealed"


def test_a_survivor_that_is_unknown_hidden_or_the_case_itself_gets_one_answer(world: World) -> None:
    mine = world.case("asia coordinator")
    hidden = world.case("europe coordinator")
    shown = world.case("europe coordinator", visibility="network")  # seen, but another's to coordinate
    answers = {
        world.as_("asia coordinator").step(mine, "merger", {"survivor": survivor}).content
        for survivor in ("UA-BGD-2026-00000", hidden, shown, mine)
    }
    assert len(answers) == 1
    assert b'"pointer": "/survivor"' in answers.pop()
    assert world.show(mine)["status"] == "received"


# Handover


def test_a_handover_takes_effect_only_when_the_receiving_coordinator_accepts(world: World) -> None:
    reference = world.case_in("accepted")
    lead = world.show(reference)["lead_entity_id"]
    world.take(reference, "handover")
    offered = world.show(reference)
    assert (offered["lead_entity_id"], offered["status"]) == (lead, "accepted")
    assert world.as_("asia coordinator").step(reference, "handover-acceptance", {}).status_code == 403
    taken = world.as_("europe coordinator").step(reference, "handover-acceptance", {}).json()["case"]
    assert taken["lead_entity_id"] == offered["handover_to_id"] != lead
    assert taken["assignee_id"] == world.as_("europe coordinator").account
    assert (taken["status"], taken["handover_to_id"]) == ("accepted", None)
    assert taken["region_id"] == taken["lead_entity_id"]
    assert world.as_("asia coordinator").get(f"/v1/cases/{reference}").status_code == 404


def test_until_a_handover_is_accepted_the_old_lead_answers_and_the_new_one_cannot(world: World) -> None:
    reference = world.case_in("accepted")
    world.take(reference, "handover")
    assert world.as_("europe coordinator").step(reference, "suspension", step_input("suspension")).status_code == 403
    assert world.as_("asia coordinator").step(reference, "suspension", step_input("suspension")).status_code == 201


def test_an_ending_ends_the_offer_of_a_handover(world: World) -> None:
    reference = world.case()
    world.take(reference, "handover")
    assert world.take(reference, "decline")["case"]["handover_to_id"] is None
    assert world.as_("europe coordinator").get(f"/v1/cases/{reference}").status_code == 404


# Breach and closure


def test_a_demand_that_was_met_and_is_broken_stands_again_as_a_new_version(world: World) -> None:
    reference = world.case_in("monitoring")
    (met,) = world.records(reference, "demands")
    broken = {"demand": met["id"], "facts": "They were dismissed again.", "breached_on": day(), "contrary_act": True}
    assert world.coordinator.step(reference, "breach", broken).status_code == 201
    kept, again = world.records(reference, "demands")
    assert kept == met
    assert (again["version"], again["revises"], again["disposition"]) == (2, met["id"], "active")


def test_a_demand_that_still_stands_is_not_repeated_when_it_is_broken(world: World) -> None:
    reference = world.case_in("remediation")
    demands = world.records(reference, "demands")
    broken = {"demand": "#reinstate", "facts": "More were dismissed.", "breached_on": day(), "contrary_act": True}
    assert world.coordinator.step(reference, "breach", broken).status_code == 201
    assert world.records(reference, "demands") == demands


def test_a_breached_promise_is_marked_and_a_new_agreement_leads_on_to_monitoring(world: World) -> None:
    reference = world.case_in("remediation")
    world.take(reference, "breach")
    (promise,) = world.records(reference, "commitments")
    assert promise["status"] == "breached"
    again = {**step_input("agreement")["commitments"][0], "label": "new-promise"}
    world.take(reference, "agreement", commitments=[again])
    path = f"/v1/cases/{reference}/commitments"
    assert world.coordinator.patch(f"{path}/{promise['id']}", {"status": "superseded"}).status_code == 200
    kept = {"status": "verified_done", "verified_by": "Bright Stitch Workers Union", "verified_on": day()}
    new = world.records(reference, "commitments")[1]
    assert world.coordinator.patch(f"{path}/{new['id']}", kept).status_code == 200
    world.dispose(reference)
    assert world.take(reference, "monitoring")["case"]["status"] == "monitoring"


def test_a_closure_says_of_every_demand_what_became_of_it(world: World) -> None:
    reference = world.case_in("engagement")
    told = {
        "demand": "#reinstate",
        "disposition": "met",
        "satisfaction": "satisfied",
        "outcome": "reinstated",
        "people_benefited": 11,
    }
    closed = world.take(reference, "closure", reason="demands_met", outcomes=[told])
    assert closed["entry"]["left_open"] == {}
    (demand,), (outcome,) = world.records(reference, "demands"), world.records(reference, "outcomes")
    assert (demand["disposition"], demand["disposed_on"], demand["satisfaction"]) == ("met", day(), "satisfied")
    assert (outcome["code"], outcome["extent"], outcome["people_benefited"]) == ("reinstated", "full", 11)
    assert outcome["demand"] == demand["id"]


def test_a_closing_that_does_not_say_what_the_workers_think_keeps_what_is_known(world: World) -> None:
    reference = world.case_in("engagement")
    (demand,) = world.records(reference, "demands")
    known = {"disposition": "met", "satisfaction": "dissatisfied"}
    assert world.coordinator.patch(f"/v1/cases/{reference}/demands/{demand['id']}", known).status_code == 200
    told = [{"demand": demand["id"], "disposition": "met"}]
    world.take(reference, "closure", reason="demands_met", outcomes=told)
    assert world.records(reference, "demands")[0]["satisfaction"] == "dissatisfied"
