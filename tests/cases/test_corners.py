"""Cases where two rules meet, and ways around a rule that were found: they are tested so that they stay closed."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from appeals.accounts.account import Account, grant
from appeals.accounts.entity import entity_named, new_entity
from appeals.vocabulary import AccountKind, EntityKind, Role
from tests.support.cast import CONSENTS, Body, World, action, consent, day, intake, organisation, step_input


def test_an_acknowledgement_while_suspended_does_not_lose_where_the_case_came_from(world: World) -> None:
    reference = world.case_in("engagement")
    world.take(reference, "suspension")
    world.take(reference, "acknowledgement")
    assert world.show(reference)["suspended_from"] == "engagement"
    assert world.take(reference, "resumption")["case"]["status"] == "engagement"


def test_talking_among_ourselves_about_a_target_is_no_contact(world: World) -> None:
    reference = world.case_in("engagement")
    params = next(one for one in world.records(reference, "consents") if one["scope"] == "contact_government")
    world.coordinator.patch(f"/v1/cases/{reference}/consents/{params['id']}", {"state": "withdrawn"})
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


def test_a_no_stands_as_it_was_said_and_another_day_is_another_word(world: World) -> None:
    reference = world.case_in("screening")
    given = next(one for one in world.records(reference, "consents") if one["scope"] == "take_up")
    path = f"/v1/cases/{reference}/consents"
    first = world.coordinator.patch(f"{path}/{given['id']}", {"state": "withdrawn", "withdrawn_on": day(3)}).json()
    for changed, member in (
        ({"state": "withdrawn", "withdrawn_on": day(1)}, "withdrawn_on"),
        ({"state": "withdrawn", "withdrawn_precision": "month_unknown"}, "withdrawn_precision"),
        ({"state": "refused"}, "state"),
        ({"expires_on": day(1)}, "expires_on"),
    ):
        refused = world.coordinator.patch(f"{path}/{first['id']}", changed)
        assert (refused.status_code, refused.json()["code"]) == (409, "change.refused"), changed
        assert [item["code"] for item in refused.json()["unmet"]] == [f"consents.{member}"]
    same = {"state": "withdrawn", "withdrawn_on": day(3)}
    assert [world.coordinator.patch(f"{path}/{id}", same).json() for id in (first["id"], given["id"])] == 2 * [first]
    again = world.coordinator.patch(f"{path}/{given['id']}", {"state": "withdrawn", "withdrawn_on": day(1)}).json()
    assert (again["on"], again["id"] != first["id"]) == (day(1), True)
    assert world.records(reference, "consents")[-2:] == [first, again]


def test_a_withdrawal_brings_nothing_along_that_could_be_refused(world: World) -> None:
    reference = world.case_in("screening")
    extras: list[Body] = [{"records": {"consents": [consent("take_up")]}}, {"overrides": []}]
    for extra in extras:
        assert world.coordinator.step(reference, "withdrawal", {**step_input("withdrawal"), **extra}).status_code == 422
    assert world.take(reference, "withdrawal")["case"]["status"] == "closed"


def test_a_critical_risk_is_not_got_round_by_an_earlier_day(world: World) -> None:
    reference = world.case_in("engagement")
    world.reviewer.add(reference, "approvals", {"level": "named"})
    assert (
        world.coordinator.add(reference, "risk-assessments", {"level": "critical", "assessed_on": day(1)}).status_code
        == 201
    )
    refused = world.coordinator.step(reference, "escalation", {**step_input("escalation"), "occurred_on": day(4)})
    assert "risk.critical" in {item["code"] for item in refused.json()["unmet"]}


def test_a_case_whose_demands_are_all_disposed_of_is_not_accepted_again_without_a_new_one(world: World) -> None:
    reference = world.case_in("engagement")
    world.dispose(reference, "not_met")
    world.take(reference, "closure")
    world.take(reference, "reopening")
    refused = world.coordinator.step(reference, "acceptance", {**step_input("acceptance"), "demands": []})
    assert "demand.missing" in {item["code"] for item in refused.json()["unmet"]}
    demand = {"kind": "reinstate", "text": "Reinstate all.", "addressees": ["#factory"]}
    again = {**step_input("acceptance"), "demands": [demand]}
    assert world.coordinator.step(reference, "acceptance", again).status_code == 201


def test_a_review_does_not_outlive_what_set_it(world: World) -> None:
    suspended = world.case_in("suspended")
    assert world.show(suspended)["review_on"]
    world.take(suspended, "withdrawal")
    assert world.show(suspended)["review_on"] is None


def test_a_withdrawal_is_dated_by_its_own_day(world: World) -> None:
    reference = world.case_in("screening")
    world.take(reference, "withdrawal", withdrawn_on=day(2))
    assert (world.history(reference)[-1]["occurred_on"], world.show(reference)["closed_on"]) == (day(2), day(2))


def test_where_the_step_is_open_it_alone_says_that_a_promise_was_broken(world: World) -> None:
    reference = world.case_in("remediation")
    promise = world.records(reference, "commitments")[0]
    path = f"/v1/cases/{reference}/commitments/{promise['id']}"
    refused = world.coordinator.patch(path, {"status": "breached"})
    assert [item["code"] for item in refused.json()["unmet"]] == ["commitments.breach"]
    assert world.coordinator.patch(path, {"status": "waived_by_workers"}).status_code == 200
    contrary = {**step_input("breach"), "contrary_act": True}
    assert world.coordinator.step(reference, "breach", contrary).status_code == 409
    assert world.records(reference, "commitments")[0]["status"] == "waived_by_workers"


def test_before_its_day_no_promise_is_broken_elsewhere_either(world: World) -> None:
    reference = world.case_in("engagement")
    promise = {**step_input("agreement")["commitments"][0], "due_on": day(-3)}
    made = world.coordinator.add(reference, "commitments", promise).json()
    path = f"/v1/cases/{reference}/commitments/{made['id']}"
    refused = world.coordinator.patch(path, {"status": "breached"})
    assert [item["code"] for item in refused.json()["unmet"]] == ["breach.not_due"]


def test_an_employer_is_no_other_kind_of_target(world: World) -> None:
    reference = world.case()
    party: Body = {"role": "employer", "facility": {"name": "Second Stitch", "country": "BD"}}
    for target, status in {"msi": 422, "brand": 422, "factory_owner_group": 201}.items():
        assert world.coordinator.add(reference, "parties", {**party, "target": target}).status_code == status, target


def test_the_first_action_was_done_and_is_of_a_quiet_kind(world: World) -> None:
    reference = world.case_in("accepted")
    for changed in ({"status": "planned", "done_on": None}, {"kind": "petition"}):
        said = {"first_action": {**step_input("engagement")["first_action"], **changed}}
        assert world.coordinator.step(reference, "engagement", said).status_code == 422, changed


def test_an_answer_is_not_due_before_the_action(world: World) -> None:
    reference = world.case()
    early = world.coordinator.add(reference, "actions", action(answer_due_on=day(21)))
    assert [error["pointer"] for error in early.json()["errors"]] == ["/answer_due_on"]
    made = world.coordinator.add(reference, "actions", action()).json()
    path = f"/v1/cases/{reference}/actions/{made['id']}"
    assert world.coordinator.patch(path, {"answer_due_on": day(400)}).status_code == 422
    assert world.coordinator.get(path).json() == made


def test_a_consent_ends_no_sooner_than_it_was_given(world: World) -> None:
    reference = world.case()
    given = world.records(reference, "consents")[0]
    path = f"/v1/cases/{reference}/consents/{given['id']}"
    given_on = date.fromisoformat(given["given_on"])
    before = (given_on - timedelta(days=1)).isoformat()
    assert world.coordinator.patch(path, {"expires_on": before}).status_code == 422
    assert world.coordinator.patch(path, {"expires_on": given["given_on"]}).status_code == 200


def test_null_is_refused_where_it_would_be_ignored(world: World) -> None:
    reference = world.case_in("engagement")
    event = world.records(reference, "actions")[0]
    path = f"/v1/cases/{reference}/actions/{event['id']}"
    refused = world.coordinator.patch(path, {"answer_due_on": None})
    assert [error["pointer"] for error in refused.json()["errors"]] == ["/answer_due_on"]
    assert refused.status_code == 422


def test_history_names_the_membership_that_a_step_was_taken_in(world: World) -> None:
    with world.database.writing() as session:
        account = session.get_one(Account, UUID(world.as_("europe coordinator").account))
        elsewhere = new_entity(
            session, "Far Member", EntityKind.MEMBER, entity_named(session, "Europe Production"), "SE"
        )
        grant(session, account, Role.COORDINATOR, elsewhere, datetime.now(UTC))
        europe = entity_named(session, "Europe")
        assert europe
    reference = world.case_in("screening", visibility="network")
    world.take(reference, "handover")
    taken = world.as_("europe coordinator").step(reference, "handover-acceptance", {})
    assert (taken.status_code, taken.json()["entry"]["entity_id"]) == (201, str(europe.id))


def without(*scopes: str) -> Body:
    """The records of an intake, but for consents to these scopes."""
    kept = [given for given in CONSENTS if given["scope"] not in scopes]
    return {**intake()["records"], "consents": kept}


def test_pressure_does_not_begin_with_those_on_whom_none_is_put(world: World) -> None:
    reference = world.case_in("accepted")
    event = {**step_input("engagement")["first_action"], "target": "#union"}
    refused = world.coordinator.step(reference, "engagement", {"first_action": event})
    assert [error["pointer"] for error in refused.json()["errors"]] == ["/first_action/target"]


def test_a_company_is_not_contacted_by_another_entry_of_it(world: World) -> None:
    reference = world.case(records=without("contact_brand"))
    other = {"label": "helper", "role": "local_partner", "organisation": organisation("sample BRAND", "company", "DE")}
    assert world.coordinator.add(reference, "parties", other).status_code == 201
    event = world.coordinator.add(reference, "actions", action(kind="solidarity_letter", target="#helper"))
    assert [item["code"] for item in event.json()["unmet"]] == ["consent.contact_brand.missing"]


def test_the_workers_side_is_no_kind_of_target(world: World) -> None:
    reference = world.case()
    union: Body = {"role": "workers_union", "organisation": organisation("Second Union"), "target": "brand"}
    assert world.coordinator.add(reference, "parties", union).status_code == 422


def test_talk_within_the_network_is_no_quiet_work(world: World) -> None:
    reference = world.case_in("accepted")
    event = action(done_on=day(), answer_due_on=day(-7))
    assert world.coordinator.step(reference, "engagement", {"first_action": event}).status_code == 201
    world.reviewer.add(reference, "approvals", {"level": "named"})
    talk = action(kind="internal_coordination", channel="quiet", done_on=day(9), answer_due_on=day(5))
    assert world.coordinator.add(reference, "actions", talk).status_code == 201
    greeting = action(kind="solidarity_letter", target="#union", done_on=day(9), answer_due_on=day(5))
    assert world.coordinator.add(reference, "actions", greeting).status_code == 201
    refused = world.coordinator.step(reference, "escalation", step_input("escalation"))
    assert [item["code"] for item in refused.json()["unmet"]] == ["quiet_action.missing"]


def test_silence_is_not_recorded_before_the_answer_is_overdue(world: World) -> None:
    reference = world.case()
    made = world.coordinator.add(reference, "actions", action(label="letter", answer_due_on=day(2)))
    assert made.status_code == 201
    silence = {"action": "#letter", "received_on": day(2), "grade": "no_response"}
    assert world.coordinator.add(reference, "responses", silence).status_code == 422
    assert world.coordinator.add(reference, "responses", {**silence, "received_on": day(1)}).status_code == 201


def test_a_machine_does_not_sign(world: World) -> None:
    machine = world.newcomer("robot", Role.REVIEWER, kind=AccountKind.MACHINE)
    reference = world.case_in("engagement")
    refused = machine.add(reference, "approvals", {"level": "named"})
    assert [item["code"] for item in refused.json()["unmet"]] == ["approval.by_machine"]


def test_a_consent_to_publish_for_one_newspaper_is_none_to_the_public(world: World) -> None:
    limited = {**consent("publish_named"), "recipients": ["Evening Post"]}
    kept = [given for given in CONSENTS if (given["scope"], given["subject"]) != ("publish_named", "workers")]
    reference = world.case_in("engagement", records={**without(), "consents": [*kept, limited]})
    world.reviewer.add(reference, "approvals", {"level": "named"})
    refused = world.coordinator.step(reference, "escalation", step_input("escalation"))
    assert [item["code"] for item in refused.json()["unmet"]] == ["consent.publish.workers.missing"]


def test_an_inexact_ending_does_not_renew_an_old_consent(world: World) -> None:
    reference = world.case_in("screening")
    world.take(reference, "withdrawal", occurred_precision="estimate")
    old = {"reason": "retaliation", "records": {"consents": [consent("take_up", given_on=day(30))]}}
    refused = world.coordinator.step(reference, "reopening", old)
    assert [item["code"] for item in refused.json()["unmet"]] == ["consent.take_up.renewed.missing"]


def test_a_target_does_not_verify_by_its_name_in_another_script(world: World) -> None:
    reference = world.case_in("screening")
    mill = {"name": "Alpha Unit", "name_local": "আলফা", "country": "BD"}
    assert world.coordinator.add(reference, "parties", {"role": "employer", "facility": mill}).status_code == 201
    verifier = {**step_input("verification"), "verifying_organisation": organisation("আলফা", "ngo")}
    refused = world.coordinator.step(reference, "verification", verifier)
    assert [item["code"] for item in refused.json()["unmet"]] == ["verifier.is_target"]


def test_who_asks_is_on_record_as_asking_whoever_else_is(world: World) -> None:
    brought = {"parties": [{"label": "requester", "role": "requester", "organisation": organisation("Someone Else")}]}
    reference = world.case(records=brought)
    asking = {party["name"] for party in world.records(reference, "parties") if party["role"] == "requester"}
    assert asking == {"Someone Else", "Bright Stitch Workers Union"}


def test_an_entity_that_became_a_party_meanwhile_does_not_take_the_lead(world: World) -> None:
    reference = world.case_in("screening", visibility="network")
    world.take(reference, "handover")
    office: Body = {"role": "employer", "organisation": organisation("Europe", "company", "BE")}
    assert world.coordinator.add(reference, "parties", office).status_code == 201
    refused = world.as_("europe coordinator").step(reference, "handover-acceptance", {})
    assert "lead.is_party" in {item["code"] for item in refused.json()["unmet"]}


def test_who_only_follows_a_case_is_not_told_its_parties_as_duplicates(world: World) -> None:
    shown = world.case_in("screening", visibility="network")
    assert world.as_("europe caseworker").get(f"/v1/cases/{shown}").status_code == 200
    told = world.as_("europe caseworker").post("/v1/cases", intake())
    assert told.json()["possible_duplicates"] == []
