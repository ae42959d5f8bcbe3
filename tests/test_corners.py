"""Corners where two rules meet: found by walking at random, kept so that they stay right."""

from tests.cast import World, action, step_input


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
