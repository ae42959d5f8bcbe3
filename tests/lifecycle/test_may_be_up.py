"""May it be up now? What takes a page down, what keeps it down, and who signs anew (domain.md 8)."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from httpx2 import Response

from appeals.lifecycle.due_dates import process_due
from appeals.vocabulary import Role
from tests.support.cast import (
    CONSENTS,
    Body,
    Person,
    World,
    action,
    consent,
    day,
    intake,
    organisation,
    step_input,
    today,
)

REFUTED: list[Body] = [{"violation": "#dismissal", "grade": "refuted"}]
Act = Callable[[World, str], Any]


def codes(answer: Response) -> set[str]:
    assert answer.status_code == 409, answer.text
    return {item["code"] for item in answer.json()["unmet"]}


def sign(world: World, reference: str, level: str = "named", **more: Any) -> Body:
    answer = world.reviewer.add(reference, "approvals", {"level": level, **more})
    assert answer.status_code == 201, answer.text
    signed: Body = answer.json()
    return signed


def publish(world: World, reference: str, level: str = "named", **more: Any) -> Response:
    body = {"publication_level": level, **more}
    return world.coordinator.post(f"/v1/cases/{reference}/publications", body, If_Match="*")


def published(world: World, state: str = "accepted", **changed: Any) -> tuple[str, str]:
    """A case in a state with a page up, and the page's token."""
    reference = world.case_in(state, **changed)
    sign(world, reference)
    answer = publish(world, reference)
    assert answer.status_code == 201, answer.text
    return reference, answer.json()["token"]


def is_up(world: World, token: str) -> bool:
    status: int = world.nobody.get(f"/public/cases/{token}").status_code
    assert status in {200, 404}
    return status == 200


def tokens(world: World) -> set[str]:
    return {item["token"] for item in world.nobody.get("/public/cases?limit=200").json()["items"]}


def say(world: World, reference: str, scope: str, subject: str = "workers", **word: Any) -> Body:
    """Put a word on record."""
    answer = world.coordinator.add(reference, "consents", {**consent(scope, subject), **word})
    assert answer.status_code == 201, answer.text
    said: Body = answer.json()
    return said


def no(world: World, reference: str, scope: str, subject: str = "workers", **word: Any) -> Body:
    """Put a no on record; it answers what was said."""
    body = {"subject": subject, "scope": scope, "state": "refused", **word}
    answer = world.coordinator.add(reference, "consents", body)
    assert answer.status_code == 201, answer.text
    said: Body = answer.json()
    return said


def withdraw(world: World, reference: str, record: Body, **more: Any) -> None:
    path = f"/v1/cases/{reference}/consents/{record['id']}"
    answer = world.coordinator.patch(path, {"state": "withdrawn", **more})
    assert answer.status_code == 200, answer.text


def with_consents(*more: Body, lacking: str = "") -> Body:
    consents = [given for given in CONSENTS if given["scope"] != lacking]
    return {"records": {**intake()["records"], "consents": [*consents, *more]}}


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


# What is given on conditions, S-16


CONDITION = "Only after all are released."


def conditional(scope: str, **more: Any) -> Body:
    return consent(scope, state="given_with_conditions", conditions=[CONDITION], label="word", **more)


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


# Risk fresh (S-09)


def test_backdating_does_not_pass_an_old_risk_review(world: World) -> None:
    old = {"records": {**intake()["records"], "risk_assessments": [{"level": "low", "assessed_on": day(25)}]}}
    reference = world.case_in("engagement", **old)
    sign(world, reference)
    body = {**step_input("escalation"), "occurred_on": day(15), "reason": "already_public"}
    # Engaged today in this play, so that the day of the step is estimated.
    body |= {"occurred_precision": "estimate"}
    assert codes(world.coordinator.step(reference, "escalation", body)) == {"risk.stale"}
    along = {"risk_assessments": [{"level": "low", "assessed_on": day(15)}]}
    assert world.coordinator.step(reference, "escalation", {**body, "records": along}).status_code == 201


# How widely it is seen, S-11


def test_intake_that_asks_for_more_than_it_may_is_kept_regional_and_says_so(world: World) -> None:
    body = intake(visibility="network", records={})
    answer = world.as_("partner").post("/v1/cases", body).json()
    assert (answer["visibility"], answer["visibility_refused"]["code"]) == (
        "regional", "consent.share_network.missing",
    )  # fmt: skip
    shared = {"consents": [consent("share_network")]}
    answer = world.as_("partner").post("/v1/cases", intake(visibility="network", records=shared)).json()
    assert (answer["visibility"], answer["visibility_refused"]) == ("network", None)


def test_a_case_is_widened_with_consent_and_narrows_when_that_ends(world: World) -> None:
    reference = world.case(**with_consents(lacking="publish_named"))
    path = f"/v1/cases/{reference}"
    wide = {"visibility": "network"}
    assert codes(world.coordinator.patch(path, wide, If_Match="*")) == {"consent.share_network.missing"}
    assert world.coordinator.patch(path, {"visibility": "regional"}, If_Match="*").status_code == 200
    say(world, reference, "share_network")
    assert world.coordinator.patch(path, wide, If_Match="*").status_code == 200
    no(world, reference, "share_network")
    assert world.show(reference)["visibility"] == "regional"


def test_consents_of_both_sides_to_publish_include_sharing_unless_it_was_refused(world: World) -> None:
    reference = world.case()
    path = f"/v1/cases/{reference}"
    assert world.coordinator.patch(path, {"visibility": "network"}, If_Match="*").status_code == 200
    no(world, reference, "publish_named", "local_partner")
    assert world.show(reference)["visibility"] == "regional"
    other = world.case()
    no(world, other, "share_network", on=day(40))
    answer = world.coordinator.patch(f"/v1/cases/{other}", {"visibility": "network"}, If_Match="*")
    assert codes(answer) == {"consent.share_network.missing"}


# A clock set back (S-21)


def test_a_clock_set_back_revives_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    reference, token = published(world)
    no(world, reference, "publish_named")
    context = world.app.state.context
    back = context.now() - timedelta(days=2)
    monkeypatch.setattr(type(context), "now", lambda _: back)
    sign(world, reference)
    assert "consent.publish.workers.missing" in codes(publish(world, reference))
    assert not is_up(world, token)


def test_a_no_counts_that_is_recorded_while_the_clock_is_set_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is newer than the yes that is on record, whatever day the server thinks it is."""
    reference, token = published(world)
    assert world.coordinator.add(reference, "consents", consent("publish_named", given_on=day(0))).status_code == 201
    context = world.app.state.context
    back = context.now() - timedelta(days=2)
    monkeypatch.setattr(type(context), "now", lambda _: back)
    no(world, reference, "publish_named")
    sign(world, reference)
    assert "consent.publish.workers.missing" in codes(publish(world, reference))
    assert not is_up(world, token)


# A merger carries every no


def test_a_merger_carries_every_no_that_stands_into_the_survivor(world: World) -> None:
    survivor, token = published(world, "engagement")
    merged = world.case()
    no(world, merged, "publish_named", on=day(2))
    no(world, merged, "contact_brand", on=day(31))  # answered since
    world.take(merged, "merger", survivor=survivor)
    carried = [word for word in world.records(survivor, "consents") if word["state"] == "refused"]
    assert [(word["scope"], word["on"]) for word in carried] == [("publish_named", day(2))]
    assert not is_up(world, token)


# It is told before trying


def test_the_preview_of_steps_tells_whether_something_may_be_public(world: World) -> None:
    reference = world.case()
    check = world.coordinator.get(f"/v1/cases/{reference}/steps").json()["publication"]
    assert (check["up"], check["allowed"], check["level"]) == (False, False, "anonymised")
    assert {item["code"] for item in check["unmet"]} == {"publication.not_accepted", "violation.unverified"}
    reference, _ = published(world)
    check = world.coordinator.get(f"/v1/cases/{reference}/steps").json()["publication"]
    assert check == {"level": "named", "up": True, "allowed": True, "unmet": []}
    assert world.as_("europe reader").get(f"/v1/cases/{reference}/steps").status_code == 404


# Found by somebody hostile


@pytest.mark.parametrize("scope", ["take_up", "publish_named"])
def test_only_a_voice_of_the_partners_side_is_said_to_have_left(world: World, scope: str) -> None:
    reference, _ = published(world)
    left = [{"consent": no(world, reference, scope)["id"], "why": "They left."}]
    answer = world.reviewer.add(reference, "approvals", {"level": "named", "voices_left": left})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/voices_left/0/consent")


def test_a_voice_that_left_is_silent_with_its_yes_too(world: World) -> None:
    reference, _ = published(world)
    left = [{"consent": no(world, reference, "publish_named", "local_partner")["id"], "why": "They left."}]
    sign(world, reference, voices_left=left)
    assert "consent.publish.partner.missing" in codes(publish(world, reference))


@pytest.mark.parametrize(
    ("subject", "of"), [("workers", "#brand"), ("workers_union", "#factory"), ("requester", "#union")]
)
def test_nobody_speaks_for_a_subject_that_they_are_not(world: World, subject: str, of: str) -> None:
    reference = world.case()
    answer = world.coordinator.add(reference, "consents", consent("publish_named", subject, of=of))
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/of")


def test_a_condition_of_publishing_is_named_in_the_approval_and_not_in_the_step(world: World) -> None:
    of_partner = consent("publish_named", "local_partner")
    records = with_consents(conditional("publish_named"), of_partner, lacking="publish_named")
    reference = world.case_in("engagement", **records)
    sign(world, reference)
    met = [{"consent": "#word", "condition": CONDITION, "how": "They were let go."}]
    body = {**step_input("escalation"), "conditions_met": met}
    assert codes(world.coordinator.step(reference, "escalation", body)) == {"consent.publish.workers.missing"}


def test_a_conditional_yes_that_arrives_twice_is_one_word(world: World) -> None:
    of_partner = consent("publish_named", "local_partner")
    records = with_consents(conditional("publish_named"), of_partner, lacking="publish_named")
    reference = world.case_in("accepted", **records)
    sign(world, reference, conditions_met=[{"consent": "#word", "condition": CONDITION, "how": "They were let go."}])
    token = publish(world, reference).json()["token"]
    say(world, reference, "publish_named", state="given_with_conditions", conditions=[CONDITION])
    assert is_up(world, token)


def test_a_brand_is_not_named_where_another_row_of_it_was_disproved(world: World) -> None:
    reference, token = published(world)
    brand = next(party for party in world.records(reference, "parties") if party["label"] == "brand")
    again = {"role": "brand", "organisation": brand["organisation_id"], "link_strength": "disproved"}
    assert world.coordinator.add(reference, "parties", again).status_code == 201
    assert not is_up(world, token)
    assert sign(world, reference)["shows"]["named"]["companies"] == []


def test_what_cannot_wait_opens_no_other_contact(world: World) -> None:
    reference = world.case_in("accepted", **with_consents(lacking="contact_factory"))
    why = {"target": "#factory", "done_on": day(), "without_consent_because": "The court sits tomorrow."}
    assert world.coordinator.add(reference, "actions", {"kind": "legal_aid", **why}).status_code == 201
    for kind in ("factory_letter", "mediation"):
        answer = world.coordinator.add(reference, "actions", {"kind": kind, **why})
        assert codes(answer) == {"consent.contact_factory.missing"}


def test_a_no_that_is_sent_to_a_case_merged_away_stands_in_the_survivor(world: World) -> None:
    survivor, token = published(world, "engagement")
    merged = world.case()
    world.take(merged, "merger", survivor=survivor)
    no(world, merged, "publish_named")
    assert not is_up(world, token)
    carried = [word for word in world.records(survivor, "consents") if word["state"] == "refused"]
    assert [word["scope"] for word in carried] == ["publish_named"]


PARTNER_PARTIES: list[Body] = [
    {"label": label, "role": "local_partner", "organisation": organisation(name, "ngo")}
    for label, name in (("lp", "Partner On The Spot"), ("lp2", "Second Partner"))
]


def with_two_partners(*consents: Body) -> Body:
    """Records of a case with two local partners, of whom nobody has said anything on publishing but these words."""
    records = intake()["records"]
    kept = [word for word in CONSENTS if word["subject"] == "workers"]
    return {"records": {**records, "parties": [*records["parties"], *PARTNER_PARTIES], "consents": [*kept, *consents]}}


def signed_without_a_voice(world: World) -> tuple[str, str]:
    """A case with a page up, although one of two partners had said no: who signed says that they have left."""
    said = consent("publish_named", "local_partner", of="#lp2")
    reference = world.case_in("engagement", **with_two_partners(said))
    left = no(world, reference, "publish_named", "local_partner", of="#lp", on=day(4))
    sign(world, reference, voices_left=[{"consent": left["id"], "why": "They closed their office."}])
    answer = publish(world, reference)
    assert answer.status_code == 201, answer.text
    return reference, answer.json()["token"]


@pytest.mark.parametrize("ago", [0, 3, 4])
@pytest.mark.parametrize("scope", ["publish_named", "publish_anonymised", "take_up"])
def test_a_voice_said_to_have_left_that_says_no_again_takes_the_page_down(world: World, scope: str, ago: int) -> None:
    reference, token = signed_without_a_voice(world)
    no(world, reference, scope, "local_partner", of="#lp", on=day(ago))
    assert not is_up(world, token)
    sign(world, reference)
    assert "consent.publish.partner.missing" in codes(publish(world, reference))


def test_a_signature_that_a_voice_left_is_void_after_its_new_no(world: World) -> None:
    said = consent("publish_named", "local_partner", of="#lp2")
    reference = world.case_in("engagement", **with_two_partners(said))
    left = no(world, reference, "publish_named", "local_partner", of="#lp", on=day(4))
    sign(world, reference, voices_left=[{"consent": left["id"], "why": "They closed their office."}])
    no(world, reference, "publish_named", "local_partner", of="#lp", on=day(3))
    assert {"consent.publish.partner.missing", "signature.missing"} <= codes(publish(world, reference))


def test_a_voice_said_to_have_left_may_say_yes_again(world: World) -> None:
    reference, _ = published(world)
    left = no(world, reference, "publish_named", "local_partner", on=day(4))
    signed = sign(world, reference, voices_left=[{"consent": left["id"], "why": "They closed their office."}])
    words = [word["id"] for word in world.records(reference, "consents") if word["subject"] == "local_partner"]
    assert signed["voices_left"] == [{"consent": left["id"], "why": "They closed their office.", "words": words}]
    say(world, reference, "publish_named", "local_partner", given_on=day(1))
    page = publish(world, reference)
    assert page.status_code == 201
    assert is_up(world, page.json()["token"])
    assert world.records(reference, "publications")[-1]["voices_left"] == signed["voices_left"]


def unfit(world: World, reference: str, signer: Person, how: str) -> None:
    """Let somebody be no longer one who may sign."""
    admin = world.as_("admin")
    if how == "role ended":
        (held,) = signer.get("/v1/me").json()["memberships"]
        assert admin.post(f"/v1/memberships/{held['id']}/ending", {}).status_code == 201
    elif how == "handed over":
        world.take(reference, "handover")
        assert world.as_("europe coordinator").step(reference, "handover-acceptance", {}).status_code == 201
    elif how == "sealed":
        sealed = {"visibility": "sealed"}
        assert world.coordinator.patch(f"/v1/cases/{reference}", sealed, If_Match="*").status_code == 200
    else:
        assert admin.post(f"/v1/accounts/{signer.account}/disabling", {"reason": how}).status_code == 201


@pytest.mark.parametrize("how", ["compromised", "left", "role ended", "handed over", "sealed"])
def test_a_signature_is_good_only_while_who_gave_it_may_give_it(world: World, how: str) -> None:
    """What is up on it stays up."""
    signer = world.newcomer("asia reviewer", Role.REVIEWER, entity="South Asia")
    reference, other = world.case_in("engagement"), world.case_in("engagement")
    for signed in (reference, other):
        assert signer.add(signed, "approvals", {"level": "named"}).status_code == 201
    token = publish(world, other).json()["token"]
    for case in (reference, other):
        if how in {"handed over", "sealed"} or case == reference:
            unfit(world, case, signer, how)
    assert is_up(world, token)
    assert codes(publish(world, reference)) == {"signature.missing"}
    body = {**step_input("escalation"), "reason": "workers_request"}
    assert codes(world.coordinator.step(reference, "escalation", body)) == {"signature.missing"}
    if how == "sealed":
        assert world.coordinator.add(reference, "team", {"account": world.reviewer.account}).status_code == 201
    sign(world, reference)
    assert publish(world, reference).status_code == 201


def test_of_two_signatures_that_of_who_may_still_sign_counts(world: World) -> None:
    signer = world.newcomer("asia reviewer", Role.REVIEWER, entity="South Asia")
    reference = world.case_in("engagement")
    sign(world, reference)
    assert signer.add(reference, "approvals", {"level": "named"}).status_code == 201
    unfit(world, reference, signer, "mistake")
    answer = publish(world, reference)
    assert (answer.status_code, answer.json()["approved_by"]) == (201, world.reviewer.account)


# A yes names whose it is, where there are several


UNION_TOO: Body = {"label": "union2", "role": "workers_union", "organisation": organisation("Second Stitch Union")}
YES_OF_SEVERAL = [
    (subject, scope, state)
    for subject in ("local_partner", "workers_union")
    for scope, state in (("publish_named", "given"), ("take_up", "given"), ("publish_named", "given_with_conditions"))
]


def with_several(*consents: Body) -> Body:
    """Records of a case with two local partners and two unions."""
    made = with_two_partners(*consents)
    made["records"]["parties"].append(UNION_TOO)
    return made


def pointers(answer: Response) -> list[str]:
    assert answer.status_code == 422, answer.text
    return [error["pointer"] for error in answer.json()["errors"]]


@pytest.mark.parametrize(("subject", "scope", "state"), YES_OF_SEVERAL)
def test_a_yes_that_does_not_name_which_of_several_is_refused(
    world: World, subject: str, scope: str, state: str
) -> None:
    more = {"conditions": ["No photographs."]} if state == "given_with_conditions" else {}
    reference = world.case_in("engagement", **with_several())
    word = consent(scope, subject, state=state, **more)
    before = world.records(reference, "consents")
    assert pointers(world.coordinator.add(reference, "consents", word)) == ["/of"]
    assert world.records(reference, "consents") == before
    of = "#lp2" if subject == "local_partner" else "#union2"
    assert world.coordinator.add(reference, "consents", {**word, "of": of}).status_code == 201


@pytest.mark.parametrize("subject", ["local_partner", "workers_union"])
def test_a_no_of_nobody_in_particular_counts_for_all(world: World, subject: str) -> None:
    said = (consent("publish_named", "local_partner", of="#lp"), consent("publish_named", "workers_union", of="#union"))
    reference, token = published(world, "engagement", **with_several(*said))
    assert world.coordinator.add(reference, "consents", consent("publish_named", subject, state="requested"))
    no(world, reference, "publish_named", subject)
    assert not is_up(world, token)


def test_parties_that_come_along_count_as_several(world: World) -> None:
    along = consent("publish_named", "local_partner")
    assert pointers(world.coordinator.post("/v1/cases", intake(**with_several(along)))) == ["/records/consents/6/of"]
    reference = world.case_in("accepted")
    more = {"parties": PARTNER_PARTIES, "consents": [along]}
    body = {**step_input("engagement"), "records": more}
    assert pointers(world.coordinator.step(reference, "engagement", body)) == ["/records/consents/0/of"]
    assert world.show(reference)["status"] == "accepted"


def test_one_organisation_on_record_twice_is_not_several(world: World) -> None:
    reference = world.case_in("engagement")
    for label in ("lp", "again"):
        party = {**PARTNER_PARTIES[0], "label": label}
        assert world.coordinator.add(reference, "parties", party).status_code == 201
    assert say(world, reference, "publish_named", "local_partner", given_on=day(1))["of"] is None


def test_a_request_of_one_of_several_is_answered_by_one_that_is_named(world: World) -> None:
    reference = world.case_in("engagement", **with_several())
    params = consent("publish_named", "local_partner", state="requested", given_on=None, method=None)
    params = {name: value for name, value in params.items() if value is not None}
    request = world.coordinator.add(reference, "consents", params).json()
    path = f"/v1/cases/{reference}/consents/{request['id']}"
    given = {"state": "given", "given_on": day(1), "method": "written"}
    assert pointers(world.coordinator.patch(path, given)) == ["/of"]
    assert world.coordinator.patch(path, {"state": "refused"}).status_code == 200


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
