"""Whether a publication may be up: what takes it down, what keeps it down, and who must sign again (domain.md 8)."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from appeals.lifecycle.due_dates import process_due
from tests.support.cast import CONSENTS, Body, World, action, consent, day, intake, step_input, today
from tests.support.publishing import (
    CONDITION,
    conditional,
    is_up,
    no,
    publish,
    published,
    say,
    sign,
    with_consents,
    withdraw,
)
from tests.support.refusals import codes

REFUTED: list[Body] = [{"violation": "#dismissal", "grade": "refuted"}]

Act = Callable[[World, str], Any]


def tokens(world: World) -> set[str]:
    return {item["token"] for item in world.nobody.get("/public/cases?limit=200").json()["items"]}


# A no takes down (invariant 2, S-01, S-02)


@pytest.mark.parametrize("again", ["workers", "workers_union"])
def test_a_withdrawn_consent_comes_off_the_web_however_often_it_is_on_record(world: World, again: str) -> None:
    reference, token = published(world, **with_consents(consent("publish_named", again, label="again")))
    given = next(c for c in world.records(reference, "consents") if c["scope"] == "publish_named")
    withdraw(world, reference, given)
    assert (is_up(world, token), tokens(world)) == (False, set())
    shown = world.records(reference, "publications")
    assert [page["taken_down_at"] is None for page in shown] == [False]


@pytest.mark.parametrize("state", ["refused", "withdrawn"])
@pytest.mark.parametrize(
    ("subject", "scope"),
    [
        ("workers", "publish_named"),
        ("workers", "publish_anonymised"),
        ("workers_union", "publish_named"),
        ("local_partner", "publish_named"),
        ("requester", "publish_named"),
        ("workers", "take_up"),
    ],
)
def test_any_no_that_bears_on_it_takes_a_page_down(world: World, subject: str, scope: str, state: str) -> None:
    reference, token = published(world)
    no(world, reference, scope, subject, state=state)
    assert not is_up(world, token)


@pytest.mark.parametrize(
    ("subject", "scope", "more"),
    [
        ("workers", "publish_person", {}),
        ("workers", "media_interview", {}),
        ("workers", "publish_named", {"state": "requested"}),
        ("workers", "publish_named", {"on": day(31)}),
    ],
)
def test_what_does_not_bear_on_it_leaves_a_page_up(world: World, subject: str, scope: str, more: Body) -> None:
    reference, token = published(world)
    no(world, reference, scope, subject, **more)
    assert is_up(world, token)


def test_a_consent_dated_before_the_no_brings_nothing_back(world: World) -> None:
    reference, token = published(world)
    no(world, reference, "publish_named", on=day(3))
    say(world, reference, "publish_named", given_on=day(5))
    say(world, reference, "publish_named", given_on=day(3))
    sign(world, reference)
    assert codes(publish(world, reference)) == {"consent.publish.workers.missing", "signature.missing"}
    assert not is_up(world, token)


def test_two_people_sign_anew_on_a_newer_yes_and_the_old_address_is_gone(world: World) -> None:
    reference, token = published(world)
    no(world, reference, "publish_named", on=day(3))
    sign(world, reference)  # on no yes newer than the no: void
    say(world, reference, "publish_named", given_on=day(1))
    assert codes(publish(world, reference)) == {"signature.missing"}
    sign(world, reference)
    again = publish(world, reference).json()["token"]
    assert again != token
    assert (is_up(world, token), is_up(world, again)) == (False, True)


def test_the_unions_yes_does_not_outvote_the_workers_no(world: World) -> None:
    reference, _ = published(world)
    no(world, reference, "publish_named", on=day(3))
    say(world, reference, "publish_named", "workers_union", given_on=day(1))
    sign(world, reference)
    assert "consent.publish.workers.missing" in codes(publish(world, reference))


def test_all_workers_lift_their_unions_no(world: World) -> None:
    reference, _ = published(world)
    no(world, reference, "publish_named", "workers_union", on=day(3))
    say(world, reference, "publish_named", given_on=day(1))
    sign(world, reference)
    assert publish(world, reference).status_code == 201


def test_a_late_copy_of_an_answered_no_changes_nothing_but_an_unanswered_one_does(world: World) -> None:
    reference, token = published(world)
    no(world, reference, "publish_named", on=day(40))
    assert is_up(world, token)
    say(world, reference, "publish_named", given_on=day(2))  # after it was signed
    no(world, reference, "publish_named", on=day(4))
    assert not is_up(world, token)


def test_the_requester_speaks_where_no_party_is_a_partner_and_their_no_goes_on_counting(world: World) -> None:
    publish_by_requester = consent("publish_named", "requester")
    consents = [given for given in CONSENTS if given["subject"] != "local_partner"]
    records = {**intake()["records"], "consents": [*consents, publish_by_requester]}
    reference, token = published(world, records=records)
    partner = {"role": "local_partner", "organisation": {"name": "Partner On The Spot", "kind": "ngo", "country": "BD"}}
    assert world.coordinator.add(reference, "parties", partner).status_code == 201
    assert not is_up(world, token)  # the partner has not said yes
    say(world, reference, "publish_named", "local_partner", given_on=day(1))
    sign(world, reference)
    assert publish(world, reference).status_code == 201
    no(world, reference, "publish_named", "requester")
    assert tokens(world) == set()


# A public campaign is suspended


@pytest.mark.parametrize(
    ("reason", "act"),
    [
        ("consent_withdrawn", lambda world, reference: no(world, reference, "publish_named")),
        ("verification_doubt", lambda world, reference: world.take(reference, "verification", grades=REFUTED)),
        (
            "safety",
            lambda world, reference: world.caseworker.post(
                f"/v1/cases/{reference}/publications/{world.records(reference, 'publications')[-1]['id']}/takedown",
                {"reason": "Somebody is in danger."},
            ),
        ),
    ],
)
def test_a_campaign_whose_page_comes_down_is_suspended_and_says_why(world: World, reason: str, act: Act) -> None:
    reference = world.case_in("public_campaign")
    act(world, reference)
    entry = world.history(reference)[-1]
    assert (entry["step"], entry["reason"], world.show(reference)["status"]) == ("suspension", reason, "suspended")
    assert tokens(world) == set()


@pytest.mark.parametrize("state", ["accepted", "engagement", "remediation", "monitoring"])
@pytest.mark.parametrize("subject", ["workers", "workers_union", "local_partner"])
def test_a_no_to_taking_the_case_up_suspends_it(world: World, state: str, subject: str) -> None:
    reference = world.case_in(state)
    no(world, reference, "take_up", subject)
    entry = world.history(reference)[-1]
    assert (entry["step"], entry["reason"]) == ("suspension", "consent_withdrawn")


def test_a_no_to_taking_the_case_up_that_was_answered_suspends_nothing(world: World) -> None:
    reference = world.case_in("engagement")
    no(world, reference, "take_up", on=day(31))
    assert world.show(reference)["status"] == "engagement"


# Every other reason (S-08)


@pytest.mark.parametrize(
    ("state", "act"),
    [
        ("engagement", lambda world, reference: world.take(reference, "suspension", reason="safety")),
        ("engagement", lambda world, reference: world.take(reference, "suspension", reason="workers_request")),
        ("engagement", lambda world, reference: world.take(reference, "suspension", reason="verification_doubt")),
        ("engagement", lambda world, reference: world.take(reference, "closure", reason="unsafe_to_continue")),
        ("engagement", lambda world, reference: world.take(reference, "withdrawal")),
        ("engagement", lambda world, reference: world.take(reference, "withdrawal", withdrawn_by="requester")),
        ("engagement", lambda world, reference: world.take(reference, "merger", survivor=world.case())),
        ("accepted", lambda world, reference: world.take(reference, "referral")),
        ("engagement", lambda world, reference: world.take(reference, "verification", grades=REFUTED)),
    ],
)
def test_a_page_comes_down_with_what_it_stood_on(world: World, state: str, act: Act) -> None:
    reference, token = published(world, state)
    act(world, reference)
    assert not is_up(world, token)
    sign(world, reference)
    answer = publish(world, reference)
    assert answer.status_code in {404, 409}, answer.text


@pytest.mark.parametrize(
    ("state", "act"),
    [
        ("engagement", lambda world, reference: world.take(reference, "suspension", reason="negotiation_pause")),
        ("engagement", lambda world, reference: world.take(reference, "suspension", reason="awaiting_proceeding")),
        ("engagement", lambda world, reference: world.take(reference, "suspension", reason="contact_lost")),
        ("engagement", lambda world, reference: world.take(reference, "closure")),
        ("engagement", lambda world, reference: world.take(reference, "agreement")),
    ],
)
def test_a_page_stays_up_where_nothing_speaks_against_it_and_says_that_the_case_moved_on(
    world: World, state: str, act: Act
) -> None:
    reference, token = published(world, state)
    act(world, reference)
    assert is_up(world, token)


def test_a_reopening_alone_takes_nothing_down_and_a_decline_after_it_does(world: World) -> None:
    reference, token = published(world, "engagement")
    world.take(reference, "closure")
    assert is_up(world, token)
    world.take(reference, "reopening")
    assert is_up(world, token)
    world.take(reference, "decline")
    assert not is_up(world, token)


@pytest.mark.parametrize("state", ["received", "screening", "info_requested"])
def test_nothing_is_published_that_was_not_accepted(world: World, state: str) -> None:
    reference = world.case_in(state)
    sign(world, reference)
    assert {"publication.not_accepted", "violation.unverified"} <= codes(publish(world, reference))


def test_one_violation_that_it_shows_turns_out_to_be_untrue(world: World) -> None:
    more = [{"label": "dismissal", "code": "antiunion_dismissal"}, {"label": "threat", "code": "threat"}]
    reference = world.case(violations=more)
    world.take(reference, "screening")
    grades = [{"violation": f"#{label}", "grade": "likely"} for label in ("dismissal", "threat")]
    world.take(reference, "verification", grades=grades)
    world.take(reference, "acceptance")
    sign(world, reference)
    token = publish(world, reference).json()["token"]
    world.take(reference, "verification", grades=[{"violation": "#threat", "grade": "unlikely"}])
    assert not is_up(world, token)
    sign(world, reference)
    assert publish(world, reference).status_code == 201


def test_a_brand_whose_link_was_disproved_is_not_named_any_more(world: World) -> None:
    reference, token = published(world)
    brand = next(party for party in world.records(reference, "parties") if party["label"] == "brand")
    changed = {"link_strength": "disproved"}
    assert world.coordinator.patch(f"/v1/cases/{reference}/parties/{brand['id']}", changed).status_code == 200
    assert not is_up(world, token)


@pytest.mark.parametrize("kept", [True, False])
def test_a_page_goes_with_the_campaign_unless_there_is_a_reason_to_keep_it(world: World, kept: bool) -> None:
    reference = world.case_in("public_campaign")
    (token,) = tokens(world)
    world.take(reference, "de-escalation", **({"keep_public": "The workers want it read."} if kept else {}))
    assert is_up(world, token) is kept


def test_a_consent_that_ran_out_takes_the_page_down_by_the_clock_and_for_readers_at_once(world: World) -> None:
    soon = (today() + timedelta(days=1)).isoformat()
    reference = world.case_in("public_campaign", **with_consents(lacking=""))
    page = world.records(reference, "publications")[-1]
    assert page["up_until"] == "9999-12-31"
    given = next(c for c in world.records(reference, "consents") if c["subject"] == "local_partner")
    path = f"/v1/cases/{reference}/consents/{given['id']}"
    assert world.coordinator.patch(path, {"expires_on": soon}).status_code == 200
    assert world.records(reference, "publications")[-1]["up_until"] == soon
    assert is_up(world, page["token"])
    assert process_due(world.database, world.app.state.context.now() + timedelta(days=2)) >= 1
    assert (tokens(world), world.show(reference)["status"]) == (set(), "suspended")


# What was signed, and the address


def test_a_page_signed_again_keeps_its_address(world: World) -> None:
    reference, token = published(world, "engagement")
    before = world.nobody.get(f"/public/cases/{token}").json()["shows"]
    world.take(reference, "closure")
    assert world.nobody.get(f"/public/cases/{token}").json()["shows"] == before
    reasons = {item["reason"] for item in world.coordinator.get("/v1/attention").json()["items"]}
    assert "publication.outdated" in reasons
    sign(world, reference)
    assert publish(world, reference).json()["token"] == token
    after = world.nobody.get(f"/public/cases/{token}").json()["shows"]
    assert (before["group"], after["group"]) == ("active", "ended")
    reasons = {item["reason"] for item in world.coordinator.get("/v1/attention").json()["items"]}
    assert "publication.outdated" not in reasons


@pytest.mark.parametrize(("first", "second", "same"), [("anonymised", "named", True), ("named", "anonymised", False)])
def test_a_narrower_page_gets_another_address(world: World, first: str, second: str, same: bool) -> None:
    reference = world.case_in("accepted")
    found = []
    for level in (first, second):
        sign(world, reference, level)
        found.append(publish(world, reference, level).json()["token"])
    assert (found[0] == found[1]) is same
    assert tokens(world) == {found[1]}


def test_a_signature_of_another_day_is_void_after_a_no(world: World) -> None:
    reference = world.case_in("accepted")
    sign(world, reference)
    no(world, reference, "publish_named", on=day(40))  # answered by the yes that was on record when it was signed
    assert publish(world, reference).status_code == 201


def test_a_condition_is_met_by_name_in_the_approval(world: World) -> None:
    records = with_consents(
        conditional("publish_named"), consent("publish_named", "local_partner"), lacking="publish_named"
    )
    reference = world.case_in("accepted", **records)
    sign(world, reference)
    assert codes(publish(world, reference)) == {"consent.publish.workers.missing"}
    wrong = {"level": "named", "conditions_met": [{"consent": "#word", "condition": "Something else.", "how": "So."}]}
    refused = world.reviewer.add(reference, "approvals", wrong)
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/conditions_met/0/condition")
    met = [{"consent": "#word", "condition": CONDITION, "how": "The court let the last one go on Monday."}]
    signed = sign(world, reference, conditions_met=met)
    assert signed["conditions_met"][0]["condition"] == CONDITION
    page = publish(world, reference)
    assert page.status_code == 201
    say(world, reference, "publish_named", given_on=day(1), state="given_with_conditions", conditions=["Not in print."])
    assert not is_up(world, page.json()["token"])


def test_a_condition_of_taking_the_case_up_is_met_by_name_at_acceptance_and_holds_on(world: World) -> None:
    reference = world.case(**with_consents(conditional("take_up"), lacking="take_up"))
    for noun in ("screening", "verification"):
        world.take(reference, noun)
    answer = world.coordinator.step(reference, "acceptance", step_input("acceptance"))
    assert codes(answer) == {"consent.take_up.workers.missing"}
    met = [{"consent": "#word", "condition": CONDITION, "how": "They were let go."}]
    world.take(reference, "acceptance", conditions_met=met)
    world.take(reference, "engagement")
    assert world.show(reference)["status"] == "engagement"
    sign(world, reference)
    assert publish(world, reference).status_code == 201


def test_a_condition_of_contact_is_met_by_name_in_the_step_or_act(world: World) -> None:
    records = with_consents(conditional("contact_brand"), lacking="contact_brand")
    reference = world.case_in("accepted", **records)
    answer = world.coordinator.step(reference, "engagement", step_input("engagement"))
    assert codes(answer) == {"consent.contact_brand.missing"}
    met = [{"consent": "#word", "condition": CONDITION, "how": "They were let go."}]
    world.take(reference, "engagement", conditions_met=met)
    event = action(label="second")
    assert codes(world.coordinator.add(reference, "actions", event)) == {"consent.contact_brand.missing"}
    assert world.coordinator.add(reference, "actions", {**event, "conditions_met": met}).status_code == 201
