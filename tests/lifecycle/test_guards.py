"""Guards: each is shown in advance, refuses with its own code, changes nothing, and passes once its fact is put right.

`trips()` in `tests/support/guard_trips.py` is typed by hand: for every code a case on which the guard does not hold,
and what puts it right.
"""

import pytest

from appeals.lifecycle.guards import GUARDS
from appeals.lifecycle.steps import MAY_BE_UP, STEPS
from tests.support.cast import CONSENTS, Body, World, day, step_input
from tests.support.guard_trips import amend, codes, in_, records, trips, withdraw

OF_A_PAGE = {
    "publication.not_accepted",
    "publication.suspended",
    "publication.called_off",
    "publication.signed_before_no",
}
"""Asked of pages alone: no step that goes public is open where they do not hold. See
`tests/lifecycle/test_may_be_up.py`.
"""

SOFT = {"risk.stale", "supply_link.weak", "quiet_action.missing", "review.pending"}


def told_before(world: World, reference: str, noun: str) -> Body:
    steps: list[Body] = world.coordinator.get(f"/v1/cases/{reference}/steps").json()["items"]
    return next(step for step in steps if step["noun"] == noun)


def stands(world: World, reference: str) -> tuple[Body, list[Body]]:
    return world.show(reference), world.history(reference)


def test_every_guard_is_tripped_by_a_test_of_its_own() -> None:
    assert set(trips()) | OF_A_PAGE == set(GUARDS), (
        "type into trips() of tests/support/guard_trips.py how it is tripped"
    )


def test_every_guard_is_asked_by_a_step_and_every_step_asks_guards_that_exist() -> None:
    assert {code for step in STEPS for code in step.guards} | OF_A_PAGE == set(GUARDS)
    assert set(MAY_BE_UP) >= OF_A_PAGE


@pytest.mark.parametrize("code", GUARDS)
def test_every_guard_says_a_sentence(code: str) -> None:
    says = GUARDS[code].says
    assert says[0].isupper()
    assert says.endswith(".")
    assert len(says.split()) >= 4


def test_just_these_guards_are_soft() -> None:
    assert {code for code, guard in GUARDS.items() if guard.soft} == SOFT


@pytest.mark.parametrize("code", sorted(set(GUARDS) - OF_A_PAGE))
def test_a_guard_refuses_under_its_code_and_lets_pass_when_the_fact_is_put_right(world: World, code: str) -> None:
    trip = trips()[code]
    reference = trip.case(world)
    said = {**step_input(trip.noun), **(trip.said(world) if callable(trip.said) else trip.said)}
    before, told = stands(world, reference), told_before(world, reference, trip.noun)

    refused = world.coordinator.step(reference, trip.noun, said)
    assert set(codes(refused)) == {code, *trip.beside}
    assert stands(world, reference) == before
    if GUARDS[code].hears:
        assert code in told["depends_on_input"]
    else:
        assert set(codes(refused)) <= {item["code"] for item in told["unmet"]}
        assert told["allowed"] is False

    override = {"overrides": [{"guard": code, "reason": "There is no other way."}]}
    if code not in SOFT:
        assert set(codes(world.coordinator.step(reference, trip.noun, {**said, **override}))) == {code, *trip.beside}

    passed = world.coordinator.step(reference, trip.noun, {**said, **trip.lift(world, reference)})
    assert passed.status_code == 201, passed.text
    assert passed.json()["entry"]["overrides"] == {}
    assert len(world.history(reference)) > len(before[1])


@pytest.mark.parametrize("code", sorted(SOFT))
def test_a_coordinator_overrides_a_soft_guard_with_a_reason_that_history_shows(world: World, code: str) -> None:
    trip = trips()[code]
    assert not callable(trip.said)
    reference, why = trip.case(world), "The workers cannot wait."
    said = {**step_input(trip.noun), **trip.said}
    without_reason = world.coordinator.step(reference, trip.noun, {**said, "overrides": [{"guard": code}]})
    assert without_reason.status_code == 422
    passed = world.coordinator.step(reference, trip.noun, {**said, "overrides": [{"guard": code, "reason": why}]})
    assert passed.status_code == 201, passed.text
    assert world.history(reference)[-1]["overrides"] == {code: why}


@pytest.mark.parametrize("code", ["risk.stale", "supply_link.weak"])
def test_a_caseworkers_override_lifts_nothing(world: World, code: str) -> None:
    long_ago = records(
        consents=[{**given, "given_on": day(50)} for given in CONSENTS],
        risk_assessments=[{"level": "low", "assessed_on": day(31)}],
    )
    weak = in_("accepted", amend("parties", "brand", link_strength="claimed"))
    stale = in_("accepted", records=long_ago, received_on=day(60))
    reference = {"risk.stale": stale, "supply_link.weak": weak}[code](world)
    said = {**step_input("engagement"), "overrides": [{"guard": code, "reason": "The workers cannot wait."}]}
    refused = world.caseworker.step(reference, "engagement", said)
    assert codes(refused) == [code]
    assert refused.json()["unmet"][0]["override"] is True
    assert world.coordinator.step(reference, "engagement", said).status_code == 201


def test_an_override_of_one_guard_lifts_no_other(world: World) -> None:
    weak = amend("parties", "brand", link_strength="claimed")
    reference = in_("accepted", weak, withdraw("contact_brand"))(world)
    override = {"guard": "supply_link.weak", "reason": "The label is known."}
    refused = world.coordinator.step(reference, "engagement", {**step_input("engagement"), "overrides": [override]})
    assert codes(refused) == ["consent.contact_brand.missing"]


def test_an_override_that_nothing_asked_for_is_not_kept(world: World) -> None:
    reference = world.case_in("accepted")
    said = {**step_input("engagement"), "overrides": [{"guard": "risk.stale", "reason": "In case."}]}
    assert world.coordinator.step(reference, "engagement", said).json()["entry"]["overrides"] == {}


def test_a_refusal_names_every_guard_at_once(world: World) -> None:
    reference = world.case(records={})
    world.take(reference, "screening")
    refused = world.coordinator.step(reference, "acceptance", {"rationale": "They ask for it."})
    assert set(codes(refused)) == {
        "consent.take_up.workers.missing",
        "demand.missing",
        "violation.unverified",
        "target.missing",
        "risk.missing",
        "leverage.missing",
    }
    told = refused.json()
    assert (told["code"], told["state"]) == ("step.refused", "screening")
    assert "decline" in told["open_steps"]
    assert all(item["says"] for item in told["unmet"])
