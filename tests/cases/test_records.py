"""Records of a case: their small lifecycles, references and labels, and changes that are sent twice.

The lifecycles are typed here once more, from domain.md 3.
"""

from typing import Any
from uuid import uuid4

import pytest
from httpx2 import Response

from tests.support.cast import CONSENTS, PARTIES, Body, World, action, consent, day, intake, organisation, step_input

UNION = "Bright Stitch Workers Union"
PROMISE = step_input("agreement")["commitments"][0]
DEMAND = step_input("acceptance")["demands"][0]
LETTER: Body = {"kind": "brand_contact_letter", "target": "#brand"}

LIFECYCLES: dict[str, dict[str, set[str]]] = {
    "demands": {
        "active": {"met", "partly_met", "not_met", "dropped_by_workers"},
        "met": set(),
        "partly_met": set(),
        "not_met": set(),
        "dropped_by_workers": set(),
    },
    "commitments": {
        "promised": {
            "in_progress", "reported_done", "verified_done", "breached", "waived_by_workers", "superseded",
        },
        "in_progress": {"reported_done", "verified_done", "breached", "waived_by_workers", "superseded"},
        "reported_done": {"verified_done", "breached", "waived_by_workers", "superseded"},
        "breached": {"waived_by_workers", "superseded"},
        "verified_done": set(),
        "waived_by_workers": set(),
        "superseded": set(),
    },
    "actions": {
        "planned": {"done", "cancelled", "paused"},
        "paused": {"planned", "done", "cancelled"},
        "done": set(),
        "cancelled": set(),
    },
}  # fmt: skip
STATE = {"demands": "disposition", "commitments": "status", "actions": "status"}
BEGUN: dict[str, Body] = {
    "demands": {**DEMAND, "label": None},
    "commitments": {**PROMISE, "label": None, "demands": []},
    "actions": {**LETTER, "status": "planned"},
}
BESIDES: dict[str, Body] = {
    "given": {"given_on": day(), "method": "written"},
    "given_with_conditions": {"given_on": day(), "method": "written", "conditions": "Not on television."},
    "verified_done": {"verified_by": UNION, "verified_on": day()},
    "done": {"done_on": day()},
}
"""What has to be said with a state."""


def added(world: World, reference: str, noun: str, **said: Any) -> Body:
    answer = world.coordinator.add(reference, noun, said)
    assert answer.status_code == 201, answer.text
    record: Body = answer.json()
    return record


def change(world: World, reference: str, noun: str, record: Body, **said: Any) -> Response:
    return world.coordinator.patch(f"/v1/cases/{reference}/{noun}/{record['id']}", said)


def way_to(noun: str, state: str) -> list[str]:
    """The states that lead from the first one to another."""
    nexts = LIFECYCLES[noun]
    ways = [[next(iter(nexts))]]
    while ways[0][-1] != state:
        way = ways.pop(0)
        ways += [[*way, after] for after in sorted(nexts[way[-1]]) if after not in way]
    return ways[0][1:]


def moved(world: World, reference: str, noun: str, record: Body, to: str) -> Response:
    return change(world, reference, noun, record, **{STATE[noun]: to}, **BESIDES.get(to, {}))


# Small lifecycles


@pytest.mark.parametrize("noun", LIFECYCLES)
def test_a_record_goes_from_state_to_state_as_its_lifecycle_allows(world: World, noun: str) -> None:
    reference, states = world.case(), LIFECYCLES[noun]
    told: dict[str, set[str]] = {state: set() for state in states}
    for before in states:
        for after in set(states) - {before}:
            record = added(world, reference, noun, **BEGUN[noun])
            for state in way_to(noun, before):
                assert moved(world, reference, noun, record, state).status_code == 200
            answer = moved(world, reference, noun, record, after)
            if answer.status_code == 200:
                assert answer.json()[STATE[noun]] == after
                told[before].add(after)
                continue
            assert answer.status_code == 409, (before, after, answer.text)
            unmet = [item["code"] for item in answer.json()["unmet"]]
            assert (answer.json()["code"], unmet) == ("change.refused", [f"{noun}.{STATE[noun]}"])
    assert told == states


@pytest.mark.parametrize("noun", LIFECYCLES)
def test_saying_again_what_already_holds_changes_nothing(world: World, noun: str) -> None:
    reference = world.case()
    record = added(world, reference, noun, **BEGUN[noun])
    last = max(LIFECYCLES[noun], key=lambda state: len(way_to(noun, state)))
    for state in way_to(noun, last):
        first = moved(world, reference, noun, record, state)
    before = world.coordinator.get(f"/v1/cases/{reference}")
    again = moved(world, reference, noun, record, last)
    assert (again.status_code, again.content) == (200, first.content)
    nothing = change(world, reference, noun, record) if noun in {"demands", "actions"} else again
    assert (nothing.status_code, nothing.content) == (200, first.content)
    after = world.coordinator.get(f"/v1/cases/{reference}")
    assert (after.headers["ETag"], after.content) == (before.headers["ETag"], before.content)


@pytest.mark.parametrize(
    ("noun", "said"),
    [
        ("consents", consent("take_up", given_on=None)),
        ("consents", consent("take_up", method=None)),
        ("consents", consent("take_up", state="given_with_conditions")),
        ("consents", consent("take_up", state="withdrawn")),
        ("consents", consent("take_up", expires_on=day(31))),
        ("consents", consent("take_up", given_on="in two days")),
        ("demands", {**DEMAND, "addressees": []}),
        ("demands", {**DEMAND, "disposition": "met"}),
        ("commitments", {**PROMISE, "due_on": None}),
        ("actions", {**LETTER, "status": "done"}),
        ("actions", {**LETTER, "status": "planned", "done_on": day()}),
        ("actions", {"kind": "petition", "done_on": day(), "answer_due_on": day()}),
        ("parties", {"role": "brand"}),
        ("parties", {**PARTIES[0], "organisation": organisation("Sample Brand")}),
        ("violations", {"code": "other"}),
        ("violations", {"code": "lockout", "grade": "confirmed"}),
        ("violations", {"code": "lockout", "since": day(1), "until": day(2)}),
    ],
)
def test_a_record_that_does_not_say_what_it_must_is_refused(world: World, noun: str, said: Body) -> None:
    reference = world.case()
    before = world.records(reference, noun)
    if said.get("given_on") == "in two days":  # of the day the test runs on, not the one the tests were collected on
        said = {**said, "given_on": day(-2)}
    assert world.coordinator.add(reference, noun, {**said, "label": None}).status_code == 422
    assert world.records(reference, noun) == before


# Consent


def test_a_withdrawal_counts_from_today_also_where_tomorrow_has_begun(world: World) -> None:
    reference = world.case()
    published = added(world, reference, "consents", **consent("share_network"))
    assert world.coordinator.patch(f"/v1/cases/{reference}", {"visibility": "network"}, If_Match="*").status_code == 200
    answer = change(world, reference, "consents", published, state="withdrawn", withdrawn_on=day(-1))
    assert (answer.json()["state"], world.show(reference)["visibility"]) == ("withdrawn", "regional")


def test_a_no_is_a_record_of_its_own_and_changes_no_yes(world: World) -> None:
    reference = world.case()
    given = added(world, reference, "consents", **consent("retain"))
    no = change(world, reference, "consents", given, state="withdrawn", withdrawn_on=day(3)).json()
    assert (no["state"], no["on"], no["given_on"], no["id"] == given["id"]) == ("withdrawn", day(3), None, False)
    assert change(world, reference, "consents", given, state="withdrawn", withdrawn_on=day(3)).json() == no
    assert world.records(reference, "consents")[-2:] == [given, no]
    assert change(world, reference, "consents", given, state="withdrawn").json()["on"] == day()


@pytest.mark.parametrize("asked", ["given", "given_with_conditions", "refused"])
def test_what_was_asked_for_is_answered_by_a_record_of_its_own(world: World, asked: str) -> None:
    reference = world.case()
    request = added(world, reference, "consents", subject="workers", scope="media_interview", state="requested")
    answer = change(world, reference, "consents", request, state=asked, **BESIDES.get(asked, {}))
    assert (answer.status_code, answer.json()["state"]) == (200, asked)
    assert world.records(reference, "consents")[-2:] == [request, answer.json()]


def test_of_what_was_said_only_the_end_of_a_yes_comes_sooner(world: World) -> None:
    reference = world.case()
    given = added(world, reference, "consents", **consent("retain", expires_on=day(-9)))
    assert change(world, reference, "consents", given, expires_on=day(-3)).json()["expires_on"] == day(-3)
    later = change(world, reference, "consents", given, expires_on=day(-4))
    assert (later.status_code, later.json()["unmet"][0]["code"]) == (409, "consents.expires_on")
    no = change(world, reference, "consents", given, state="withdrawn").json()
    assert change(world, reference, "consents", no, **{"state": "given", **BESIDES["given"]}).status_code == 409


# Demands


def test_a_demand_is_disposed_of_on_a_day(world: World) -> None:
    reference = world.case()
    demand = added(world, reference, "demands", **DEMAND)
    assert demand["disposed_on"] is None
    told = change(world, reference, "demands", demand, disposition="partly_met", satisfaction="partly_satisfied")
    assert (told.json()["disposed_on"], told.json()["satisfaction"]) == (day(), "partly_satisfied")


def test_a_revision_is_a_new_version_and_the_old_one_is_kept_and_no_longer_asked_for(world: World) -> None:
    reference = world.case_in("engagement")
    (old,) = world.records(reference, "demands")
    new = added(
        world, reference, "demands", **{**DEMAND, "label": "revised", "text": "All but two."}, revises="#reinstate"
    )
    assert (new["version"], new["revises"], new["disposition"]) == (2, old["id"], "active")
    assert world.records(reference, "demands") == [old, new]
    assert change(world, reference, "demands", new, disposition="met").status_code == 200
    assert world.take(reference, "closure", reason="demands_met")["entry"]["left_open"] == {}


def test_a_version_is_revised_once(world: World) -> None:
    reference = world.case_in("accepted")
    again = {**DEMAND, "label": None, "revises": "#reinstate"}
    added(world, reference, "demands", **again)
    answer = world.coordinator.add(reference, "demands", again)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/revises")


# Promises


@pytest.mark.parametrize("target", ["Bright Stitch Ltd", "sample  BRAND", "Ministry of Labour"])
def test_a_target_does_not_verify_that_a_promise_was_kept(world: World, target: str) -> None:
    reference = world.case_in("remediation")
    (promise,) = world.records(reference, "commitments")
    said = {"status": "verified_done", "verified_by": target, "verified_on": day()}
    answer = change(world, reference, "commitments", promise, **said)
    assert (answer.status_code, answer.json()["unmet"][0]["code"]) == (409, "verifier.is_target")
    assert world.records(reference, "commitments") == [promise]
    assert change(world, reference, "commitments", promise, **{**said, "verified_by": UNION}).status_code == 200


def test_a_promise_is_verified_by_somebody_on_a_day(world: World) -> None:
    reference = world.case_in("remediation")
    (promise,) = world.records(reference, "commitments")
    assert change(world, reference, "commitments", promise, status="verified_done").status_code == 422


# Actions and answers


@pytest.mark.parametrize(
    ("kind", "channel"), [("factory_letter", "quiet"), ("petition", "public"), ("internal_coordination", "internal")]
)
def test_the_channel_of_an_action_follows_from_its_kind(world: World, kind: str, channel: str) -> None:
    reference = world.case()
    assert added(world, reference, "actions", kind=kind, done_on=day())["channel"] == channel
    assert added(world, reference, "actions", kind=kind, done_on=day(), channel="internal")["channel"] == "internal"


def test_an_answer_is_awaited_until_one_comes_and_a_late_one_stands_beside_the_first(world: World) -> None:
    reference = world.case()
    event = added(world, reference, "actions", **action(label="letter"))
    silent = added(world, reference, "actions", kind="petition", done_on=day())
    assert (event["answer"], silent["answer"]) == ("awaiting", "none_expected")
    path = f"/v1/cases/{reference}/actions/{event['id']}/responses"
    for received_on, grade in ((day(12), "holding_reply"), (day(1), "denies_link")):
        answer = world.coordinator.post(path, {"received_on": received_on, "grade": grade})
        assert (answer.status_code, answer.json()["party"]) == (201, event["target"])
    answered = world.coordinator.get(f"/v1/cases/{reference}/actions/{event['id']}").json()
    assert answered["answer"] == "received"
    assert [given["grade"] for given in answered["responses"]] == ["holding_reply", "denies_link"]


def test_an_answer_may_get_a_rejoinder_later(world: World) -> None:
    reference = world.case()
    added(world, reference, "actions", **action(label="letter"))
    answer = added(world, reference, "responses", action="#letter", received_on=day(12), grade="denies_link")
    told = change(world, reference, "responses", answer, rejoinder="The labels say otherwise.", rejoined_on=day())
    assert told.status_code == 200
    assert {**answer, "rejoinder": "The labels say otherwise.", "rejoined_on": day()} == told.json()
    assert world.records(reference, "actions")[0]["responses"] == [told.json()]


def test_what_an_answer_said_is_not_rewritten(world: World) -> None:
    reference = world.case()
    added(world, reference, "actions", **action(label="letter"))
    answer = added(world, reference, "responses", action="#letter", received_on=day(2), grade="denies_link")
    for said in ({"grade": "substantive_commits"}, {"summary": "Yes."}, {"received_on": day(9)}):
        assert change(world, reference, "responses", answer, **said).status_code == 422


def test_the_first_action_of_a_case_is_the_earliest_that_reached_anybody(world: World) -> None:
    reference = world.case()
    added(world, reference, "actions", kind="internal_coordination", done_on=day(9))
    added(world, reference, "actions", kind="petition", status="planned")
    assert world.show(reference)["first_action_on"] is None
    for ago in (3, 5, 4):
        added(world, reference, "actions", kind="fact_finding", done_on=day(ago))
    assert world.show(reference)["first_action_on"] == day(5)


# Risk, parties, violations


def test_the_risk_of_a_case_is_that_of_the_newest_assessment_whenever_it_was_told(world: World) -> None:
    reference = world.case()
    assert world.show(reference)["risk"] == "elevated"
    added(world, reference, "risk-assessments", level="critical", assessed_on=day(6))
    assert world.show(reference)["risk"] == "elevated"
    added(world, reference, "risk-assessments", level="low", assessed_on=day(4))
    assert world.show(reference)["risk"] == "low"


@pytest.mark.parametrize(
    ("role", "target"),
    [
        ("employer", "employer"),
        ("factory_owner", "factory_owner_group"),
        ("brand", "brand"),
        ("retailer", "retailer"),
        ("agent", "buying_agent"),
        ("licensor", "licensor"),
        ("auditor", "auditor_certifier"),
        ("government_body", "government_labour"),
        ("security_force", "government_police_justice"),
        ("investor", "investor_lender"),
        ("employers_association", "employers_association"),
        ("requester", None),
        ("local_partner", None),
        ("workers_union", None),
        ("yellow_union", None),
    ],
)
def test_the_role_of_a_party_says_what_kind_of_target_it_is(world: World, role: str, target: str | None) -> None:
    party = {"role": role, "organisation": organisation("Sample Organisation", "ngo")}
    assert added(world, world.case(records={}), "parties", **party)["target"] == target


def test_a_violation_is_alleged_until_it_is_verified(world: World) -> None:
    reference = world.case()
    assert [told["grade"] for told in world.records(reference, "violations")] == ["alleged"]
    world.take(reference, "verification")
    assert [told["grade"] for told in world.records(reference, "violations")] == ["confirmed"]


def test_a_publication_of_nothing_is_not_approved(world: World) -> None:
    answer = world.reviewer.add(world.case(), "approvals", {"level": "none"})
    assert (answer.status_code, answer.json()["unmet"][0]["code"]) == (409, "approval.level.none")


# References and labels


@pytest.mark.parametrize("by", ["label", "id"])
def test_a_record_is_referred_to_by_its_label_or_its_id(world: World, by: str) -> None:
    reference = world.case()
    brand = next(party for party in world.records(reference, "parties") if party["label"] == "brand")
    said = {"label": "#brand", "id": brand["id"]}[by]
    made = added(world, reference, "demands", **{**DEMAND, "addressees": [said, "#factory"]})
    assert made["addressees"][0] == brand["id"]
    assert added(world, reference, "actions", **action(target=said))["target"] == brand["id"]


def test_a_reference_to_nothing_and_to_another_cases_record_get_the_same_answer(world: World) -> None:
    mine, other = world.case(), world.case()
    foreign = world.records(other, "parties")[0]["id"]
    answers = {
        world.coordinator.add(mine, "demands", {**DEMAND, "addressees": ["#factory", said]}).content
        for said in (foreign, str(uuid4()), "#nobody", "#dismissal")
    }
    assert len(answers) == 1
    assert b'"pointer": "/addressees/1"' in answers.pop()


def test_a_label_is_one_of_its_kind_within_the_case(world: World) -> None:
    reference, other = world.case(), world.case()
    event = {"kind": "fact_finding", "done_on": day(), "label": "first"}
    added(world, reference, "actions", **event)
    answer = world.coordinator.add(reference, "actions", event)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/label")
    added(world, other, "actions", **event)
    added(world, reference, "tallies", kind="injured", low=1, high=1, as_of=day(), label="first")


def test_a_label_brought_twice_in_one_request_is_pointed_at(world: World) -> None:
    twice = [{**PARTIES[0], "label": "same"}, {**PARTIES[2], "label": "same"}]
    answer = world.coordinator.post("/v1/cases", intake(records={"parties": twice}))
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/records/parties/1/label")


def test_a_record_is_labelled_later_unless_another_has_that_label(world: World) -> None:
    reference = world.case()
    first = added(world, reference, "actions", kind="fact_finding", done_on=day())
    second = added(world, reference, "actions", kind="fact_finding", done_on=day())
    assert change(world, reference, "actions", first, label="look").json()["label"] == "look"
    assert change(world, reference, "actions", first, label="look").status_code == 200
    answer = change(world, reference, "actions", second, label="look")
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/label")


def test_records_of_one_request_refer_to_each_other(world: World) -> None:
    records = {
        **intake()["records"],
        "demands": [DEMAND],
        "actions": [action(label="letter")],
        "responses": [{"action": "#letter", "received_on": day(12), "grade": "blames_other"}],
        "commitments": [PROMISE],
    }
    reference = world.case(records=records)
    (promise,), (demand,) = world.records(reference, "commitments"), world.records(reference, "demands")
    assert promise["demands"] == [demand["id"]]
    assert len(world.records(reference, "actions")[0]["responses"]) == 1


def test_another_cases_record_is_not_found_under_this_one(world: World) -> None:
    mine, other = world.case(), world.case()
    foreign = world.records(other, "consents")[0]
    path = f"/v1/cases/{mine}/consents/{foreign['id']}"
    absent = world.coordinator.get(f"/v1/cases/{mine}/consents/{uuid4()}")
    assert (world.coordinator.get(path).status_code, world.coordinator.get(path).content) == (404, absent.content)
    assert world.coordinator.patch(path, {"state": "withdrawn"}).status_code == 404
    assert world.records(other, "consents")[0] == foreign


# The case around them


def test_what_is_logged_under_a_case_does_not_outdate_a_step(world: World) -> None:
    reference = world.case()
    before = world.coordinator.get(f"/v1/cases/{reference}").headers["ETag"]
    added(world, reference, "tallies", kind="injured", low=1, high=1, as_of=day())
    after = world.coordinator.get(f"/v1/cases/{reference}").headers["ETag"]
    assert after != before
    answer = world.coordinator.step(reference, "screening", step_input("screening"), If_Match=before)
    assert answer.status_code == 201
    assert world.coordinator.step(reference, "suspension", step_input("suspension"), If_Match=before).status_code == 412


def test_a_partner_logs_what_the_field_knows_and_nothing_else(world: World) -> None:
    reference = world.case("partner", records={"parties": PARTIES, "consents": CONSENTS})
    said: dict[str, Body] = {
        "parties": {"role": "investor", "organisation": organisation("Sample Fund", "company")},
        "violations": {"code": "lockout"},
        "people": {"pseudonym": "Worker Seven"},
        "consents": consent("retain"),
        "tallies": {"kind": "injured", "low": 1, "high": 1, "as_of": day()},
        "demands": DEMAND,
        "risk-assessments": {"level": "low", "assessed_on": day()},
        "approvals": {"level": "named"},
        "actions": action(),
        "responses": {"action": "#letter", "received_on": day(), "grade": "partial"},
        "commitments": PROMISE,
        "outcomes": {"code": "released", "extent": "full"},
    }
    told = {noun: world.as_("partner").add(reference, noun, body).status_code for noun, body in said.items()}
    field_work = {"parties", "violations", "people", "consents", "tallies"}
    assert told == {noun: 201 if noun in field_work else 403 for noun in said}
