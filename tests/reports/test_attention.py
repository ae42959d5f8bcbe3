"""The attention list."""

from typing import Any

from tests.support.cast import Person, World, action, consent, day, intake, step_input
from tests.support.reporting import add

# Attention


def reasons(who: Person) -> list[tuple[str, str]]:
    answer = who.get("/v1/attention?limit=200")
    assert answer.status_code == 200, answer.text
    return [(item["reference"], item["reason"]) for item in answer.json()["items"]]


def test_attention_tells_what_needs_somebody_and_stops_when_it_is_done(world: World) -> None:
    fresh: Any = {"records": {**intake()["records"], "risk_assessments": [{"level": "low", "assessed_on": day(0)}]}}
    quiet = world.case(received_on=day(2), **fresh)
    assert reasons(world.coordinator) == []
    old = world.case(received_on=day(20), **fresh)
    assert reasons(world.coordinator) == [(old, "first_action.late"), (old, "acknowledgement.due")]
    world.take(old, "acknowledgement")
    assert reasons(world.coordinator) == [(old, "first_action.late")]
    assert quiet not in {reference for reference, _ in reasons(world.coordinator)}


def test_each_reason_for_attention(world: World) -> None:
    reference = world.case_in("engagement")
    world.take(reference, "acknowledgement")
    assert reasons(world.coordinator) == [(reference, "answer.overdue")]
    add(world, reference, "proceedings", next_on=day(-10))
    add(world, reference, "commitments", due_on=day(2))
    add(world, reference, "consents", expires_on=day(-9))
    add(world, reference, "risk-assessments", assessed_on=day(0), level="critical")
    assert {reason for _, reason in reasons(world.coordinator)} == {
        "answer.overdue", "hearing.near", "commitment.lapsed", "consent.expiring",
    }  # fmt: skip
    assert add(world, reference, "actions", **action(done_on=day(1), answer_due_on=day(-5)))
    assert "answer.overdue" not in {reason for _, reason in reasons(world.coordinator)}
    world.take(reference, "suspension", review_on=day(0))
    assert "review.due" in {reason for _, reason in reasons(world.coordinator)}
    params = world.case()
    world.take(params, "acknowledgement", occurred_on=day(10))
    world.take(params, "screening", occurred_on=day(10))
    world.take(params, "information-request", occurred_on=day(9), due_on=day(3))
    assert (params, "information.overdue") in reasons(world.coordinator)
    stale: Any = {"records": {**intake()["records"], "risk_assessments": [{"level": "low", "assessed_on": day(40)}]}}
    worn = world.case_in("screening", **stale)
    assert (worn, "risk.stale") in reasons(world.coordinator)
    world.take(params, "handover")
    assert reasons(world.as_("europe coordinator")) == [(params, "handover.offered")]
    assert {of for of, _ in reasons(world.caseworker)} == {reference, params, worn}


def test_a_case_that_goes_on_without_the_workers_consent_needs_somebody_and_is_not_resumed(world: World) -> None:
    reference = world.case_in("remediation")
    assert "consent.ended" not in {reason for _, reason in reasons(world.coordinator)}
    taken_up = next(found for found in world.records(reference, "consents") if found["scope"] == "take_up")
    path = f"/v1/cases/{reference}/consents/{taken_up['id']}"
    assert world.coordinator.patch(path, {"expires_on": day(3)}).status_code == 200
    items = world.coordinator.get("/v1/attention").json()["items"]
    assert (items[0]["reference"], items[0]["reason"], items[0]["since"]) == (reference, "consent.ended", day(3))
    world.take(reference, "suspension")
    assert "consent.ended" not in {reason for _, reason in reasons(world.coordinator)}
    answer = world.coordinator.step(reference, "resumption", step_input("resumption"))
    assert (answer.status_code, [item["code"] for item in answer.json()["unmet"]]) == (
        409, ["consent.take_up.workers.missing"],
    )  # fmt: skip
    assert answer.json()["resume_to"] == "screening"
    world.take(reference, "resumption", records={"consents": [consent("take_up", given_on=day(0))]})
    assert world.coordinator.get(f"/v1/cases/{reference}").json()["status"] == "remediation"
    assert "consent.ended" not in {reason for _, reason in reasons(world.coordinator)}


def test_a_case_that_was_sealed_calls_nobody_it_is_offered_to(world: World) -> None:
    reference, receiver = world.case(), world.as_("europe coordinator")
    world.take(reference, "handover")
    assert reasons(receiver) == [(reference, "handover.offered")]
    world.coordinator.patch(f"/v1/cases/{reference}", {"visibility": "sealed"}, If_Match="*")
    assert reasons(receiver) == []


def test_a_guard_that_was_passed_with_a_reason_is_shown(world: World) -> None:
    stale: Any = {"records": {**intake()["records"], "risk_assessments": [{"level": "low", "assessed_on": day(40)}]}}
    reference = world.case_in("accepted", **stale)
    world.take(reference, "engagement", overrides=[{"guard": "risk.stale", "reason": "Nobody could travel there."}])
    assert (reference, "guard.overridden") in reasons(world.coordinator)


def test_danger_comes_first_and_others_hear_nothing(world: World) -> None:
    calm, danger = world.case(received_on=day(20)), world.case(received_on=day(9), danger=True)
    assert reasons(world.coordinator)[0][0] == danger
    assert {reference for reference, _ in reasons(world.coordinator)} == {calm, danger}
    for who in ("europe coordinator", "europe reader", "reader", "partner"):
        assert reasons(world.as_(who)) == []
    for who in ("admin", "auditor", "dashboard"):
        assert world.as_(who).get("/v1/attention").status_code == 403


def test_a_poll_that_finds_nothing_new_is_a_304(world: World) -> None:
    world.case(received_on=day(20))
    tag = world.coordinator.get("/v1/attention").headers["ETag"]
    assert world.coordinator.get("/v1/attention", If_None_Match=tag).status_code == 304
    world.case(received_on=day(20))
    assert world.coordinator.get("/v1/attention", If_None_Match=tag).status_code == 200
