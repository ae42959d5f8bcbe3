"""Invariants of domain.md 6: those of contact, status, history, endings and sealing."""

from datetime import UTC, datetime
from itertools import product
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from appeals.accounts.account import account_named, grant
from appeals.accounts.entity import entity_named
from appeals.cases.case import Case
from appeals.cases.history import HistoryEntry
from appeals.cases.safe_contact import newest_rule
from appeals.lifecycle.record_kinds import KINDS
from appeals.vocabulary import Role, Status
from tests.support.cast import CONSENTS, Body, World, action, consent, day, intake, kept_as_written, step_input
from tests.support.invariants import consents_to, end, publications, records
from tests.support.refusals import codes

# 4. No target is contacted on record before consent for that kind of target is in force on that date


TO = {
    "contact_brand": action(),
    "contact_factory": action(kind="factory_letter", target="#factory"),
    "contact_government": action(kind="government_letter", target="#ministry"),
}


@pytest.mark.parametrize("scope", TO)
def test_4_no_way_of_recording_a_contact_gets_round_the_consent(world: World, scope: str) -> None:
    lacking = [given for given in CONSENTS if given["scope"] != scope]
    reference, code = world.case_in("accepted", records=records(lacking)), f"consent.{scope}.missing"
    event = TO[scope]
    assert codes(world.caseworker.add(reference, "actions", event)) == {code}
    planned = {**event, "status": "planned", "done_on": None}
    made = world.caseworker.add(reference, "actions", planned).json()
    path = f"/v1/cases/{reference}/actions/{made['id']}"
    assert codes(world.caseworker.patch(path, {"status": "done", "done_on": day(20)})) == {code}
    assert world.caseworker.patch(path, {"status": "done"}).status_code == 422
    untold = {**event, "target": None, "answer_due_on": None}
    assert codes(world.caseworker.add(reference, "actions", untold)) == {code}
    assert codes(world.caseworker.add(reference, "actions", {**event, "channel": "internal"})) == {code}
    assert codes(world.caseworker.step(reference, "engagement", {"first_action": event})) == {code}
    for noun in ("acknowledgement", "suspension"):
        brought = {**step_input(noun), "records": {"actions": [event]}}
        assert codes(world.coordinator.step(reference, noun, brought)) == {code}
    at_intake = intake(records={**records(lacking), "actions": [event]})
    assert codes(world.caseworker.post("/v1/cases", at_intake)) == {code}
    assert [kept["status"] for kept in world.records(reference, "actions")] == ["planned"]
    assert world.show(reference)["first_action_on"] is None


@pytest.mark.parametrize(
    ("given", "done_on", "recorded"),
    [
        ({"given_on": day(20)}, day(20), True),
        ({"given_on": day(19)}, day(20), False),
        ({"expires_on": day(20)}, day(20), True),
        ({"expires_on": day(21)}, day(20), False),
        ({"subject": "workers_union"}, day(20), True),
        ({"subject": "local_partner"}, day(20), False),
        ({"recipients": ["Sample Brand"]}, day(20), True),
        ({"recipients": ["Second Brand"]}, day(20), False),
    ],
)
def test_4_a_contact_is_recorded_just_when_consent_was_in_force_on_its_day(
    world: World, given: Body, done_on: str, recorded: bool
) -> None:
    reference = world.case(records=records([{**consent("contact_brand"), **given}]))
    answer = world.caseworker.add(reference, "actions", action(done_on=done_on))
    assert (answer.status_code == 201) is recorded, answer.text


@pytest.mark.parametrize(("done_on", "recorded"), [(day(11), True), (day(10), False), (day(9), False)])
def test_4_what_was_done_before_a_withdrawal_may_still_be_recorded(world: World, done_on: str, recorded: bool) -> None:
    reference = world.case()
    end(world.caseworker, reference, consents_to(world, reference, "contact_brand", "workers")[0], withdrawn_on=day(10))
    answer = world.caseworker.add(reference, "actions", action(done_on=done_on, answer_due_on=day()))
    assert (answer.status_code == 201) is recorded, answer.text


def test_4_the_day_of_a_contact_is_not_moved_before_the_consent(world: World) -> None:
    reference = world.case()
    made = world.caseworker.add(reference, "actions", action()).json()
    path = f"/v1/cases/{reference}/actions/{made['id']}"
    assert codes(world.caseworker.patch(path, {"done_on": day(31)})) == {"consent.contact_brand.missing"}
    assert world.records(reference, "actions") == [made]


def test_4_talk_within_the_network_and_letters_to_the_workers_need_no_consent(world: World) -> None:
    reference = world.case(records=records([]))
    talk = action(kind="internal_coordination", target="#brand", answer_due_on=None)
    for said in (talk, action(kind="solidarity_letter", target="#union")):
        assert world.caseworker.add(reference, "actions", said).status_code == 201


# 5. Status changes only through a step; the stored status always equals the last history entry


@pytest.mark.parametrize(
    "member", ["status", "suspended_from", "publication", "reopen_count", "close_reason", "version"]
)
def test_5_no_change_of_a_case_touches_what_steps_decide(world: World, member: str) -> None:
    reference = world.case()
    before, path = world.show(reference), f"/v1/cases/{reference}"
    assert world.coordinator.patch(path, {member: before[member]}, If_Match="*").status_code == 422
    assert world.coordinator.post("/v1/cases", intake(**{member: "closed"})).status_code == 422
    assert world.show(reference) == before


def test_5_the_stored_status_of_every_case_equals_its_last_history_entry(world: World) -> None:
    for state in Status:
        world.case_in(state)
    paused = world.case_in("public_campaign")
    end(world.caseworker, paused, consents_to(world, paused, "publish_named", "workers")[0])
    with world.database.reading() as session:
        for case in session.scalars(select(Case)):
            assert [entry.sequence for entry in case.history] == list(range(1, len(case.history) + 1))
            assert case.status == case.history[-1].to_status
            links = zip(case.history, case.history[1:], strict=False)
            assert all(before.to_status == after.from_status for before, after in links)
            assert case.history[0].from_status is None


def test_5_the_database_keeps_no_state_that_is_none(world: World) -> None:
    reference = world.case()
    with pytest.raises(DBAPIError), world.database.writing() as session:
        session.execute(text("UPDATE \"case\" SET status = 'finished'"))
    assert world.show(reference)["status"] == "received"


# 6. History is append-only


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE status_history SET reason = 'another'",
        "UPDATE status_history SET to_status = 'closed' WHERE sequence = 1",
        "DELETE FROM status_history",
        "DELETE FROM status_history WHERE sequence = 1",
        "INSERT INTO status_history SELECT * FROM status_history WHERE true ON CONFLICT (id) DO UPDATE SET says = 'x'",
        "INSERT OR REPLACE INTO status_history SELECT * FROM status_history",
        "UPDATE OR REPLACE status_history SET sequence = sequence + 1",
    ],
)
def test_6_the_database_refuses_to_change_or_delete_history(world: World, statement: str) -> None:
    if " OR REPLACE " in statement and not world.database.embedded:
        pytest.skip("SQLite alone knows it")
    reference = world.case_in("accepted")
    before = world.history(reference)
    with kept_as_written(world.database) as session:
        session.execute(text(statement))
    assert world.history(reference) == before


def test_6_a_step_of_a_case_has_one_place_in_its_history(world: World) -> None:
    world.case()
    with world.database.reading() as session:
        first = session.scalars(select(HistoryEntry)).one()
        columns = {column.key: getattr(first, column.key) for column in HistoryEntry.__table__.columns}
    with pytest.raises(DBAPIError), world.database.writing() as session:
        session.add(HistoryEntry(**{**columns, "id": uuid4()}))


def test_6_history_is_kept_through_reopening_handover_and_merger(world: World) -> None:
    reference, told = world.case_in("closed"), []
    for noun in ("reopening", "acknowledgement", "handover", "handover-acceptance", "suspension", "resumption"):
        told = world.history(reference)
        world.take(reference, noun)
        assert world.history(reference)[:-1] == told
    merged = world.take(reference, "merger", survivor=world.case())
    assert world.history(reference)[-2]["step"] == "resumption"
    assert world.history(reference)[-1] == merged["entry"]
    assert [entry["sequence"] for entry in world.history(reference)] == list(range(1, len(told) + 3))


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_6_no_method_writes_to_the_history(world: World, method: str) -> None:
    reference = world.case()
    assert world.coordinator.call(method, f"/v1/cases/{reference}/history", {}).status_code == 405


# 10, 11. What may be left open at a closing, and which reason may be given


@pytest.mark.parametrize("reason", ["demands_met", "settled_partial", "overtaken_by_events"])
def test_10_one_open_demand_among_many_keeps_a_case_open(world: World, reason: str) -> None:
    reference = world.case_in("engagement")
    world.dispose(reference, "partly_met")
    more = {**step_input("acceptance")["demands"][0], "label": "more", "kind": "compensate"}
    world.coordinator.add(reference, "demands", more)
    said = {**step_input("closure"), "reason": reason, "workers_accept": True}
    assert "demand.undisposed" in codes(world.coordinator.step(reference, "closure", said))


@pytest.mark.parametrize("status", ["in_progress", "reported_done"])
def test_10_a_promise_that_is_on_its_way_keeps_a_case_open(world: World, status: str) -> None:
    reference = world.case_in("remediation")
    world.dispose(reference)
    (promise,) = world.records(reference, "commitments")
    world.coordinator.patch(f"/v1/cases/{reference}/commitments/{promise['id']}", {"status": status})
    said = {**step_input("closure"), "reason": "demands_met"}
    assert codes(world.coordinator.step(reference, "closure", said)) == {"commitment.open"}


def test_10_a_suspended_case_is_closed_no_more_easily(world: World) -> None:
    reference = world.case_in("engagement")
    world.coordinator.add(reference, "tallies", {"kind": "arrested", "low": 1, "high": 1, "as_of": day()})
    world.take(reference, "suspension")
    said = {**step_input("closure"), "reason": "overtaken_by_events"}
    assert codes(world.coordinator.step(reference, "closure", said)) == {"demand.undisposed", "detention.open"}


@pytest.mark.parametrize(
    ("dispositions", "met"),
    [
        (["met", "met"], True),
        (["met", "dropped_by_workers"], True),
        (["met", "partly_met"], False),
        (["met", "not_met"], False),
        (["dropped_by_workers", "dropped_by_workers"], False),
    ],
)
def test_11_demands_are_met_only_if_every_one_that_was_not_dropped_is(
    world: World, dispositions: list[str], met: bool
) -> None:
    reference = world.case_in("engagement")
    more = {**step_input("acceptance")["demands"][0], "label": "more", "kind": "compensate"}
    world.coordinator.add(reference, "demands", more)
    labels = ["#reinstate", "#more"]
    outcomes = [{"demand": label, "disposition": told} for label, told in zip(labels, dispositions, strict=True)]
    said = {**step_input("closure"), "reason": "demands_met", "outcomes": outcomes}
    answer = world.coordinator.step(reference, "closure", said)
    assert (answer.status_code == 201) is met, answer.text
    assert met or codes(answer) == {"close_reason.disagrees"}


@pytest.mark.parametrize("accepted", [True, False])
def test_11_a_partial_settlement_is_the_workers_to_accept(world: World, accepted: bool) -> None:
    reference = world.case_in("engagement")
    world.dispose(reference, "partly_met")
    said = {**step_input("closure"), "reason": "settled_partial", "workers_accept": accepted}
    assert (world.coordinator.step(reference, "closure", said).status_code == 201) is accepted


# 16. Two signatures are two people, one lead at a time, a merger lowers no visibility


def _also(world: World, name: str, role: Role) -> None:
    with world.database.writing() as session:
        account, entity = account_named(session, name), entity_named(session, "International Office")
        assert account is not None
        assert entity is not None
        grant(session, account, role, entity, datetime.now(UTC))


def test_16_nobody_signs_twice_under_two_roles(world: World) -> None:
    _also(world, "coordinator", Role.REVIEWER)
    reference = world.case_in("engagement")
    brought = {"approvals": [{"level": "named"}]}
    said = {**step_input("escalation"), "records": brought}
    assert codes(world.coordinator.step(reference, "escalation", said)) == {"signature.same_person"}
    assert world.records(reference, "approvals") == []


def test_16_a_reviewer_who_also_coordinates_does_not_use_their_own_signature(world: World) -> None:
    _also(world, "reviewer", Role.COORDINATOR)
    reference = world.case_in("engagement")
    world.reviewer.add(reference, "approvals", {"level": "named"})
    refused = world.reviewer.step(reference, "escalation", step_input("escalation"))
    assert codes(refused) == {"signature.same_person"}
    assert world.coordinator.step(reference, "escalation", step_input("escalation")).status_code == 201


def test_16_a_publication_that_goes_on_under_another_voice_keeps_its_two_signatures(world: World) -> None:
    _also(world, "reviewer", Role.CASEWORKER)
    reference = world.case_in(
        "public_campaign", records=records([*CONSENTS, consent("publish_named", "workers_union")])
    )
    ended = consents_to(world, reference, "publish_named", "workers")[0]
    end(world.reviewer, reference, ended, expires_on=day(1))
    signed = [(str(made.recorded_by), str(made.approved_by), made.is_up) for made in publications(world, reference)]
    assert signed == [(world.coordinator.account, world.reviewer.account, True)]


def test_16_a_merger_lowers_no_visibility(world: World) -> None:
    order = ["sealed", "restricted", "regional", "network"]
    for merged, survivor in product(order, order):
        shared = {"consents": [consent("share_network")]}
        one, other = (world.case(visibility=shown, records=shared) for shown in (merged, survivor))
        said = {"survivor": other, "same_dispute": "One strike."}
        assert world.coordinator.step(one, "merger", said).status_code == 201
        stricter = min(merged, survivor, key=order.index)
        assert world.show(other)["visibility"] == stricter
        assert world.show(one)["visibility"] == merged


def test_16_a_second_offer_replaces_the_first_and_only_one_lead_takes_over(world: World) -> None:
    reference = world.case()
    world.take(reference, "handover", receiving_entity="South Asia")
    world.take(reference, "handover", receiving_entity="Europe")
    assert world.as_("asia coordinator").step(reference, "handover-acceptance", {}).status_code == 404
    assert world.as_("europe coordinator").step(reference, "handover-acceptance", {}).status_code == 201
    again = world.coordinator.step(reference, "handover-acceptance", {})
    assert codes(again) == {"handover.not_proposed"}


# Sealed


def test_what_is_sealed_appears_in_no_answer(world: World) -> None:
    narrative, rule = "CANARY-OF-THE-NARRATIVE", "CANARY-OF-THE-RULE"
    told = [world.coordinator.post("/v1/cases", intake(narrative=narrative))]
    reference = told[0].json()["reference"]
    told.append(world.coordinator.step(reference, "acknowledgement", {"channel": "email", "safe_contact_rule": rule}))
    told.append(world.coordinator.post("/v1/cases", intake(narrative=narrative, country="Nowhere")))
    bad = {"channel": "pigeon", "safe_contact_rule": rule}
    told.append(world.coordinator.step(reference, "acknowledgement", bad))
    for noun in ("screening", "verification", "acceptance", "engagement", "escalation"):
        world.take(reference, noun)
    one = f"/v1/cases/{reference}"
    paths = ["/v1/cases", one, f"{one}/steps", f"{one}/history", *(f"{one}/{kind.noun}" for kind in KINDS)]
    paths += [f"{one}/{kind.noun}/{found['id']}" for kind in KINDS for found in world.records(reference, kind.noun)]
    paths += ["/v1/organisations", "/v1/facilities", "/openapi.json"]
    told += [world.coordinator.get(path) for path in paths]
    told += [
        world.coordinator.get(path, Accept=kind) for path in paths[:4] for kind in ("text/csv", "application/x-ndjson")
    ]
    assert {answer.status_code for answer in told} <= {200, 201, 422, 406}
    assert [answer.text for answer in told if narrative in answer.text or rule in answer.text] == []
    with world.database.reading() as session:
        case = session.scalars(select(Case)).one()
        assert (case.narrative, newest_rule(case.safe_contact_rules, None)) == (narrative, rule)


def test_history_tells_the_team_all_and_followers_only_the_status(world: World) -> None:
    reference = world.case(visibility="network")
    world.take(reference, "screening")
    world.take(reference, "suspension", note="The office was searched.")
    full = world.history(reference)
    followed = world.as_("europe reader").get(f"/v1/cases/{reference}/history").json()["items"]
    hidden = {"input": None, "overrides": None, "reason": None, "account_id": None}
    assert full[-1]["input"]["note"] == "The office was searched."
    assert followed == [{**entry, **hidden} for entry in full]
    assert UUID(full[-1]["account_id"])
