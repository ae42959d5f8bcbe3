"""The days of a yes and of a no, and what they mean for publications."""

from datetime import timedelta

import pytest

from appeals.lifecycle.due_dates import process_due
from tests.support.cast import Body, World, consent, day, step_input, today
from tests.support.publishing import is_up, no, pointers, publish, published, say, sign, with_consents, withdraw
from tests.support.refusals import codes

# The day on which the workers were asked


@pytest.mark.parametrize(
    ("said", "is_good"),
    [
        ({"workers_consulted_on": day(31)}, False),
        ({"workers_consulted_on": day(300)}, False),
        ({"workers_consulted_on": day(-1)}, False),
        ({"workers_consulted_on": day(-1), "occurred_on": day(2), "occurred_precision": "estimate"}, False),
        ({"workers_consulted_on": day(30)}, True),
        ({"workers_consulted_on": day(-1), "occurred_on": day(-1)}, True),
        ({"workers_consulted_on": day(0), "occurred_on": day(2)}, True),
    ],
)
def test_the_workers_were_asked_after_the_case_came_and_not_on_a_day_to_come(
    world: World, said: Body, is_good: bool
) -> None:
    reference = world.case_in("public_campaign")
    body = {**step_input("de-escalation"), "keep_public": "The workers want it read.", **said}
    answer = world.coordinator.step(reference, "de-escalation", body)
    if is_good:
        assert answer.status_code in {201, 409}, answer.text  # the campaign began today
    else:
        assert pointers(answer) == ["/workers_consulted_on"]
        assert world.show(reference)["status"] == "public_campaign"


def test_of_a_case_whose_day_of_receipt_is_not_known_the_month_counts(world: World) -> None:
    reference = world.case_in("public_campaign", received_precision="month_unknown")
    body = {**step_input("de-escalation"), "workers_consulted_on": f"{today().year - 1}-12-31"}
    expected = {today().year: 422}.get((today() - timedelta(days=30)).year, 201)
    assert world.coordinator.step(reference, "de-escalation", body).status_code == expected


# The day of a no that withdraws a yes


@pytest.mark.parametrize(
    ("more", "on", "precision"),
    [
        ({"withdrawn_on": day(31)}, day(30), "exact"),
        ({"withdrawn_on": day(300)}, day(30), "exact"),
        ({"withdrawn_on": day(400), "withdrawn_precision": "month_unknown"}, day(30), "exact"),
        ({"withdrawn_on": day(29)}, day(29), "exact"),
        ({"withdrawn_on": day(30)}, day(30), "exact"),
        ({"withdrawn_on": day(31), "withdrawn_precision": "estimate"}, day(30), "exact"),
        ({"withdrawn_on": day(30), "withdrawn_precision": "day_unknown"}, day(30), "day_unknown"),
    ],
)
def test_what_withdraws_a_yes_is_no_older_than_it(world: World, more: Body, on: str, precision: str) -> None:
    reference, token = published(world)
    given = next(c for c in world.records(reference, "consents") if c["scope"] == "publish_named")
    withdraw(world, reference, given, **more)
    withdraw(world, reference, given, **more)
    noes = [word for word in world.records(reference, "consents") if word["state"] == "withdrawn"]
    assert [(word["on"], word["on_precision"]) for word in noes] == [(on, precision)]
    assert not is_up(world, token)


def test_what_withdraws_a_yes_of_a_month_is_said_in_that_month(world: World) -> None:
    reference = world.case_in("accepted", **with_consents(lacking="publish_named"))
    said = say(world, reference, "publish_named", given_on=day(40), given_precision="day_unknown")
    withdraw(world, reference, said, withdrawn_on=day(200))
    no_ = world.records(reference, "consents")[-1]
    assert (no_["on"], no_["on_precision"]) == (said["given_on"], "day_unknown")
    say(world, reference, "publish_named", "local_partner")
    sign(world, reference)
    assert "consent.publish.workers.missing" in codes(publish(world, reference))


@pytest.mark.parametrize("ago", [300, 31, 30, 3])
def test_a_withdrawal_ends_the_newest_yes_to_taking_the_case_up(world: World, ago: int) -> None:
    reference = world.case_in("engagement")
    say(world, reference, "take_up", given_on=day(20))
    world.take(reference, "withdrawal", withdrawn_on=day(ago))
    (word,) = (word for word in world.records(reference, "consents") if word["state"] == "withdrawn")
    assert (word["scope"], word["on"]) == ("take_up", day(min(ago, 20)))
    again = {"reason": "new_information", "records": {"consents": [consent("take_up", given_on=day())]}}
    assert world.coordinator.step(reference, "reopening", again).status_code == 201
    sign(world, reference)
    assert "consent.publish.workers.missing" in codes(publish(world, reference))


# A no from a clock that is ahead


@pytest.mark.parametrize("ahead", [1, 2, 40, 4000])
def test_a_no_of_a_day_to_come_is_taken_and_counts_today(world: World, ahead: int) -> None:
    reference, token = published(world)
    kept = day(-1) if ahead == 1 else day()
    assert no(world, reference, "publish_named", on=day(-ahead), on_precision="exact")["on"] == kept
    assert not is_up(world, token)
    assert pointers(world.coordinator.add(reference, "consents", consent("retain", given_on=day(-2)))) == ["/given_on"]


@pytest.mark.parametrize("precision", ["exact", "day_unknown", "month_unknown", "estimate"])
def test_a_yes_is_withdrawn_also_on_a_day_to_come(world: World, precision: str) -> None:
    reference, token = published(world)
    given = next(c for c in world.records(reference, "consents") if c["scope"] == "publish_named")
    withdraw(world, reference, given, withdrawn_on=day(-400), withdrawn_precision=precision)
    word = world.records(reference, "consents")[-1]
    assert (word["on"], word["on_precision"], is_up(world, token)) == (day(), "exact", False)


def test_a_no_of_a_day_to_come_is_taken_along_with_intake_and_steps(world: World) -> None:
    refusal = {"subject": "workers", "scope": "publish_named", "state": "refused", "on": day(-3)}
    reference = world.case_in("engagement", **with_consents(refusal))
    assert world.records(reference, "consents")[-1]["on"] == day()
    reference, token = published(world, "engagement")
    world.take(reference, "acknowledgement", records={"consents": [refusal]})
    assert (world.records(reference, "consents")[-1]["on"], is_up(world, token)) == (day(), False)


@pytest.mark.parametrize("by", ["workers", "requester"])
@pytest.mark.parametrize("said", [{"withdrawn_on": day(-3)}, {"withdrawn_on": day(), "occurred_on": day(-3)}])
def test_a_withdrawal_of_a_day_to_come_is_taken_and_counts_today(world: World, said: Body, by: str) -> None:
    reference, token = published(world)
    taken = world.take(reference, "withdrawal", withdrawn_by=by, **said)["entry"]
    assert (taken["occurred_on"], taken["input"]["withdrawn_on"], is_up(world, token)) == (day(), day(), False)
    noes = [word["on"] for word in world.records(reference, "consents") if word["state"] == "withdrawn"]
    assert noes == ([day()] if by == "workers" else [])
    assert world.show(reference)["closed_on"] == day()


# What was merged away follows the case that goes on


@pytest.mark.parametrize("scope", ["share_network", "take_up"])
def test_what_was_merged_away_narrows_with_the_case_that_goes_on(world: World, scope: str) -> None:
    shared = with_consents(consent("share_network"), lacking="publish_named")
    survivor, merged = (world.case("asia coordinator", visibility="network", **shared) for _ in range(2))
    world.take(merged, "merger", survivor=survivor)
    reader = world.as_("europe reader")
    assert reader.get(f"/v1/cases/{merged}").status_code == 200
    no(world, survivor, scope)
    assert [world.show(reference)["visibility"] for reference in (survivor, merged)] == ["regional"] * 2
    assert [reader.get(f"/v1/cases/{reference}").status_code for reference in (survivor, merged)] == [404] * 2
    wide = {"visibility": "network"}
    answer = world.coordinator.patch(f"/v1/cases/{merged}", wide, If_Match="*")
    assert codes(answer) == {"consent.share_network.missing"}
    assert world.show(merged)["visibility"] == "regional"


def test_what_was_merged_into_what_was_merged_narrows_too(world: World) -> None:
    shared = with_consents(consent("share_network"), lacking="publish_named")
    first, second, last = (world.case(visibility="network", **shared) for _ in range(3))
    world.take(first, "merger", survivor=second)
    world.take(second, "merger", survivor=last)
    no(world, last, "share_network")
    assert [world.show(reference)["visibility"] for reference in (first, second, last)] == ["regional"] * 3


def test_what_was_merged_away_narrows_when_the_consent_of_the_other_runs_out(world: World) -> None:
    shared = with_consents(consent("share_network"), lacking="publish_named")
    soon = with_consents(consent("share_network", expires_on=day(-1)), lacking="publish_named")
    survivor, merged = world.case(visibility="network", **soon), world.case(visibility="network", **shared)
    world.take(merged, "merger", survivor=survivor)
    assert world.show(merged)["visibility"] == "network"
    process_due(world.database, world.app.state.context.now() + timedelta(days=2))
    assert [world.show(reference)["visibility"] for reference in (survivor, merged)] == ["regional"] * 2


def test_a_no_to_share_narrows_what_was_merged_into_a_case_that_was_never_shared(world: World) -> None:
    shared = with_consents(consent("share_network"), lacking="publish_named")
    survivor = world.case(visibility="regional", **with_consents(lacking="publish_named"))
    merged = world.case(visibility="network", **shared)
    world.take(merged, "merger", survivor=survivor)
    assert world.show(merged)["visibility"] == "network"
    no(world, survivor, "share_network")
    assert world.show(merged)["visibility"] == "regional"


def test_a_case_that_is_reopened_brings_the_noes_of_the_one_it_was_merged_into(world: World) -> None:
    survivor, merged = world.case_in("accepted"), world.case_in("engagement")
    world.take(merged, "merger", survivor=survivor)
    for subject in ("workers", "local_partner"):
        no(world, survivor, "publish_named", subject, on=day(1))
    no(world, survivor, "contact_brand", on=day(1))
    no(world, survivor, "retain", on=day(40))
    world.take(merged, "reopening")
    carried = [word["scope"] for word in world.records(merged, "consents") if word["state"] == "refused"]
    assert carried == ["publish_named", "publish_named", "contact_brand", "retain"]
    sign(world, merged)
    assert {"consent.publish.workers.missing", "consent.publish.partner.missing"} <= codes(publish(world, merged))
