"""Corners where two rules meet: found by walking at random, kept so that they stay right."""

from tests.cast import Body, World, action, consent, day, step_input


def test_an_acknowledgement_while_suspended_does_not_lose_where_the_case_came_from(world: World) -> None:
    reference = world.case_in("engagement")
    world.take(reference, "suspension")
    world.take(reference, "acknowledgement")
    assert world.show(reference)["suspended_from"] == "engagement"
    assert world.take(reference, "resumption")["case"]["status"] == "engagement"


def test_talking_among_ourselves_about_a_target_is_no_contact(world: World) -> None:
    reference = world.case_in("engagement")
    asked = next(one for one in world.records(reference, "consents") if one["scope"] == "contact_government")
    world.coordinator.patch(f"/v1/cases/{reference}/consents/{asked['id']}", {"state": "withdrawn"})
    talk = action(kind="internal_coordination", target="#ministry", answer_due_on=None)
    assert world.coordinator.add(reference, "actions", talk).status_code == 201
    world.take(reference, "suspension")
    assert world.take(reference, "resumption")["case"]["status"] == "engagement"


def test_suspending_does_not_get_round_the_review_of_the_monitoring(world: World) -> None:
    reference = world.case_in("monitoring")
    world.take(reference, "suspension")
    closing = {**step_input("closure"), "reason": "demands_met"}
    refused = world.coordinator.step(reference, "closure", closing)
    assert [item["code"] for item in refused.json()["unmet"]] == ["review.pending"]


def test_what_was_said_of_a_given_consent_stands(world: World) -> None:
    reference = world.case_in("screening")
    given = next(one for one in world.records(reference, "consents") if one["scope"] == "take_up")
    path = f"/v1/cases/{reference}/consents/{given['id']}"
    same = {"state": "given", "given_on": given["given_on"], "method": given["method"]}
    for changed in ({"given_on": day(1)}, {"method": "written"}, {"language": "en"}, {"conditions": "None."}):
        refused = world.coordinator.patch(path, {**same, **changed})
        assert (refused.status_code, refused.json()["code"]) == (409, "change.refused"), changed
        assert [item["code"] for item in refused.json()["unmet"]] == [f"consents.{name}" for name in changed]
        assert world.coordinator.get(path).json() == given


def test_the_end_of_a_given_consent_may_come_sooner_and_never_later(world: World) -> None:
    reference = world.case_in("screening")
    given = next(one for one in world.records(reference, "consents") if one["scope"] == "take_up")
    path = f"/v1/cases/{reference}/consents/{given['id']}"
    same = {"state": "given", "given_on": given["given_on"], "method": given["method"]}
    assert world.coordinator.patch(path, {**same, "expires_on": day(-9)}).status_code == 200
    assert world.coordinator.patch(path, {**same, "expires_on": day(-8)}).status_code == 200
    assert world.coordinator.patch(path, {**same, "expires_on": day(-10)}).status_code == 409
    assert world.coordinator.get(path).json()["expires_on"] == day(-8)


def test_the_day_of_a_withdrawal_is_not_moved_afterwards(world: World) -> None:
    reference = world.case_in("screening")
    given = next(one for one in world.records(reference, "consents") if one["scope"] == "take_up")
    path = f"/v1/cases/{reference}/consents/{given['id']}"
    assert world.coordinator.patch(path, {"state": "withdrawn", "withdrawn_on": day(3)}).status_code == 200
    assert world.coordinator.patch(path, {"state": "withdrawn", "withdrawn_on": day(1)}).status_code == 409
    assert world.coordinator.get(path).json()["withdrawn_on"] == day(3)


def test_a_withdrawal_brings_nothing_along_that_could_be_refused(world: World) -> None:
    reference = world.case_in("screening")
    extras: list[Body] = [{"records": {"consents": [consent("take_up")]}}, {"overrides": []}]
    for extra in extras:
        assert world.coordinator.step(reference, "withdrawal", {**step_input("withdrawal"), **extra}).status_code == 422
    assert world.take(reference, "withdrawal")["case"]["status"] == "closed"
