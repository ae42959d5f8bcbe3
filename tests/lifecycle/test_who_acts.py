"""Who acted: the network, which needs consent, or others, whose acts are facts (domain.md 8 and 9)."""

from typing import Any

import pytest

from appeals.lifecycle.due_dates import process_due
from appeals.vocabulary import CHANNEL, ActionKind, Channel
from tests.support.acting import BOTH, MEMBER, PARTNER, STRIKE, WORKERS, add, added, case, change, reasons, unmet
from tests.support.cast import PARTIES, Body, World, action, consent, day, intake, organisation, step_input
from tests.support.clock import later

PUBLIC_KINDS = [
    "petition", "email_action", "social_media_action", "street_action", "store_action", "day_of_action",
    "speaker_tour", "press_release", "press_conference", "media_briefing", "open_letter", "public_report",
    "brand_tracker", "public_event", "shareholder_action", "parliamentary_question",
]  # fmt: skip

# What the network does in public


def test_the_kinds_that_are_public(world: World) -> None:
    assert set(CHANNEL) == set(ActionKind), "every kind needs its usual channel: a line in CHANNEL of vocabulary.py"
    assert [kind for kind in ActionKind if CHANNEL[kind] is Channel.PUBLIC] == PUBLIC_KINDS


@pytest.mark.parametrize("kind", PUBLIC_KINDS)
def test_a_public_act_needs_both_sides(world: World, kind: str) -> None:
    """S-12."""
    reference = case(world)
    assert unmet(add(world, reference, kind=kind, done_on=day(1))) == {WORKERS, PARTNER}
    assert world.records(reference, "actions") == []


@pytest.mark.parametrize(
    ("consents", "missing"),
    [
        (BOTH[:1], {PARTNER}),
        (BOTH[1:], {WORKERS}),
        ([consent("publish_anonymised", "workers_union"), BOTH[1]], set()),
        ([consent("publish_named"), consent("publish_named", "local_partner")], set()),
        ([consent("publish_anonymised", given_on=day(2)), BOTH[1]], {WORKERS}),
        ([consent("publish_anonymised", expires_on=day(4)), BOTH[1]], {WORKERS}),
        ([BOTH[0], consent("publish_anonymised", "local_partner", state="requested")], {PARTNER}),
        ([consent("publish_anonymised", recipients=["Evening Post"]), BOTH[1]], {WORKERS}),
    ],
)
def test_consents_to_publish_are_asked_of_the_day_of_the_act(
    world: World, consents: list[Body], missing: set[str]
) -> None:
    answer = add(world, case(world, *consents), kind="petition", done_on=day(3))
    assert (unmet(answer) if missing else answer.status_code) == (missing or 201)


@pytest.mark.parametrize(
    ("said", "asks"),
    [
        ({"kind": "press_release", "channel": "quiet"}, True),
        ({"kind": "petition", "channel": "internal"}, True),
        ({"kind": "fact_finding", "channel": "public"}, True),
        ({"kind": "solidarity_visit", "channel": "public"}, True),
        ({"kind": "fact_finding", "channel": "internal"}, False),
        ({"kind": "solidarity_visit"}, False),
        ({"kind": "internal_coordination"}, False),
    ],
)
def test_neither_a_kind_nor_a_channel_hides_that_an_act_is_public(world: World, said: Body, asks: bool) -> None:
    answer = add(world, case(world), done_on=day(1), **said)
    assert (unmet(answer) if asks else answer.status_code) == ({WORKERS, PARTNER} if asks else 201)


def test_a_public_act_against_a_target_asks_for_consent_to_contact_besides(world: World) -> None:
    reference = case(world, *BOTH)
    said = {"kind": "store_action", "target": "#brand", "done_on": day(1)}
    assert unmet(add(world, reference, **said)) == {"consent.contact_brand.missing"}
    assert add(world, case(world, *BOTH, consent("contact_brand")), **said).status_code == 201


def test_a_public_act_is_planned_without_consent_and_done_with_it(world: World) -> None:
    reference = case(world)
    made = added(world, reference, kind="petition", status="planned", planned_on=day())
    done = {"status": "done", "done_on": day(1)}
    assert unmet(change(world, reference, made, **done)) == {WORKERS, PARTNER}
    assert world.records(reference, "actions")[0]["status"] == "planned"
    for given in BOTH:
        assert world.coordinator.add(reference, "consents", given).status_code == 201
    assert change(world, reference, made, **done).json()["status"] == "done"


def test_a_public_act_may_come_with_the_consents_it_needs(world: World) -> None:
    records = {**intake()["records"], "consents": BOTH, "actions": [{"kind": "petition", "done_on": day(1)}]}
    world.case(records=records)
    records["consents"] = BOTH[:1]
    answer = world.coordinator.post("/v1/cases", intake(records=records))
    assert unmet(answer) == {PARTNER}


def test_what_no_rule_looks_at_can_still_be_told_of_an_act_that_would_be_refused_now(world: World) -> None:
    reference = case(world, *BOTH)
    made = added(world, reference, kind="petition", done_on=day(3))
    (given, _) = world.records(reference, "consents")
    ended = {"state": "withdrawn", "withdrawn_on": day(5)}
    assert world.coordinator.patch(f"/v1/cases/{reference}/consents/{given['id']}", ended).status_code == 200
    assert change(world, reference, made, result_note="Handed over.", reach=40).json()["reach"] == 40
    assert unmet(change(world, reference, made, done_on=day(2))) == {WORKERS}


# What others do


def test_a_strike_of_the_workers_is_a_fact(world: World) -> None:
    """C03: it asks for no consent, and is no approach of the network's."""
    reference = case(world)
    made = added(world, reference, **STRIKE)
    assert {name: made[name] for name in ("by", "by_organisation", "by_name")} == {
        "by": "others", "by_organisation": None, "by_name": None,
    }  # fmt: skip
    parties = {party["label"]: party for party in world.records(reference, "parties")}
    assert made["by_party"] == parties["union"]["id"]
    assert world.show(reference)["first_action_on"] is None
    record = world.coordinator.get(f"/v1/facilities/{parties['factory']['facility_id']}/record").json()
    assert (record["approached"], record["approaches"]) == (0, [])


@pytest.mark.parametrize(
    "by",
    [
        "#factory",
        organisation("Worker Rights Monitor", "ngo", "US"),
        organisation("Garment Federation", "union_federation"),
    ],
)
def test_others_are_parties_and_organisations(world: World, by: Any) -> None:
    made = added(world, case(world), kind="public_report", target="#brand", done_on=day(1), by=by)
    assert (made["by"], made["by_name"]) == ("others", by["name"] if isinstance(by, dict) else None)


def test_an_organisation_is_named_by_its_id_where_the_caller_knows_it(world: World) -> None:
    reference = case(world)
    listed = world.coordinator.post("/v1/organisations", organisation("Worker Rights Monitor", "ngo")).json()
    said = {"kind": "public_report", "done_on": day(1)}
    made = added(world, reference, **said, by=listed["id"])
    assert (made["by"], made["by_organisation"], made["by_name"]) == ("others", listed["id"], "Worker Rights Monitor")
    party = world.records(reference, "parties")[0]["id"]
    assert added(world, reference, **said, by=party)["by_party"] == party


@pytest.mark.parametrize("by", ["#nobody", "Nobody at all", "00000000-0000-4000-8000-000000000000", "south asia"])
def test_who_acted_must_be_known(world: World, by: str) -> None:
    reference = case(world)
    answer = add(world, reference, kind="petition", done_on=day(1), by=by)
    assert (answer.status_code, [error["pointer"] for error in answer.json()["errors"]]) == (422, ["/by"])


def test_an_organisation_that_only_a_hidden_case_names_is_not_known(world: World) -> None:
    hidden = world.case(records={**intake()["records"], "parties": [*PARTIES, MEMBER]})
    known = {party["label"]: party["organisation_id"] for party in world.records(hidden, "parties")}
    other = world.as_("europe coordinator").post("/v1/cases", intake()).json()["reference"]
    said = {"kind": "petition", "done_on": day(1), "by": known["union"]}
    answer = world.as_("europe coordinator").add(other, "actions", {**said, "by": known["member"]})
    absent = world.as_("europe coordinator").add(
        other, "actions", {**said, "by": "00000000-0000-4000-8000-000000000000"}
    )
    assert (answer.status_code, absent.status_code) == (422, 422)
    assert answer.json()["errors"] == absent.json()["errors"]


def test_silence_after_an_act_of_others_opens_no_door(world: World) -> None:
    reference = world.case_in("accepted")
    world.take(reference, "engagement", first_action=action(done_on=day(2), answer_due_on=day(-20)))
    theirs = action(kind="factory_letter", target="#factory", by="#union", done_on=day(18), label="theirs")
    params = added(world, reference, **theirs)
    assert (params["answer"], params["answer_due_on"]) == ("none_expected", day(10))
    process_due(world.database, later())
    assert world.records(reference, "actions")[1]["responses"] == []
    assert "answer.overdue" not in reasons(world, reference)
    escalation = step_input("escalation")
    world.reviewer.add(reference, "approvals", {"level": "named"})
    assert "quiet_action.missing" in unmet(world.coordinator.step(reference, "escalation", escalation))
    bad = {"action": "#theirs", "received_on": day(4), "grade": "denies_link"}
    late = {"action": "#theirs", "received_on": day(1), "grade": "partial"}
    for answer in (bad, late):
        assert world.coordinator.add(reference, "responses", answer).status_code == 201
    told = world.records(reference, "actions")[1]
    assert (told["answer"], [got["grade"] for got in told["responses"]]) == ("received", ["denies_link", "partial"])
    assert "quiet_action.missing" in unmet(world.coordinator.step(reference, "escalation", escalation))


def test_a_public_kind_that_is_called_quiet_opens_no_door(world: World) -> None:
    reference = world.case_in("accepted")
    world.take(reference, "engagement", first_action=action(done_on=day(2), answer_due_on=day(-20)))
    added(world, reference, **action(kind="open_letter", channel="quiet"))
    world.reviewer.add(reference, "approvals", {"level": "named"})
    answer = world.coordinator.step(reference, "escalation", step_input("escalation"))
    assert unmet(answer) == {"quiet_action.missing"}


def test_an_approach_by_others_does_not_end_what_the_network_waits_for(world: World) -> None:
    reference = world.case_in("engagement")
    assert "answer.overdue" in reasons(world, reference)
    added(world, reference, **action(by="#union", done_on=day(1), answer_due_on=None))
    assert "answer.overdue" in reasons(world, reference)
    added(world, reference, **action(done_on=day(1), answer_due_on=None))
    assert "answer.overdue" not in reasons(world, reference)


def test_engagement_may_begin_with_what_others_did_and_asks_the_same(world: World) -> None:
    """Published cases do; the network has done nothing yet, and may not go public for it."""
    reference = world.case_in("accepted")
    said = step_input("engagement")
    said["first_action"] = {**said["first_action"], "by": "#union"}
    given = {one["scope"]: one["id"] for one in world.records(reference, "consents")}
    path = f"/v1/cases/{reference}/consents/{given['contact_brand']}"
    assert world.coordinator.patch(path, {"state": "withdrawn"}).status_code == 200
    assert unmet(world.coordinator.step(reference, "engagement", said)) == {"consent.contact_brand.missing"}
    reference = world.case_in("accepted")
    world.take(reference, "engagement", **said)
    assert world.show(reference)["first_action_on"] is None
    world.reviewer.add(reference, "approvals", {"level": "named"})
    answer = world.coordinator.step(reference, "escalation", step_input("escalation"))
    assert unmet(answer) == {"quiet_action.missing"}


def test_whom_others_approached_the_network_did_not_contact(world: World) -> None:
    """A resumption asks for consent to contact those whom the network contacted."""
    reference = world.case_in("engagement")
    added(world, reference, **STRIKE)
    given = {one["scope"]: one["id"] for one in world.records(reference, "consents")}
    world.take(reference, "suspension")
    gone = world.coordinator.patch(f"/v1/cases/{reference}/consents/{given['contact_factory']}", {"state": "withdrawn"})
    assert gone.status_code == 200
    world.take(reference, "resumption")
    assert world.show(reference)["status"] == "engagement"


# Who is the network


@pytest.mark.parametrize(
    "by",
    [
        "#member",
        organisation("Some Member", "ccc_member", "NL"),
        organisation("South Asia", "ngo", "IN"),
        organisation("  SOUTH-asia ", "worker_centre", "IN"),
        organisation("Garmënt Workers’ Centre".replace("’", ""), "union_federation"),
        {**organisation("Another Name", "ngo"), "name_local": "south asia"},
        organisation("LOOM alliance", "ngo", "NL"),
        "#lead",
        "#requester",
        "South Asia",
    ],
)
def test_the_network_under_another_name_is_the_network(world: World, by: Any) -> None:
    lead = {"label": "lead", "role": "workers_union", "organisation": organisation("international office", "ngo")}
    asking = organisation("Garment Workers Centre", "worker_centre")
    records = {**intake()["records"], "consents": [], "parties": [*PARTIES, MEMBER, lead]}
    reference = world.case(records=records, requesting_organisation=asking)
    assert unmet(add(world, reference, kind="petition", done_on=day(1), by=by)) == {WORKERS, PARTNER}
    event = action(by=by, answer_due_on=None)
    assert unmet(add(world, reference, **event)) == {"consent.contact_brand.missing"}
    world.coordinator.add(reference, "consents", consent("contact_brand"))
    made = added(world, reference, **event)
    assert (made["by"], world.show(reference)["first_action_on"]) == ("network", day(20))


def test_a_member_that_is_listed_is_the_network_whatever_a_case_calls_it(world: World) -> None:
    world.coordinator.post("/v1/organisations", organisation("Red Thread Initiative", "ccc_member", "FR"))
    answer = add(world, case(world), kind="petition", done_on=day(1), by=organisation("Red Thread initiative", "ngo"))
    assert unmet(answer) == {WORKERS, PARTNER}


def test_without_saying_so_the_lead_acted(world: World) -> None:
    made = added(world, case(world, *BOTH), kind="petition", done_on=day(1))
    entities = {one["name"]: one["id"] for one in world.coordinator.get("/v1/entities?limit=200").json()["items"]}
    assert (made["by"], made["by_entity"]) == ("network", entities["International Office"])
    asia = added(world, case(world, *BOTH), kind="petition", done_on=day(1), by="South Asia")
    assert (asia["by"], asia["by_entity"]) == ("network", entities["South Asia"])
    by_id = added(world, case(world, *BOTH), kind="petition", done_on=day(1), by=asia["by_entity"])
    assert by_id["by_entity"] == entities["South Asia"]


# Later


def test_it_can_be_put_right_who_acted(world: World) -> None:
    """What was derived is derived anew: the first action, what is awaited, whose record it is in."""
    reference = case(world, consent("contact_brand"))
    brand = next(party for party in world.records(reference, "parties") if party["label"] == "brand")
    event = added(world, reference, **action(answer_due_on=day(-5)))
    added(world, reference, **action(done_on=day(6), answer_due_on=None))

    def stands() -> tuple[str, str, int]:
        record = world.coordinator.get(f"/v1/brands/{brand['organisation_id']}/record").json()
        answer = world.records(reference, "actions")[0]["answer"]
        return world.show(reference)["first_action_on"], answer, record["approached"]

    assert stands() == (day(20), "awaiting", 2)
    changed = change(world, reference, event, by="#union")
    assert (changed.status_code, changed.json()["by"]) == (200, "others")
    assert stands() == (day(6), "none_expected", 1)
    process_due(world.database, later(10))
    assert world.records(reference, "actions")[0]["responses"] == []
    again = change(world, reference, event, by="International Office")
    assert (again.json()["by"], again.json()["by_party"]) == ("network", None)
    assert stands() == (day(20), "awaiting", 2)
    process_due(world.database, later(10))
    assert [got["grade"] for got in world.records(reference, "actions")[0]["responses"]] == ["no_response"]


def test_an_act_of_others_becomes_the_networks_only_with_consent(world: World) -> None:
    reference = case(world)
    made = added(world, reference, **STRIKE)
    answer = change(world, reference, made, by="South Asia")
    assert unmet(answer) == {WORKERS, PARTNER, "consent.contact_factory.missing"}
    assert unmet(change(world, reference, made, by=organisation("South Asia", "ngo"))) == unmet(answer)
    assert world.records(reference, "actions") == [made]
    assert change(world, reference, made, by="#nobody").status_code == 422
    assert change(world, reference, made, by=None).status_code == 422


def test_saying_again_who_acted_changes_nothing(world: World) -> None:
    reference = case(world)
    monitor = organisation("Worker Rights Monitor", "ngo")
    made = added(world, reference, kind="public_report", done_on=day(1), by=monitor)
    before = world.coordinator.get(f"/v1/cases/{reference}").headers["ETag"]
    assert change(world, reference, made, by=monitor).json() == made
    assert world.coordinator.get(f"/v1/cases/{reference}").headers["ETag"] == before
