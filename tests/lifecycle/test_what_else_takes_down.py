"""What takes a publication down besides a no, and what somebody hostile finds. How it may be up: test_may_be_up.py."""

from datetime import timedelta

import pytest

from appeals.vocabulary import Role
from tests.support.cast import CONSENTS, Body, Person, World, consent, day, intake, organisation, step_input
from tests.support.publishing import (
    CONDITION,
    conditional,
    is_up,
    no,
    pointers,
    publish,
    published,
    say,
    sign,
    with_consents,
)
from tests.support.refusals import codes

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
